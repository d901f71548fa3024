//! The filters of flowjail's own processes: what init and the supervisor still do once a jail runs.
#![forbid(unsafe_code)]

use super::{Kind, OwnFilters};
use crate::filter::{Otherwise, Policy};
use crate::syscalls::{Compare, Condition, Rule, Width, lookup};

/// init waits, reaps, forwards signals and ends.
const INIT: [&str; 10] = [
    "exit_group",
    "futex",
    "kill",
    "restart_syscall",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigtimedwait",
    "sched_yield",
    "wait4",
    "waitid",
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

/// What the supervisor does for the gateway: sockets of the jail's network, words, and a look at where connects go.
const FOR_THE_GATEWAY: [&str; 6] = [
    "bind",
    "listen",
    "process_vm_readv",
    "recvmsg",
    "sendmsg",
    "setsockopt",
];

/// What the supervisor does for the bare jail: it makes its sockets, connects them, says in its memory to whom, and
/// changes modes, owners and times of what it writes.
const FOR_THE_BARE: [&str; 16] = [
    "accept4",
    "connect",
    "fchmodat",
    "fchownat",
    "getdents64",
    "getpeername",
    "getppid",
    "getsockname",
    "getsockopt",
    "shutdown",
    "pwrite64",
    "readlinkat",
    "readlink",
    "recvfrom",
    "socketpair",
    "utimensat",
];

/// The gateway moves bytes. It opens no file, starts nothing, and signals nobody.
const GATEWAY: [&str; 48] = [
    "accept4",
    "bind",
    "brk",
    "clock_gettime",
    "clock_nanosleep",
    "close",
    "connect",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "eventfd2",
    "exit",
    "exit_group",
    "fcntl",
    "futex",
    "geteuid",
    "getpeername",
    "getpid",
    "getrandom",
    "getsockname",
    "getsockopt",
    "gettid",
    "gettimeofday",
    "ioctl",
    "listen",
    "madvise",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "pipe2",
    "read",
    "readv",
    "recvfrom",
    "recvmsg",
    "restart_syscall",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_yield",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "splice",
    "write",
    "writev",
];

/// What init does in the bare jail at its end: whoever is left is its child by then.
const BARE_INIT: [&str; 3] = ["getppid", "lseek", "pread64"];

/// All three filters; without a gateway the supervisor has nothing to do with sockets.
pub fn filters(kind: Kind, network: bool) -> OwnFilters {
    let bare = kind == Kind::Bare;
    let mut supervisor = policy(&SUPERVISOR);
    let mut init = policy(&INIT);
    if bare {
        allow(&mut init, &BARE_INIT);
        allow(&mut supervisor, &FOR_THE_BARE);
        allow(&mut supervisor, &["kill"]);
        let writes_memory = is(2, u64::MAX, READ_WRITE);
        let holds_file = is(2, !(libc::O_NOFOLLOW as u64), HELD);
        supervisor
            .allow
            .extend(rule("openat", vec![vec![writes_memory], vec![holds_file]]));
        supervisor.allow.extend(rule(
            "socket",
            vec![vec![
                is(0, u64::MAX, libc::AF_NETLINK as u64),
                is(1, 0xf, libc::SOCK_RAW as u64),
                is(2, u64::MAX, libc::NETLINK_ROUTE as u64),
            ]],
        ));
    }
    // It stops itself with its jail on Ctrl-Z, and signals nobody else by number. (That of a bare jail ends who is left.)
    supervisor.allow.extend(rule("kill", vec![vec![OWN_PID]]));
    // It opens /proc/PID/mem to read. (That of a bare jail also to write.)
    let read_only = is(2, u64::MAX, READ_ONLY);
    supervisor
        .allow
        .extend(rule("openat", vec![vec![read_only]]));
    let stream = (libc::SOCK_STREAM, 0);
    if network || bare {
        allow(&mut supervisor, &FOR_THE_GATEWAY);
        supervisor.allow.extend(sockets(&[stream]));
    }
    let mut gateway = policy(&GATEWAY);
    let kinds = [
        stream,
        (libc::SOCK_STREAM, libc::IPPROTO_TCP),
        (libc::SOCK_DGRAM, 0),
    ];
    gateway.allow.extend(sockets(&kinds));
    OwnFilters {
        init,
        supervisor,
        gateway,
    }
}

/// The supervisor of a jail with a cgroup removes that at the end, and no file beside directories.
pub fn for_cgroup(supervisor: &mut Policy) {
    let directory = is(2, u64::MAX, libc::AT_REMOVEDIR as u64);
    supervisor
        .allow
        .extend(rule("unlinkat", vec![vec![directory]]));
}

/// socket(2) of the two internet families, of these types and protocols.
fn sockets(kinds: &[(i32, i32)]) -> Option<Rule> {
    let of = |family: i32| {
        kinds.iter().map(move |(kind, protocol)| {
            vec![
                is(0, u64::MAX, family as u64),
                is(1, 0xf, *kind as u64),
                is(2, u64::MAX, *protocol as u64),
            ]
        })
    };
    rule(
        "socket",
        of(libc::AF_INET).chain(of(libc::AF_INET6)).collect(),
    )
}

fn is(arg: u8, mask: u64, value: u64) -> Condition {
    Condition {
        arg,
        width: Width::Int,
        mask,
        compare: Compare::Equal,
        value,
    }
}

fn allow(policy: &mut Policy, names: &[&str]) {
    for name in names {
        policy.allow.extend(rule(name, Vec::new()));
    }
}

const READ_WRITE: u64 = (libc::O_RDWR | libc::O_CLOEXEC) as u64;
const READ_ONLY: u64 = (libc::O_RDONLY | libc::O_CLOEXEC) as u64;

const HELD: u64 = (libc::O_PATH | libc::O_CLOEXEC) as u64;

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
    use super::{Kind, filters, for_cgroup};
    use crate::filter::{compile, compile_constant};

    #[test]
    fn the_programs_of_our_own_filters_do_what_the_policies_say() {
        let [own, without] = [true, false].map(|network| filters(Kind::Namespaced, network));
        let bare = filters(Kind::Bare, true);
        let all = [own.init, own.supervisor, own.gateway, without.supervisor];
        let mut limited = bare.supervisor.clone();
        for_cgroup(&mut limited);
        for policy in all.into_iter().chain([bare.init, bare.supervisor, limited]) {
            let verified = compile(&policy).expect("the program agrees with its policy");
            assert_eq!(compile_constant(&policy).as_ref(), Ok(&verified));
        }
    }
}
