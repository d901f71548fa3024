//! Unbound sockets of the jail's network, made by the supervisor ahead of their use.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

/// How many are kept, IPv4 and IPv6.
const FULL: [usize; 2] = [32, 4];
/// How many the launch waits for, IPv4 and IPv6. The first that is taken fills the stock.
const FIRST: [u8; 2] = [4, 1];
/// An answer that has not come by then is asked for again.
const PATIENCE: Duration = Duration::from_millis(200);

/// The stock.
#[derive(Default)]
pub struct Sockets {
    stock: [RefCell<Vec<OwnedFd>>; 2],
    /// Whether the supervisor's last answer was that there are none: a kernel without IPv6, or no descriptors left.
    dry: [Cell<bool>; 2],
    asked: Cell<Option<Instant>>,
    come: Notify,
}

impl Sockets {
    /// Adds what the supervisor has made. Nothing has come where nothing can be had: no IPv6, or no descriptor that is
    /// left here or there. It is asked for again after a while.
    pub fn put(&self, v6: bool, made: Vec<OwnedFd>) {
        self.dry[usize::from(v6)].set(made.is_empty());
        if made.is_empty() {
            return;
        }
        self.stock[usize::from(v6)].borrow_mut().extend(made);
        self.asked.set(None);
        self.come.notify_waiters();
    }

    /// How many of each to ask for at the start.
    pub fn first(&self, now: Instant) -> (u8, u8) {
        self.asked.set(Some(now));
        (FIRST[0], FIRST[1])
    }

    /// How many of each to ask for; `None` while enough are there, or on their way.
    pub fn wanted(&self, now: Instant) -> Option<(u8, u8)> {
        let on_their_way = |asked: Instant| now.saturating_duration_since(asked) < PATIENCE;
        if self.asked.get().is_some_and(on_their_way) {
            return None;
        }
        let missing = |family: usize| {
            let there = self.stock[family].borrow().len();
            let missing = FULL[family].saturating_sub(there);
            if missing > FULL[family] / 2 {
                missing
            } else {
                0
            }
        };
        let (v4, v6) = (missing(0), missing(1));
        if v4 + v6 == 0 {
            return None;
        }
        self.asked.set(Some(now));
        Some((v4 as u8, v6 as u8))
    }

    /// Takes one; where there is none `ask` is called, again and again, until one comes, or the answer is that there
    /// are none.
    pub async fn take(&self, v6: bool, ask: impl Fn()) -> Option<OwnedFd> {
        let dry = &self.dry[usize::from(v6)];
        loop {
            let next = self.stock[usize::from(v6)].borrow_mut().pop();
            if next.is_some() {
                return next;
            }
            ask();
            let was_dry = dry.get();
            // Whether it came or the time is over: the stock is looked at again.
            let _ = timeout(PATIENCE, self.come.notified()).await;
            if was_dry && dry.get() {
                return None;
            }
        }
    }
}
