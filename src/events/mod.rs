//! What happened: events as JSON lines or as records of the journal, each kind of denial told once and counted after that.
#![forbid(unsafe_code)]

pub mod advice;
mod flows;
mod journal;
mod ledger;
pub mod phrase;
mod reload;
mod sink;
mod traffic;
mod usage;

use std::collections::BTreeMap;

use serde::Serialize;

pub use flows::Flows;
pub use journal::Journal;
pub use ledger::{Denial, Ledger, Tally};
pub use reload::Reload;
pub use sink::{Output, Sink};
pub use traffic::{Connection, Query, Verdict, Visitor};
pub use usage::{Hit, Usage};

/// The version of the events' schema.
pub const SCHEMA: u32 = 1;

/// One line of the event stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The program is about to run.
    Start {
        /// The version of this schema.
        schema: u32,
        /// The jail's name.
        jail: String,
        /// The profile's name.
        profile: String,
        /// The program and its arguments.
        argv: Vec<String>,
        /// The workload's user id.
        uid: u32,
        /// Each promise: `held`, `not-held` or `off`.
        promises: BTreeMap<String, String>,
    },
    /// A system call was refused.
    DeniedCall {
        /// Its name, or its number where it has none.
        syscall: String,
        /// Its arguments as the registers held them.
        args: [u64; 6],
        /// The thread, as the host sees it.
        pid: u32,
        /// How often this denial happened so far.
        count: u64,
        /// The profile line that would allow it; empty where none should.
        allow: String,
    },
    /// The start of another program was refused.
    DeniedExec {
        /// The program's path as the caller gave it.
        path: String,
        /// Its arguments, cut at 32 of 256 bytes.
        argv: Vec<String>,
        /// The process, as the host sees it.
        pid: u32,
        /// How often this denial happened so far.
        count: u64,
        /// The profile line that would allow it; empty where none should.
        allow: String,
    },
    /// A connection out of the jail ended, or was refused.
    Connection(Connection),
    /// The jail asked for a name.
    Query(Query),
    /// A visitor was not let in.
    Visitor(Visitor),
    /// A limit of the jail was hit.
    Limit {
        /// What happened.
        hit: Hit,
        /// How often, or how much of it, so far.
        count: u64,
        /// The limit.
        limit: Option<u64>,
        /// The profile line that would give more.
        allow: String,
    },
    /// The program is ready, does not answer any more, or answers again.
    Service {
        /// `ready`, `unwell` or `well`.
        state: &'static str,
        /// Milliseconds since its start.
        ms: u64,
    },
    /// Somebody has changed what the jail may reach.
    Reload(Reload),
    /// The jail ended.
    Exit {
        /// flowjail's exit code.
        code: u8,
        /// The signal that ended the workload.
        signal: Option<String>,
        /// Denials in all.
        denied: u64,
        /// Lines that are missing from this stream, because they came too fast or nobody read them.
        dropped: u64,
        /// What it has used; none where it had no cgroup of its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
    },
}

impl Event {
    /// The same with nothing carried, to add to.
    fn emptied(&self) -> Event {
        let mut event = self.clone();
        if let Event::Connection(connection) = &mut event {
            (connection.sent, connection.received, connection.ms) = (0, 0, 0);
        }
        event
    }

    /// Makes this the `count`th of its kind: what a connection carried is added to what `earlier` ones did.
    fn add(&mut self, now: u64, earlier: &Event) {
        match self {
            Event::DeniedCall { count, .. }
            | Event::DeniedExec { count, .. }
            | Event::Query(Query { count, .. })
            | Event::Visitor(Visitor { count, .. }) => *count = now,
            Event::Connection(connection) => {
                connection.count = now;
                if let Event::Connection(earlier) = earlier {
                    connection.carry(earlier);
                }
            }
            Event::Start { .. }
            | Event::Limit { .. }
            | Event::Service { .. }
            | Event::Reload(_)
            | Event::Exit { .. } => {}
        }
    }

    /// Cuts the words of a command line to `most` bytes each, and the number of words to 32 and then to `most`.
    fn shorten(&mut self, most: usize) {
        let (path, argv, allow) = match self {
            Event::Start { argv, .. } => (None, argv, None),
            Event::DeniedExec {
                path, argv, allow, ..
            } => (Some(path), argv, Some(allow)),
            _ => return,
        };
        if most == usize::MAX {
            return;
        }
        argv.truncate(most.min(32));
        argv.iter_mut().for_each(|word| cut(word, most));
        path.into_iter().for_each(|path| cut(path, 400));
        allow.into_iter().for_each(String::clear);
    }
}

/// How long the words of a command line may be, tried in turn until an event fits where it goes.
const CUTS: [usize; 5] = [usize::MAX, 64, 16, 4, 0];

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let end = (0..=most).rev().find(|&at| text.is_char_boundary(at));
        text.truncate(end.unwrap_or(0));
        text.push_str("...");
    }
}
