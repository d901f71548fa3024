//! The configurations: sets of docker flags as people write them, and what flowjail makes of each.

use super::bed::Bed;
use super::seccomp;
use super::world::NETWORK;

/// Flags of docker, and how flowjail takes them.
#[derive(Clone, Copy)]
pub struct Config {
    /// For the names of tests.
    pub name: &'static str,
    flags: &'static [&'static str],
    /// The system calls that a filter file of the tests' own leaves out, where one is used.
    filter: Option<&'static [&'static str]>,
    /// What flowjail does here.
    pub outcome: Outcome,
    /// How its plan begins, where it runs.
    pub plan: &'static str,
}

/// What flowjail does in a configuration.
#[derive(Clone, Copy)]
pub enum Outcome {
    /// It runs the command.
    Runs,
    /// It refuses with exit code 125, and says all of these words.
    Refuses(&'static [&'static str]),
}

use Outcome::{Refuses, Runs};

const fn config(name: &'static str, flags: &'static [&'static str], outcome: Outcome) -> Config {
    Config {
        name,
        flags,
        filter: None,
        outcome,
        plan: "bare jail",
    }
}

const fn hardened(
    name: &'static str,
    without: &'static [&'static str],
    outcome: Outcome,
) -> Config {
    Config {
        name,
        flags: &HARDENED,
        filter: Some(without),
        outcome,
        plan: "bare jail",
    }
}

/// The line of the hardening playbooks, but for the seccomp file and the port.
const HARDENED: [&str; 9] = [
    "--user",
    "1000:1000",
    "--read-only",
    "--tmpfs",
    "/tmp:rw,noexec,nosuid,size=64m",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges:true",
];

/// All of them.
pub const ALL: [Config; 12] = [
    config("root", &[], Runs),
    config("uid 1000", &["--user", "1000:1000"], Runs),
    config(
        "an arbitrary uid with group 0",
        &["--user", "1000620000:0"],
        Runs,
    ),
    config(
        "a read-only root",
        &["--user", "1000:1000", "--read-only", "--tmpfs", "/tmp"],
        Runs,
    ),
    config(
        "uid 1000 without capabilities or new privileges",
        &[
            "--user",
            "1000:1000",
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
        ],
        Runs,
    ),
    config(
        "root without capabilities",
        &["--cap-drop", "ALL"],
        Refuses(&["--user"]),
    ),
    config(
        "seccomp=unconfined",
        &[
            "--user",
            "1000:1000",
            "--security-opt",
            "seccomp=unconfined",
        ],
        Runs,
    ),
    // Nothing is filtered and /proc is whole: there are namespaces to be had, and nothing to do without them.
    Config {
        plan: "namespaced jail",
        ..config(
            "everything unconfined",
            &[
                "--user",
                "1000:1000",
                "--security-opt",
                "seccomp=unconfined",
                "--security-opt",
                "systempaths=unconfined",
            ],
            Runs,
        )
    },
    hardened("the hardening playbook", &[], Runs),
    hardened(
        "the playbook without the seccomp call",
        &["seccomp"],
        Refuses(&["seccomp"]),
    ),
    hardened(
        "the playbook without Landlock",
        &[
            "landlock_create_ruleset",
            "landlock_add_rule",
            "landlock_restrict_self",
        ],
        Refuses(&["Landlock"]),
    ),
    hardened(
        "the playbook without landlock_restrict_self",
        &["landlock_restrict_self"],
        Refuses(&["Landlock"]),
    ),
];

/// The ordinary container.
pub const USER: [&str; 2] = ["--user", "1000:1000"];

impl Config {
    /// Whether the command is run here.
    pub fn runs(&self) -> bool {
        matches!(self.outcome, Runs)
    }

    /// Whether it stands for the others where a test takes long.
    pub fn restarts(&self) -> bool {
        matches!(self.name, "uid 1000" | "the hardening playbook")
    }

    /// The flags with a data directory of their own and the tests' network.
    pub fn flags(&self, bed: &Bed) -> Result<Vec<String>, String> {
        let data = unique(bed)?;
        let mut flags: Vec<String> = self.flags.iter().map(|flag| (*flag).to_owned()).collect();
        flags.extend([
            "-v".to_owned(),
            format!("{data}:/data"),
            "--network".to_owned(),
            NETWORK.to_owned(),
        ]);
        if let Some(without) = self.filter {
            let file = seccomp::file(&bed.scratch, without)?;
            flags.extend([
                "--security-opt".to_owned(),
                format!("seccomp={}", file.display()),
            ]);
        }
        Ok(flags)
    }
}

/// A directory for one container's data.
pub fn unique(bed: &Bed) -> Result<String, String> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let dir = bed.open_dir(&format!("data-{}", NEXT.fetch_add(1, Ordering::Relaxed)))?;
    Ok(dir.display().to_string())
}
