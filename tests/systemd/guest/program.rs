//! Programs of the guest.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use super::unit::Manager;
use crate::common::start::{self, Ended};

/// Longer than anything takes, under emulation and on a busy machine.
const LIMIT: Duration = Duration::from_secs(240);

/// Runs a program to its end.
pub fn output(mut command: Command) -> Result<Ended, String> {
    command.env("LC_ALL", "C").env("SYSTEMD_COLORS", "0");
    let ended = start::finish(command, "", LIMIT).map_err(|error| error.to_string())?;
    match ended.status {
        Some(_) => Ok(ended),
        None => Err(format!("did not end: {}{}", ended.stdout, ended.stderr)),
    }
}

/// systemctl of this manager; its stdout, or an error where it failed.
pub fn systemctl(manager: Manager, words: &[&str]) -> Result<String, String> {
    let mut command = manager.command("systemctl");
    command.args(words);
    let ended = output(command)?;
    match ended.status.is_some_and(|status| status.success()) {
        true => Ok(ended.stdout),
        false => Err(format!(
            "systemctl {}: {}{}",
            words.join(" "),
            ended.stdout,
            ended.stderr
        )),
    }
}

/// A line of `systemd-analyze security --json=short`.
#[derive(Debug, Deserialize)]
pub struct Analysed {
    /// The directive, some with a part of its value behind `=`.
    pub name: String,
    /// What it counts, where it counts.
    pub exposure: Option<String>,
}

impl Analysed {
    /// Every line for this unit file.
    pub fn all(file: &Path) -> Result<Vec<Analysed>, String> {
        let mut command = Command::new("systemd-analyze");
        command.args(["security", "--offline=true", "--json=short", "--no-pager"]);
        command.arg(file);
        let said = output(command)?;
        serde_json::from_str(&said.stdout)
            .map_err(|error| format!("{error}: {}{}", said.stdout, said.stderr))
    }

    /// The whole score.
    pub fn score(file: &Path) -> Result<f64, String> {
        let mut command = Command::new("systemd-analyze");
        command
            .args(["security", "--offline=true", "--no-pager"])
            .arg(file);
        let said = output(command)?.stdout;
        let score = said
            .rsplit_once("exposure level for")
            .and_then(|(_, rest)| {
                let (_, number) = rest.split_once(": ")?;
                number.split_whitespace().next()?.parse().ok()
            });
        score.ok_or(said)
    }

    /// Whether it counts.
    pub fn counts(&self) -> bool {
        self.exposure.is_some()
    }
}
