//! The acts of which the actor's words and the world's log are all that counts.

use crate::case::{Case, case};

const FORBIDDEN: &str = "echo 203.0.113.11:7000";
const PUBLISHED: &str = "--publish 127.0.0.1:8096";

pub fn all() -> Vec<Case> {
    [
        races(),
        streams(),
        semantics(),
        ways_around(),
        servers(),
        datagrams(),
        kinds(),
        lookups(),
    ]
    .concat()
}

/// Two threads, one of which changes what the other one's call is about.
fn races() -> Vec<Case> {
    let rewrites = |sentence, words, server| {
        case(sentence, words)
            .free("passed yes refused no other none wrong *")
            .reaches(server)
            .jailed(["passed yes refused yes other none wrong 0"])
            .told("raw address")
    };
    let swaps = |sentence, words| {
        case(sentence, words)
            .free("passed yes failed * forbidden yes | afterwards ok")
            .reaches(FORBIDDEN)
            .jailed(["passed yes failed yes forbidden no | afterwards ok"])
            .told("raw address")
    };
    vec![
        rewrites(
            "an address that is rewritten during connect leads to the allowed host or nowhere",
            "rewrites third.world.test 7000 203.0.113.11 7000 4000",
            FORBIDDEN,
        ),
        rewrites(
            "an address that is rewritten to the loopback leads to the allowed host or nowhere",
            "rewrites third.world.test 7000 127.0.0.1 7000 4000",
            "echo 127.0.0.1:7000",
        )
        .told("127.0.0.1"),
        case(
            "an address that is rewritten to none leads to the allowed host or nowhere",
            "rewrites third.world.test 7000 unspecified 0 2000",
        )
        .free("passed yes refused no other none wrong *")
        .jailed(["passed yes *"]),
        swaps(
            "a descriptor that is swapped for another socket during connect leads nowhere else",
            "swaps socket third.world.test 7000 203.0.113.11 7000 1500",
        ),
        swaps(
            "a descriptor that is swapped for a file during connect leads nowhere else",
            "swaps file third.world.test 7000 203.0.113.11 7000 1500",
        ),
        swaps(
            "a descriptor that is swapped for a unix socket during connect leads nowhere else",
            "swaps unix third.world.test 7000 203.0.113.11 7000 1500",
        ),
    ]
}

/// What has to work, whatever goes on beside it.
fn streams() -> Vec<Case> {
    let works = |sentence, words, said| case(sentence, words).free(said).jailed_alike();
    vec![
        works(
            "a socket that is made blocking and non-blocking during connect works",
            "modes third.world.test 7000 500",
            "good all odd none",
        ),
        works(
            "sockets that are closed during connect are no trouble",
            "closing third.world.test 7000 2000",
            "afterwards ok",
        ),
        works(
            "a socket that two threads connect is connected once",
            "together third.world.test 7000 300",
            "good all lost none",
        ),
        works(
            "16 threads connect 400 times each",
            "many third.world.test 7000 16 400",
            "connected 6400 echoed 6400 errno none",
        ),
        works(
            "signals whose calls restart do not break a connect",
            "signalled third.world.test 7000 300 restart",
            "good all odd none signals yes",
        ),
        works(
            "signals that interrupt calls do not break a connect that is made again",
            "signalled third.world.test 7000 300 interrupt",
            "good all odd none signals yes",
        ),
        works(
            "a socket that was handed over is like one that was made",
            "handed third.world.test 7000 203.0.113.11 7000",
            "forbidden ok | connect ok | echo ok | connected and handed over ok | peer as asked for",
        )
        .reaches(FORBIDDEN)
        .jailed([
            "forbidden ECONNREFUSED | connect ok | echo ok | connected and handed over ok | peer as asked for",
        ]),
        works(
            "a socket that a child inherited is like one that it made",
            "inherited third.world.test 7000 203.0.113.11 7000",
            "forbidden ok | connect ok | echo ok | its own ok | fork ok",
        )
        .reaches(FORBIDDEN)
        .jailed(["forbidden ECONNREFUSED | connect ok | echo ok | its own ok | fork ok"]),
        works(
            "a thread with descriptors of its own connects",
            "own-table third.world.test 7000",
            "thread connect ok echo ok | connect ok",
        ),
    ]
}

