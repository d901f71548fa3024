//! The command, resolved before launch to the one program that the kernel will execute: PATH, `#!` lines,
//! `env`, and npm's bin links all end in `node SCRIPT`, since only one execve passes.
#![forbid(unsafe_code)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::elf::{Executable, inspect};

/// A command that can be executed without any other program's help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The ELF program, without symbolic links.
    pub program: PathBuf,
    /// Its arguments, from the name on.
    pub argv: Vec<String>,
    /// The script among them, absolute and without symbolic links.
    pub script: Option<PathBuf>,
    /// The ELF interpreter that loads the program, as the program names it.
    pub loader: Option<PathBuf>,
}

/// Why a command cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    /// 127 not found, 126 found but not executable, 125 not to be run in a jail.
    pub exit: u8,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl CommandError {
    fn new(exit: u8, message: impl Into<String>, hint: Option<String>) -> CommandError {
        CommandError {
            exit,
            message: message.into(),
            hint,
        }
    }
}

const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "zsh", "busybox"];
const MAX_INTERPRETERS: usize = 4;

impl Command {
    /// Resolves `argv` with the caller's PATH and working directory.
    pub fn resolve(argv: &[String], path: &str, cwd: &Path) -> Result<Command, CommandError> {
        let mut argv = argv.to_vec();
        let mut script = None;
        for _ in 0..=MAX_INTERPRETERS {
            let name = argv.first().cloned().unwrap_or_default();
            let found = find(&name, path, cwd)?;
            let program = real(&found)?;
            refuse_shells(&program, &argv)?;
            match inspect(&program).map_err(|error| unreadable(&program, &error))? {
                Executable::Elf(_) if program.file_name().is_some_and(|name| name == "env") => {
                    argv = strip_env(&argv[1..])?;
                }
                Executable::Elf(loader) => return Ok(finish(program, argv, script, loader, cwd)),
                Executable::Script(line) => {
                    argv = interpreted(&line, &program, &argv)?;
                    script = Some(program);
                }
                Executable::Unknown => {
                    let message = format!(
                        "`{}` is neither a 64-bit program nor a script",
                        program.display()
                    );
                    return Err(CommandError::new(126, message, None));
                }
            }
        }
        Err(CommandError::new(
            126,
            format!("`{}` has too many interpreters", argv[0]),
            None,
        ))
    }

    /// The outermost `node_modules` directory that holds the script.
    pub fn node_modules(&self) -> Option<PathBuf> {
        let script = self.script.as_ref()?;
        script
            .ancestors()
            .filter(|path| path.file_name().is_some_and(|name| name == "node_modules"))
            .last()
            .map(Path::to_owned)
    }

    /// Whether the program is a node.
    pub fn is_node(&self) -> bool {
        self.program
            .file_name()
            .is_some_and(|name| name == "node" || name == "nodejs")
    }
}

/// Finds a program as execvp(3) would: with a slash as it stands, else along PATH.
pub fn find(name: &str, path: &str, cwd: &Path) -> Result<PathBuf, CommandError> {
    if name.is_empty() {
        return Err(CommandError::new(127, "the command is empty", None));
    }
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![cwd.join(name)]
    } else {
        path.split(':')
            .filter(|dir| !dir.is_empty())
            .map(|dir| cwd.join(dir).join(name))
            .collect()
    };
    let mut refused = None;
    for candidate in candidates {
        match std::fs::metadata(&candidate) {
            Ok(metadata) if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 => {
                return Ok(candidate);
            }
            Ok(_) => refused = Some(candidate),
            Err(_) => {}
        }
    }
    Err(match refused {
        Some(path) => CommandError::new(
            126,
            format!("`{}` is not an executable file", path.display()),
            None,
        ),
        None => CommandError::new(127, not_found(name), not_found_hint(name)),
    })
}

fn not_found(name: &str) -> String {
    if name.contains('/') {
        format!("`{name}` is not there")
    } else {
        format!("`{name}` was not found along PATH")
    }
}

fn not_found_hint(name: &str) -> Option<String> {
    match name {
        "flowise" => Some("`flowjail up` gets Flowise and starts it".into()),
        "node" => Some("install Node.js 20 or 24, or name its path".into()),
        _ => None,
    }
}

