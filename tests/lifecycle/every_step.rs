//! Each call of each launch step refused in turn: `failer --nth` makes the first, the second, the third ... call of
//! one sort fail, wherever in the tree of processes it is made, until the launch has no more of them.

use crate::fail_closed;
use crate::kit::jail::Ended;
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::{Stage, compiled};
use std::collections::BTreeSet;

#[path = "every_step_bare.rs"]
mod bare;
#[path = "every_step_network.rs"]
mod network;
#[path = "every_step_secrets.rs"]
mod secrets;
pub use bare::every_step_of_a_bare_jail_fails_closed;
pub use network::every_step_of_a_network_fails_closed;
pub use secrets::every_step_of_secrets_fails_closed;

/// One sort of call, as `failer` reads it.
struct Call {
    call: &'static str,
    /// Made before any step, too: the report is an error or a Refusal without a step's number then.
    before: bool,
    /// Made in a running jail, too, or for something without which a jail may run: no refusal has to end it.
    spared: bool,
}

const fn step(call: &'static str) -> Call {
    Call {
        call,
        before: false,
        spared: false,
    }
}

const fn before(call: &'static str) -> Call {
    Call {
        before: true,
        ..step(call)
    }
}

const MKDIR: &str = if cfg!(target_arch = "x86_64") {
    "mkdir"
} else {
    "mkdirat"
};
const SYMLINK: &str = if cfg!(target_arch = "x86_64") {
    "symlink"
} else {
    "symlinkat"
};

/// The calls that the steps are made of. Opening for writing: the id maps, files and mount points of the new root.
/// prctl: PDEATHSIG, the first and the last CAPBSET_DROP, SECUREBITS, NO_NEW_PRIVS, DUMPABLE, CAP_AMBIENT.
const CALLS: [Call; 39] = [
    step("clone3"),
    step("unshare"),
    step("setns"),
    step("setsid"),
    step("setgroups"),
    step("setresgid"),
    step("setresuid"),
    step("sethostname"),
    step("mount"),
    step("open_tree"),
    step("mount_setattr"),
    step("fsopen"),
    step("fsconfig"),
    step("fsmount"),
    step("move_mount"),
    step(MKDIR),
    step(SYMLINK),
    step("openat:2=1/3"),
    step("pivot_root"),
    step("umount2"),
    step("chroot"),
    step("chdir"),
    before("close_range"),
    before("prlimit64:3=0"),
    step("prctl:0=1"),
    step("prctl:0=24,1=0"),
    step("prctl:0=24,1=40"),
    step("prctl:0=28"),
    step("prctl:0=38"),
    step("prctl:0=4"),
    step("prctl:0=47"),
    step("capset"),
    before("landlock_add_rule"),
    before("landlock_restrict_self"),
    before("landlock_create_ruleset"),
    before("seccomp"),
    before("pidfd_open"),
    before("signalfd4"),
    step("pidfd_send_signal"),
];

/// A refused call that a launch may survive: the sort, the start, which of them, and why.
const HARMLESS: [(&str, Who, u32, &str); 3] = [
    (
        "pidfd_send_signal",
        Who::Root,
        2,
        "SIGKILL for an init that has ended by itself: the wait after it is what counts",
    ),
    ("pidfd_send_signal", Who::Ordinary, 1, "the same"),
    (
        "prctl:0=1",
        Who::Root,
        1,
        "the helper that holds an id map ends early; the map was taken from it, or the step fails",
    ),
];

/// Steps that no refused call reaches, each with the reason.
const UNREACHED: [(&str, &str); 1] = [(
    "wait for the id maps",
    "it blocks signals, which the kernel cannot refuse, and waits on shared memory",
)];

/// Made by init, the workload and the supervisor side by side: which of them makes the n-th one differs from start
/// to start, so one sweep may always hit the same process.
const SIDE_BY_SIDE: [&str; 14] = [
    "clone3",
    "chdir",
    "setgroups",
    "setresgid",
    "setresuid",
    "prctl:0=1",
    "prctl:0=24,1=0",
    "prctl:0=28",
    "prctl:0=38",
    "prctl:0=47",
    "capset",
    "close_range",
    "landlock_restrict_self",
    "seccomp",
];
/// How often they are swept again while a step is missing.
const ROUNDS: usize = 20;

const EIO: i32 = 5;
/// Far above the number of calls of any sort.
const MOST: u32 = 400;

