//! What a client sees in a jail and not without, all of it, each with its reason.

use crate::suite::How;

/// A case that may come out otherwise in a jail, and has to.
pub struct Difference {
    /// The suite.
    pub suite: &'static str,
    /// The case.
    pub case: &'static str,
    /// What the jailed client sees.
    pub jailed: &'static str,
    /// Why.
    pub why: &'static str,
}

const fn differs(
    suite: &'static str,
    case: &'static str,
    jailed: &'static str,
    why: &'static str,
) -> Difference {
    Difference {
        suite,
        case,
        jailed,
        why,
    }
}

const STAND_IN: &str =
    "the jail has a stand-in of 198.18.0.0/15 for a name; the gateway alone knows the real address";
const NO_AAAA: &str =
    "a stand-in is an IPv4 address; the gateway reaches the host by IPv6 where it has that";
const NOT_ALLOWED: &str = "no line of the profile names it, so that there is no such name";
const NO_RECORDS: &str =
    "TXT and SRV are answered below a line that says so, since they carry data out";
const LATE: &str = "the jail's connection is made before the gateway resolves the name and dials: what fails then is a reset";
const BOUND: &str = "a connection stays with the host that it was made for";
const GIVEN: &str =
    "the flag's address goes before that of the name servers, and only the jail has the flag";
const PORT: &str = "ports that the profile does not name are refused at the connect";
const PRIVATE: &str =
    "a public name may not lead into the private network; [net] private is for those that may";
const NAMELESS: &str = "addresses are reached by the names that the profile has, never by number";
const BIND: &str = "only published ports may be bound, also the one that the kernel would choose";
const UNPUBLISHED: &str = "visitors come to published addresses alone";

const DOT: &str =
    "the Host header has to be the name as the profile writes it, without the root's dot";
const ONE_SERVER: &str =
    "the name servers of /etc/resolv.conf are the gateway's own stub, by whatever address";
const LOOPBACK: &str = "127.0.0.1 is the jail's own";
const SOCKET_FILE: &str = "the profile lets node make files, and no sockets among them";
const DATAGRAM: &str = "there is TCP alone, and questions to the name server";

const PLAIN: &str = "the gateway and the server must not read a request in two ways: only plain HTTP/1.1 passes, and no tunnel";
const PROTOCOL: &str = "ports 80 and 443 speak HTTP and TLS, since that says which host is meant";