/// What connect(2) says, and the calls about it.
fn semantics() -> Vec<Case> {
    let alike = |sentence, words, said| case(sentence, words).free(said).jailed_alike();
    vec![
        alike(
            "a connected socket has the peer that was asked for",
            "blocking third.world.test 7000",
            "connect ok | echo ok | peer as asked for | own 198.51.100.7:* | again EISCONN | \
             peer in 4 bytes ok length 16 family 2 | peer nowhere EFAULT | echo ok",
        )
        .jailed([
            "connect ok | echo ok | peer as asked for | own 127.*:* | again EISCONN | \
             peer in 4 bytes ok length 16 family 2 | peer nowhere EFAULT | echo ok",
        ]),
        alike(
            "a socket that does not wait is written to once epoll says so",
            "waiting third.world.test 7000",
            "connect ok | epoll out error ok | echo ok | flags kept",
        ),
        alike(
            "odd addresses get the kernel's errors",
            "odd third.world.test 7000",
            "short EINVAL | negative EINVAL | long EINVAL | nowhere EFAULT | another family EAFNOSUPPORT | \
             no socket EBADF | a file ENOTSOCK | connect ok | echo ok",
        ),
        alike(
            "an IPv6 socket reaches an IPv4 address",
            "mapped third.world.test 7000",
            "connect ok | echo ok | peer as asked for",
        ),
        alike(
            "a socket that was refused connects elsewhere",
            "retries third.world.test 7000 203.0.113.11 9",
            "refused ECONNREFUSED | connect ok | echo ok",
        ),
        alike(
            "a client binds to a port of its own choice",
            "bound-client third.world.test 7000 0",
            "bind ok | connect ok | echo ok",
        ),
    ]
}

/// Away from a socket's place, and connects that are none.
fn ways_around() -> Vec<Case> {
    let leaves = |sentence, words, free| {
        case(sentence, words)
            .with(PUBLISHED)
            .free(free)
            .reaches(FORBIDDEN)
    };
    let fast = |sentence, words, free| case(sentence, words).free(free).reaches(FORBIDDEN);
    vec![
        leaves(
            "a connected socket stays with its host",
            "leaves connected third.world.test 7000 203.0.113.11 7000 8096",
            "echo ok | leave ok | reconnect ok | echo ok | *",
        )
        .jailed(["echo ok | leave E* | reconnect E* | echo none | reconnect at the end refused | send at the end refused"]),
        leaves(
            "a listening socket connects nowhere",
            "leaves listening third.world.test 7000 203.0.113.11 7000 8096",
            "bind ok listen ok | leave ok | reconnect ok | echo ok | *",
        )
        .jailed(["bind ok listen ok | leave E* | reconnect E* | echo none | reconnect at the end refused | send at the end refused"]),
        leaves(
            "a listening socket that was shut down connects nowhere",
            "leaves shut third.world.test 7000 203.0.113.11 7000 8096",
            "bind ok listen ok | shutdown ok | leave ok | reconnect ok | echo ok | *",
        )
        .jailed(["bind ok listen ok | shutdown ok | leave * | reconnect E* | echo none | reconnect at the end refused | send at the end refused"]),
        leaves(
            "an accepted socket connects nowhere",
            "leaves accepted third.world.test 7000 203.0.113.11 7000 8096",
            "bind ok listen ok | accept ok | leave ok | reconnect * | *",
        )
        .jailed(["bind ok listen ok | accept ok | leave E* | reconnect E* | echo none | reconnect at the end refused | send at the end refused"]),
        fast(
            "sendto with MSG_FASTOPEN connects nowhere",
            "fast sendto 203.0.113.11 7000",
            "send ok | answer ok",
        )
        .jailed(["send refused | answer none"]),
        fast(
            "sendmsg with MSG_FASTOPEN connects nowhere",
            "fast sendmsg 203.0.113.11 7000",
            "send ok | answer ok",
        )
        .jailed(["send refused | answer none"]),
        fast(
            "sendmmsg with MSG_FASTOPEN connects nowhere",
            "fast sendmmsg 203.0.113.11 7000",
            "send ok | answer ok",
        )
        .jailed(["send refused | answer none"]),
        fast(
            "TCP_FASTOPEN_CONNECT connects nowhere",
            "fast option 203.0.113.11 7000",
            "option ok | connect ok | send ok | answer ok",
        )
        .jailed(["option E* | connect E* | send refused | answer none"]),
    ]
}

