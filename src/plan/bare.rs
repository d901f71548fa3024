//! The bare jail: what it needs of the place, and which calls its supervisor carries out.
#![forbid(unsafe_code)]

use std::net::{Ipv4Addr, SocketAddr};

use nix::errno::Errno;

use super::{Plan, Refusal, confine, network};
use crate::host::Host;
use crate::profile::{Profile, Publish};
use crate::syscalls::{Compare, Condition, Rule, Width};

/// What stands in the way of a bare jail, whatever its profile promises.
pub fn refusals(profile: &Profile, host: &Host) -> Vec<Refusal> {
    let mut all = Vec::new();
    let Some(bare) = &host.bare else {
        return all;
    };
    if let Err(errno) = bare.ids {
        all.push(Refusal {
            what: "the bare jail, started as root".into(),
            needs: "to become an ordinary user".into(),
            found: format!("setuid is refused ({errno:?}): root without its capabilities"),
            hints: vec![
                "start the container as an ordinary user: --user N:N, the owner of the data".into(),
            ],
        });
    } else if let Err(errno) = bare.memory {
        all.push(Refusal {
            what: "the bare jail".into(),
            needs: "to see the arguments of calls that wait (/proc/PID/mem)".into(),
            found: format!("it is closed even to the program's own user ({errno:?})"),
            hints: vec![
                "kernel.yama.ptrace_scope must be 0 or 1, and no filter around may refuse openat"
                    .into(),
            ],
        });
    }
    if network::is_own(profile, host) {
        all.extend(doors(profile));
    }
    all
}

/// The program gets the listening socket itself.
fn doors(profile: &Profile) -> Vec<Refusal> {
    let mut all = Vec::new();
    let mut led: Vec<&Publish> = Vec::new();
    for entry in &profile.net.publish {
        let refuse = |found: String, hint: &str| Refusal {
            what: format!("publish {} ({})", entry.value.address, entry.origin),
            needs: "the relay of a namespaced jail".into(),
            found,
            hints: vec![hint.into()],
        };
        if !entry.value.proxy_from.is_empty() {
            let found =
                "in the bare jail visitors reach the program itself: no PROXY header is taken off"
                    .into();
            all.push(refuse(
                found,
                "remove proxy_from, and let the front write X-Forwarded-For",
            ));
        }
        let to = network::led_to(profile, &entry.value);
        let same = |other: &&Publish| network::led_to(profile, other) == to;
        let both = |other: &&Publish| {
            are_one(&other.address, &entry.value.address)
                && other.allow_from == entry.value.allow_from
        };
        if led.iter().any(|other| same(other) && !both(other)) {
            let found = format!(
                "another address leads to port {to} of the program, which listens there once"
            );
            all.push(refuse(found, "publish one address, as in 0.0.0.0:3000, or give the second a port of its own: to = N"));
        }
        led.push(&entry.value);
    }
    all
}

/// All addresses of both families at one port: one socket of IPv6 serves both.
pub fn are_one(one: &SocketAddr, other: &SocketAddr) -> bool {
    let all = |address: &SocketAddr| address.ip().is_unspecified();
    all(one) && all(other) && one.port() == other.port() && one.is_ipv4() != other.is_ipv4()
}

/// Calls that change what a file says about itself. Landlock has no right for them.
pub const CHANGES: [&str; 9] = [
    "chmod",
    "chown",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "utime",
    "utimensat",
    "utimes",
];

/// What own mounts and namespaces hold, and nothing else does: the kernel asks Landlock about none of it.
const NOT_HELD: [&str; 3] = [
    "bare: that other files exist, and their sizes and owners, can be seen (stat)",
    "bare: the host's name, its mounts and its cgroups can be seen",
    "bare: a device node that lies in what it writes can be opened",
];

/// What the reader should know.
pub fn notes(host: &Host, plan: &Plan) -> Vec<String> {
    let Some(bare) = host.bare.as_ref().filter(|_| plan.is_bare()) else {
        return Vec::new();
    };
    let mut notes = NOT_HELD.map(str::to_owned).to_vec();
    if !bare.unseen.is_empty() {
        let shown = |(name, errno): &(&str, Errno)| format!("{name} ({errno:?})");
        let all: Vec<String> = bare.unseen.iter().map(shown).collect();
        notes.push(format!(
            "refused by the filter around flowjail, unseen: {}",
            all.join(", ")
        ));
    }
    for line in plan.network.iter().flat_map(|network| &network.publish) {
        if !line.admits(Ipv4Addr::LOCALHOST.into()) {
            notes.push(format!(
                "warning: allow_from of {} has no 127.0.0.1: `flowjail health`, and the program's own calls to itself, come from there",
                line.address
            ));
        }
    }
    for made in &plan.makes {
        notes.push(format!("{} is not there yet: it is made", made.display()));
    }
    if host.container {
        notes.push("stopping: flowjail grants the program 35 s, and docker stop waits for 10: docker run --stop-timeout 40, stop_grace_period: 40s, terminationGracePeriodSeconds: 40".into());
    }
    notes
}

