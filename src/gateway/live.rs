//! Connections that are open, and what has been counted: for limits, and for `flowjail net`.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::outward::Target;
use super::reason::Reason;
use super::relay::Count;
use super::stream::reset;
use crate::profile::NetLimits;

/// One connection out of the jail, from its accept to its end.
#[derive(Debug)]
pub struct Open {
    /// The address dialled; empty until there is one.
    pub address: RefCell<String>,
    /// Bytes.
    pub count: Count,
    /// Its beginning.
    pub since: Instant,
    /// What it is for.
    pub target: Rc<Target>,
    /// The host's side, once there is one.
    far: RefCell<Weak<TcpStream>>,
    withdrawn: Notify,
}

impl Open {
    /// Keeps the host's side in sight.
    pub fn reached(&self, far: TcpStream) -> Rc<TcpStream> {
        let far = Rc::new(far);
        *self.far.borrow_mut() = Rc::downgrade(&far);
        far
    }

    /// Ends it: it is not allowed any more. The host hears of it by a reset, too.
    pub fn withdraw(&self) {
        if let Some(far) = self.far.borrow().upgrade() {
            reset(&far);
        }
        self.withdrawn.notify_one();
    }

    /// Comes about when it is to end.
    pub async fn withdrawal(&self) {
        self.withdrawn.notified().await;
    }
}

/// What is open, and what was.
#[derive(Debug)]
pub struct Live {
    open: RefCell<BTreeMap<u64, Rc<Open>>>,
    per_host: RefCell<BTreeMap<String, u32>>,
    next: Cell<u64>,
    limits: Cell<NetLimits>,
    /// The most that either way may have, whatever the profile says.
    share: u32,
    visitors: Cell<u32>,
    totals: RefCell<Totals>,
}

/// Counters since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Connections that were let through.
    pub connections: u64,
    /// Connections that were refused or failed.
    pub refused: u64,
    /// Bytes that the jail sent and received.
    pub sent: u64,
    /// Bytes that it received.
    pub received: u64,
    /// Names asked for.
    pub queries: u64,
    /// Names that were refused.
    pub unknown: u64,
    /// Visitors that were led in.
    pub visitors: u64,
    /// Visitors that were not.
    pub turned_away: u64,
}

/// Descriptors for what is no connection (listeners, name servers, sockets and pipes that are kept), at most a quarter.
const RESERVED: u64 = 256;

impl Live {
    /// Nothing open. A connection takes two descriptors, and two more while it streams: each way gets a quarter of
    /// them, so that neither the jail nor its visitors can take the last one from the other.
    pub fn new(limits: &NetLimits, descriptors: u64) -> Live {
        let share = (descriptors - RESERVED.min(descriptors / 4)) / 4;
        let share = u32::try_from(share).unwrap_or(u32::MAX).max(1);
        let live = Live {
            open: RefCell::default(),
            per_host: RefCell::default(),
            next: Cell::new(0),
            limits: Cell::new(*limits),
            share,
            visitors: Cell::new(0),
            totals: RefCell::default(),
        };
        live.set_limits(limits);
        live
    }

    /// From now on these hold; what is open already stays.
    pub fn set_limits(&self, limits: &NetLimits) {
        self.limits.set(NetLimits {
            connections: limits.connections.min(self.share),
            visitors: limits.visitors.min(self.share),
            ..*limits
        });
    }

    /// Opens a connection, unless there are as many as there may be.
    pub fn open(&self, target: &Rc<Target>) -> Result<(u64, Rc<Open>), Reason> {
        let mut open = self.open.borrow_mut();
        if open.len() >= self.limits.get().connections as usize {
            return Err(Reason::TooMany);
        }
        let mut per_host = self.per_host.borrow_mut();
        let of_host = per_host.entry(target.key()).or_insert(0);
        if *of_host >= self.limits.get().per_host {
            return Err(Reason::TooManyOfHost);
        }
        *of_host += 1;
        let connection = Rc::new(Open {
            target: Rc::clone(target),
            far: RefCell::default(),
            withdrawn: Notify::new(),
            address: RefCell::default(),
            count: Count::default(),
            since: Instant::now(),
        });
        let key = self.next.get();
        self.next.set(key + 1);
        open.insert(key, Rc::clone(&connection));
        Ok((key, connection))
    }

    /// Ends one.
    pub fn close(&self, key: u64) {
        let Some(ended) = self.open.borrow_mut().remove(&key) else {
            return;
        };
        let mut per_host = self.per_host.borrow_mut();
        let key = ended.target.key();
        if let Some(of_host) = per_host.get_mut(&key) {
            *of_host -= 1;
            if *of_host == 0 {
                per_host.remove(&key);
            }
        }
    }

    /// A visitor comes, unless there are as many as there may be.
    pub fn enter(&self) -> Result<(), Reason> {
        if self.visitors.get() >= self.limits.get().visitors {
            return Err(Reason::TooMany);
        }
        self.visitors.set(self.visitors.get() + 1);
        Ok(())
    }

    /// A visitor leaves.
    pub fn leave(&self) {
        self.visitors.set(self.visitors.get() - 1);
    }

    /// Visitors that are here.
    pub fn visitors(&self) -> u32 {
        self.visitors.get()
    }

    /// Changes the counters.
    pub fn count(&self, change: impl FnOnce(&mut Totals)) {
        change(&mut self.totals.borrow_mut());
    }

    /// The counters.
    pub fn totals(&self) -> Totals {
        self.totals.borrow().clone()
    }

    /// Every open connection.
    pub fn all(&self) -> Vec<Rc<Open>> {
        self.open.borrow().values().cloned().collect()
    }
}