/// Where a program may listen.
fn servers() -> Vec<Case> {
    vec![
        case("listens without a bind: nobody comes", "unbound")
            .with(PUBLISHED)
            .free("listen ok | visited")
            .visited_free()
            .jailed(["listen E*"]),
        case("listens on another port than the published one: nobody comes", "at-port 127.0.0.1 8097")
            .with(PUBLISHED)
            .free("bind ok | listen ok | visited")
            .visited_free()
            .jailed(["bind E*"]),
        case("listens on port 0: nobody comes", "port-zero 127.0.0.1 0")
            .with(PUBLISHED)
            .free("bind ok | a port yes | listen ok | visited")
            .visited_free()
            .jailed(["bind * | a port * | listen E*"]),
        case("listens on the published port", "at-port 127.0.0.1 8096")
            .with(PUBLISHED)
            .free("bind ok | listen ok | visited")
            .jailed_alike()
            .visited(),
        case("listens on the published port of all addresses", "at-port 0.0.0.0 8096")
            .with("--publish 0.0.0.0:8096")
            .free("bind ok | listen ok | visited")
            .jailed_alike()
            .visited(),
        case(
            "listens on the published port at another address: nobody comes there",
            "at-other 203.0.113.10 8096",
        )
        .with(PUBLISHED)
        .free("bind ok | listen ok | visited")
        .visited_free()
        .jailed([
            "bind E*",
            "bind ok | listen E*",
            "bind ok | listen ok | nobody came",
        ]),
        case("listens without a published port: nobody comes", "at-port 127.0.0.1 8096")
            .free("bind ok | listen ok | visited")
            .visited_free()
            .jailed(["bind E*"]),
        case("listens again, after a close and after a shutdown", "again 8096 8097")
            .with(PUBLISHED)
            .free(
                "bind ok | listen ok | visited | listen again ok | visited | second bind EADDRINUSE | \
                 bind after close ok | listen ok | visited | shutdown ok | bind after shutdown ok | \
                 listen ok | visited | other port ok",
            )
            .jailed([
                "bind ok | listen ok | visited | listen again ok | visited | second bind * | \
                 bind after close ok | listen ok | visited | shutdown ok | bind after shutdown ok | \
                 listen ok | visited | other port E*",
            ])
            .visited(),
        case("a listening socket keeps its flags, and accepts as one", "keeps 8096")
            .with(PUBLISHED)
            .free(
                "bind ok | listen 0 | flags kept | accept EAGAIN | listening yes | own ok | epoll in | \
                 accept ok from the loopback | peer the same | echo ok",
            )
            .jailed_alike(),
    ]
}

fn datagrams() -> Vec<Case> {
    let lost = |sentence, words| {
        case(sentence, words)
            .free("*send ok | answer PONG")
            .reaches("quic 203.0.113.11:443")
            .jailed(["*answer none", "socket E*"])
    };
    vec![
        lost(
            "sendto of a datagram reaches nobody",
            "datagram sendto 203.0.113.11 443",
        ),
        lost(
            "sendmsg of a datagram reaches nobody",
            "datagram sendmsg 203.0.113.11 443",
        ),
        lost(
            "sendmmsg of a datagram reaches nobody",
            "datagram sendmmsg 203.0.113.11 443",
        ),
        lost(
            "a datagram with IP_PKTINFO reaches nobody",
            "datagram pktinfo 203.0.113.11 443",
        ),
        lost(
            "a connected datagram socket reaches nobody",
            "datagram connect 203.0.113.11 443",
        ),
        lost(
            "a connected datagram socket that names another place reaches nobody",
            "datagram connected 203.0.113.11 443",
        ),
        lost(
            "a datagram to the loopback reaches nobody",
            "datagram sendmsg 127.0.0.1 443",
        )
        .reaches_instead("quic 127.0.0.1:443"),
        lost(
            "a datagram over IPv6 reaches nobody",
            "datagram sendmsg 2001:db8::10 443",
        )
        .reaches_instead("quic [2001:db8::10]:443"),
        lost(
            "a multicast datagram reaches nobody",
            "datagram sendmsg 224.0.0.251 5353",
        )
        .reaches_instead("multicast 224.0.0.251:5353"),
    ]
}

