//! The jail's own network: the gateway's places in it, its addresses, and sockets that are used again.
use crate::act::{Act, Seen, refused};

pub fn acts() -> Vec<Act> {
    vec![
        refused("takes the name server's place")
            .run("takes SOCK_DGRAM localhost 53")
            .answers(["EADDRINUSE", "EACCES"])
            .unseen()
            .in_bare(
                &["refused: no answer"],
                Seen::Unseen,
                "a datagram socket is one end of a pair there: what it binds to is written down and taken by nobody",
            )
            .bare_root("ok"),
        refused("takes another port of an allowed host")
            .with("--allow api.world.test:80")
            .run("takes SOCK_STREAM api.world.test 8094")
            .answers(["EACCES"])
            .unseen()
            .bare("ok"),
        refused("gives the loopback an address")
            .run("adds-address 192.0.2.77")
            .answers(["EPERM"])
            .unseen()
            .bare_root("ok"),
        refused("uses an allowed host's connection for another address")
            .with("--allow third.world.test:7000")
            .run("reconnects third.world.test 7000 203.0.113.11 7000")
            .answers(["ECONNREFUSED", "EACCES"])
            .because("raw address")
            .in_bare(
                &["EISCONN"],
                Seen::Unseen,
                "a socket is connected once there, by the supervisor, and none is dissolved",
            )
            .reaches("echo 198.51.100.7:7000")
            .bare("ok ping"),
        refused("asks for another host behind an upgrade that was declined")
            .with("--allow api.world.test:80")
            .runs(&["raw", "api.world.test", "80", UPGRADE, OTHER])
            .answers(["ECONNRESET", "refused: closed"])
            .because("another host")
            .reaches("http [2001:db8::10]:80")
            .bare("ok 200"),
    ]
}

const UPGRADE: &str = "GET / HTTP/1.1\\r\\nHost: api.world.test\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n";
const OTHER: &str = "GET / HTTP/1.1\\r\\nHost: other.world.test\\r\\n\\r\\n";
