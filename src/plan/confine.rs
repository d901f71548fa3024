//! The filters of flowjail's own processes: what init and the supervisor still do once a jail runs.
#![forbid(unsafe_code)]

use super::OwnFilters;
use crate::filter::{Otherwise, Policy};
use crate::syscalls::{Compare, Condition, Rule, Width, lookup};

/// init waits, reaps, forwards signals and ends.
const INIT: [&str; 9] = [
    "exit_group",
    "futex",
    "kill",
    "restart_syscall",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigtimedwait",
    "sched_yield",
    "wait4",
];

/// The supervisor answers notices, forwards signals, writes events and ends.
const SUPERVISOR: [&str; 37] = [
    "brk",
    "clock_gettime",
    "clock_nanosleep",
    "close",
    "exit",
    "exit_group",
    "fcntl",
    "fstat",
    "futex",
    "getpid",
    "getrandom",
    "gettid",
    "ioctl",
    "lseek",
    "madvise",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "newfstatat",
    "pidfd_send_signal",
    "poll",
    "ppoll",
    "pread64",
    "read",
    "restart_syscall",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
    "statx",
    "sched_yield",
    "wait4",
    "waitid",
    "write",
    "writev",
    "gettimeofday",
];

/// Both filters.
pub fn filters() -> OwnFilters {
    let mut supervisor = policy(&SUPERVISOR);
    // It stops itself with its jail on Ctrl-Z, and signals nobody else by number.
    supervisor.allow.extend(rule("kill", vec![vec![OWN_PID]]));
    // It opens /proc/PID/mem to read, nothing to write.
    let read_only = Condition {
        arg: 2,
        width: Width::Int,
        mask: u64::MAX,
        compare: Compare::Equal,
        value: READ_ONLY,
    };
    supervisor
        .allow
        .extend(rule("openat", vec![vec![read_only]]));
    OwnFilters {
        init: policy(&INIT),
        supervisor,
    }
}

const READ_ONLY: u64 = (libc::O_RDONLY | libc::O_CLOEXEC) as u64;

const OWN_PID: Condition = Condition {
    arg: 0,
    width: Width::Int,
    mask: u64::MAX,
    compare: Compare::OwnPid,
    value: 0,
};

fn policy(names: &[&str]) -> Policy {
    let allow = names
        .iter()
        .filter_map(|name| rule(name, Vec::new()))
        .collect();
    Policy {
        allow,
        answer: Vec::new(),
        otherwise: Otherwise::Errno(libc::EPERM),
    }
}

/// A rule of flowjail's own; `None` where this architecture does not have the call.
pub fn rule(name: &str, when: Vec<Vec<Condition>>) -> Option<Rule> {
    let call = lookup(name)?;
    let (why, origin) = ("flowjail's own process needs it".into(), "flowjail".into());
    Some(Rule {
        syscall: call.name,
        number: call.number,
        when,
        why,
        origin,
    })
}

#[cfg(test)]
mod tests {
    use super::filters;
    use crate::filter::{compile, compile_constant};

    #[test]
    fn the_programs_of_our_own_filters_do_what_the_policies_say() {
        let own = filters();
        for policy in [own.init, own.supervisor] {
            let verified = compile(&policy).expect("the program agrees with its policy");
            assert_eq!(compile_constant(&policy).as_ref(), Ok(&verified));
        }
    }
}
