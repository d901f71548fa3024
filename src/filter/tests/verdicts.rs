//! What policies of each shape say.
#![forbid(unsafe_code)]

use super::{PID, says, shapes};
use crate::filter::{
    AUDIT_ARCH, Action, Call, Insn, Otherwise, Policy, compile, interpret, probes,
};
use crate::syscalls::{Compare, lookup};

#[test]
fn numbers_without_conditions_get_their_verdict() {
    let policy = shapes();
    assert_eq!(says(&policy, "read", &[]), Action::Allow);
    assert_eq!(says(&policy, "clone3", &[]), Action::Errno(libc::ENOSYS));
    assert_eq!(says(&policy, "execve", &[]), Action::Notify);
    assert_eq!(
        says(
            &Policy {
                otherwise: Otherwise::Kill,
                ..policy.clone()
            },
            "execve",
            &[]
        ),
        Action::Kill
    );
    assert_eq!(
        says(
            &Policy {
                otherwise: Otherwise::Errno(1),
                ..policy
            },
            "execve",
            &[]
        ),
        Action::Errno(1)
    );
}

#[test]
fn high_bits_of_an_int_argument_change_nothing() {
    let policy = shapes();
    for high in [0, 1 << 32, 1 << 63, 0xffff_ffff << 32] {
        assert_eq!(
            says(&policy, "ioctl", &[0, libc::TIOCSTI | high]),
            Action::Notify
        );
        assert_eq!(
            says(&policy, "ioctl", &[0, libc::FIONBIO | high]),
            Action::Allow
        );
        assert_eq!(says(&policy, "socket", &[17 | high, 1]), Action::Notify);
        assert_eq!(says(&policy, "socket", &[1 | high, 1]), Action::Allow);
        assert_eq!(
            says(
                &policy,
                "sendto",
                &[0, 0, 0, libc::MSG_FASTOPEN as u64 | high]
            ),
            Action::Errno(libc::EOPNOTSUPP)
        );
        assert_eq!(
            says(&policy, "kill", &[u64::from(PID) + 1 + high]),
            Action::Notify
        );
        assert_eq!(
            says(&policy, "prctl", &[libc::PR_SET_MM as u64 | high]),
            Action::Errno(libc::EINVAL)
        );
    }
}

#[test]
fn all_64_bits_of_a_long_argument_count() {
    let policy = shapes();
    assert_eq!(
        says(&policy, "mmap", &[0, 0, 0, 0, u64::MAX]),
        Action::Allow
    );
    assert_eq!(
        says(&policy, "mmap", &[0, 0, 0, 0, 0xffff_ffff]),
        Action::Notify
    );
    assert_eq!(
        says(&policy, "mmap", &[0, 0, 0, 0, !(1 << 32)]),
        Action::Notify
    );
}

#[test]
fn rules_of_one_call_are_alternatives() {
    let policy = shapes();
    for (args, verdict) in [
        ([1, 1, 0], Action::Allow),
        ([1, 1 | libc::SOCK_CLOEXEC as u64, 0], Action::Allow),
        ([1, 2, 0], Action::Notify),
        ([1, 1, 1], Action::Notify),
        ([2, 1, 6], Action::Allow),
        ([10, 1, 6], Action::Allow),
        ([2, 3, 0], Action::Notify),
        ([16, 1, 0], Action::Notify),
    ] {
        assert_eq!(says(&policy, "socket", &args), verdict, "{args:?}");
    }
}

#[test]
fn an_answer_wins_over_an_allow_and_the_first_answer_over_the_next() {
    let policy = shapes();
    assert_eq!(
        says(&policy, "prctl", &[libc::PR_SET_NAME as u64, 0]),
        Action::Errno(libc::EFAULT)
    );
    assert_eq!(
        says(&policy, "prctl", &[libc::PR_SET_NAME as u64, 1]),
        Action::Allow
    );
    assert_eq!(says(&policy, "prctl", &[1, 1]), Action::Notify);
    let twice = super::policy(
        &[("read", &[])],
        &[("read", &[], 5), ("read", &["arg0 == 1"], 6)],
    );
    assert_eq!(says(&twice, "read", &[1]), Action::Errno(5));
    let open = super::policy(
        &[("read", &["arg0 == 1"]), ("read", &[])],
        &[("read", &["arg0 == 7"], 6)],
    );
    assert_eq!(says(&open, "read", &[7]), Action::Errno(6));
    assert_eq!(says(&open, "read", &[8]), Action::Allow);
}

