//! `flowjail up`: finds or gets Flowise, then starts it as `run` would.
#![forbid(unsafe_code)]

use std::env;
use std::fs::DirBuilder;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::run::{self, JailFlags};
use super::terminal::say;
use crate::install::{self, DEFAULT_VERSION, Error, Fact, Node, Progress, Request, Tree, Unjailed};

/// Arguments of `up`.
#[derive(Debug, Clone, clap::Args)]
pub struct UpArgs {
    /// The version of Flowise
    #[arg(long, value_name = "V", default_value = DEFAULT_VERSION)]
    pub version: String,
    /// Flowise's data directory, the `.flowise` directory itself [default: ~/.flowise]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Installs anew, also when Flowise is there
    #[arg(long)]
    pub reinstall: bool,
    /// The directory that Flowise is installed under [default: $XDG_DATA_HOME/flowjail, ~/.local/share/flowjail]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Builds the native module without a jail, where its jail makes the build fail
    #[arg(long)]
    pub unjailed_build: bool,
    /// Installs and ends: nothing is started
    #[arg(long, hide = true)]
    pub install_only: bool,
    #[command(flatten)]
    pub jail: JailFlags,
}

/// Carries `up` out.
pub fn run(args: &UpArgs) -> u8 {
    start(args).unwrap_or_else(|error| {
        say(error_text(&error));
        super::FAILED
    })
}

fn start(args: &UpArgs) -> Result<u8, Error> {
    let ready = args.prepare()?;
    if args.install_only {
        return Ok(0);
    }
    let data = args.data_directory()?;
    if !data.exists() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&data);
        made.map_err(|source| Error::Io {
            act: "create",
            path: data.clone(),
            source,
        })?;
    }
    say(data_text(&data));
    let mut flags = args.jail.clone();
    flags.set.insert(0, format!("data={}", data.display()));
    let words =
        [ready.node.path, ready.tree.script()].map(|path| path.to_string_lossy().into_owned());
    let [node, script] = words;
    let code = run::jail(&flags, &[node, script, "start".to_owned()]);
    Ok(code.unwrap_or_else(|run::Stopped(code)| code))
}

/// What can be started.
#[derive(Debug)]
pub struct Ready {
    /// Flowise.
    pub tree: Tree,
    /// The node that runs it.
    pub node: Node,
}

impl UpArgs {
    fn data_directory(&self) -> Result<PathBuf, Error> {
        let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".flowise"));
        let data = self.data.clone().or_else(home).ok_or(Error::NoHome)?;
        std::path::absolute(&data).map_err(|source| Error::Io {
            act: "find",
            path: data,
            source,
        })
    }

    /// Finds or gets Flowise and says on stderr what it does, and at the end where things are and how to remove them.
    pub fn prepare(&self) -> Result<Ready, Error> {
        let path = env::var_os("PATH").unwrap_or_default();
        let root = match &self.dir {
            Some(dir) => std::path::absolute(dir).unwrap_or_else(|_| dir.clone()),
            None => {
                let (xdg, home) = (env::var_os("XDG_DATA_HOME"), env::var_os("HOME"));
                install::data_root(xdg.as_deref(), home.as_deref()).ok_or(Error::NoHome)?
            }
        };
        let request = Request {
            version: self.version.clone(),
            root,
            reinstall: self.reinstall,
            path: path.clone(),
            flowjail: env::current_exe().ok().filter(|_| !self.unjailed_build),
            free: None,
        };
        let mut show = Show::new(io::stderr(), io::stderr().is_terminal(), &self.version);
        let installed = install::ensure(&request, &mut show);
        show.end();
        let tree = installed?;
        let node = Node::find(&path)?;
        let _ = show.out.write_all(placed(&tree).as_bytes());
        Ok(Ready { tree, node })
    }
}

/// Where the tree is and how to remove it.
fn placed(tree: &Tree) -> String {
    let (path, version) = (tree.path.display(), &tree.manifest.flowise);
    let how = if tree.fresh {
        "was installed"
    } else {
        "is as it was installed"
    };
    format!(
        "Flowise {version} {how}: {path} ({} files)\n  to remove it: rm -rf {path}\n",
        tree.manifest.files
    )
}

