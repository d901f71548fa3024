//! The shape of programs, and what cannot become one.
#![forbid(unsafe_code)]

use super::{PID, policy, rule, says};
use crate::filter::insn::{AND, JEQ, JUMP, LOAD, RETURN};
use crate::filter::interpret::trace;
use crate::filter::{
    Action, Call, Error, Insn, Otherwise, Policy, compile, disassemble, interpret,
};
use crate::syscalls::{Rule, parse_when};

#[test]
fn the_tree_is_as_deep_as_a_logarithm() {
    // Every other number: the most intervals that there can be.
    let allow: Vec<Rule> = crate::syscalls::all()
        .filter(|s| s.number % 2 == 0)
        .map(|s| rule(s.name, &[]))
        .collect();
    let intervals = 2 * allow.len() + 1;
    let policy = Policy {
        allow,
        answer: Vec::new(),
        otherwise: Otherwise::Errno(1),
    };
    let insns = compile(&policy).unwrap().with_own_pid(PID);
    let steps = (0..600).map(|nr| trace(&insns, &Call::new(nr, [0; 6])).unwrap().1);
    // Four of the prologue, a return, and a long jump here and there.
    let allowed = intervals.ilog2() as usize + 1 + 5 + 2;
    let worst = steps.max().unwrap();
    assert!(worst <= allowed, "{worst} steps for {intervals} intervals");
}

#[test]
fn a_policy_that_is_too_long_is_an_error() {
    let when: Vec<Vec<_>> = (0..1500)
        .map(|n| parse_when("prctl", &format!("arg1 == {n}")).unwrap())
        .collect();
    let long = Policy {
        allow: vec![Rule {
            when,
            ..rule("prctl", &[])
        }],
        ..policy(&[], &[])
    };
    assert!(matches!(
        compile(&long),
        Err(Error::TooLong { .. } | Error::Seccompiler { .. })
    ));
    // Each call alone is fine for seccompiler here, all together are not for the kernel.
    let calls = ["prctl", "mmap", "mremap", "ptrace"];
    let when = |call| {
        (0..300)
            .map(|n| parse_when(call, &format!("arg1 == {n}")).unwrap())
            .collect()
    };
    let allow = calls
        .iter()
        .map(|call| Rule {
            when: when(call),
            ..rule(call, &[])
        })
        .collect();
    assert!(matches!(
        compile(&Policy {
            allow,
            ..policy(&[], &[])
        }),
        Err(Error::TooLong { limit: 4096, .. })
    ));
}

#[test]
fn long_chains_are_reached_over_the_reach_of_a_test() {
    let many = |call: &str| Rule {
        when: (0..120)
            .map(|n| parse_when(call, &format!("arg1 == {n}")).unwrap())
            .collect(),
        ..rule(call, &[])
    };
    let policy = Policy {
        allow: vec![many("prctl"), many("mmap"), many("read")],
        ..policy(&[], &[])
    };
    for call in ["prctl", "mmap", "read"] {
        assert_eq!(says(&policy, call, &[0, 119]), Action::Allow);
        assert_eq!(says(&policy, call, &[0, 120]), Action::Notify);
    }
}

#[test]
fn a_rule_without_meaning_is_an_error() {
    let good = rule("socket", &["arg0 == 1"]);
    let with = |change: fn(&mut Rule)| {
        let mut bad = good.clone();
        change(&mut bad);
        compile(&Policy {
            allow: vec![bad],
            ..policy(&[], &[])
        })
    };
    assert!(with(|_| ()).is_ok());
    assert!(matches!(
        with(|rule| rule.number += 1),
        Err(Error::Rule { .. })
    ));
    assert!(matches!(
        with(|rule| rule.when[0][0].arg = 6),
        Err(Error::Rule { .. })
    ));
    assert!(matches!(
        with(|rule| rule.when[0][0].mask = 0),
        Err(Error::Rule { .. })
    ));
    assert!(matches!(
        with(|rule| rule.when[0][0].mask = 2),
        Err(Error::Rule { .. })
    ));
    assert!(matches!(
        with(|rule| rule.when[0][0].value = 1 << 32),
        Err(Error::Rule { .. })
    ));
    assert!(matches!(
        with(|rule| rule.when[0][0].value = 0x5e1f_1d00),
        Err(Error::Rule { .. })
    ));
    for errno in [0, -1, 4096] {
        let bad = Policy {
            otherwise: Otherwise::Errno(errno),
            ..policy(&[], &[])
        };
        assert_eq!(compile(&bad), Err(Error::Errno { errno }));
    }
}

#[test]
fn a_malformed_program_is_an_error_and_no_panic() {
    let call = Call::new(0, [0; 6]);
    for program in [
        vec![],
        vec![Insn::new(LOAD, 0)],
        vec![Insn::new(LOAD, 2), Insn::new(RETURN, 0)],
        vec![Insn::new(LOAD, 64), Insn::new(RETURN, 0)],
        vec![Insn::new(JUMP, u32::MAX), Insn::new(RETURN, 0)],
        vec![
            Insn {
                code: JEQ,
                jt: 9,
                jf: 9,
                k: 0,
            },
            Insn::new(RETURN, 0),
        ],
        vec![Insn::new(0xffff, 0), Insn::new(RETURN, 0)],
    ] {
        assert!(interpret(&program, &call).is_err(), "{program:?}");
        disassemble(&program);
    }
}

#[test]
fn the_interpreter_knows_every_part_of_a_call_and_every_verdict() {
    let call = Call {
        arch: 1,
        nr: 2,
        ip: 0x4_0000_0003,
        args: [0x6_0000_0005, 0, 0, 0, 0, 0x8_0000_0007],
    };
    for (offset, word) in [
        (0, 2),
        (4, 1),
        (8, 3),
        (12, 4),
        (16, 5),
        (20, 6),
        (56, 7),
        (60, 8),
    ] {
        let program = [
            Insn::new(LOAD, offset),
            Insn::new(AND, 0xff),
            Insn {
                code: JEQ,
                jt: 0,
                jf: 1,
                k: word,
            },
            Insn::new(RETURN, libc::SECCOMP_RET_ALLOW),
            Insn::new(RETURN, libc::SECCOMP_RET_LOG),
        ];
        assert_eq!(
            interpret(&program, &call),
            Ok(Action::Allow),
            "offset {offset}"
        );
    }
    for action in [
        Action::Kill,
        Action::KillThread,
        Action::Trap(3),
        Action::Errno(38),
        Action::Notify,
        Action::Trace(7),
        Action::Log,
        Action::Allow,
    ] {
        assert_eq!(
            interpret(&[Insn::new(RETURN, action.encode())], &call),
            Ok(action)
        );
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_disassembly_is_as_reviewed() {
    let small = policy(
        &[
            ("read", &[]),
            ("write", &[]),
            ("kill", &["arg0 == SELF"]),
            ("ioctl", &["arg1 != TIOCSTI"]),
        ],
        &[
            ("clone3", &[], 38),
            ("mmap", &["arg2 & PROT_EXEC != 0"], 13),
        ],
    );
    let text = disassemble(compile(&small).unwrap().instructions());
    assert_eq!(text, include_str!("small.golden"), "\n{text}");
}
