//! Filters in the real kernel: what it says is what the interpreter and the policy say.
#![allow(clippy::print_stdout)] // the number of calls is part of what these tests show

mod agree;
mod child;

use agree::{DENIED, agree};
use child::Prepared;
use flowjail::filter::{Action, Call, Otherwise, Policy, compile};
use flowjail::plan::Kind;
use flowjail::syscalls::{Rule, lookup, parse_when};

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

/// A rule of every shape: none, one and many conditions, masks, both comparisons, both widths, SELF,
/// answers with and without conditions.
fn shapes() -> Policy {
    let allow: &[(&str, &[&str])] = &[
        ("read", &[]),
        ("exit_group", &[]),
        ("munmap", &[]),
        (
            "socket",
            &["arg0 == AF_UNIX && arg1 & 0xf == SOCK_STREAM && arg2 == 0"],
        ),
        (
            "socket",
            &["arg0 == AF_INET && arg1 & 0xf == SOCK_STREAM && arg2 & ~6 == 0"],
        ),
        ("sendto", &[]),
        ("sendmsg", &[]),
        ("ioctl", &["arg1 != TIOCSTI && arg1 != TIOCLINUX"]),
        ("kill", &["arg0 == SELF", "arg0 == 0"]),
        ("tgkill", &["arg0 == SELF"]),
        ("prlimit64", &["arg0 == 0"]),
        ("setpriority", &["arg0 == PRIO_PROCESS && arg1 == 0"]),
        (
            "mmap",
            &[
                "arg4 == -1",
                "arg2 & PROT_EXEC == 0 && arg3 & MAP_SHARED != 0",
            ],
        ),
        ("clone", &["arg0 & CLONE_THREAD != 0"]),
        ("madvise", &["arg2 & 0xf0 != 0x60"]),
        (
            "prctl",
            &[
                "arg0 == PR_SET_NAME",
                "arg0 == PR_SET_VMA && arg1 == PR_SET_VMA_ANON_NAME",
            ],
        ),
    ];
    let answer: &[(&str, &[&str], i32)] = &[
        ("clone3", &[], libc::ENOSYS),
        ("sendto", &["arg3 & MSG_FASTOPEN != 0"], libc::EOPNOTSUPP),
        ("sendmsg", &["arg2 & MSG_FASTOPEN != 0"], libc::EOPNOTSUPP),
        ("prctl", &["arg0 == PR_SET_NAME && arg1 == 0"], libc::EFAULT),
        ("prctl", &["arg0 == PR_SET_MM"], libc::EINVAL),
    ];
    Policy {
        allow: allow.iter().map(|(call, when)| rule(call, when)).collect(),
        answer: answer
            .iter()
            .map(|(call, when, errno)| (rule(call, when), *errno))
            .collect(),
        otherwise: Otherwise::Notify,
    }
}

#[test]
fn kernel_interpreter_and_policy_agree_on_every_rule_and_one_off() {
    let seen = agree(&shapes());
    for verdict in [
        Action::Allow,
        Action::Errno(DENIED),
        Action::Errno(libc::ENOSYS),
        Action::Errno(libc::EOPNOTSUPP),
    ] {
        assert!(
            seen.contains_key(&verdict),
            "{verdict:?} was never seen: {seen:?}"
        );
    }
}

#[test]
fn kernel_and_interpreter_agree_where_tests_need_long_jumps() {
    let many = |call: &str| {
        let when = (0..150)
            .map(|n| parse_when(call, &format!("arg1 == {n}")).unwrap())
            .collect();
        Rule {
            when,
            ..rule(call, &[])
        }
    };
    let allow = ["prctl", "mmap", "keyctl", "write"].map(many).to_vec();
    let seen = agree(&Policy {
        allow,
        answer: Vec::new(),
        otherwise: Otherwise::Kill,
    });
    assert!(seen[&Action::Allow] >= 600, "{seen:?}");
}

