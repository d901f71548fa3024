//! The cgroup that flowjail was started in: whether limits can be set below it, and what it is limited to itself.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use crate::sys::process;

/// A cgroup (v2) of flowjail's own, below which it may make others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    /// Its directory.
    pub place: PathBuf,
    /// Controllers that it can hand on (`cgroup.controllers`).
    pub controllers: BTreeSet<String>,
    /// Which of [`FILES`] this kernel has.
    pub files: BTreeSet<&'static str>,
    /// Whether it bears the mark of a cgroup that was handed over (`user.delegate`, `trusted.delegate`).
    pub marked: bool,
    /// Whether the machine swaps.
    pub swap: bool,
}

/// Why no limit can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoCgroup {
    /// The profile asks for none, so nobody has looked.
    NotAsked,
    /// No hierarchy of version 2 is mounted; whether one of version 1 is.
    NotMounted {
        /// Whether version 1 is there.
        v1: bool,
    },
    /// What is mounted does not show this process's own cgroup.
    Hidden,
    /// It is mounted read-only.
    ReadOnly(PathBuf),
    /// It is somebody else's.
    Denied(PathBuf, Errno),
    /// Another process is in it, and would have to be moved.
    Crowded {
        /// Where.
        place: PathBuf,
        /// The first of the others; 0: in a pid namespace that cannot be seen from here.
        pid: i32,
        /// Its name.
        name: String,
    },
}

/// Files that a limit may be written to.
pub const FILES: [&str; 9] = [
    "memory.low",
    "memory.high",
    "memory.max",
    "memory.swap.max",
    "memory.oom.group",
    "cpu.weight",
    "cpu.max",
    "pids.max",
    "io.max",
];

/// What flowjail itself is limited to, by its cgroup and all above it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// CPUs.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

/// Looks at this process's cgroup: whether limits can be set below it, where `asked`, and how it is limited itself.
pub fn look(asked: bool) -> (Result<Cgroup, NoCgroup>, Limits) {
    let own = own();
    let limits = match &own {
        Ok((place, top)) => inherited(place, top),
        Err(_) => version_1(),
    };
    let cgroup = match asked {
        true => own.and_then(|(place, _)| handed_over(place)),
        false => Err(NoCgroup::NotAsked),
    };
    (cgroup, limits)
}

fn handed_over(place: PathBuf) -> Result<Cgroup, NoCgroup> {
    let controllers = read(&place, "cgroup.controllers").unwrap_or_default();
    let controllers = controllers.split_whitespace().map(str::to_owned).collect();
    may_write(&place)?;
    refuse_crowd(&place)?;
    let there = |file: &&str| place.join(file).exists();
    let marks = ["user.delegate", "trusted.delegate"];
    Ok(Cgroup {
        controllers,
        files: FILES.into_iter().filter(there).collect(),
        marked: marks
            .iter()
            .any(|mark| process::attribute(&place, mark) == Some(b"1".to_vec())),
        swap: std::fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() > 1),
        place,
    })
}

/// The directory of this process's cgroup, and that of the topmost one that is shown.
fn own() -> Result<(PathBuf, PathBuf), NoCgroup> {
    let text = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let path = text.lines().find_map(|line| line.strip_prefix("0::"));
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let v1 = text.lines().any(|line| !line.starts_with("0::"));
    let all: Vec<(PathBuf, PathBuf)> = mounts.lines().filter_map(version_2).collect();
    let Some(path) = path.filter(|_| !all.is_empty()) else {
        return Err(NoCgroup::NotMounted { v1 });
    };
    let path = Path::new(path);
    let shown = all.into_iter().find_map(|(root, at)| {
        let below = path.strip_prefix(root).ok()?;
        let plain = |part: Component| matches!(part, Component::Normal(_));
        below
            .components()
            .all(plain)
            .then(|| (at.join(below), at.clone()))
    });
    shown.ok_or(NoCgroup::Hidden)
}

/// Root and place of a mount of cgroup2, of a line of mountinfo (proc_pid_mountinfo(5)).
fn version_2(line: &str) -> Option<(PathBuf, PathBuf)> {
    let (first, second) = line.split_once(" - ")?;
    let mut words = first.split(' ').skip(3);
    let (root, at) = (words.next()?, words.next()?);
    let kind = second.split(' ').next()?;
    (kind == "cgroup2").then(|| (root.into(), at.into()))
}

