//! What the gateway and the supervisor say to each other.
#![forbid(unsafe_code)]

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::events::{Connection, Query, Reload, Verdict, Visitor};
use crate::plan::AddressLine;

/// From the gateway to the supervisor: one JSON value a record. The gateway reads hostile bytes, so the supervisor
/// takes nothing in them but counts and texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Make this many stream sockets in the jail's network, IPv4 and IPv6.
    Sockets(u8, u8),
    /// From now on this address stands for the name, at these ports; without one for nothing.
    Name(Ipv4Addr, String, Vec<u16>),
    /// A connection ended or was refused.
    Connection(Connection),
    /// A name was asked for.
    Query(Query),
    /// A visitor was not let in.
    Visitor(Visitor),
    /// The listener that stands in for this address has not come: no descriptor was left for it.
    Lost(SocketAddr),
    /// The program was asked whether it serves: whether it does.
    Probed(bool),
    /// Addresses that may be reached from the next [`Reload`](Word::Reload) on.
    Addresses(Vec<AddressLine>),
    /// The same of hosts that the bare jail finds in the host's /etc/hosts.
    OfFile(Vec<SocketAddr>),
    /// New rules are in force; what stood in words before is all of them.
    Reload(Reload),
    /// What could not be sent before.
    Missed(Missed),
}

/// Records that came too fast for the supervisor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// Lines that are missing from the events.
    pub lines: u64,
    /// Of these, denials.
    pub denied: u64,
}

impl Missed {
    /// Adds what is missing without this word.
    pub fn add(&mut self, word: &Word) {
        let denied = match word {
            Word::Sockets(..)
            | Word::Name(..)
            | Word::Lost(_)
            | Word::Addresses(_)
            | Word::OfFile(_)
            | Word::Reload(_)
            | Word::Probed(_)
            | Word::Missed(_) => return,
            Word::Connection(connection) => connection.verdict != Verdict::Allowed,
            Word::Query(query) => query.verdict != Verdict::Allowed,
            Word::Visitor(_) => true,
        };
        self.lines += 1;
        self.denied += u64::from(denied);
    }
}

/// From the supervisor to the gateway: one byte that says what the descriptors beside it are, and for
/// [`ADDRESS`](beside::ADDRESS) and [`COMING`](beside::COMING) addresses as text.
pub mod beside {
    /// The DNS stub's two sockets: datagrams, and a listener.
    pub const STUB: u8 = b'S';
    /// Unbound IPv4 stream sockets.
    pub const V4: u8 = b'4';
    /// Unbound IPv6 stream sockets.
    pub const V6: u8 = b'6';
    /// A listener on an address of the profile, bound already.
    pub const ADDRESS: u8 = b'A';
    /// The stub's end of a pair that is a datagram socket to the bare jail.
    pub const PAIR: u8 = b'P';
    /// Nothing: a connection is about to come to the inner listener; behind it, as text, from where, and where its maker
    /// wanted to go.
    pub const COMING: u8 = b'C';
    /// Nothing: ask the program whether it serves.
    pub const PROBE: u8 = b'?';
    /// Nothing: the jail has ended.
    pub const END: u8 = b'E';
}
