//! Memory of a process, from /proc/PID/smaps_rollup.

use std::fmt;

/// In kB.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Its share of all it has mapped.
    pub pss: u64,
    /// What is its own and no file's.
    pub anonymous: u64,
}

impl Memory {
    /// What it has now.
    pub fn of(pid: i32) -> Result<Self, String> {
        let read = |file: &str, key: &str| {
            let path = format!("/proc/{pid}/{file}");
            let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            number.ok_or_else(|| format!("no {key} in {path}"))
        };
        Ok(Self {
            pss: read("smaps_rollup", "Pss:")?,
            anonymous: read("status", "RssAnon:")?,
        })
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Pss {} kB, RssAnon {} kB", self.pss, self.anonymous)
    }
}