#[test]
fn a_call_that_is_let_through_happens_and_one_that_is_not_does_not() {
    // On descriptor -1 each is harmless, and the kernel's own EBADF shows that it arrived.
    let nr = |call| lookup(call).unwrap().number;
    let high = 1 << 32;
    let calls = [
        Call::new(nr("ioctl"), [u64::MAX, libc::FIONBIO, 0, 0, 0, 0]),
        Call::new(nr("ioctl"), [u64::MAX, libc::TIOCSTI, 0, 0, 0, 0]),
        Call::new(nr("ioctl"), [u64::MAX, libc::TIOCSTI | high, 0, 0, 0, 0]),
        Call::new(nr("sendto"), [u64::MAX, 0, 0, 0, 0, 0]),
        Call::new(
            nr("sendto"),
            [u64::MAX, 0, 0, libc::MSG_FASTOPEN as u64 | high, 0, 0],
        ),
        Call::new(nr("fchdir"), [u64::MAX, 0, 0, 0, 0, 0]),
    ];
    let policy = Policy {
        otherwise: Otherwise::Errno(DENIED),
        ..shapes()
    };
    let program = compile(&policy).unwrap();
    let jailed = child::fork().run(&Prepared {
        insns: program.instructions(),
        calls: &calls,
        below: None,
    });
    let bare = child::fork().run(&Prepared {
        insns: &[],
        calls: &calls,
        below: None,
    });
    assert_eq!(
        jailed,
        [
            libc::EBADF,
            DENIED,
            DENIED,
            libc::EBADF,
            libc::EOPNOTSUPP,
            DENIED
        ]
    );
    assert_eq!(bare, [libc::EBADF; 6]);
}

#[test]
fn what_is_to_be_notified_is_enosys_where_nobody_listens() {
    let calls = [Call::new(lookup("getppid").unwrap().number, [0; 6])];
    let program = compile(&shapes()).unwrap();
    let jailed = child::fork().run(&Prepared {
        insns: program.instructions(),
        calls: &calls,
        below: None,
    });
    let bare = child::fork().run(&Prepared {
        insns: &[],
        calls: &calls,
        below: None,
    });
    assert_eq!((jailed, bare), (vec![libc::ENOSYS], vec![0]));
}

#[test]
fn a_policy_that_kills_ends_the_process_by_sigsys() {
    let calls = [Call::new(lookup("getppid").unwrap().number, [0; 6])];
    let program = compile(&Policy {
        otherwise: Otherwise::Kill,
        ..shapes()
    })
    .unwrap();
    let jailed = child::fork().finish(&Prepared {
        insns: program.instructions(),
        calls: &calls,
        below: None,
    });
    assert_eq!(jailed, (libc::SIGSYS, vec![]));
}

/// Everything allowed that the two next tests call, by its number on any architecture.
#[cfg(target_arch = "x86_64")]
fn permissive() -> Vec<flowjail::filter::Insn> {
    let allow = flowjail::syscalls::all()
        .map(|syscall| rule(syscall.name, &[]))
        .collect();
    let policy = Policy {
        allow,
        answer: Vec::new(),
        otherwise: Otherwise::Errno(DENIED),
    };
    compile(&policy).unwrap().with_own_pid(1)
}

