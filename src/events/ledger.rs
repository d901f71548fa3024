//! Denials by kind: each told when it first happens, counted after that.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Event, Sink};

/// What was refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denial {
    /// The start of a program.
    Exec {
        /// Its path.
        path: String,
        /// Its arguments.
        argv: Vec<String>,
    },
    /// The start of a program, with whatever arguments.
    Program {
        /// Its path.
        path: String,
    },
    /// A system call.
    Call {
        /// Its name.
        syscall: String,
        /// The arguments that the profile's rules test, by number: they tell denials of one call apart.
        tested: Vec<(u8, u64)>,
    },
    /// A connection out of the jail.
    Connection {
        /// The host, or the address where no name stands for it.
        host: String,
        /// The port.
        port: u16,
        /// Why.
        reason: String,
        /// What would allow it.
        allow: String,
    },
    /// A name, whatever was asked about it.
    Name {
        /// The name.
        name: String,
        /// Why.
        reason: String,
        /// What would allow it.
        allow: String,
    },
    /// A visitor.
    Visitor {
        /// The published address.
        to: String,
        /// Why.
        reason: String,
        /// What would allow it.
        allow: String,
    },
}

/// How often one kind of denial happened.
#[derive(Debug, Clone)]
pub struct Tally {
    /// In all.
    pub count: u64,
    /// The count that the stream last told.
    told: u64,
    latest: Event,
}

/// All denials of a jail's life.
pub struct Ledger {
    kinds: BTreeMap<Denial, Tally>,
    total: u64,
    beyond: u64,
    window: (Instant, u32),
}

/// Kinds of programs, and of calls, that are kept apart.
const MAX_KINDS: usize = 256;
/// Lines per second.
const MAX_RATE: u32 = 50;

impl Default for Ledger {
    fn default() -> Ledger {
        Ledger {
            kinds: BTreeMap::new(),
            total: 0,
            beyond: 0,
            window: (Instant::now(), 0),
        }
    }
}

impl Ledger {
    /// Counts a denial; tells the sink of the first of its kind, and of every tenfold after that.
    pub fn note(&mut self, denial: Denial, event: Event, sink: &mut Sink) {
        self.total += 1;
        let denial = match denial {
            // Beyond the quota programs are told apart by their paths alone.
            Denial::Exec { ref path, .. } if self.is_full_for(&denial) => {
                Denial::Program { path: path.clone() }
            }
            other => other,
        };
        if self.is_full_for(&denial) {
            // Beyond the kinds that are kept apart every denial is a line of its own, as fast as lines may come.
            self.beyond += 1;
            if self.may_write() {
                sink.write(&event);
            } else {
                sink.skip(1);
            }
            return;
        }
        let mut tally = self.kinds.remove(&denial).unwrap_or_else(|| Tally {
            count: 0,
            told: 0,
            latest: event.emptied(),
        });
        tally.count += 1;
        let earlier = std::mem::replace(&mut tally.latest, event);
        tally.latest.add(tally.count, &earlier);
        let due = tally.told == 0 || tally.count >= tally.told * 10;
        if due && self.may_write() {
            tally.told = tally.count;
            sink.write(&tally.latest);
        }
        self.kinds.insert(denial, tally);
    }

    /// Counts denials of which nothing is known but their number.
    pub fn miss(&mut self, denials: u64) {
        self.total = self.total.saturating_add(denials);
        self.beyond = self.beyond.saturating_add(denials);
    }

    /// Programs and calls have a quota each, so that neither hides the other.
    fn is_full_for(&self, denial: &Denial) -> bool {
        let sort = std::mem::discriminant(denial);
        let same_sort = |other: &&Denial| std::mem::discriminant(*other) == sort;
        !self.kinds.contains_key(denial) && self.kinds.keys().filter(same_sort).count() >= MAX_KINDS
    }

    fn may_write(&mut self) -> bool {
        let (since, lines) = &mut self.window;
        if since.elapsed() > Duration::from_secs(1) {
            (*since, *lines) = (Instant::now(), 0);
        }
        *lines += 1;
        *lines <= MAX_RATE
    }

    /// Tells the final count of every kind whose last line is out of date.
    pub fn settle(&mut self, sink: &mut Sink) {
        for tally in self
            .kinds
            .values_mut()
            .filter(|tally| tally.told != tally.count)
        {
            sink.write(&tally.latest);
            tally.told = tally.count;
        }
    }

    /// Denials in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Every kind with its count, and how many denials were beyond the kinds that are kept.
    pub fn kinds(&self) -> (impl Iterator<Item = (&Denial, &Tally)>, u64) {
        (self.kinds.iter(), self.beyond)
    }
}
