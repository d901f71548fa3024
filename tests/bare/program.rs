//! The programs of these tests: the actor, and what asks for names by glibc and by musl.

use crate::kit::scratch;
use std::path::{Path, PathBuf};
use std::process::Command;

const ACTOR: [&str; 6] = ["sockets", "races", "connects", "serves", "kinds", "lookups"];

/// The actor, where an ordinary user can reach it.
pub fn actor() -> Result<PathBuf, String> {
    let options = ["-O1", "-Wall", "-Wextra", "-pthread"];
    built("sockets", "cc", &options, &ACTOR)
}

/// `resolve` with the C library of the system.
pub fn resolve_glibc() -> Result<PathBuf, String> {
    built("resolve-glibc", "cc", &["-Wall", "-Wextra"], &["resolve"])
}

/// `resolve` with musl, static.
pub fn resolve_musl() -> Result<PathBuf, String> {
    let options = ["-static", "-Wall", "-Wextra"];
    built("resolve-musl", "musl-gcc", &options, &["resolve"])
}

/// Built once in each run of the tests.
fn built(
    name: &str,
    compiler: &str,
    options: &[&str],
    sources: &[&str],
) -> Result<PathBuf, String> {
    scratch::shared(|dir| {
        let program = dir.at(name);
        if program.exists() {
            return Ok(program);
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bare");
        let files = sources.iter().map(|one| folder.join(format!("{one}.c")));
        let output = Command::new(compiler)
            .args(options)
            .arg("-o")
            .arg(&program)
            .args(files)
            .output()
            .map_err(|error| format!("{compiler}: {error}"))?;
        match output.status.success() {
            true => Ok(program),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    })
}
