//! Each step of the launch made to fail in turn, by a seccomp filter around flowjail.

use crate::kit::jail::Ended;
use crate::kit::procs;
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::{Stage, compiled};
use std::time::{Duration, Instant};

/// One call that the kernel refuses, as `failer` reads it, and what the report then names.
pub struct Fault {
    /// `SYSCALL` or `SYSCALL:ARG=VALUE/MASK,...`.
    pub call: &'static str,
    errno: i32,
    /// One of these stands in the report: init and the program make some calls both, and either may be first.
    names: &'static [&'static str],
}

const EPERM: i32 = 1;
const EIO: i32 = 5;

const fn fault(call: &'static str, errno: i32, names: &'static [&'static str]) -> Fault {
    Fault { call, errno, names }
}

/// What the look at the host says where a call fails that it tries for itself, before any step.
const REFUSAL: &str = "hint:";
const INIT: &str = "confine init";
const SUPERVISOR: &str = "confine the supervisor";

/// The calls that the launch makes, in about its order.
pub const FAULTS: [Fault; 31] = [
    fault("clone3", EPERM, &[REFUSAL]),
    fault("mount", EPERM, &[REFUSAL]),
    fault("setresgid", EPERM, &["become the mapped ids"]),
    // Root hands the namespaces over through a process of its own, which changes its ids first.
    fault(
        "setresuid",
        EPERM,
        &["become the mapped ids", "make the namespaces"],
    ),
    fault("setsid", EPERM, &["die with the supervisor"]),
    // Root sets vm.memfd_noexec by a process of its own, which ties itself, too.
    fault(
        "prctl:0=1",
        EIO,
        &["die with the supervisor", "refuse executable memfds"],
    ),
    fault("sethostname", EPERM, &["set the host name"]),
    fault("open_tree", EIO, &["clone the trees"]),
    // AT_EMPTY_PATH with AT_RECURSIVE, and without it.
    fault("mount_setattr:2=0x9000", EIO, &["clone the trees"]),
    // A root start clones its trees with these flags, too.
    fault(
        "mount_setattr:2=0x1000",
        EIO,
        &["enter the root", "clone the trees"],
    ),
    fault("fsopen", EIO, &[REFUSAL, "make the empty root"]),
    fault("fsconfig", EIO, &[REFUSAL, "make the empty root"]),
    fault("fsmount", EIO, &[REFUSAL, "make the empty root"]),
    fault("move_mount", EIO, &["make the empty root"]),
    fault("mkdir", EIO, &["mount  "]),
    fault("symlink", EIO, &["mount  link"]),
    fault("pivot_root", EIO, &["enter the root"]),
    fault("umount2", EIO, &["enter the root"]),
    // init lets go of every descriptor, the program at its execve of all but three.
    fault("close_range:0=0", EIO, &[INIT]),
    fault("close_range:0=3,2=4", EIO, &["close every descriptor"]),
    // RLIMIT_CORE; setting a limit asks for no old value.
    fault("prlimit64:1=4,3=0", EIO, &["limit core"]),
    fault("prctl:0=24", EPERM, &["bounding set", SUPERVISOR]),
    fault("prctl:0=28", EPERM, &["bounding set", SUPERVISOR]),
    fault(
        "capset",
        EPERM,
        &[
            "empty all other capability sets",
            INIT,
            "make the namespaces",
        ],
    ),
    fault("prctl:0=38", EIO, &["set no_new_privs", INIT]),
    fault("prctl:0=4", EIO, &[INIT]),
    fault("landlock_add_rule", EIO, &["Landlock cannot be had"]),
    fault("landlock_restrict_self", EIO, &["Landlock cannot be had"]),
    // Filters without a listener: init's and the supervisor's own.
    fault(
        "seccomp:0=1,1=0",
        EIO,
        &["load the system call filter", INIT],
    ),
    fault("execve", EIO, &["execute the program"]),
    fault("pidfd_open", EIO, &["failed"]),
];

/// flowjail behind the filter ends with 125 and a report that names the step; the command never ran
/// and nothing lives on.
pub fn fails_closed(who: Who, fault: &Fault) -> Check {
    let stage = Stage::new(who)?;
    let (ended, ran, left) = behind(&stage, &[(fault.call, fault.errno)])?;
    ensure(!ran, || format!("the command ran: {ended:?}"))?;
    // The program is there and could not be executed: that has a code of its own.
    let code = if fault.call == "execve" { 126 } else { 125 };
    ensure(ended.code == code, || format!("not {code}: {ended:?}"))?;
    let named = fault.names.iter().any(|name| ended.stderr.contains(name));
    ensure(named, || {
        format!("names none of {:?}: {ended:?}", fault.names)
    })?;
    let refused = ended.stderr.contains(REFUSAL);
    ensure(
        refused || names_a_step(&ended.stderr) || fault.names == ["failed"],
        || format!("no `step N of M`: {ended:?}"),
    )?;
    ensure(left.is_empty(), || format!("left behind: {left:?}"))
}

/// The twin: behind a filter that refuses a call nobody makes, the command runs.
pub fn runs_behind_a_filter_that_hits_nothing(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let (ended, ran, _) = behind(&stage, &[("keyctl", EPERM)])?;
    ensure(ran && ended.code == 0, || format!("ran: {ran}, {ended:?}"))
}

/// Runs `actor mark` behind the filter: the end, whether it ran, and what lives on.
pub fn behind(
    stage: &Stage,
    faults: &[(&str, i32)],
) -> Result<(Ended, bool, Vec<procs::Proc>), String> {
    let failer = compiled("failer")?.display().to_string();
    let mut prefix = vec![failer];
    for (call, errno) in faults {
        prefix.extend([(*call).to_owned(), errno.to_string()]);
    }
    prefix.push("--".to_owned());
    let mark = stage.work("mark").display().to_string();
    let prefix: Vec<&str> = prefix.iter().map(String::as_str).collect();
    let command = stage.behind(&prefix, &[], &["mark", &mark]);
    let mut live = stage.live("fault", command);
    let mut seen = Vec::new();
    let end = Instant::now() + Duration::from_secs(15);
    // The tree is gone in milliseconds: what it was is collected while it lives.
    while live
        .jail
        .child
        .try_wait()
        .map_err(|e| e.to_string())?
        .is_none()
        && Instant::now() < end
    {
        for process in live.jail.tree() {
            if !seen.contains(&process) {
                seen.push(process);
            }
        }
    }
    let ended = live.jail.end(Duration::from_secs(1))?;
    let left = procs::survivors(&seen, Duration::from_millis(500));
    Ok((ended, stage.work("mark").exists(), left))
}

/// Whether the text names a step of the plan.
fn names_a_step(stderr: &str) -> bool {
    stderr
        .lines()
        .any(|line| line.starts_with("error: step ") && line.contains(" of "))
}