/// What a launch will do: make directories, and write two of the files.
fn may_write(place: &Path) -> Result<(), NoCgroup> {
    for part in ["", "cgroup.procs", "cgroup.subtree_control"] {
        match access(&place.join(part), AccessFlags::W_OK) {
            Ok(()) => {}
            Err(Errno::EROFS) => return Err(NoCgroup::ReadOnly(place.into())),
            Err(errno) => return Err(NoCgroup::Denied(place.into(), errno)),
        }
    }
    Ok(())
}

/// Controllers are enabled below a cgroup only while no process is in it (cgroups(7), "no internal processes"); others
/// than this one are not flowjail's to move.
fn refuse_crowd(place: &Path) -> Result<(), NoCgroup> {
    let own = std::process::id().cast_signed();
    let all = read(place, "cgroup.procs").unwrap_or_default();
    let mut pids = all.lines().filter_map(|line| line.parse().ok());
    let Some(pid) = pids.find(|pid| *pid != own) else {
        return Ok(());
    };
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Err(NoCgroup::Crowded {
        place: place.into(),
        pid,
        name: name.trim().into(),
    })
}

fn read(place: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(place.join(file)).ok()
}

/// The tightest limit of a cgroup and those above it.
fn inherited(place: &Path, top: &Path) -> Limits {
    let chain = place.ancestors().take_while(|at| at.starts_with(top));
    chain.map(limits_of).fold(Limits::default(), Limits::and)
}

fn limits_of(place: &Path) -> Limits {
    let number = |file| read(place, file)?.trim().parse().ok();
    let quota = || {
        let text = read(place, "cpu.max")?;
        let mut words = text.split_whitespace().map(str::parse::<f64>);
        Some(words.next()?.ok()? / words.next()?.ok()?)
    };
    Limits {
        memory: number("memory.max"),
        cpus: quota(),
        pids: number("pids.max"),
    }
}

/// In a container with version 1: what its mounts say.
fn version_1() -> Limits {
    let top = Path::new("/sys/fs/cgroup");
    let number = |file| read(top, file)?.trim().parse::<u64>().ok();
    let quota = number("cpu/cpu.cfs_quota_us").zip(number("cpu/cpu.cfs_period_us"));
    Limits {
        // v1 writes a number near 2^63 where there is no limit.
        memory: number("memory/memory.limit_in_bytes").filter(|bytes| *bytes < 1 << 60),
        cpus: quota.map(|(quota, period)| quota as f64 / period as f64),
        pids: number("pids/pids.max"),
    }
}

impl Limits {
    /// The tighter of each.
    fn and(self, other: Limits) -> Limits {
        fn less<T: PartialOrd>(one: Option<T>, other: Option<T>) -> Option<T> {
            match (one, other) {
                (Some(one), Some(other)) => Some(if one < other { one } else { other }),
                (one, other) => one.or(other),
            }
        }
        Limits {
            memory: less(self.memory, other.memory),
            cpus: less(self.cpus, other.cpus),
            pids: less(self.pids, other.pids),
        }
    }
}

/// The disk that a place lies on, as `io.max` takes it; none for what is no disk's (tmpfs, overlay, btrfs).
pub fn disk(place: &Path) -> Option<(u64, u64)> {
    let there = place.ancestors().find(|place| place.exists())?;
    let device = nix::sys::stat::stat(there).ok()?.st_dev;
    let numbers = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let entry = PathBuf::from(format!("/sys/dev/block/{}:{}", numbers.0, numbers.1));
    if !entry.exists() {
        return None;
    }
    if !entry.join("partition").exists() {
        return Some(numbers);
    }
    // Limits are the whole disk's: it is the directory above.
    let whole = std::fs::read_to_string(entry.canonicalize().ok()?.parent()?.join("dev")).ok()?;
    let (major, minor) = whole.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Limits, version_2};
    use std::path::PathBuf;

    #[test]
    fn a_mount_of_version_2_is_found_by_its_kind_and_no_other() {
        let line =
            "30 23 0:26 /a /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
        let both = (PathBuf::from("/a"), PathBuf::from("/sys/fs/cgroup"));
        assert_eq!(version_2(line), Some(both));
        assert_eq!(version_2(&line.replace("- cgroup2", "- cgroup")), None);
        assert_eq!(version_2("nonsense"), None);
    }

    #[test]
    fn the_tighter_limit_counts() {
        let of = |memory, cpus, pids| Limits { memory, cpus, pids };
        let both = of(Some(5), None, Some(9)).and(of(Some(7), Some(1.5), Some(3)));
        assert_eq!(both, of(Some(5), Some(1.5), Some(3)));
    }
}
