//! The same for a jail with a network of its own: what its steps and the gateway's first breaths are made of.

use super::{Call, before, missed, step, steps_of_the_plan, sweep};
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::Stage;
use std::collections::BTreeSet;

pub const fn spared(call: &'static str) -> Call {
    Call {
        spared: true,
        ..before(call)
    }
}

const DUP: &str = if cfg!(target_arch = "x86_64") {
    "dup2"
} else {
    "dup3"
};

/// socket, bind and listen: also for `flowjail net`, without which a jail runs. sendmsg, recvmsg, epoll_ctl: also in a
/// running jail. prctl PDEATHSIG: also of helpers that end early. openat for reading and writing,
/// close-on-exec and without O_CREAT: /dev/null.
const CALLS: [Call; 28] = [
    step("clone3"),
    step("unshare"),
    step("connect"),
    step("sendto"),
    step("recvfrom"),
    step("socketpair"),
    spared("socket"),
    spared("bind"),
    spared("listen"),
    spared("sendmsg"),
    spared("recvmsg"),
    spared("setsockopt"),
    spared("epoll_ctl"),
    step("epoll_create1"),
    step("eventfd2"),
    step("setsid"),
    before("openat:2=0x80002/0x80043"),
    step(DUP),
    before("close_range"),
    step("chroot"),
    step("chdir"),
    step("capset"),
    spared("prctl:0=1"),
    step("prctl:0=38"),
    step("prctl:0=4"),
    before("landlock_restrict_self"),
    before("landlock_create_ruleset"),
    before("seccomp"),
];

/// The steps that a network adds, by their beginnings.
const STEPS: [&str; 3] = [
    "fork the gateway",
    "make the network namespace",
    "confine the gateway",
];
const ROUNDS: usize = 10;

/// Every refused call ends the launch with 125 and the name of its step, the program never runs, and neither the
/// gateway nor anyone else is left.
pub fn every_step_of_a_network_fails_closed(who: Who) -> Check {
    let stage = Stage::with(who, "[net]\nenabled = true")?;
    let what = format!("launch of a network {}", who.word());
    every_one(&stage, &CALLS, &STEPS, ROUNDS, &what)
}

/// Refuses each of the calls in turn, until every step that begins like one of these has failed.
pub fn every_one(
    stage: &Stage,
    calls: &[Call],
    beginnings: &[&str],
    rounds: usize,
    what: &str,
) -> Check {
    let steps = steps_of_the_plan(stage)?;
    let ours = |text: &String| beginnings.iter().any(|step| text.starts_with(step));
    let number = steps.iter().filter(|text| ours(text)).count();
    ensure(number == beginnings.len(), || {
        format!("{number} of {beginnings:?} in {steps:?}")
    })?;
    let mut reached = BTreeSet::new();
    let mut runs = 0;
    for round in 0..rounds {
        if round > 0 && !missed(&steps, &reached).into_iter().any(ours) {
            break;
        }
        for call in calls {
            runs += sweep(stage, call, &steps, &mut reached)?;
        }
    }
    println!("{what}: {runs} refused calls of {} sorts", calls.len());
    let mut left = missed(&steps, &reached);
    left.retain(|text| ours(text));
    ensure(left.is_empty(), || format!("never failed: {left:?}"))
}
