//! Programs against policies, by the interpreter. The kernel's opinion is asked in `tests/`.
#![forbid(unsafe_code)]

mod programs;
mod verdicts;

use super::{Action, Call, Otherwise, Policy, compile, interpret};
use crate::syscalls::{Rule, lookup, parse_when};

const PID: u32 = 4711;

fn rule(call: &str, when: &[&str]) -> Rule {
    let syscall = lookup(call).unwrap();
    Rule {
        syscall: syscall.name,
        number: syscall.number,
        when: when
            .iter()
            .map(|text| parse_when(call, text).unwrap())
            .collect(),
        why: "test".into(),
        origin: "test:1".into(),
    }
}

fn policy(allow: &[(&str, &[&str])], answer: &[(&str, &[&str], i32)]) -> Policy {
    Policy {
        allow: allow.iter().map(|(call, when)| rule(call, when)).collect(),
        answer: answer
            .iter()
            .map(|(call, when, errno)| (rule(call, when), *errno))
            .collect(),
        otherwise: Otherwise::Notify,
    }
}

/// The verdict of the compiled policy on a call by name.
fn says(policy: &Policy, call: &str, args: &[u64]) -> Action {
    let mut all = [0; 6];
    all[..args.len()].copy_from_slice(args);
    let insns = compile(policy).unwrap().with_own_pid(PID);
    interpret(&insns, &Call::new(lookup(call).unwrap().number, all)).unwrap()
}

/// Every shape of rule at once.
fn shapes() -> Policy {
    policy(
        &[
            ("read", &[]),
            ("write", &[]),
            ("futex", &[]),
            (
                "socket",
                &["arg0 == AF_UNIX && arg1 & 0xf == SOCK_STREAM && arg2 == 0"],
            ),
            (
                "socket",
                &[
                    "arg0 == AF_INET && arg1 & 0xf == SOCK_STREAM",
                    "arg0 == AF_INET6 && arg1 & 0xf == SOCK_STREAM",
                ],
            ),
            ("sendto", &[]),
            ("ioctl", &["arg1 != TIOCSTI && arg1 != TIOCLINUX"]),
            ("kill", &["arg0 == SELF", "arg0 == 0"]),
            ("tgkill", &["arg0 == SELF"]),
            ("mmap", &["arg4 == -1"]),
            ("clone", &["arg0 & CLONE_THREAD != 0"]),
            ("madvise", &["arg2 == MADV_DONTNEED", "arg2 & 0xf0 != 0x60"]),
            ("prctl", &["arg0 == PR_SET_NAME"]),
        ],
        &[
            ("clone3", &[], libc::ENOSYS),
            ("sendto", &["arg3 & MSG_FASTOPEN != 0"], libc::EOPNOTSUPP),
            ("prctl", &["arg0 == PR_SET_NAME && arg1 == 0"], libc::EFAULT),
            ("prctl", &["arg0 == PR_SET_MM"], libc::EINVAL),
        ],
    )
}
