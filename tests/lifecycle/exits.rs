//! Exit codes, standard streams and descriptors.

use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::{SOON, Stage};
use std::fs::{self, File};
use std::io::Write;
use std::process::Stdio;

/// The program's own code is flowjail's.
pub fn the_programs_own_code_passes_through(who: Who) -> Check {
    let stage = Stage::new(who)?;
    for code in [0, 1, 2, 42, 99, 124, 125, 126, 127, 128, 130, 143, 200, 255] {
        let ended = stage.run(&[], &["exit", &code.to_string()])?;
        ensure(ended.code == code, || format!("wanted {code}: {ended:?}"))?;
    }
    Ok(())
}

/// 128 + n when a signal ended the program.
pub fn death_by_signal_n_is_128_plus_n(who: Who) -> Check {
    let stage = Stage::new(who)?;
    for signal in [1, 2, 3, 6, 9, 11, 13, 15, 31] {
        let ended = stage.run(&[], &["raise", &signal.to_string()])?;
        ensure(ended.code == 128 + signal, || {
            format!("signal {signal}: {ended:?}")
        })?;
    }
    Ok(())
}

/// 127: there is no such program.
pub fn no_such_program_is_127(who: Who) -> Check {
    ends_with_error(who, "no-such-program-anywhere", 127)?;
    ends_with_error(who, "/no/such/program", 127)
}

/// 126: it is there and is no program.
pub fn not_executable_is_126(who: Who) -> Check {
    ends_with_error(who, "/etc/hostname", 126)
}

/// 125: flowjail itself could not.
pub fn a_profile_that_is_not_there_is_125(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let words = [
        "run",
        "--profile",
        "/no/such/profile.toml",
        "--",
        "/bin/true",
    ];
    let ended = crate::kit::jail::run(&stage.scratch, who, &words)?;
    ensure(ended.code == 125 && ended.stderr.contains("error:"), || {
        format!("{ended:?}")
    })
}

fn ends_with_error(who: Who, program: &str, code: i32) -> Check {
    let stage = Stage::new(who)?;
    let ended = crate::kit::jail::run(
        &stage.scratch,
        who,
        &["run", "--profile", "base", "--", program],
    )?;
    let said = ended.stderr.contains("error:") && ended.stderr.contains(program);
    ensure(ended.code == code && said, || {
        format!("wanted {code} for {program}: {ended:?}")
    })
}

/// stdin, stdout and stderr belong to the program; a pipe keeps every byte.
pub fn pipes_pass_every_byte(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let mut command = stage.command(&[], &["cat"]);
    let mut live = stage.live("cat", {
        command.stdin(Stdio::piped());
        command
    });
    let mut stdin = live.jail.child.stdin.take().expect("stdin");
    let text = "0123456789abcde\n".repeat(40_000);
    let sent = text.clone();
    let writer = std::thread::spawn(move || stdin.write_all(sent.as_bytes()));
    let ended = live.jail.end(SOON)?;
    writer.join().expect("writer").map_err(|e| e.to_string())?;
    let got = live.stdout_to_end();
    ensure(ended.code == 0 && got == text, || {
        format!("{ended:?}, {} of {} bytes", got.len(), text.len())
    })?;
    ensure(ended.stderr.contains("to stderr\n"), || {
        format!("{ended:?}")
    })
}

/// A file as stdin and a file as stdout.
pub fn files_pass_through(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let input = stage.scratch.file("input", "from a file\n");
    let output = stage.scratch.at("output");
    let mut command = stage.command(&[], &["cat"]);
    command.stdin(File::open(input).expect("open"));
    command.stdout(File::create(&output).expect("create"));
    let ended = crate::kit::jail::Jail::start(&stage.scratch, "files", command).end(SOON)?;
    let got = fs::read_to_string(output).unwrap_or_default();
    ensure(ended.code == 0 && got == "from a file\n", || {
        format!("{ended:?}: {got:?}")
    })
}

/// Closed standard descriptors are no reason to fail, and no door for another file to become one.
pub fn closed_standard_descriptors_are_no_trouble(who: Who) -> Check {
    for closing in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let stage = Stage::new(who)?;
        let shell = format!("exec \"$@\" {closing}");
        let command = stage.behind(&["/bin/sh", "-c", &shell, "sh"], &[], &["exit", "23"]);
        let (ended, _) = stage.finish("closed", command)?;
        ensure(ended.code == 23, || format!("{closing}: {ended:?}"))?;
    }
    Ok(())
}

/// A directory as a standard descriptor would be a way out of the root: refused.
pub fn a_directory_as_descriptor_is_refused(who: Who) -> Check {
    for opening in ["</", "1</", "2</"] {
        let stage = Stage::new(who)?;
        let shell = format!("exec \"$@\" {opening}");
        let mark = stage.work("mark").display().to_string();
        let command = stage.behind(&["/bin/sh", "-c", &shell, "sh"], &[], &["mark", &mark]);
        let (ended, _) = stage.finish("directory", command)?;
        ensure(ended.code == 125, || format!("{opening}: {ended:?}"))?;
        ensure(!stage.work("mark").exists(), || {
            format!("{opening}: the program ran")
        })?;
    }
    Ok(())
}

/// Only 0, 1 and 2 arrive.
pub fn only_three_descriptors_arrive(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let shell = "exec 7</etc/passwd 8</ 9>/dev/null; exec \"$@\"";
    let command = stage.behind(&["/bin/sh", "-c", shell, "sh"], &[], &["descriptors"]);
    let (ended, out) = stage.finish("leak", command)?;
    ensure(ended.code == 0 && out == "0\n1\n2\n", || {
        format!("{ended:?}: {out:?}")
    })
}
