//! Names, numbers, widths and conditions.
#![forbid(unsafe_code)]

use super::table::{NONE, TABLE};
use super::widths::CALLS;
use super::*;

fn condition(arg: u8, width: Width, mask: u64, compare: Compare, value: u64) -> Condition {
    Condition {
        arg,
        width,
        mask,
        compare,
        value,
    }
}

#[test]
fn the_table_is_sorted_and_no_number_is_given_twice() {
    assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
    for numbers in [
        TABLE.iter().map(|r| r.1).collect::<Vec<_>>(),
        TABLE.iter().map(|r| r.2).collect(),
    ] {
        let mut given: Vec<i16> = numbers.into_iter().filter(|n| *n != NONE).collect();
        let count = given.len();
        given.sort_unstable();
        given.dedup();
        assert_eq!(given.len(), count);
    }
}

#[test]
fn numbers_are_those_of_libc() {
    for (name, number) in [
        ("read", libc::SYS_read),
        ("openat", libc::SYS_openat),
        ("clone3", libc::SYS_clone3),
        ("execveat", libc::SYS_execveat),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("prlimit64", libc::SYS_prlimit64),
        ("rseq", libc::SYS_rseq),
        ("landlock_restrict_self", libc::SYS_landlock_restrict_self),
        ("newfstatat", libc::SYS_newfstatat),
    ] {
        assert_eq!(
            lookup(name).map(|s| i64::from(s.number)),
            Some(number),
            "{name}"
        );
    }
    assert_eq!(name_of(libc::SYS_futex_waitv as u32), Some("futex_waitv"));
}

#[test]
fn a_call_of_another_architecture_is_known_without_a_number() {
    let open = known("open");
    if cfg!(target_arch = "x86_64") {
        assert!(matches!(open, Some(Known::Here(_))));
    } else {
        assert_eq!(open, Some(Known::Elsewhere("open")));
        assert_eq!(lookup("open"), None);
    }
    assert_eq!(known("no_such_call"), None);
    for name in ["arch_prctl", "open", "poll", "mkdir", "epoll_wait"] {
        assert!(known(name).is_some(), "{name}");
    }
}

#[test]
fn a_typing_error_gets_the_nearest_name() {
    assert_eq!(closest("sokcet"), Some("socket"));
    assert_eq!(closest("execv"), Some("execve"));
    assert_eq!(closest("OPENAT"), Some("openat"));
    assert_eq!(closest("zzzzzzzz"), None);
    assert_eq!(closest(&"x".repeat(100_000)), None);
}

#[test]
fn every_call_with_widths_is_a_call_and_named_once() {
    for (at, (name, widths)) in CALLS.iter().enumerate() {
        assert!(known(name).is_some(), "{name}");
        assert!(
            widths.len() <= 6 && widths.bytes().all(|b| b"ilm".contains(&b)),
            "{name}"
        );
        assert!(
            CALLS[at + 1..].iter().all(|(other, _)| other != name),
            "{name} twice"
        );
    }
}

#[test]
fn a_conjunction_is_read() {
    let parsed = parse_when(
        "socket",
        "arg0 == AF_UNIX && arg1 & 0xf == SOCK_STREAM && arg2 == 0",
    )
    .unwrap();
    assert_eq!(
        parsed,
        [
            condition(0, Width::Int, u64::MAX, Compare::Equal, 1),
            condition(1, Width::Int, 0xf, Compare::Equal, 1),
            condition(2, Width::Int, u64::MAX, Compare::Equal, 0),
        ]
    );
}

#[test]
fn values_are_read_in_every_spelling() {
    let value = |call, text| parse_when(call, text).unwrap()[0];
    assert_eq!(value("ioctl", "arg1 == TIOCSTI").value, 0x5412);
    assert_eq!(value("kill", "arg0==-1").value, 0xffff_ffff);
    assert_eq!(value("mmap", "arg4 == -1").value, u64::MAX);
    assert_eq!(
        value("socket", "arg1 & ~(SOCK_CLOEXEC|SOCK_NONBLOCK) == 1").mask,
        0xfff7_f7ff
    );
    assert_eq!(
        value("clone", "arg0 & CLONE_THREAD != 0").compare,
        Compare::NotEqual
    );
    assert_eq!(value("mmap", "arg2 & PROT_EXEC == 0x4").width, Width::Long);
    assert_eq!(value("mprotect", "arg2 == PROT_READ | PROT_EXEC").value, 5);
    assert_eq!(value("kill", "arg0 == SELF").compare, Compare::OwnPid);
}

#[test]
fn what_is_wrong_is_shown_where_it_is() {
    for (call, text, at, message, hint) in [
        (
            "socket",
            "arg0 == AF_UNX",
            "AF_UNX",
            "unknown constant",
            "AF_UNIX",
        ),
        ("socket", "arg3 == 1", "arg3", "no argument 3", "arg0"),
        ("socket", "arg0 = 1", "=", "not an operator", "=="),
        (
            "socket",
            "arg0 == 1 || arg0 == 2",
            "||",
            "not an operator",
            "two rules",
        ),
        ("socket", "arg0 < 3", "<", "not an operator", "mask"),
        ("socket", "domain == 3", "domain", "not an argument", "arg0"),
        ("socket", "arg9 == 3", "arg9", "not an argument", "arg0"),
        (
            "socket",
            "arg0 == 0x1_0000_0000",
            "0x1_0000_0000",
            "not a number",
            "0x",
        ),
        (
            "socket",
            "arg0 == 0x100000000",
            "0x100000000",
            "does not fit",
            "",
        ),
        ("socket", "arg0 == 010", "010", "leading zero", "0x"),
        ("socket", "arg1 & 0xf == 0x10", "0x10", "never holds", ""),
        ("socket", "arg1 & 0xf != 0x10", "0x10", "always holds", ""),
        ("socket", "arg1 & 0 == 0", "0", "keeps no bit", ""),
        ("socket", "arg0 == 1 arg1 == 2", "arg1", "expected `&&`", ""),
        ("socket", "arg0 == 1 &&", "", "expected an argument", "arg0"),
        ("socket", "", "", "expected an argument", "arg0"),
        ("socket", "arg0 == (1", "", "expected `)`", ""),
        ("socket", "arg0 == é", "é", "not part", ""),
        ("kill", "arg0 != SELF", "SELF", "only compared", ""),
        ("mmap", "arg0 == SELF", "SELF", "only compared", ""),
        (
            "openat",
            "arg3 == 0",
            "arg3",
            "is a mode",
            "arg1 & 0xc00 == 0",
        ),
        ("brk", "arg0 == 0", "arg0 == 0", "not supported", "whole"),
    ] {
        let error = parse_when(call, text).unwrap_err();
        assert_eq!(&text[error.start..error.start + error.len], at, "{text}");
        assert!(error.message.contains(message), "{text}: {}", error.message);
        assert!(error.hint.unwrap_or_default().contains(hint), "{text}");
    }
}

#[test]
fn hostile_text_is_an_error_and_no_overflow() {
    assert!(parse_when("socket", &format!("arg0 == {}", "(".repeat(1_000_000))).is_err());
    assert!(parse_when("socket", &format!("arg0 == {}1", "~".repeat(1_000_000))).is_err());
    assert!(parse_when("socket", &"é&&".repeat(1000)).is_err());
}