/// The text of an error with its causes and hints.
pub fn error_text(error: &Error) -> String {
    let mut text = format!("error: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text.push('\n');
    for hint in error.hints() {
        text.push_str(&format!("hint: {hint}\n"));
    }
    text
}

/// Progress as text: on a terminal one line that is drawn anew, elsewhere a line every ten seconds.
pub struct Show<W: Write> {
    out: W,
    terminal: bool,
    version: String,
    last: Option<(&'static str, Duration)>,
}

/// How often a line is written where it cannot be drawn anew.
const EVERY: Duration = Duration::from_secs(10);

impl<W: Write> Show<W> {
    /// Shows the installation of `version` on `out`.
    pub fn new(out: W, terminal: bool, version: &str) -> Show<W> {
        Show {
            out,
            terminal,
            version: version.to_owned(),
            last: None,
        }
    }

    fn line(&mut self, text: &str) {
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        self.last = None;
        // a closed stderr is no reason to stop an installation
        let _ = writeln!(self.out, "{clear}{text}");
    }

    /// Clears a line that was drawn, so that what follows starts on its own.
    fn end(&mut self) {
        if self.terminal {
            let _ = self.out.write_all(b"\r\x1b[K");
        }
    }

    fn tick(&mut self, what: &'static str, elapsed: Duration, text: &str) {
        let due = self
            .last
            .is_none_or(|(last, at)| last != what || elapsed >= at + EVERY);
        if self.terminal {
            let _ = write!(self.out, "\r\x1b[K{text}").and_then(|()| self.out.flush());
        } else if due {
            let _ = writeln!(self.out, "{text}");
            self.last = Some((what, elapsed));
        }
    }
}

impl<W: Write> Progress for Show<W> {
    fn report(&mut self, fact: &Fact) {
        let version = self.version.clone();
        match fact {
            Fact::Waiting { lock } => {
                self.line(&format!(
                    "another flowjail is installing Flowise {version}: waiting ({})",
                    lock.display()
                ));
            }
            Fact::Clearing => {
                self.line("removing what an interrupted installation left (npm's cache stays)")
            }
            Fact::Packages { have, of, elapsed } => {
                let text = packages(&version, *have, *of, &clock(*elapsed));
                self.tick("packages", *elapsed, &text);
            }
            Fact::Building { elapsed } => {
                let text = format!("building its native module, sqlite3 ({})", clock(*elapsed));
                self.tick("building", *elapsed, &text);
            }
            Fact::BuildUnjailed(why) => {
                self.line(&format!(
                    "the native module is built without a jail: {}",
                    unjailed(why)
                ));
            }
            Fact::Recording => self.line("recording what was installed"),
            Fact::Installed { .. } => {}
        }
    }
}

/// For its first minute npm asks for the packages' descriptions and unpacks next to nothing.
fn packages(version: &str, have: usize, of: usize, clock: &str) -> String {
    if have * 100 < of {
        return format!("getting Flowise {version} from npm: asking for {of} packages ({clock})");
    }
    format!("getting Flowise {version} from npm: {have} of {of} packages ({clock})")
}

fn unjailed(why: &Unjailed) -> String {
    match why {
        Unjailed::NotAsked => "as --unjailed-build says".to_owned(),
        Unjailed::NoHeaders => {
            "node's headers are not beside node and must be downloaded".to_owned()
        }
        Unjailed::Refused(reason) => reason.clone(),
    }
}

fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// The line that says what to do with the data directory, which is never removed by flowjail.
pub fn data_text(data: &Path) -> String {
    format!(
        "its data (accounts, flows, keys): {}\n  to remove that, too: rm -rf {0}\n",
        data.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(terminal: bool, facts: &[Fact]) -> String {
        let mut show = Show::new(Vec::new(), terminal, "3.1.4");
        facts.iter().for_each(|fact| show.report(fact));
        String::from_utf8(show.out).unwrap_or_default()
    }

    fn packages(have: usize, seconds: u64) -> Fact {
        Fact::Packages {
            have,
            of: 2981,
            elapsed: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn without_a_terminal_a_line_comes_every_ten_seconds() {
        let text = shown(
            false,
            &[
                packages(0, 0),
                packages(9, 4),
                packages(1432, 48),
                packages(1433, 49),
            ],
        );
        let expected = "getting Flowise 3.1.4 from npm: asking for 2981 packages (0:00)\n\
                        getting Flowise 3.1.4 from npm: 1432 of 2981 packages (0:48)\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn on_a_terminal_the_line_is_drawn_anew_and_a_full_line_clears_it() {
        let text = shown(true, &[packages(1000, 61), Fact::Recording]);
        let expected = "\r\x1b[Kgetting Flowise 3.1.4 from npm: 1000 of 2981 packages (1:01)\
                        \r\x1b[Krecording what was installed\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_error_names_its_cause_and_what_mends_it() {
        let source = io::Error::from_raw_os_error(13);
        let error = Error::Io {
            act: "create",
            path: "/x".into(),
            source,
        };
        assert_eq!(
            error_text(&error),
            "error: cannot create `/x`: Permission denied (os error 13)\n"
        );
        let error = install::pinned("1.0").expect_err("1.0 is not pinned");
        let expected = "error: Flowise `1.0` is not a version that flowjail knows\n\
                        hint: versions that flowjail installs: 3.1.4, 3.0.5\n";
        assert_eq!(error_text(&error), expected);
    }
}
