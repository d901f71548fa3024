//! Sockets that no gateway stands behind: datagrams, raw ones, other families, and peers on the same machine.
use crate::act::{Act, Seen, refused, silent};

pub fn acts() -> Vec<Act> {
    [
        queries(),
        odd_queries(),
        datagrams(),
        kinds(),
        around_connect(),
        peers(),
    ]
    .concat()
}

const TO_NOBODY: Seen = Seen::Because("datagrams reach the name server alone");
const NOT_LOST: &str = "no network swallows it there: the supervisor sees the address, and says no";

/// The jail's stub answers in every name server's place: there is no such name.
fn queries() -> Vec<Act> {
    let unknown = |sentence, arguments| {
        refused(sentence)
            .run(arguments)
            .answers(["ok code 3 records 0"])
            .because("not in the profile")
            .bare("ok code 0 records 1")
    };
    vec![
        unknown(
            "asks the host's name server past libc",
            "dns 203.0.113.53 other.world.test",
        ),
        unknown(
            "asks the host's name server over TCP",
            "dns-by-tcp 203.0.113.53 other.world.test",
        ),
        unknown("asks for IPv6 alone", "dns 203.0.113.53 six.world.test 28"),
        unknown(
            "asks for a text record",
            "dns 203.0.113.53 text.world.test 16",
        ),
        unknown(
            "asks for a service record",
            "dns 203.0.113.53 _db._tcp.world.test 33",
        ),
        unknown(
            "asks the name server of resolv.conf past libc",
            "own-dns other.world.test",
        ),
    ]
}

fn odd_queries() -> Vec<Act> {
    vec![
        refused("asks a name server of its own choice over TCP")
            .with("--allow api.world.test:53")
            .run("dns-by-tcp 198.51.100.7 other.world.test")
            .answers(["ECONNREFUSED", "ENETUNREACH", "EACCES"])
            .because("raw address")
            .bare("ok code 0 records 1"),
        silent("asks a name server of its own choice")
            .run("dns 198.51.100.7 other.world.test")
            .answers([
                "refused: no answer",
                "EPERM",
                "EACCES",
                "ENETUNREACH",
                "ECONNREFUSED",
            ])
            .in_bare(&["EPERM"], TO_NOBODY, NOT_LOST)
            .bare("ok code 0 records 1"),
        refused("asks for a name of 300 characters")
            .run(concat!(
                "own-dns aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.",
                "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.",
                "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc.",
                "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd.",
                "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee.world.test"
            ))
            .answers(["ok code 1", "ok code 3"])
            .unseen()
            .bare("ok code 3"),
    ]
}

fn datagrams() -> Vec<Act> {
    let lost = |sentence, arguments| {
        silent(sentence)
            .with("--allow api.world.test")
            .run(arguments)
            .answers([
                "refused: no answer",
                "EPERM",
                "EACCES",
                "ENETUNREACH",
                "ECONNREFUSED",
            ])
            .in_bare(&["EPERM"], TO_NOBODY, NOT_LOST)
            .bare("ok PONG")
    };
    vec![
        lost(
            "speaks QUIC to a public address",
            "datagram AF_INET 203.0.113.11 443",
        ),
        lost(
            "speaks QUIC to an allowed host's address",
            "datagram AF_INET 203.0.113.10 443",
        ),
        lost(
            "speaks QUIC over IPv6",
            "datagram AF_INET6 2001:db8::10 443",
        ),
        lost(
            "sends a datagram to a private address",
            "datagram AF_INET 10.20.30.40 443",
        ),
        lost(
            "sends a datagram to the host's loopback",
            "datagram AF_INET 127.0.0.1 443",
        ),
        lost(
            "sends a multicast datagram",
            "datagram AF_INET 224.0.0.251 5353",
        ),
    ]
}

fn kinds() -> Vec<Act> {
    let kind = |sentence, arguments| {
        refused(sentence)
            .run(arguments)
            .answers(["EPERM", "EAFNOSUPPORT"])
            .seen_as("socket")
            .bare_root("ok|EAFNOSUPPORT|EPROTONOSUPPORT")
    };
    vec![
        kind(
            "sends an echo request by ICMP",
            "ping 203.0.113.11 SOCK_DGRAM",
        ),
        kind(
            "sends an echo request by a raw socket",
            "ping 203.0.113.11 SOCK_RAW",
        ),
        kind("opens a raw socket for TCP", "opens 2 3 6"),
        kind("opens a raw IPv6 socket", "opens 10 3 58"),
        kind("opens a packet socket", "opens 17 3 768"),
        kind("opens a packet socket for datagrams", "opens 17 2 768"),
        kind("opens a vsock", "opens 40 1"),
        kind("opens a multipath socket", "opens 2 1 262"),
    ]
}

fn around_connect() -> Vec<Act> {
    let fast = |sentence, arguments| {
        refused(sentence)
            .with("--allow api.world.test:7000")
            .run(arguments)
            .answers(["ENOTSUP", "EOPNOTSUPP", "EPERM"])
            .unseen()
            .bare("ok ping")
    };
    vec![
        fast(
            "connects to an address while it sends",
            "fast-open 203.0.113.11 7000",
        ),
        fast(
            "connects to an address once it sends",
            "fast-open-later 203.0.113.11 7000",
        ),
        refused("connects to an allowed host by multipath")
            .with("--allow api.world.test:7000")
            .run("multipath api.world.test 7000")
            .answers(["EPERM"])
            .seen_as("socket")
            .bare("ok ping|EPROTONOSUPPORT"),
    ]
}

fn peers() -> Vec<Act> {
    let peer = |sentence, arguments| {
        refused(sentence)
            .run(arguments)
            .unseen()
            .in_bare(
                &["ECONNREFUSED"],
                Seen::Because("unix sockets lead out of the jail"),
                "the host's unix sockets are in sight there: the supervisor connects none, and tells of it",
            )
            .bare("ok PONG")
    };
    vec![
        peer(
            "connects to an abstract unix socket of the host",
            "unix @world-dbus",
        )
        .answers(["ECONNREFUSED", "EPERM"]),
        peer(
            "connects to a unix socket of the host by its path",
            "unix {socket}",
        )
        .answers(["ENOENT", "EACCES"]),
    ]
}
