//! What was refused, where it is written: each kind counted, and told of by a line.
#![forbid(unsafe_code)]

use std::net::{IpAddr, SocketAddr};

use crate::events::{Connection, Denial, Event, Ledger, Query, Sink, Verdict, Visitor};
use crate::gateway::reason::Reason;

/// Where it is written what was refused.
pub struct Record<'a> {
    /// Counts.
    pub ledger: &'a mut Ledger,
    /// Lines.
    pub sink: &'a mut Sink,
}

impl Record<'_> {
    /// A connection that the supervisor has refused. `host`: empty where no name stands for the address. `allow`: what
    /// would allow it, where anything would.
    pub fn refuse(&mut self, host: String, to: Option<SocketAddr>, reason: &str, allow: String) {
        self.connection(Connection::refused(host, to, reason, allow));
    }

    /// A visitor whom the bare jail's supervisor has turned away.
    pub fn uninvited(&mut self, from: IpAddr, to: SocketAddr) {
        self.visitor(Visitor {
            from: from.to_string(),
            to: to.to_string(),
            verdict: Verdict::Refused,
            reason: Reason::NotInvited.to_string(),
            allow: Reason::invitation(from),
            count: 1,
        });
    }

    /// A connection that was not let through.
    pub fn connection(&mut self, connection: Connection) {
        let host = match connection.host.is_empty() {
            true => connection.address.clone(),
            false => connection.host.clone(),
        };
        let denial = Denial::Connection {
            host,
            port: connection.port,
            reason: connection.reason.clone(),
            allow: connection.allow.clone(),
        };
        self.note(denial, Event::Connection(connection));
    }

    /// A name that was not answered.
    pub fn query(&mut self, query: Query) {
        let denial = Denial::Name {
            name: query.name.clone(),
            reason: query.reason.clone(),
            allow: query.allow.clone(),
        };
        self.note(denial, Event::Query(query));
    }

    /// A visitor who was not led in.
    pub fn visitor(&mut self, visitor: Visitor) {
        let denial = Denial::Visitor {
            to: visitor.to.clone(),
            reason: visitor.reason.clone(),
            allow: visitor.allow.clone(),
        };
        self.note(denial, Event::Visitor(visitor));
    }

    fn note(&mut self, denial: Denial, event: Event) {
        self.ledger.note(denial, event, self.sink);
    }
}
