//! `npm ci` from the embedded lock file, with every install script off.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use super::error::Error;
use super::lock::Pinned;
use super::tools::Tools;
use super::{Fact, Progress, child};

/// Said once npm has ended well, with the lock's digest in it: a later run goes on behind this step.
const DONE: &str = "npm.done";

/// What npm is told, whatever its configuration files say. The peers of Flowise's packages contradict each other:
/// without `--legacy-peer-deps` npm finds no answer.
const ARGUMENTS: [&str; 10] = [
    "ci",
    "--ignore-scripts",
    "--legacy-peer-deps",
    "--include=optional",
    "--no-global",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--no-progress",
    "--loglevel=error",
];

/// Whether npm's part is in `tree` already.
pub fn is_done(tree: &Path, pinned: &Pinned) -> bool {
    fs::read_to_string(tree.join(DONE)).is_ok_and(|text| text == pinned.digest())
}

/// Fills `tree`/node_modules.
///
/// The lock file names no address, so npm would first ask for the description of each of its packages, of all their
/// versions: two thirds of npm's processor time. So the addresses are written into the tree's copy of it,
/// as the user's own registry has them by npm's convention. A registry with other addresses answers E404;
/// then npm asks after all. What comes must have the lock's digest either way.
pub fn install(
    tree: &Path,
    pinned: &Pinned,
    tools: &Tools,
    locked: &File,
    progress: &mut dyn Progress,
) -> Result<(), Error> {
    let run = Run {
        tree,
        tools,
        locked,
        packages: pinned.packages(),
    };
    write(tree, "package.json", pinned.package_json)?;
    let addressed = run
        .registry()
        .and_then(|registry| pinned.with_addresses(&registry));
    write(
        tree,
        "package-lock.json",
        addressed.as_deref().unwrap_or(pinned.package_lock),
    )?;
    let mut status = run.ci(progress)?;
    if addressed.is_some() && !status.success() && run.log_has("E404") {
        write(tree, "package-lock.json", pinned.package_lock)?;
        status = run.ci(progress)?;
    }
    if !status.success() {
        let log = run.log();
        return Err(Error::Failed {
            what: "npm",
            status,
            tail: child::tail(&log),
            log,
        });
    }
    write(tree, DONE, &pinned.digest())
}

struct Run<'a> {
    tree: &'a Path,
    tools: &'a Tools,
    locked: &'a File,
    packages: Vec<String>,
}

impl Run<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.tools.npm);
        command.current_dir(self.tree);
        child::clean(&mut command, &self.tools.path);
        command
    }

    fn log(&self) -> PathBuf {
        self.tree.join("npm.log")
    }

    fn log_has(&self, text: &str) -> bool {
        fs::read_to_string(self.log()).is_ok_and(|log| log.contains(text))
    }

    /// The registry that the user's npm is set to.
    fn registry(&self) -> Option<String> {
        let output = self
            .command()
            .args(["config", "get", "registry"])
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let address = text.trim().trim_end_matches('/');
        let one = !address.contains(char::is_whitespace) && !address.contains(['?', '#']);
        (one && (address.starts_with("https://") || address.starts_with("http://")))
            .then(|| address.to_owned())
    }

    fn ci(&self, progress: &mut dyn Progress) -> Result<ExitStatus, Error> {
        let mut counted = None::<Duration>;
        child::run(
            self.command().args(ARGUMENTS),
            &self.log(),
            self.locked,
            |elapsed| {
                if counted.is_none_or(|last| elapsed >= last + Duration::from_secs(1)) {
                    counted = Some(elapsed);
                    let have = count(self.tree, &self.packages);
                    progress.report(&Fact::Packages {
                        have,
                        of: self.packages.len(),
                        elapsed,
                    });
                }
            },
        )
    }
}

fn write(tree: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = tree.join(name);
    fs::write(&path, text).map_err(|source| Error::io("write", &path, source))
}

/// npm makes all directories first; a package is there once its own `package.json` is.
fn count(tree: &Path, packages: &[String]) -> usize {
    packages
        .iter()
        .filter(|place| tree.join(place).join("package.json").exists())
        .count()
}
