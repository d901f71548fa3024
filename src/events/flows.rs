//! What was let through: each name told when it is first asked for, each connection when it ends, as fast as lines may
//! come; what came faster is added up and told later.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Connection, Event, Query, Sink};

/// Allowed traffic of a jail's life.
pub struct Flows {
    names: BTreeMap<(String, String), (Query, u64)>,
    waiting: BTreeMap<(String, u16), Connection>,
    window: (Instant, u32),
}

/// Names and types that are kept apart: more than the gateway gives addresses to.
const MAX_NAMES: usize = 4096;
/// Lines per second.
const MAX_RATE: u32 = 200;

impl Default for Flows {
    fn default() -> Flows {
        Flows {
            names: BTreeMap::new(),
            waiting: BTreeMap::new(),
            window: (Instant::now(), 0),
        }
    }
}

impl Flows {
    /// Tells of a connection now, or adds it to what waits for its host.
    pub fn connection(&mut self, connection: Connection, sink: &mut Sink) {
        let key = (connection.host.clone(), connection.port);
        if self.may_write() {
            // What waited is older.
            if let Some(earlier) = self.waiting.remove(&key) {
                sink.write(&Event::Connection(earlier));
            }
            sink.write(&Event::Connection(connection));
            return;
        }
        match self.waiting.get_mut(&key) {
            None => {
                self.waiting.insert(key, connection);
            }
            Some(sum) => {
                sum.carry(&connection);
                sum.count = sum.count.saturating_add(connection.count);
                sum.address = connection.address;
            }
        }
    }

    /// Tells of the first query for a name and a type, and counts the rest.
    pub fn query(&mut self, query: Query, sink: &mut Sink) {
        let key = (query.name.clone(), query.kind.clone());
        if !self.names.contains_key(&key) && self.names.len() >= MAX_NAMES {
            sink.skip(1);
            return;
        }
        let (latest, told) = self.names.entry(key).or_insert((query, 0));
        if *told == 0 {
            *told = latest.count;
            sink.write(&Event::Query(latest.clone()));
        } else {
            latest.count = latest.count.saturating_add(1);
        }
    }

    /// Tells what is left to tell.
    pub fn settle(&mut self, sink: &mut Sink) {
        for connection in std::mem::take(&mut self.waiting).into_values() {
            sink.write(&Event::Connection(connection));
        }
        for (query, told) in std::mem::take(&mut self.names).into_values() {
            if query.count != told {
                sink.write(&Event::Query(query));
            }
        }
    }

    fn may_write(&mut self) -> bool {
        let (since, lines) = &mut self.window;
        if since.elapsed() > Duration::from_secs(1) {
            (*since, *lines) = (Instant::now(), 0);
        }
        *lines += 1;
        *lines <= MAX_RATE
    }
}