/// All of them.
pub const ALL: &[Difference] = &[
    differs("node", "http: another Host header", "ECONNRESET", BOUND),
    differs(
        "node",
        "http: the server of a name that --add-host gives",
        "203.0.113.10",
        GIVEN,
    ),
    differs(
        "node",
        "https: another name in the hello",
        "ECONNRESET",
        BOUND,
    ),
    differs("node", "https: no name in the hello", "ECONNRESET", BOUND),
    differs(
        "node",
        "lookup: the address that the name has",
        "198.18.0.1",
        STAND_IN,
    ),
    differs(
        "node",
        "lookup: an IPv6 address of an allowed name",
        "ENOTFOUND",
        NO_AAAA,
    ),
    differs(
        "node",
        "lookup: a name that is not allowed",
        "ENOTFOUND",
        NOT_ALLOWED,
    ),
    differs(
        "node",
        "lookup: an allowed name that does not exist",
        "found",
        LATE,
    ),
    differs(
        "node",
        "c-ares: resolve4 of a name that is not allowed",
        "ENOTFOUND",
        NOT_ALLOWED,
    ),
    differs(
        "node",
        "c-ares: resolve6 of an allowed name",
        "ENODATA",
        NO_AAAA,
    ),
    differs(
        "node",
        "c-ares: resolveTxt of an allowed name",
        "ENODATA",
        NO_RECORDS,
    ),
    differs(
        "node",
        "c-ares: resolveTxt of a name that is not allowed",
        "ENOTFOUND",
        NOT_ALLOWED,
    ),
    differs(
        "node",
        "tcp: a port where nobody listens",
        "ECONNRESET",
        LATE,
    ),
    differs("node", "tcp: a port that is not allowed", "EACCES", PORT),
    differs(
        "node",
        "tcp: a name with a private address that is not allowed as such",
        "ECONNRESET",
        PRIVATE,
    ),
    differs(
        "node",
        "tcp: an address that no name stands for",
        "ECONNREFUSED",
        NAMELESS,
    ),
    differs(
        "node",
        "tcp: an IPv6 address that no name stands for",
        "ECONNREFUSED",
        NAMELESS,
    ),
    differs(
        "node",
        "http: an allowed name that does not exist",
        "ECONNRESET",
        LATE,
    ),
    differs(
        "node",
        "http: a name with a dot at its end",
        "ECONNRESET",
        DOT,
    ),
    differs(
        "node",
        "c-ares: a name that is not allowed, from a name server by its address",
        "ENOTFOUND",
        ONE_SERVER,
    ),
    differs(
        "node",
        "tcp: a server of the machine on 127.0.0.1",
        "ECONNREFUSED",
        LOOPBACK,
    ),
    differs(
        "node",
        "tcp: a server of its own on 127.0.0.1",
        "EACCES",
        BIND,
    ),
    differs(
        "node",
        "tcp: a server of its own on a Unix socket",
        "EACCES",
        SOCKET_FILE,
    ),
    differs("http", "empty lines before a request", "ECONNRESET", PLAIN),
    differs("http", "chunks with an extension", "ECONNRESET", PLAIN),
    differs(
        "http",
        "a body beside a length and chunks",
        "ECONNRESET",
        PLAIN,
    ),
    differs("http", "CONNECT through the server", "ECONNRESET", PLAIN),
    differs("http", "no HTTP at all", "ECONNRESET", PROTOCOL),
    differs(
        "python",
        "tls: another protocol on its port",
        "ECONNRESET",
        PROTOCOL,
    ),
    differs(
        "python",
        "a bind to no address and port before the connect",
        "EACCES",
        BIND,
    ),
    differs(
        "python",
        "the address of the other end",
        "198.18.0.1",
        STAND_IN,
    ),
    differs(
        "python",
        "a name with an IPv6 address alone, asked for IPv6",
        "EAI_NODATA",
        NO_AAAA,
    ),
    differs(
        "python",
        "an IPv6 address that no name stands for",
        "ECONNREFUSED",
        NAMELESS,
    ),
    differs(
        "python",
        "an IPv4 address that no name stands for",
        "ECONNREFUSED",
        NAMELESS,
    ),
    differs(
        "python",
        "getaddrinfo of a name that is not allowed",
        "EAI_NONAME",
        NOT_ALLOWED,
    ),
    differs("python", "a port where nobody listens", "ECONNRESET", LATE),
    differs("python", "a port that is not allowed", "EACCES", PORT),
    differs(
        "curl",
        "the name servers' address by hand",
        "000 0 0 0 7",
        NAMELESS,
    ),
    differs(
        "python",
        "a datagram and its answer",
        "ECONNREFUSED",
        DATAGRAM,
    ),
    differs(
        "python",
        "a question of its own to the name server, for a name that is not allowed",
        "code 3, answers 0",
        ONE_SERVER,
    ),
    differs(
        "curl",
        "a name that is not allowed",
        "000 0 0 0 6",
        NOT_ALLOWED,
    ),
    differs("curl", "IPv6 by name", "000 0 0 0 7", NO_AAAA),
    differs("curl", "IPv6 by address", "000 0 0 0 7", NAMELESS),
    differs(
        "ingress",
        "a port that is not published",
        "ECONNREFUSED",
        UNPUBLISHED,
    ),
    differs(
        "ingress",
        "an address that is not published",
        "ECONNREFUSED",
        UNPUBLISHED,
    ),
];

/// What is as without a jail.
const SAME: &str = "(as without a jail)";

/// What differs from that in the bare jail.
pub const BARE: &[Difference] = &[
    differs(
        "node",
        "tcp: a port that is not allowed",
        "ECONNREFUSED",
        PORT,
    ),
    differs("python", "a port that is not allowed", "ECONNREFUSED", PORT),
    differs(
        "python",
        "a bind to no address and port before the connect",
        SAME,
        "the supervisor makes the connection, and binds nothing before",
    ),
    differs(
        "python",
        "a datagram and its answer",
        "ENETUNREACH",
        DATAGRAM,
    ),
    differs(
        "ingress",
        "the address of a visitor",
        "203.0.113.10",
        LISTENER,
    ),
    differs(
        "ingress",
        "the address of another visitor",
        "203.0.113.53",
        LISTENER,
    ),
    differs(
        "ingress",
        "the address of a visitor, IPv6",
        "ECONNREFUSED",
        ONE_FAMILY,
    ),
    differs(
        "ingress",
        "server-sent events come one by one, IPv6",
        "ECONNREFUSED",
        ONE_FAMILY,
    ),
];

const LISTENER: &str =
    "the program's listener is the published one, of IPv4: no visitor's address is a mapped one";
const ONE_FAMILY: &str = "the program has one listener, and one address is published";

/// The one of a case.
pub fn of(suite: &str, case: &str, how: How) -> Option<&'static Difference> {
    let of_case = |one: &&Difference| one.suite == suite && one.case == case;
    let bare = BARE.iter().filter(|_| matches!(how, How::InBareJail(_)));
    let found = bare.chain(ALL).find(of_case)?;
    (found.jailed != SAME).then_some(found)
}
