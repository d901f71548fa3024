//! The cgroup that flowjail was started in: whether limits can be set below it, and what it is limited to itself.
#![forbid(unsafe_code)]

mod place;

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use self::place::Place;
use crate::sys::{errno_of, process};

/// The cgroup that flowjail itself moves to, so that controllers can be enabled above it.
pub const OWN_LEAF: &str = "flowjail-own";

/// The cgroup of the jail.
pub const JAIL_LEAF: &str = "flowjail-jail";

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
    /// The leaf of it that this process was put into; none where it is in the cgroup itself.
    pub inside: Option<PathBuf>,
    /// Whether the machine swaps.
    pub swap: bool,
}

/// Why no limit can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoCgroup {
    /// The profile asks for none, so nobody has looked.
    NotAsked,
    /// No hierarchy of version 2 is mounted, or it has no controllers; whether they are in those of version 1.
    NotMounted {
        /// Whether version 1 has them.
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
    /// It is threaded, as its `cgroup.type` says.
    Threaded {
        /// Where.
        place: PathBuf,
        /// `threaded`, `domain threaded` or `domain invalid`.
        kind: String,
    },
    /// No cgroups can be made below.
    NoRoom(PathBuf, Errno),
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
    let own = place::all();
    let v1 = place::of_version_1();
    let first = own.as_ref().ok().and_then(|all| all.first());
    let around = first.map_or_else(Limits::default, |place| inherited(&place.at, &place.top));
    let limits = around.and(version_1(&v1));
    if !asked {
        return (Err(NoCgroup::NotAsked), limits);
    }
    let cgroup = own.and_then(|all| {
        let mut each = all.iter().map(|place| handed_over(place, &v1));
        let first = each.next().unwrap_or(Err(NoCgroup::Hidden));
        // Of several mounts one may be writable alone; where none is the first is told of.
        first.or_else(|why| each.find(Result::is_ok).unwrap_or(Err(why)))
    });
    (cgroup, limits)
}

fn handed_over(own: &Place, v1: &BTreeSet<String>) -> Result<Cgroup, NoCgroup> {
    let (place, inside) = handed_over_with(own);
    let controllers = read(&place, "cgroup.controllers").unwrap_or_default();
    let controllers: BTreeSet<String> = controllers.split_whitespace().map(str::to_owned).collect();
    let bounding = ["memory", "cpu", "pids", "io"];
    let none = bounding.iter().all(|name| !controllers.contains(*name));
    if none && bounding.iter().any(|name| v1.contains(*name)) {
        return Err(NoCgroup::NotMounted { v1: true });
    }
    may_write(&place)?;
    refuse_threads(&place)?;
    refuse_crowd(&place)?;
    refuse_others(&place, inside.is_some())?;
    let there = |file: &&str| place.join(file).exists();
    Ok(Cgroup {
        controllers,
        files: FILES.into_iter().filter(there).collect(),
        marked: marked(&place),
        inside,
        swap: std::fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() > 1),
        place,
    })
}

/// The cgroup that was handed over, and the leaf of it that this process was put into: with DelegateSubgroup= (systemd
/// 254) it is the one above that bears the mark. Not of a unit: what is above that is its manager's.
fn handed_over_with(own: &Place) -> (PathBuf, Option<PathBuf>) {
    let name = own.at.file_name().unwrap_or_default().as_bytes();
    let unit = [&b".service"[..], b".scope", b".slice"].map(|kind| name.ends_with(kind));
    let above = own.at.parent().filter(|above| above.starts_with(&own.top));
    match above.filter(|above| !unit.contains(&true) && !marked(&own.at) && marked(above)) {
        Some(above) => (above.into(), Some(own.at.clone())),
        None => (own.at.clone(), None),
    }
}