fn real(path: &Path) -> Result<PathBuf, CommandError> {
    std::fs::canonicalize(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> CommandError {
    let hint = (error.raw_os_error() == Some(libc::EACCES)).then(|| {
        "flowjail must be able to read the program: what it cannot read would run undumpable, out of its sight".to_owned()
    });
    CommandError::new(
        126,
        format!("`{}` cannot be read: {error}", path.display()),
        hint,
    )
}

fn refuse_shells(program: &Path, argv: &[String]) -> Result<(), CommandError> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    if !SHELLS.contains(&name.as_ref()) {
        return Ok(());
    }
    let line = argv.iter().skip_while(|word| *word != "-c").nth(1);
    let last = line.and_then(|line| {
        line.split([';', '&', '|'])
            .map(str::trim)
            .rfind(|part| !part.is_empty())
    });
    let hint = match last {
        Some(command) => format!(
            "say the command itself: `-- {}`",
            command.trim_start_matches("exec ")
        ),
        None => "name the program itself; a script that only starts node becomes `-- node SCRIPT`"
            .to_owned(),
    };
    let message = format!(
        "a shell (`{name}`) would start other programs, and only one program runs in a jail"
    );
    Err(CommandError::new(125, message, Some(hint)))
}

/// `env [-S] [NAME=VALUE]... COMMAND...`, without the env; options beside -S are refused.
fn strip_env(words: &[String]) -> Result<Vec<String>, CommandError> {
    let mut rest: Vec<String> = words.to_vec();
    if let Some(first) = rest.first().cloned()
        && let Some(text) = first.strip_prefix("-S")
    {
        let split = if text.is_empty() {
            rest.get(1).cloned().unwrap_or_default()
        } else {
            text.to_owned()
        };
        let tail = rest.split_off(if text.is_empty() {
            2.min(rest.len())
        } else {
            1
        });
        rest = split
            .split_whitespace()
            .map(str::to_owned)
            .chain(tail)
            .collect();
    }
    match rest.first() {
        Some(word) if word.starts_with('-') || word.contains('=') => {
            let hint =
                "set variables by the profile's [env] set, and name the command itself".to_owned();
            Err(CommandError::new(
                125,
                format!("`env {word}` is not carried out before a jail"),
                Some(hint),
            ))
        }
        Some(_) => Ok(rest),
        None => Err(CommandError::new(127, "`env` names no command", None)),
    }
}

fn interpreted(line: &str, script: &Path, argv: &[String]) -> Result<Vec<String>, CommandError> {
    let (interpreter, argument) = match line.split_once([' ', '\t']) {
        Some((interpreter, argument)) => (interpreter, Some(argument.trim())),
        None => (line, None),
    };
    if interpreter.is_empty() {
        return Err(CommandError::new(
            126,
            format!("`{}` has an empty #! line", script.display()),
            None,
        ));
    }
    let path = script.to_string_lossy().into_owned();
    let name = Path::new(interpreter)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    if SHELLS.contains(&name.as_ref()) {
        let hint = format!("name what it starts, as in `-- node SCRIPT`; `{path}` shows it");
        let message = format!("`{path}` is a shell script, and only one program runs in a jail");
        return Err(CommandError::new(125, message, Some(hint)));
    }
    let head = std::iter::once(interpreter.to_owned()).chain(argument.map(str::to_owned));
    Ok(head
        .chain(std::iter::once(path))
        .chain(argv[1..].iter().cloned())
        .collect())
}

fn finish(
    program: PathBuf,
    mut argv: Vec<String>,
    script: Option<PathBuf>,
    loader: Option<PathBuf>,
    cwd: &Path,
) -> Command {
    let mut command = Command {
        program,
        argv: Vec::new(),
        script,
        loader,
    };
    if command.is_node() && command.script.is_none() {
        let named = argv
            .iter()
            .enumerate()
            .skip(1)
            .find(|(_, word)| !word.starts_with('-'));
        let inline = argv
            .iter()
            .any(|word| matches!(word.as_str(), "-e" | "--eval" | "-p" | "--print"));
        if let (Some((index, word)), false) = (named, inline)
            && let Ok(path) = std::fs::canonicalize(cwd.join(word))
        {
            argv[index] = path.to_string_lossy().into_owned();
            command.script = Some(path);
        }
    }
    command.argv = argv;
    command
}
