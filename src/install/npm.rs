//! `npm ci` from the embedded lock file, with every install script off.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
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
pub fn install(
    tree: &Path,
    pinned: &Pinned,
    tools: &Tools,
    locked: &File,
    progress: &mut dyn Progress,
) -> Result<(), Error> {
    write_lists(tree, pinned)?;
    let packages = pinned.packages();
    let mut command = Command::new(&tools.npm);
    command.args(ARGUMENTS).current_dir(tree);
    child::clean(&mut command, &tools.path);
    let log = tree.join("npm.log");
    let mut counted = None::<Duration>;
    let status = child::run(&mut command, &log, locked, |elapsed| {
        if counted.is_none_or(|last| elapsed >= last + Duration::from_secs(1)) {
            counted = Some(elapsed);
            progress.report(&Fact::Packages {
                have: count(tree, &packages),
                of: packages.len(),
                elapsed,
            });
        }
    })?;
    if !status.success() {
        return Err(Error::Failed {
            what: "npm",
            status,
            tail: child::tail(&log),
            log,
        });
    }
    let done = tree.join(DONE);
    fs::write(&done, pinned.digest()).map_err(|source| Error::io("write", &done, source))
}

fn write_lists(tree: &Path, pinned: &Pinned) -> Result<(), Error> {
    for (name, text) in [
        ("package.json", pinned.package_json),
        ("package-lock.json", pinned.package_lock),
    ] {
        let path = tree.join(name);
        fs::write(&path, text).map_err(|source| Error::io("write", &path, source))?;
    }
    Ok(())
}

/// npm makes all directories first; a package is there once its own `package.json` is.
fn count(tree: &Path, packages: &[String]) -> usize {
    packages
        .iter()
        .filter(|place| tree.join(place).join("package.json").exists())
        .count()
}