fn kinds() -> Vec<Case> {
    let kind = |sentence, words| case(sentence, words).free("socket *").jailed(["socket E*"]);
    vec![
        kind("opens a raw socket", "opens 2 3 6"),
        kind("opens a socket for echo requests", "opens 2 2 1"),
        kind("opens a packet socket", "opens 17 3 768"),
        kind("opens a vsock", "opens 40 1 0"),
        kind("opens a multipath socket", "opens 2 1 262"),
        kind("opens an SCTP socket", "opens 2 1 132"),
        kind("opens an UDP-Lite socket", "opens 2 2 136"),
        kind("opens an SMC socket", "opens 43 1 0"),
        kind(
            "opens a socket of the kernel's cryptography",
            "opens 38 5 0",
        ),
        kind("opens a netlink socket of the audit", "opens 16 3 9"),
        kind(
            "opens a netlink socket of the kernel's events",
            "opens 16 3 15",
        ),
        kind("opens a unix socket of records", "opens 1 5 0"),
        case(
            "opens a stream with high bits in its domain",
            "opens 4294967298 1 0",
        )
        .free("socket ok")
        .jailed(["socket ok", "socket E*"]),
        case("lists its addresses", "interfaces")
            .free("loopback 1")
            .jailed_alike(),
        case(
            "a socket tells nothing of its maker",
            "maker 203.0.113.53 53",
        )
        .free("peer's pidfd refused")
        .jailed_alike(),
        case(
            "connects to an abstract socket of the host",
            "local stream @world-dbus",
        )
        .free("socket ok | connect ok | answer PONG")
        .reaches("abstract @world-dbus")
        .jailed(["socket ok | connect E* | answer none"]),
        case(
            "connects to a socket file of the host",
            "local stream {socket}",
        )
        .free("socket ok | connect ok | answer PONG")
        .reaches("docker {socket}")
        .jailed(["socket ok | connect E* | answer none"]),
        case(
            "connects to every abstract socket that is listed",
            "all-local @world-log",
        )
        .free("found some taken some")
        .reaches("abstract @world-dbus")
        .jailed(["found some taken none", "list E*"]),
    ]
}

fn lookups() -> Vec<Case> {
    let alike = |sentence, words, said| case(sentence, words).free(said).jailed_alike();
    const FOUND: &str = "code 0 records 1 number right from whom it asked";
    const UNKNOWN: &str = "code 3 records 0 number right from whom it asked";
    let other = |sentence, words, said| {
        case(sentence, words)
            .free(said)
            .reaches("dns other.world.test")
            .jailed([UNKNOWN])
            .told("other.world.test")
    };
    vec![
        alike(
            "asks by sendto",
            "query plain 203.0.113.53 third.world.test",
            FOUND,
        ),
        alike(
            "asks by sendmsg",
            "query message 203.0.113.53 third.world.test",
            FOUND,
        ),
        alike(
            "asks by sendmmsg",
            "query messages 203.0.113.53 third.world.test",
            FOUND,
        ),
        alike(
            "asks by a connected socket",
            "query connected 203.0.113.53 third.world.test",
            FOUND,
        ),
        other(
            "asks by sendto for a name of nobody",
            "query plain 203.0.113.53 other.world.test",
            FOUND,
        ),
        other(
            "asks by sendmsg for a name of nobody",
            "query message 203.0.113.53 other.world.test",
            FOUND,
        ),
        other(
            "asks by a connected socket for a name of nobody",
            "query connected 203.0.113.53 other.world.test",
            FOUND,
        ),
        case(
            "asks a name server of its own choice",
            "query plain 198.51.100.7 other.world.test",
        )
        .free(FOUND)
        .reaches("dns other.world.test")
        .jailed(["no answer", "send E*", UNKNOWN]),
        case(
            "asks a name server of its own choice by sendmsg",
            "query message 198.51.100.7 other.world.test",
        )
        .free(FOUND)
        .reaches("dns other.world.test")
        .jailed(["no answer", "send E*", UNKNOWN, "code 3 *"]),
        case(
            "asks a name server of its own choice over TCP",
            "by-tcp 198.51.100.7 other.world.test",
        )
        .free("code 0 records 1")
        .reaches("dns other.world.test")
        .jailed(["connect ECONNREFUSED"]),
        alike(
            "asks over TCP",
            "by-tcp 203.0.113.53 third.world.test",
            "code 0 records 1",
        ),
        case(
            "asks over TCP for a name of nobody",
            "by-tcp 203.0.113.53 other.world.test",
        )
        .free("code 0 records 1")
        .reaches("dns other.world.test")
        .jailed(["code 3 records 0"]),
        alike(
            "asks after an empty datagram and a long one",
            "empty 203.0.113.53 third.world.test",
            "empty ok | send ok | code 0 records 1 number right from whom it asked",
        ),
        alike(
            "asks after thousands of queries whose answers nobody reads",
            "unread 203.0.113.53 third.world.test",
            "ok*code 0 records 1 number right from whom it asked",
        ),
        alike(
            "a signal ends the wait for a datagram",
            "interrupted 203.0.113.53",
            "recvfrom EINTR",
        ),
    ]
}
