//! What the tests that look at flowjail from outside share: scratch directories, the two ways to
//! start it, the process table, needs that may be missing.
#![allow(dead_code)] // each test binary uses its part

pub mod jail;
pub mod procs;
pub mod scratch;
pub mod who;

use std::time::{Duration, Instant};

/// The outcome of one check: nothing, or what was seen instead.
pub type Check = Result<(), String>;

/// An error with what was seen, unless the condition holds.
pub fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Asks again every five milliseconds until the answer is there or the time is over.
pub fn wait_for<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
