//! A suite of cases, and what a run of it told.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::common::needs::Need;
use crate::common::start::{Ended, finish};
use crate::kit::jail;
use crate::kit::who::Who;
use crate::stage::{Stage, text};

/// How long one run of a suite may take.
const LIMIT: Duration = Duration::from_secs(60);

/// The case of every script that it came to its end.
pub const THE_END: &str = "the end";

/// Where the program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// As an ordinary user of the machine.
    Bare,
    /// In a namespaced jail that this one starts.
    Jailed(Who),
    /// In a bare jail, as in a container.
    InBareJail(Who),
}

/// What a case came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// Whether the client was content.
    pub ok: bool,
    /// What it saw, the same in every run.
    pub detail: String,
}

/// What the cases of a run came to.
pub type Run = BTreeMap<String, Told>;

/// Cases that one kind of client runs.
#[derive(Clone, Copy)]
pub struct Suite {
    /// Its name.
    pub name: &'static str,
    /// The cases by name, in their order.
    pub cases: fn() -> Vec<String>,
    /// What it needs beside the stage, as a whole or for a case.
    pub needs: fn(case: &str) -> Vec<Need>,
    /// Runs all of them.
    pub run: fn(stage: &Stage, how: How) -> Result<Run, String>,
}

/// What a jail is given beside its program.
#[derive(Default)]
pub struct Grant<'a> {
    /// Files and directories to be read.
    pub read: &'a [&'a Path],
    /// Lines for `syscalls.allow`.
    pub syscalls: &'a str,
    /// Flags of `flowjail run`.
    pub flags: &'a [&'a str],
}

impl How {
    /// The command that runs a program this way, with the authority's certificate at hand.
    pub fn command(self, stage: &Stage, grant: &Grant, program: &Path) -> Command {
        let mut command = match self {
            How::Bare => Who::Ordinary.command(program),
            How::Jailed(who) | How::InBareJail(who) => {
                let profile = profile(stage, grant, self);
                let mut command = jail::flowjail(who, &["run", "--profile", &profile]);
                command.args(grant.flags).arg("--").arg(program);
                command
            }
        };
        command.env("NODE_EXTRA_CA_CERTS", stage.authority());
        command
    }

    /// Runs a program to its end; where it writes to stdout nothing is lost.
    pub fn finish(
        self,
        stage: &Stage,
        grant: &Grant,
        program: &Path,
        arguments: &[&str],
    ) -> Result<Ended, String> {
        let mut command = self.command(stage, grant, program);
        command.args(arguments);
        finish(command, "", LIMIT).map_err(|error| error.to_string())
    }
}

/// Writes the profile of a jail with this grant, and returns its path.
fn profile(stage: &Stage, grant: &Grant, how: How) -> String {
    let own = [stage.scratch.at("scripts"), stage.authority()];
    let all = grant
        .read
        .iter()
        .copied()
        .chain(own.iter().map(AsRef::as_ref));
    let lines: String = all.map(|path| format!("    {:?},\n", text(path))).collect();
    let kind = match how {
        How::InBareJail(_) => "bare",
        _ => "namespaced",
    };
    let toml = format!(
        "extends = [\"node\"]\njail = \"{kind}\"\n\n[files]\nread = [\n{lines}]\n\n[syscalls]\nallow = [{}]\n\n\
         [promises]\nlimits = \"prefer\"\n",
        grant.syscalls
    );
    text(&stage.scratch.file("client.toml", &toml)).to_owned()
}

/// The lines of JSON that a suite's script writes.
pub fn read(ended: &Ended) -> Result<Run, String> {
    let told = |line: &str| -> Option<(String, Told)> {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        let detail = match &value["detail"] {
            serde_json::Value::String(words) => words.clone(),
            other => other.to_string(),
        };
        let ok = value["ok"].as_bool()?;
        Some((value["case"].as_str()?.to_owned(), Told { ok, detail }))
    };
    let mut run: Run = ended.stdout.lines().filter_map(told).collect();
    if run.is_empty() {
        return Err(format!("{:?}; stderr: {}", ended.status, ended.stderr));
    }
    let ok = ended.status.is_some_and(|status| status.success());
    let detail = if ok { "0" } else { &ended.stderr };
    let detail = detail.to_owned();
    run.insert(THE_END.to_owned(), Told { ok, detail });
    Ok(run)
}
