//! A program of the installation, run to its end with everything that it writes in a log file.
#![forbid(unsafe_code)]

use std::env;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::error::Error;

/// How often the caller's look is taken.
const INTERVAL: Duration = Duration::from_millis(250);
/// Lines of a log that an error shows.
const TAIL: usize = 8;

/// Variables that pass to npm and to the build, when they are set: who one is, the language, proxies and certificates,
/// where npm's registry and cache are. `NODE_OPTIONS`, `LD_*` and the rest do not.
const PASSED: [&str; 23] = [
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "npm_config_registry",
    "npm_config_userconfig",
    "npm_config_globalconfig",
    "npm_config_cache",
    "npm_config_cafile",
    "npm_config_noproxy",
];

/// Clears the environment but for the passed names, and sets PATH.
pub fn clean(command: &mut Command, path: &std::ffi::OsStr) {
    command.env_clear().env("PATH", path);
    for name in PASSED {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
}

/// Starts `command` with its output in `log` (made anew) and waits, calling `look` several times a second.
///
/// The child's standard input is the locked file: an orphaned npm keeps the tree locked until it ends, so a
/// second run cannot work beside it.
pub fn run(
    command: &mut Command,
    log: &Path,
    locked: &File,
    mut look: impl FnMut(Duration),
) -> Result<ExitStatus, Error> {
    let made = |source| Error::io("write", log, source);
    let output = File::create(log).map_err(made)?;
    let errors = output.try_clone().map_err(made)?;
    let input = locked.try_clone().map_err(made)?;
    let program = command.get_program().into();
    let failed = |source| Error::Spawn { program, source };
    let started = Instant::now();
    let mut child = command
        .stdin(input)
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(failed)?;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) => look(started.elapsed()),
            Err(source) => return Err(Error::io("wait for the program that writes", log, source)),
        }
        sleep(INTERVAL);
    }
}

/// The last lines of a log that are not empty, without the noise that npm ends with.
pub fn tail(log: &Path) -> Vec<String> {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let noise =
        |line: &&str| !line.trim().is_empty() && !line.contains("A complete log of this run");
    let lines: Vec<_> = text
        .lines()
        .filter(noise)
        .filter(|line| line.trim() != "npm error")
        .collect();
    let from = lines.len().saturating_sub(TAIL);
    lines[from..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}
