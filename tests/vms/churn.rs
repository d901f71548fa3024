//! Starts and stops without end, a third of them killed at random moments: nothing of them is left. In a guest with cgroups,
//! as root and as a user; and on this machine, in namespaces of its own, where it is faster.

use std::process::Command;
use std::time::{Duration, SystemTime};

use libtest_mimic::{Failed, Trial};

use crate::bed::kernel::Kernel;
use crate::boot::{self, Script};
use crate::common::needs::{self, trial};
use crate::common::place::{Owner, Place};
use crate::common::start;
use crate::{kernel_trial, programs};

/// For each of the two who start it.
const IN_GUEST: u32 = 150;
const ON_HOST: u32 = 300;

const SCRIPT: Script = Script {
    name: "churn",
    text: include_str!("churn.sh"),
    limit: Duration::from_secs(900),
};

/// One guest, two starters; and this machine.
pub fn trials() -> Vec<Trial> {
    let kernel = Kernel::BookwormBackports;
    let [root, user] = ["root", "user"].map(|who| {
        let name = format!("{IN_GUEST} starts and stops leave nothing, as {who}");
        kernel_trial(kernel, &name, move || {
            let words = format!("seed={} count={IN_GUEST}", seed());
            let case = boot::case_with(kernel, &SCRIPT, &words, &format!("churn-{who}"))?;
            is_clean(case.status, &case.said, IN_GUEST)
        })
    });
    let needs = [
        vec![needs::root(), needs::program("unshare")],
        programs::needs(),
    ]
    .concat();
    let name = format!("this machine: {ON_HOST} starts and stops leave nothing");
    // Not the two of the guest beside each other: one would wait for the other.
    vec![root, trial(name, &needs, on_host), user]
}

/// Another one in each run; FLOWJAIL_TEST_SEED repeats one.
fn seed() -> u64 {
    let given = std::env::var("FLOWJAIL_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    given.unwrap_or_else(|| now.map_or(0, |time| time.as_secs()))
}

fn is_clean(status: i32, said: &str, count: u32) -> Result<(), Failed> {
    let all = said.contains(&format!(": {count} starts, "));
    if status == 0 && all {
        return Ok(());
    }
    Err(format!("status {status}:\n{said}").into())
}

/// In mount, pid, network and ipc namespaces, so that what is counted is its own.
fn on_host() -> Result<(), Failed> {
    let place = Place::new()?;
    let churn = place.program_copy("churn", &programs::compiled("vms/churn.c")?)?;
    let work = place.program_copy("work", &programs::compiled("vms/work.c")?)?;
    let flowjail = place.program_copy("flowjail", &programs::flowjail()?)?;
    let text = format!("extends = [\"base\"]\n[files]\nread = [{work:?}]\n[net]\nenabled = true\n");
    let profile = place.file("churn.toml", &text, 0o644, Owner::Tests)?;
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--pid",
        "--fork",
        "--net",
        "--ipc",
        "--mount-proc",
        "--propagation",
        "private",
    ]);
    command.args([
        "--",
        "/bin/sh",
        "-c",
        "ip link set lo up; mount -t tmpfs t /tmp; mount -t tmpfs r /run; \"$@\"; exit $?",
        "sh",
    ]);
    command
        .arg(churn)
        .arg(seed().to_string())
        .arg(ON_HOST.to_string());
    command.args(["-", &place.user().to_string()]);
    command.arg(flowjail).arg(profile).arg(work);
    let ended = start::finish(command, "", Duration::from_secs(300))?;
    let status = ended.status.and_then(|status| status.code()).unwrap_or(-1);
    is_clean(
        status,
        &format!("{}{}", ended.stdout, ended.stderr),
        ON_HOST,
    )
}