/// Every refused call ends the launch with 125 and the name of its step, the program never runs, nothing is left;
/// and every step of the plan is reached by one of them.
pub fn every_step_fails_closed(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let steps = steps_of_the_plan(&stage)?;
    let mut reached = BTreeSet::new();
    let mut runs = 0;
    for call in &CALLS {
        runs += sweep(&stage, call, &steps, &mut reached)?;
    }
    // The filter's own verdict on execve outranks a tracer's, so this one is refused without counting.
    let (ended, ran, left) = fail_closed::behind(&stage, &[("execve", EIO)])?;
    ensure(ended.code == 126 && !ran && left.is_empty(), || {
        format!("execve: ran {ran}, left {left:?}, {ended:?}")
    })?;
    reached.extend(step_of(&ended, &steps)?);
    let side_by_side = CALLS.iter().filter(|c| SIDE_BY_SIDE.contains(&c.call));
    for call in side_by_side.cycle().take(ROUNDS * SIDE_BY_SIDE.len()) {
        if missed(&steps, &reached).is_empty() {
            break;
        }
        runs += sweep(&stage, call, &steps, &mut reached)?;
    }
    println!(
        "launch {}: {} of {} steps made to fail, by {runs} refused calls of {} sorts",
        who.word(),
        reached.len(),
        steps.len(),
        CALLS.len() + 1
    );
    let missed = missed(&steps, &reached);
    ensure(missed.is_empty(), || format!("never failed: {missed:?}"))
}

/// The steps that ought to have failed by now.
fn missed<'a>(steps: &'a [String], reached: &BTreeSet<usize>) -> Vec<&'a String> {
    let numbered = steps.iter().enumerate();
    let left = numbered.filter(|(index, _)| !reached.contains(&(index + 1)));
    left.map(|(_, text)| text)
        .filter(|text| !UNREACHED.iter().any(|(step, _)| step == text))
        .collect()
}

/// Refuses the first, the second, ... of these calls until a launch has no more of them; how many that were.
fn sweep(
    stage: &Stage,
    call: &Call,
    steps: &[String],
    reached: &mut BTreeSet<usize>,
) -> Result<u32, String> {
    for nth in 1..MOST {
        let (ended, ran) = struck(stage, call.call, nth)?;
        let told = || format!("{} number {nth}: ran {ran}, {ended:?}", call.call);
        ensure(!ended.stderr.contains("failer: left behind"), told)?;
        let through = ran && ended.code == 0;
        if !ended.stderr.contains("failer: struck") {
            return ensure(through, told).map(|()| nth - 1);
        }
        let harmless = |(sort, who, which, _): &(&str, Who, u32, &str)| {
            (*sort, *who, *which) == (call.call, stage.who, nth)
        };
        if through && (call.spared || HARMLESS.iter().any(harmless)) {
            continue;
        }
        if call.spared && ended.code == 125 && ran {
            continue;
        }
        ensure(!ran && ended.code == 125, told)?;
        match step_of(&ended, steps).map_err(|why| format!("{why}: {}", told()))? {
            Some(number) => {
                reached.insert(number);
            }
            None => ensure(call.before && ended.stderr.contains("error: "), told)?,
        }
    }
    Err(format!("{}: no end after {MOST}", call.call))
}

/// One start in which the n-th such call fails: how it ended, and whether the program ran.
fn struck(stage: &Stage, call: &str, nth: u32) -> Result<(Ended, bool), String> {
    let mark = stage.work("mark");
    let (failer, nth) = (compiled("failer")?.display().to_string(), nth.to_string());
    let prefix = [&failer, "--nth", &nth, call, "5", "--"];
    let command = stage.behind(&prefix, &[], &["mark", &mark.display().to_string()]);
    let (ended, _) = stage.finish("struck", command)?;
    Ok((ended, std::fs::remove_file(mark).is_ok()))
}

/// The steps by the text of `flowjail plan`, in order.
fn steps_of_the_plan(stage: &Stage) -> Result<Vec<String>, String> {
    let mark = stage.work("mark").display().to_string();
    let mut words = stage.words(&[], &["mark", &mark]);
    words[0] = "plan".to_owned();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (ended, text) = stage.finish("plan", crate::kit::jail::flowjail(stage.who, &words))?;
    let (_, list) = text
        .split_once("\nSTEPS\n")
        .ok_or_else(|| format!("no STEPS: {ended:?} {text}"))?;
    // A number of three columns, the process in ten, the text.
    let steps: Vec<String> = list
        .lines()
        .filter_map(|line| Some(line.get(15..)?.to_owned()))
        .collect();
    ensure(steps.len() > 15, || format!("{steps:?}"))?;
    Ok(steps)
}

/// The number of the step that the report names, if it names one; its text must be the plan's.
fn step_of(ended: &Ended, steps: &[String]) -> Result<Option<usize>, String> {
    let Some(line) = ended
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("error: step "))
    else {
        return Ok(None);
    };
    let whole = || {
        let (number, rest) = line.split_once(" of ")?;
        let (of, what) = rest.split_once(" failed: ")?;
        let number: usize = number.parse().ok()?;
        let right = of == steps.len().to_string() && what.starts_with(steps.get(number - 1)?);
        right.then_some(number)
    };
    whole()
        .map(Some)
        .ok_or_else(|| format!("not a step of the plan: {line:?}"))
}
