//! Limits that were hit, and what a jail has used.
#![forbid(unsafe_code)]

use serde::Serialize;

/// What happened at a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hit {
    /// The kernel ended processes for want of memory; the count is theirs. Without a limit: not of the jail's own memory.
    OutOfMemory,
    /// Memory was above `memory_high`, and the jail was slowed down so often.
    SlowedDown,
    /// New processes or threads were refused so often.
    ForkRefused,
    /// Of the last ten seconds something waited for memory for so many percent.
    Pressure,
}

/// What the jail's cgroup has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Bytes of memory at most; none where the kernel does not say.
    pub memory_peak: Option<u64>,
    /// Bytes that it might use.
    pub memory_limit: Option<u64>,
    /// Processes and threads that it might have.
    pub pids_limit: Option<u64>,
    /// Milliseconds of CPU time.
    pub cpu_ms: u64,
    /// Milliseconds in which it would have gone on, and was held back by `cpus`.
    pub throttled_ms: u64,
    /// Processes that the kernel ended for want of memory.
    pub oom_kills: u64,
    /// How often it was the jail's own limit that left none; else one above it, or the machine.
    pub own_ooms: u64,
    /// Processes and threads that it was refused.
    pub refused_forks: u64,
}