/// Calls that change files by ways that Landlock has no right for, or has since a newer version, and that nobody here
/// carries out: refused, whatever a profile allows.
const REFUSED: [&str; 12] = [
    "fchmodat2",
    "fremovexattr",
    "fsetxattr",
    "futimesat",
    "lchown",
    "lremovexattr",
    "lsetxattr",
    "removexattr",
    "removexattrat",
    "setxattr",
    "setxattrat",
    "truncate",
];

/// Connects without connect(2), answered whatever a profile says: TCP fast open. EOPNOTSUPP: what those who try it know how
/// to do without.
pub fn answers() -> Vec<(Rule, i32)> {
    let fast = |arg| {
        vec![vec![Condition {
            mask: libc::MSG_FASTOPEN as u64,
            ..is(arg, Width::Int, libc::MSG_FASTOPEN as u64)
        }]]
    };
    let later = vec![vec![
        is(1, Width::Int, libc::SOL_TCP as u64),
        is(2, Width::Int, libc::TCP_FASTOPEN_CONNECT as u64),
    ]];
    let all = [
        confine::rule("sendto", fast(3)),
        confine::rule("sendmsg", fast(2)),
        confine::rule("sendmmsg", fast(3)),
        confine::rule("setsockopt", later),
    ];
    all.into_iter()
        .flatten()
        .map(|rule| (rule, libc::EOPNOTSUPP))
        .collect()
}

/// Takes out of the allowed calls those that change files which may not be written and, where `sockets` is said, those of
/// sockets that could reach further than their arguments in registers say; where `guests` is said, visitors are looked at
/// first. The supervisor carries these out: descriptors, paths and addresses may change under the eyes of a filter, and of
/// anybody who lets the caller's own call go on.
pub fn mediate(allow: Vec<Rule>, sockets: bool, guests: bool) -> (Vec<Rule>, Vec<Rule>) {
    let mut kept = Vec::new();
    let mut mediated = Vec::new();
    for rule in allow {
        match split(&rule, sockets, guests) {
            Split::Whole => mediated.push(rule),
            Split::Where(free) => {
                mediated.push(rule.clone());
                kept.extend(narrowed(rule, &free));
            }
            Split::Not => kept.push(rule),
        }
    }
    (kept, mediated)
}

enum Split {
    /// Every call of it is mediated.
    Whole,
    /// Calls for which one of these holds, all of it, are not.
    Where(Vec<Vec<Condition>>),
    /// None is.
    Not,
}

fn split(rule: &Rule, sockets: bool, guests: bool) -> Split {
    match rule.syscall {
        changes if CHANGES.contains(&changes) || REFUSED.contains(&changes) => Split::Whole,
        _ if !sockets => Split::Not,
        "accept" | "accept4" if guests => Split::Whole,
        "socket" | "socketpair" | "connect" | "bind" | "listen" | "getsockname" | "getpeername"
        | "recvmsg" | "recvmmsg" => Split::Whole,
        // An address goes with it, or room for one.
        "sendto" | "recvfrom" => Split::Where(vec![vec![is(4, Width::Long, 0)]]),
        // See the supervisor's set_option.
        "setsockopt" => Split::Where(vec![
            vec![
                is(1, Width::Int, libc::SOL_SOCKET as u64),
                is_not(2, libc::SO_LINGER),
            ],
            vec![is(1, Width::Int, libc::SOL_TCP as u64)],
        ]),
        _ => Split::Not,
    }
}

/// The rule for those of its calls for which one of the conditions holds.
fn narrowed(rule: Rule, free: &[Vec<Condition>]) -> Option<Rule> {
    let any = vec![Vec::new()];
    let old = if rule.when.is_empty() {
        &any
    } else {
        &rule.when
    };
    let when: Vec<Vec<Condition>> = old
        .iter()
        .flat_map(|all| free.iter().map(move |more| with(all, more)))
        .filter(|all| is_possible(all))
        .collect();
    (!when.is_empty()).then_some(Rule { when, ..rule })
}

fn with(all: &[Condition], more: &[Condition]) -> Vec<Condition> {
    let new = more.iter().filter(|one| !all.contains(one));
    all.iter().chain(new).copied().collect()
}

/// What can never hold need not be tested: two values at once, or one and not the same.
fn is_possible(all: &[Condition]) -> bool {
    let contradict = |one: &Condition, other: &Condition| {
        let same = one.value == other.value;
        match (one.compare, other.compare) {
            _ if one.arg != other.arg || one.mask != u64::MAX || other.mask != u64::MAX => false,
            (Compare::Equal, Compare::Equal) => !same,
            (Compare::Equal, Compare::NotEqual) | (Compare::NotEqual, Compare::Equal) => same,
            _ => false,
        }
    };
    let pairs = all.iter().enumerate();
    !pairs
        .flat_map(|(index, one)| all[index + 1..].iter().map(move |other| (one, other)))
        .any(|(one, other)| contradict(one, other))
}

fn is_not(arg: u8, value: i32) -> Condition {
    Condition {
        compare: Compare::NotEqual,
        ..is(arg, Width::Int, value as u64)
    }
}

fn is(arg: u8, width: Width, value: u64) -> Condition {
    Condition {
        arg,
        width,
        mask: u64::MAX,
        compare: Compare::Equal,
        value,
    }
}