fn marked(place: &Path) -> bool {
    let marks = ["user.delegate", "trusted.delegate"];
    let mut set = marks.iter().map(|mark| process::attribute(place, mark));
    set.any(|value| value == Some(b"1".to_vec()))
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

/// A threaded cgroup bounds no memory, and takes no process from one that is not.
fn refuse_threads(place: &Path) -> Result<(), NoCgroup> {
    match read(place, "cgroup.type").as_deref().map(str::trim) {
        // The root of all has no type.
        None | Some("domain") => Ok(()),
        Some(kind) => Err(NoCgroup::Threaded {
            place: place.into(),
            kind: kind.into(),
        }),
    }
}

/// Controllers are enabled below a cgroup only while no process is in it (cgroups(7), "no internal processes"); others
/// than this one are not flowjail's to move.
fn refuse_crowd(place: &Path) -> Result<(), NoCgroup> {
    let own = std::process::id().cast_signed();
    let all = std::fs::read_to_string(place.join("cgroup.procs"));
    let all = all.map_err(|error| NoCgroup::Denied(place.into(), errno_of(&error)))?;
    let mut pids = all.lines().filter_map(|line| line.parse().ok());
    match pids.find(|pid| *pid != own) {
        Some(pid) => Err(crowded(place, pid)),
        None => Ok(()),
    }
}

/// What an earlier flowjail has left empty is removed by the launch. Where somebody is in it another jail runs there.
fn refuse_others(place: &Path, inside: bool) -> Result<(), NoCgroup> {
    let all = [JAIL_LEAF, OWN_LEAF].map(|leaf| place.join(leaf));
    let wanted = if inside { &all[..1] } else { &all[..] };
    for leaf in wanted {
        let events = read(leaf, "cgroup.events").unwrap_or_default();
        if events.contains("populated 1") {
            let all = read(leaf, "cgroup.procs").unwrap_or_default();
            let pid = all.lines().find_map(|line| line.parse().ok());
            return Err(crowded(leaf, pid.unwrap_or(0)));
        }
    }
    let absent = wanted.iter().filter(|leaf| !leaf.exists());
    room_for(place, absent.count())
}

/// Whether so many cgroups can be made below, by making them: those above may allow no more (`cgroup.max.depth`,
/// `cgroup.max.descendants`), also where they cannot be seen. What a look that was killed has left is removed by the next.
fn room_for(place: &Path, count: usize) -> Result<(), NoCgroup> {
    let all: Vec<PathBuf> = TRIED
        .iter()
        .take(count)
        .map(|name| place.join(name))
        .collect();
    for at in &all {
        // ENOENT: nothing is left.
        let _ = std::fs::remove_dir(at);
    }
    let made: Vec<std::io::Result<()>> = all.iter().map(std::fs::create_dir).collect();
    for (at, _) in all.iter().zip(&made).filter(|(_, made)| made.is_ok()) {
        let _ = std::fs::remove_dir(at);
    }
    let errors = made.into_iter().filter_map(Result::err);
    // EEXIST: another flowjail looks at the same moment, and has made it.
    match errors
        .map(|error| errno_of(&error))
        .find(|errno| *errno != Errno::EEXIST)
    {
        Some(errno) => Err(NoCgroup::NoRoom(place.into(), errno)),
        None => Ok(()),
    }
}

/// Cgroups that are there for a moment.
const TRIED: [&str; 2] = ["flowjail-try-1", "flowjail-try-2"];

fn crowded(place: &Path, pid: i32) -> NoCgroup {
    let name = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    NoCgroup::Crowded {
        place: place.into(),
        pid,
        name: String::from_utf8_lossy(&name).trim().into(),
    }
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

/// In a container with controllers of version 1: what its mounts say.
fn version_1(controllers: &BTreeSet<String>) -> Limits {
    let top = Path::new("/sys/fs/cgroup");
    let number = |file: &str| {
        let controller = file.split('/').next().unwrap_or_default();
        let text = read(top, file).filter(|_| controllers.contains(controller))?;
        text.trim().parse::<u64>().ok()
    };
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
    use super::{Limits, TRIED, room_for};

    #[test]
    fn the_tighter_limit_counts() {
        let of = |memory, cpus, pids| Limits { memory, cpus, pids };
        let both = of(Some(5), None, Some(9)).and(of(Some(7), Some(1.5), Some(3)));
        assert_eq!(both, of(Some(5), Some(1.5), Some(3)));
    }

    #[test]
    fn a_look_leaves_nothing_not_even_what_a_killed_one_has_left() {
        let place = std::env::temp_dir().join(format!("flowjail-room-{}", std::process::id()));
        std::fs::create_dir(&place).unwrap();
        std::fs::create_dir(place.join(TRIED[1])).unwrap();
        assert_eq!(room_for(&place, 2), Ok(()));
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0);
        std::fs::remove_dir(&place).unwrap();
        // Nothing can be made below what is not there.
        assert!(room_for(&place, 1).is_err());
        assert_eq!(room_for(&place, 0), Ok(()));
    }
}
