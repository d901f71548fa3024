//! Asks the kernel what a filter says, without letting one call through.
//!
//! Two filters are stacked in a forked child: below one that answers [`PASSED`] to everything, above
//! it the one under test. The kernel takes the stricter verdict, and of equal ones the newer: an
//! errno of ours is seen as it is, and an allow as [`PASSED`]. So calls like `exit_group`, `munmap` or
//! `fork` are tried with any arguments and never happen.

use std::collections::HashMap;

use flowjail::filter::{Action, Call, Otherwise, Policy, compile, interpret, probes};
use flowjail::syscalls::name_of;

use crate::child::{self, Prepared};

/// What the filter under test answers otherwise; an errno that no call has.
pub const DENIED: i32 = 4001;

/// What the filter below answers to what the one under test lets through.
pub const PASSED: i32 = 4002;

/// `uretprobe` and `uprobe`: recent kernels ask no filter about them, and answer SIGILL or ENXIO
/// to whoever is no probe of the kernel's.
const UNFILTERED: &[u32] = if cfg!(target_arch = "x86_64") {
    &[335, 336]
} else {
    &[]
};

/// How often each verdict was seen.
pub type Seen = HashMap<Action, usize>;

/// Fails on the first call that kernel, interpreter and policy judge differently, over all numbers
/// and all edges of all rules. What `policy` says otherwise is replaced by an errno for the kernel;
/// that the original differs from it in nothing else is checked, too.
pub fn agree(policy: &Policy) -> Seen {
    let denying = Policy {
        otherwise: Otherwise::Errno(DENIED),
        ..policy.clone()
    };
    let (original, program) = (compile(policy).unwrap(), compile(&denying).unwrap());
    let waiting = child::fork();
    let pid = waiting.pid();
    let calls = calls(policy, pid);
    let insns = program.with_own_pid(pid);
    let errnos = waiting.run(&Prepared {
        insns: &insns,
        calls: &calls,
        below: Some(PASSED),
    });
    let original = original.with_own_pid(pid);
    let mut seen = Seen::new();
    for (call, errno) in calls.iter().zip(errnos) {
        let kernel = if errno == PASSED {
            Action::Allow
        } else {
            Action::Errno(errno)
        };
        let about = format!("{} {:x?}", name_of(call.nr).unwrap_or("?"), call);
        assert_eq!(
            interpret(&insns, call),
            Ok(kernel),
            "interpreter and kernel: {about}"
        );
        assert_eq!(
            denying.decide(call, pid),
            kernel,
            "policy and kernel: {about}"
        );
        let expected = match kernel {
            Action::Errno(DENIED) => policy.otherwise.into(),
            other => other,
        };
        assert_eq!(
            interpret(&original, call),
            Ok(expected),
            "the original: {about}"
        );
        *seen.entry(kernel).or_default() += 1;
    }
    seen
}

fn calls(policy: &Policy, pid: u32) -> Vec<Call> {
    let rules = policy
        .allow
        .iter()
        .chain(policy.answer.iter().map(|(rule, _)| rule));
    let numbers = (0..512).filter(|nr| !UNFILTERED.contains(nr));
    let plain = numbers.flat_map(|nr| [0, u64::MAX].map(|all| Call::new(nr, [all; 6])));
    plain
        .chain(rules.flat_map(|rule| probes(rule, pid)))
        .collect()
}
