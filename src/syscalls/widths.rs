//! How wide the kernel takes each argument.
//!
//! From the `SYSCALL_DEFINE` lines of Linux 6.18. The kernel casts a register to the declared type
//! before it acts, so the upper half of an `int` is whatever the caller likes.
#![forbid(unsafe_code)]

use super::rule::Width;

/// The width of argument `arg` of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Argument {
    /// This wide.
    Wide(Width),
    /// A `umode_t`: the low 16 bits, of which a mask must say which.
    Mode,
    /// The call has fewer arguments.
    Missing,
}

/// What argument `arg` of `syscall` is; `None` where the call is not in the table.
pub(super) fn argument(syscall: &str, arg: u8) -> Option<Argument> {
    let (_, widths) = CALLS.iter().find(|(name, _)| *name == syscall)?;
    Some(match widths.as_bytes().get(usize::from(arg)) {
        Some(b'i') => Argument::Wide(Width::Int),
        Some(b'l') => Argument::Wide(Width::Long),
        Some(_) => Argument::Mode,
        None => Argument::Missing,
    })
}

/// One letter per argument: `i` for int, unsigned int, pid_t, u32 and the like; `l` for long,
/// size_t, loff_t and pointers; `m` for a mode (umode_t).
#[rustfmt::skip]
pub(super) const CALLS: &[(&str, &str)] = &[
    // sockets
    ("socket", "iii"), ("socketpair", "iiil"), ("bind", "ili"), ("connect", "ili"),
    ("listen", "ii"), ("accept", "ill"), ("accept4", "illi"), ("shutdown", "ii"),
    ("sendto", "illili"), ("sendmsg", "ili"), ("sendmmsg", "ilii"),
    ("recvfrom", "illill"), ("recvmsg", "ili"), ("recvmmsg", "iliil"),
    ("setsockopt", "iiili"), ("getsockopt", "iiill"),
    // descriptors
    ("ioctl", "iil"), ("fcntl", "iil"), ("dup3", "iii"), ("pipe2", "li"), ("close_range", "iii"),
    ("eventfd2", "ii"), ("epoll_create1", "i"), ("epoll_ctl", "iiil"), ("timerfd_create", "ii"),
    ("inotify_init1", "i"), ("signalfd4", "illi"), ("memfd_create", "li"), ("memfd_secret", "i"),
    ("flock", "ii"), ("lseek", "ili"), ("fallocate", "iill"), ("fadvise64", "illi"),
    ("splice", "ililli"), ("sendfile", "iill"), ("copy_file_range", "ililli"),
    ("userfaultfd", "i"), ("perf_event_open", "liiil"), ("bpf", "ili"), ("fanotify_init", "ii"),
    ("io_uring_setup", "il"), ("io_uring_enter", "iiiill"), ("io_uring_register", "iili"),
    // files
    ("open", "lim"), ("openat", "ilim"), ("faccessat", "ili"), ("faccessat2", "ilii"),
    ("access", "li"), ("unlinkat", "ili"), ("linkat", "ilili"), ("renameat2", "ilili"),
    ("fchownat", "iliii"), ("fchmodat", "ilm"), ("fchmod", "im"), ("chmod", "lm"), ("creat", "lm"),
    ("utimensat", "illi"), ("statx", "iliil"), ("newfstatat", "illi"), ("umount2", "li"),
    ("mount", "lllll"), ("mknodat", "ilmi"), ("mknod", "lmi"),
    // memory
    ("mmap", "llllll"), ("mprotect", "lll"), ("pkey_mprotect", "llli"), ("mremap", "lllll"),
    ("madvise", "lli"), ("process_madvise", "illii"), ("msync", "lli"), ("mlock2", "lli"),
    ("mlockall", "i"), ("mbind", "lllli"), ("set_mempolicy", "ill"), ("membarrier", "iii"),
    // processes and threads; the kernel takes clone's flags as a long and keeps the lower 32 bits
    ("clone", "illll"), ("unshare", "l"), ("setns", "ii"), ("wait4", "ilil"), ("waitid", "iilil"),
    ("kill", "ii"), ("tkill", "ii"), ("tgkill", "iii"), ("rt_sigqueueinfo", "iil"),
    ("rt_tgsigqueueinfo", "iiil"), ("pidfd_open", "ii"), ("pidfd_send_signal", "iili"),
    ("pidfd_getfd", "iii"), ("process_mrelease", "ii"), ("futex", "liilli"), ("rseq", "liii"),
    ("getpgid", "i"), ("setpgid", "ii"), ("getsid", "i"), ("get_robust_list", "ill"),
    ("kcmp", "iiill"), ("process_vm_readv", "illlll"), ("process_vm_writev", "illlll"),
    ("ptrace", "llll"), ("migrate_pages", "illl"), ("move_pages", "illlli"),
    ("prctl", "illll"), ("arch_prctl", "il"), ("seccomp", "iil"), ("personality", "i"),
    ("landlock_restrict_self", "ii"), ("keyctl", "illll"), ("reboot", "iiil"), ("syslog", "ili"),
    // limits and scheduling
    ("prlimit64", "iill"), ("getrlimit", "il"), ("setrlimit", "il"), ("getrusage", "il"),
    ("setpriority", "iii"), ("getpriority", "ii"), ("ioprio_set", "iii"), ("ioprio_get", "ii"),
    ("sched_setaffinity", "iil"), ("sched_getaffinity", "iil"), ("sched_setscheduler", "iil"),
    ("sched_getscheduler", "i"), ("sched_setparam", "il"), ("sched_getparam", "il"),
    ("sched_setattr", "ili"), ("sched_getattr", "ilii"), ("sched_rr_get_interval", "il"),
    // ids, clocks, the rest
    ("setuid", "i"), ("setgid", "i"), ("setresuid", "iii"), ("setresgid", "iii"),
    ("setreuid", "ii"), ("setregid", "ii"), ("getrandom", "lli"), ("clock_gettime", "il"),
    ("clock_settime", "il"), ("clock_getres", "il"), ("clock_adjtime", "il"),
    ("clock_nanosleep", "iill"), ("timer_create", "ill"), ("exit", "i"), ("exit_group", "i"),
    ("getpid", ""), ("getppid", ""), ("gettid", ""), ("getuid", ""), ("close", "i"),
    ("dup", "i"), ("dup2", "ii"), ("read", "ill"), ("write", "ill"), ("getcpu", "lll"),
    ("shmget", "ili"), ("shmat", "ili"), ("shmctl", "iil"), ("semget", "iii"), ("msgget", "ii"),
];
