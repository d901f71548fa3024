//! The same for the bare jail, with its gateway: no namespace is made, and the host is looked at more closely before.

use super::network::{every_one, spared};
use super::{Call, before};
use crate::kit::Check;
use crate::kit::who::Who;
use crate::stage::Stage;

/// What is tried of the host before is named by a refusal; what the supervisor does in a running jail, too, need not
/// end it.
const CALLS: [Call; 22] = [
    // With a structure: without one it is asked whether a filter around refuses it.
    before("clone3:1=88"),
    before("setsid"),
    before("setgroups"),
    before("setresgid"),
    before("setresuid"),
    spared("socketpair"),
    spared("socket"),
    spared("bind"),
    spared("listen"),
    spared("setsockopt"),
    spared("epoll_create1"),
    spared("chdir"),
    before("close_range"),
    before("prlimit64:3=0"),
    spared("prctl:0=1"),
    before("prctl:0=36"),
    before("prctl:0=38"),
    before("prctl:0=4"),
    before("capset"),
    before("landlock_add_rule"),
    before("landlock_restrict_self"),
    before("seccomp"),
];

/// The steps that are the bare jail's own, and those that every launch has.
const STEPS: [&str; 12] = [
    "fork the gateway",
    "confine the gateway",
    "fork init",
    "watch the supervisor",
    "fork the workload",
    "confine init",
    "confine the supervisor",
    "drop groups",
    "set no_new_privs",
    "enforce Landlock",
    "load the system call filter",
    "close every descriptor",
];
const ROUNDS: usize = 12;

/// Every refused call ends the launch with 125 and the name of its step, or with a refusal before; the program never
/// runs, and nobody is left.
pub fn every_step_of_a_bare_jail_fails_closed(who: Who) -> Check {
    let stage = Stage::bare(who, "[net]\nenabled = true")?;
    let what = format!("launch of a bare jail {}", who.word());
    every_one(&stage, &CALLS, &STEPS, ROUNDS, &what)
}