#[test]
fn fastopen_is_seen_among_other_flags() {
    let policy = shapes();
    let more = (libc::MSG_FASTOPEN | libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) as u64;
    assert_eq!(
        says(&policy, "sendto", &[0, 0, 0, more]),
        Action::Errno(libc::EOPNOTSUPP)
    );
    assert_eq!(
        says(&policy, "sendto", &[0, 0, 0, libc::MSG_NOSIGNAL as u64]),
        Action::Allow
    );
}

#[test]
fn a_masked_not_equal_holds_where_any_bit_differs() {
    let policy = shapes();
    for value in 0..=0x1ff_u64 {
        let expected = if value == libc::MADV_DONTNEED as u64 || value & 0xf0 != 0x60 {
            Action::Allow
        } else {
            Action::Notify
        };
        assert_eq!(
            says(&policy, "madvise", &[0, 0, value]),
            expected,
            "{value:x}"
        );
    }
}

#[test]
fn other_architectures_and_x32_are_killed() {
    let insns = compile(&shapes()).unwrap().with_own_pid(PID);
    let verdict = |call| interpret(&insns, &call).unwrap();
    let read = Call::new(lookup("read").unwrap().number, [0; 6]);
    assert_eq!(verdict(read), Action::Allow);
    for arch in [0x4000_0003, 0xc000_003e, 0xc000_00b7, 0x4000_0028, 0] {
        let expected = if arch == AUDIT_ARCH {
            Action::Allow
        } else {
            Action::Kill
        };
        assert_eq!(verdict(Call { arch, ..read }), expected, "{arch:x}");
    }
    if cfg!(target_arch = "x86_64") {
        for nr in [read.nr | 0x4000_0000, 0x4000_0000, 0x4000_0200, u32::MAX] {
            assert_eq!(verdict(Call { nr, ..read }), Action::Kill, "{nr:x}");
        }
        assert_eq!(
            verdict(Call {
                nr: 0x3fff_ffff,
                ..read
            }),
            Action::Notify
        );
    }
}

#[test]
fn every_own_pid_is_a_slot() {
    let policy = shapes();
    let written: usize = policy
        .allow
        .iter()
        .flat_map(|rule| rule.when.iter().flatten())
        .filter(|condition| condition.compare == Compare::OwnPid)
        .count();
    let program = compile(&policy).unwrap();
    assert_eq!(program.own_pid_slots().len(), written);
    let filled = program.with_own_pid(PID);
    let changed: Vec<usize> = (0..filled.len())
        .filter(|at| filled[*at] != program.instructions()[*at])
        .collect();
    assert_eq!(changed, program.own_pid_slots());
    let kill = |insns: &[Insn], pid| {
        interpret(
            insns,
            &Call::new(lookup("kill").unwrap().number, [pid, 0, 0, 0, 0, 0]),
        )
    };
    assert_eq!(kill(&filled, PID.into()), Ok(Action::Allow));
    assert_eq!(kill(&filled, 1), Ok(Action::Notify));
    // Unfilled, no process may be signalled by number.
    assert_eq!(kill(program.instructions(), PID.into()), Ok(Action::Notify));
}

#[test]
fn every_rule_is_held_at_its_edges_for_any_pid() {
    let policy = shapes();
    for pid in [1, 2, PID, 0x003f_ffff] {
        let insns = compile(&policy).unwrap().with_own_pid(pid);
        let rules = policy
            .allow
            .iter()
            .chain(policy.answer.iter().map(|(rule, _)| rule));
        let mut seen = std::collections::HashSet::new();
        for call in rules.flat_map(|rule| probes(rule, pid)) {
            let verdict = policy.decide(&call, pid);
            assert_eq!(interpret(&insns, &call), Ok(verdict), "{call:x?}");
            seen.insert(verdict);
        }
        assert_eq!(
            seen.len(),
            6,
            "the probes reach both sides of the rules: {seen:?}"
        );
    }
}
