//! The process table as anyone can read it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// One process, told apart from a later one of the same number by its start time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proc {
    /// Its number as this test sees it.
    pub pid: i32,
    /// Its parent's number.
    pub ppid: i32,
    /// What /proc/PID/stat calls it.
    pub comm: String,
    /// Clock ticks since boot at its start.
    pub start: u64,
}

/// The six namespaces that a jail has of its own.
pub const NAMESPACES: [&str; 6] = ["user", "mnt", "pid", "ipc", "uts", "cgroup"];

/// The process, unless it is gone or a zombie.
pub fn get(pid: i32) -> Option<Proc> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    if matches!(fields[0], "Z" | "X") {
        return None;
    }
    Some(Proc {
        pid,
        ppid: fields[1].parse().ok()?,
        comm: head.split_once('(')?.1.to_owned(),
        start: fields[19].parse().ok()?,
    })
}

/// All processes of this machine that can be seen.
pub fn all() -> Vec<Proc> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|e| get(e.ok()?.file_name().to_str()?.parse().ok()?))
        .collect()
}

/// A process and everything below it, the oldest first.
pub fn tree(root: i32) -> Vec<Proc> {
    let table = all();
    let mut found: Vec<Proc> = table.iter().filter(|p| p.pid == root).cloned().collect();
    let mut next = 0;
    while next < found.len() {
        let parent = found[next].pid;
        found.extend(table.iter().filter(|p| p.ppid == parent).cloned());
        next += 1;
    }
    found
}

/// Those of the processes that live on after the time.
pub fn survivors(of: &[Proc], limit: Duration) -> Vec<Proc> {
    let alive = || -> Vec<Proc> {
        let same = |p: &&Proc| get(p.pid).is_some_and(|now| now.start == p.start);
        of.iter().filter(same).cloned().collect()
    };
    super::wait_for(limit, || alive().is_empty().then_some(()));
    alive()
}

/// The lines of /proc/PID/status by name.
pub fn status(pid: i32) -> BTreeMap<String, String> {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

/// The namespace's name, as `mnt:[4026531841]`. Needs the right to trace the process.
pub fn namespace(pid: i32, kind: &str) -> Result<String, String> {
    let path = format!("/proc/{pid}/ns/{kind}");
    fs::read_link(&path)
        .map(|link| link.to_string_lossy().into_owned())
        .map_err(|e| format!("{path}: {e}"))
}

/// Resident memory in KiB.
pub fn rss_kib(pid: i32) -> u64 {
    let line = status(pid).get("VmRSS").cloned().unwrap_or_default();
    line.trim_end_matches(" kB").parse().unwrap_or(0)
}
