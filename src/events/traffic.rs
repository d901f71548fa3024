//! What passed between the jail and the world: names asked for, connections made, visitors.
#![forbid(unsafe_code)]

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Whether something was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It passed.
    Allowed,
    /// It did not.
    Refused,
    /// It might have, and came to nothing: the world's fault, not the profile's.
    Failed,
}

/// One connection out of the jail; written when it ends, or when it is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// The host's name; empty for an address that no name stands for.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The address that the gateway dialled, or that was refused; empty where it came to none.
    pub address: String,
    /// Bytes that the jail sent.
    pub sent: u64,
    /// Bytes that it received.
    pub received: u64,
    /// How long it lasted, in milliseconds.
    pub ms: u64,
    /// What came of it.
    pub verdict: Verdict,
    /// Why it was refused or failed; empty where it was not.
    pub reason: String,
    /// The profile line that allowed it, as `file:line`; empty where none did.
    pub rule: String,
    /// What would allow it; empty where nothing should.
    pub allow: String,
    /// How many connections this line stands for; the bytes and the time are their sums.
    pub count: u64,
}

impl Connection {
    /// One that was refused before it carried anything.
    pub fn refused(
        host: String,
        to: Option<SocketAddr>,
        reason: &str,
        allow: String,
    ) -> Connection {
        Connection {
            host,
            port: to.map_or(0, |to| to.port()),
            address: to.map_or(String::new(), |to| to.ip().to_string()),
            sent: 0,
            received: 0,
            ms: 0,
            verdict: Verdict::Refused,
            reason: reason.to_owned(),
            rule: String::new(),
            allow,
            count: 1,
        }
    }

    /// Adds what other connections carried.
    pub fn carry(&mut self, other: &Connection) {
        self.sent = self.sent.saturating_add(other.sent);
        self.received = self.received.saturating_add(other.received);
        self.ms = self.ms.saturating_add(other.ms);
    }
}

/// A name that the jail asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// The name, with escapes for what is no printable letter.
    pub name: String,
    /// The record's type, as in `A`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it was answered.
    pub verdict: Verdict,
    /// Why it was not; empty where it was.
    pub reason: String,
    /// What would allow it; empty where nothing should.
    pub allow: String,
    /// What is odd about the name, as names that carry data out are.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub flags: Vec<String>,
    /// How often it was asked so far.
    pub count: u64,
}

/// Someone who came to a published address and was not let in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Visitor {
    /// Where from; of many that were refused for one reason, the latest.
    pub from: String,
    /// The published address.
    pub to: String,
    /// What came of it.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// What would allow it; empty where nothing should.
    pub allow: String,
    /// How many so far.
    pub count: u64,
}
