//! Needs of a test: probed, shown with their reason when missing, counted, and a failure where
//! `FLOWJAIL_TEST_REQUIRE=all` says that none may be missing.
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};

/// Something that a test cannot do without.
#[derive(Clone, Debug)]
pub struct Need {
    /// What it is, as in "root".
    pub what: &'static str,
    /// Why it is not there; `None`: it is.
    pub missing: Option<String>,
}

/// Whether every need has to be met.
fn all_required() -> bool {
    std::env::var("FLOWJAIL_TEST_REQUIRE").is_ok_and(|value| value == "all")
}

/// A test that is run when its needs are met; otherwise it is ignored with the reason in its name, or
/// fails where everything is required.
pub fn trial(
    name: impl Into<String>,
    needs: &[Need],
    body: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let Some((what, why)) = needs
        .iter()
        .find_map(|need| Some((need.what, need.missing.clone()?)))
    else {
        return Trial::test(name, body);
    };
    let told = format!("needs {what}: {why}");
    Trial::test(name, move || Err(told.into()))
        .with_kind(format!("needs {what}"))
        .with_ignored_flag(!all_required())
}

/// Runs the tests as libtest would, and counts at the end what was ignored and why.
pub fn run(trials: Vec<Trial>) -> ExitCode {
    let arguments = Arguments::from_args();
    let mut ignored = BTreeMap::<String, usize>::new();
    for trial in trials.iter().filter(|trial| arguments.is_ignored(trial)) {
        *ignored.entry(trial.kind().to_owned()).or_default() += 1;
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        for (reason, count) in ignored {
            let _ = writeln!(std::io::stdout(), "ignored {count}: {reason}");
        }
    }
    conclusion.exit_code()
}

/// uid 0, for starts as root and for twins that only root can make.
pub fn root() -> Need {
    let missing = (!is_root()).then(|| "the tests run as an ordinary user".to_owned());
    Need {
        what: "root",
        missing,
    }
}

/// Whether the tests themselves run as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A C compiler and a static C library.
pub fn compiler() -> Need {
    let missing = super::probe::path().as_ref().err().cloned();
    Need {
        what: "a C compiler",
        missing,
    }
}

/// A program of the system on which a test leans.
pub fn program(name: &'static str) -> Need {
    let found = Command::new(name)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    let missing = (!found).then(|| "not in PATH".to_owned());
    Need {
        what: name,
        missing,
    }
}

/// A file of the host that an act is aimed at.
pub fn file(what: &'static str, path: &Path) -> Need {
    let missing = (!path.exists()).then(|| format!("{} does not exist", path.display()));
    Need { what, missing }
}

/// A condition that the caller has looked at.
pub fn condition(what: &'static str, met: bool, why_not: &str) -> Need {
    Need {
        what,
        missing: (!met).then(|| why_not.to_owned()),
    }
}