#[test]
#[cfg(target_arch = "x86_64")]
fn an_x32_call_is_killed_and_its_native_twin_is_not() {
    unsafe fn x32() -> i64 {
        // SAFETY: getpid has no arguments and no effect.
        unsafe { libc::syscall(libc::SYS_getpid | 0x4000_0000) };
        7
    }
    unsafe fn native() -> i64 {
        // SAFETY: as above.
        unsafe { libc::syscall(libc::SYS_getpid) };
        7
    }
    assert_eq!(child::ended(&[], x32), Ok(7), "without a filter");
    assert_eq!(
        child::ended(&permissive(), native),
        Ok(7),
        "the same call, native"
    );
    assert_eq!(child::ended(&permissive(), x32), Err(libc::SIGSYS));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn an_i386_call_is_killed_and_works_without_the_filter() {
    unsafe fn i386() -> i64 {
        let result: i64;
        // SAFETY: i386's getpid; the entry may clobber r8 to r11.
        unsafe {
            std::arch::asm!("int 0x80", inlateout("rax") 20i64 => result, lateout("r8") _,
                lateout("r9") _, lateout("r10") _, lateout("r11") _);
        }
        // SAFETY: no arguments, no effect.
        if result == i64::from(unsafe { libc::getpid() }) {
            7
        } else {
            8
        }
    }
    assert_eq!(
        child::ended(&[], i386),
        Ok(7),
        "without a filter (needs CONFIG_IA32_EMULATION)"
    );
    assert_eq!(child::ended(&permissive(), i386), Err(libc::SIGSYS));
}

/// Every rule of every shipped filter, allowed and one off: the workloads' and flowjail's own.
#[test]
fn the_shipped_filters_are_what_their_profiles_say() {
    for name in flowjail::profile::builtin_names() {
        let profile = flowjail::profile::load(name, &Default::default()).unwrap();
        let filter = flowjail::plan::filter(&profile, true, false).unwrap();
        let seen = agree(&filter.policy);
        println!(
            "{name}: {} system calls allowed, verdicts {seen:?}",
            filter.allowed
        );
        assert!(seen[&Action::Allow] >= filter.allowed, "{name}: {seen:?}");
        if name == "flowise" {
            assert!(filter.allowed <= 102, "{} system calls", filter.allowed);
        }
    }
    for kind in [Kind::Namespaced, Kind::Bare] {
        let own = flowjail::plan::own_filters(kind, true);
        for policy in [own.init, own.supervisor, own.gateway] {
            assert!(agree(&policy)[&Action::Allow] >= policy.allow.len());
        }
    }
}

/// In the bare jail what could lead out is notified, and nothing is allowed that the namespaced jail would not be.
#[test]
fn the_bare_jails_sockets_are_the_supervisors_work() {
    let mut profile = flowjail::profile::load("flowise", &Default::default()).unwrap();
    let free = flowjail::plan::filter(&profile, true, false).unwrap();
    profile.jail = flowjail::profile::JailKind::Bare;
    let filter = flowjail::plan::filter(&profile, true, true).unwrap();
    agree(&filter.policy);
    let call = |name: &str, args| Call::new(flowjail::syscalls::lookup(name).unwrap().number, args);
    let [inet, unix] = [libc::AF_INET, libc::AF_UNIX].map(|family| family as u64);
    let (stream, high) = (libc::SOCK_STREAM as u64, 1 << 32);
    for (name, args, verdict) in [
        ("socket", [inet, stream, 0, 0, 0, 0], Action::Notify),
        ("socket", [high | unix, stream, 0, 0, 0, 0], Action::Notify),
        ("connect", [3, 0, 0, 0, 0, 0], Action::Notify),
        ("bind", [3, 0, 0, 0, 0, 0], Action::Notify),
        ("listen", [3, 0, 0, 0, 0, 0], Action::Notify),
        ("sendto", [3, 0, 0, 0, 0, 0], Action::Allow),
        ("sendto", [3, 0, 0, 0, 1, 0], Action::Notify),
        ("sendto", [3, 0, 0, 0, high, 0], Action::Notify),
        ("recvfrom", [3, 0, 0, 0, 0, 0], Action::Allow),
        ("recvfrom", [3, 0, 0, 0, high, 0], Action::Notify),
        ("recvmsg", [3, 0, 0, 0, 0, 0], Action::Notify),
        ("setsockopt", [3, 0, 11, 0, 0, 0], Action::Notify),
        ("setsockopt", [3, high | 6, 1, 0, 0, 0], Action::Allow),
        ("accept4", [3, 0, 0, 0, 0, 0], Action::Allow),
    ] {
        let call = call(name, args);
        assert_eq!(filter.policy.decide(&call, 7), verdict, "{name} {args:?}");
        assert_eq!(
            free.policy.decide(&call, 7),
            Action::Allow,
            "{name} {args:?}"
        );
    }
}
