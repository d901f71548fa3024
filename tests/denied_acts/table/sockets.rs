//! Sockets: families and types that are not the jail's, ways around port rules, and peers outside.
use crate::act::Layer::{Landlock, Mounts, Net, Seccomp, UserNamespace};
use crate::act::Outcome::{Succeeds, SucceedsOr};
use crate::act::{Act, act};

pub fn acts() -> Vec<Act> {
    [families(), around_port_rules(), peers()].concat()
}

fn families() -> Vec<Act> {
    let kind = |sentence, arguments: &[&'static str]| {
        act(sentence)
            .run(arguments)
            .claimed_by([Seccomp.by("EPERM")])
            .bare(SucceedsOr(&[
                "EAFNOSUPPORT",
                "EPROTONOSUPPORT",
                "ESOCKTNOSUPPORT",
            ]))
    };
    let root = |sentence, arguments: &[&'static str]| {
        act(sentence)
            .run(arguments)
            .claimed_by([UserNamespace.by("EPERM"), Seccomp.by("EPERM")])
            .seen_as("socket")
            .bare_root(Succeeds)
    };
    vec![
        root("opens a packet socket", &["socket", "17", "3", "0"]),
        root("opens a raw socket", &["socket", "2", "3", "1"]),
        root("opens a raw IPv6 socket", &["socket", "10", "3", "58"]),
        kind("opens a vsock", &["socket", "40", "1", "0"]),
        kind(
            "opens a vsock, with high bits in the family",
            &["socket", "0x100000028", "1", "0"],
        ),
        kind(
            "opens a socket of the kernel's ciphers",
            &["socket", "38", "5", "0"],
        ),
        kind("opens a bluetooth socket", &["socket", "31", "3", "1"]),
        kind("opens an SCTP socket", &["socket", "2", "1", "132"]),
        kind("opens a multipath socket", &["socket", "2", "1", "262"]),
        kind(
            "opens a multipath socket, with high bits in the protocol",
            &["socket", "2", "1", "0x100000106"],
        ),
        kind(
            "opens a netlink socket of kernel events",
            &["socket", "16", "3", "15"],
        ),
        kind(
            "opens a netlink socket of the firewall",
            &["socket", "16", "3", "12"],
        ),
        kind("opens a unix datagram socket", &["socket", "1", "2", "0"]),
        kind(
            "opens a unix socket, with high bits in a wrong type",
            &["socket", "1", "0x100000005", "0"],
        ),
    ]
}

fn around_port_rules() -> Vec<Act> {
    let fast = |sentence, name| {
        act(sentence)
            .claimed_by([Seccomp.by("EOPNOTSUPP"), Net.by("ECONNREFUSED")])
            .run(name)
            .bare(Succeeds)
    };
    vec![
        fast("connects while it sends", &["fastopen", "{port}"]),
        fast(
            "connects while it sends, with high bits in the flags",
            &["fastopen-high", "{port}"],
        ),
        fast(
            "connects while it sends a message",
            &["fastopen-msg", "{port}"],
        ),
        act("connects later, by a socket option")
            .run(&["fastopen-connect", "{port}"])
            .claimed_by([
                Seccomp.by("EPERM").or("EOPNOTSUPP"),
                Landlock.by("EACCES"),
                Net.by("ECONNREFUSED"),
            ])
            .bare(Succeeds),
        act("connects by multipath to a port that is not named")
            .run(&["connect-mptcp", "{port}"])
            .claimed_by([Seccomp.by("EPERM"), Net.by("ECONNREFUSED")])
            .bare(SucceedsOr(&["EPROTONOSUPPORT"])),
    ]
}

fn peers() -> Vec<Act> {
    vec![
        act("connects to a port that is not named")
            .run(&["connect-tcp", "{port}"])
            .claimed_by([Landlock.by("EACCES"), Net.by("ECONNREFUSED")])
            .bare(Succeeds),
        act("serves a port that is not published")
            .run(&["bind-tcp", "0"])
            .claimed_by([Landlock.by("EACCES")])
            .bare(Succeeds),
        act("connects to a unix socket outside by its path")
            .run(&["connect-unix", "{socket}"])
            .claimed_by([Mounts.by("ENOENT")])
            // It is in sight there, and the supervisor connects none.
            .in_bare(["ECONNREFUSED"])
            .bare(Succeeds),
        act("connects to an abstract unix socket outside")
            .run(&["connect-abstract", "{abstract}"])
            .claimed_by([Landlock.by("EPERM"), Net.by("ECONNREFUSED")])
            .bare(Succeeds),
    ]
}
