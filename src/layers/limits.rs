//! The jail's cgroup: made, watched and removed by descriptors that are opened before the supervisor drops what it has.
#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::sys::uio::pread;
use nix::unistd::{UnlinkatFlags, unlinkat, write};

use crate::plan::{CgroupPlan, CgroupWrite, JAIL_LEAF, OWN_LEAF};
use crate::sys::process::Forked;

/// The cgroup that was handed over, and the jail's below it. What was made is removed with it, once nobody is in there.
pub struct Group {
    /// The directory of the one that was handed over.
    place: OwnedFd,
    /// Its `cgroup.procs` and `cgroup.subtree_control`, for the way back.
    procs: OwnedFd,
    subtree: OwnedFd,
    controllers: Vec<&'static str>,
    /// Those of them that were not enabled before.
    enabled: Vec<&'static str>,
    /// `cgroup.procs` of the leaf that this process stays in, and whether it was made for that.
    own: OwnedFd,
    moved: bool,
    /// The jail's directory, and files that are read and written while it lives; none before it is made.
    jail: Option<Jail>,
}

/// What a jail was short of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Short {
    /// Memory.
    Memory,
    /// Processes and threads.
    Processes,
}

struct Jail {
    /// Closed to other users, and locked: one jail at a time is below a cgroup, and its end takes nothing from the next.
    directory: File,
    /// `cgroup.kill` (Linux 5.14).
    kill: Option<OwnedFd>,
    events: OwnedFd,
    files: Files,
}

/// What tells how the jail fares; each is absent where its controller is, or where the kernel does not have it.
#[derive(Default)]
pub struct Files {
    /// `memory.events`: limits that were hit, and processes that were ended for want of memory.
    pub memory_events: Option<OwnedFd>,
    /// `pids.events`: forks that were refused.
    pub pids_events: Option<OwnedFd>,
    /// `memory.pressure` (PSI, Linux 5.2).
    pub memory_pressure: Option<OwnedFd>,
    /// `memory.peak` (Linux 5.19).
    pub memory_peak: Option<OwnedFd>,
    /// `memory.current`.
    pub memory_current: Option<OwnedFd>,
    /// `cpu.stat`.
    pub cpu_stat: Option<OwnedFd>,
}

impl Group {
    /// Moves this process to a leaf of its own, unless it is in one: controllers are enabled below a cgroup only while
    /// nobody is in it. What an earlier flowjail that was killed has left there is removed. EBUSY: another one is there.
    pub fn enter(plan: &CgroupPlan) -> Result<Group, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let place = open(&plan.place, flags, Mode::empty())?;
        if let Ok(other) = openat(&place, JAIL_LEAF, DIRECTORY, Mode::empty()) {
            File::from(other).try_lock().map_err(|_| Errno::EBUSY)?;
        }
        for leaf in [JAIL_LEAF, OWN_LEAF] {
            // EBUSY: somebody is in it; the launch fails in the next step, and nothing of theirs is touched.
            let _ = unlinkat(&place, leaf, UnlinkatFlags::RemoveDir);
        }
        let enabled = text(&readable(&place, "cgroup.subtree_control")?).unwrap_or_default();
        let fresh = |name: &&str| !enabled.split_whitespace().any(|known| known == *name);
        let own = match &plan.inside {
            Some(leaf) => open(&leaf.join("cgroup.procs"), FOR_WRITING, Mode::empty())?,
            None => own_leaf(&place)?,
        };
        let group = Group {
            procs: writable(&place, "cgroup.procs")?,
            subtree: writable(&place, "cgroup.subtree_control")?,
            controllers: plan.controllers.clone(),
            enabled: plan.controllers.iter().copied().filter(fresh).collect(),
            moved: plan.inside.is_none(),
            place,
            own,
            jail: None,
        };
        if group.moved {
            put(&group.own, "0")?;
        }
        Ok(group)
    }

    /// Enables the controllers for what is below.
    pub fn enable(&self) -> Result<(), Errno> {
        put(&self.subtree, &signed('+', &self.controllers))
    }

    /// Makes the jail's cgroup.
    pub fn make(&mut self) -> Result<(), Errno> {
        mkdirat(&self.place, JAIL_LEAF, Mode::from_bits_truncate(0o700))?;
        let directory = File::from(openat(&self.place, JAIL_LEAF, DIRECTORY, Mode::empty())?);
        directory.try_lock().map_err(|_| Errno::EBUSY)?;
        let read = |file| readable(&directory, file).ok();
        self.jail = Some(Jail {
            kill: writable(&directory, "cgroup.kill").ok(),
            events: readable(&directory, "cgroup.events")?,
            files: Files {
                memory_events: read("memory.events"),
                pids_events: read("pids.events"),
                memory_pressure: read("memory.pressure"),
                memory_peak: read("memory.peak"),
                memory_current: read("memory.current"),
                cpu_stat: read("cpu.stat"),
            },
            directory,
        });
        Ok(())
    }

    /// Writes one limit of the jail.
    pub fn limit(&self, line: &CgroupWrite) -> Result<(), Errno> {
        let jail = self.jail.as_ref().ok_or(Errno::EBADF)?;
        put(&writable(&jail.directory, line.file)?, &line.value)
    }

    /// Moves a process into the jail's cgroup.
    pub fn take_in(&self, pid: i32) -> Result<(), Errno> {
        let jail = self.jail.as_ref().ok_or(Errno::EBADF)?;
        put(
            &writable(&jail.directory, "cgroup.procs")?,
            &pid.to_string(),
        )
    }

    /// Carries `act`, which forks, out in the jail's cgroup: for want of a clone3(2) that does. The child stays there.
    pub fn within(&self, act: impl FnOnce() -> Result<Forked, Errno>) -> Result<Forked, Errno> {
        self.take_in(0)?;
        let forked = act();
        if !matches!(forked, Ok(Forked::Child)) {
            put(&self.own, "0")?;
        }
        forked
    }

    /// What the jail was short of, if anything.
    pub fn short(&self) -> Option<Short> {
        let files = self.files()?;
        let any = |file: &Option<OwnedFd>, keys: &[&str]| {
            let text = file.as_ref().and_then(text).unwrap_or_default();
            keys.iter().any(|key| value(&text, key) > Some(0))
        };
        if any(&files.memory_events, &["max", "oom_kill"]) {
            return Some(Short::Memory);
        }
        any(&files.pids_events, &["max"]).then_some(Short::Processes)
    }

    /// The jail's directory, for clone3(2).
    pub fn jail(&self) -> Option<&File> {
        self.jail.as_ref().map(|jail| &jail.directory)
    }

    /// What tells how it fares.
    pub fn files(&self) -> Option<&Files> {
        self.jail.as_ref().map(|jail| &jail.files)
    }

    /// Ends everyone in the jail (`cgroup.kill`).
    pub fn kill(&self) {
        let kill = self.jail.as_ref().and_then(|jail| jail.kill.as_ref());
        // A kernel without it: init's end is everyone's.
        kill.map(|kill| put(kill, "1"));
    }

    /// Waits until nobody is left in the jail, for as long as `patience`; says whether that came about.
    pub fn await_empty(&self, patience: Duration) -> bool {
        let Some(jail) = &self.jail else {
            return true;
        };
        let until = std::time::Instant::now() + patience;
        loop {
            // Nothing is said by one that somebody else has removed: who was in it was taken out before.
            if text(&jail.events).is_none_or(|text| text.contains("populated 0")) {
                return true;
            }
            if std::time::Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Removes the jail's cgroup, goes back, and removes its own leaf. Nobody but this process is left of flowjail by then; a
/// jail that is not empty stays, with its limits. A supervisor of a start as root is an ordinary user at its end, who may
/// go back by the descriptors that it has, and remove nothing: two empty cgroups are left, which end with the unit, or with
/// the next start.
impl Drop for Group {
    fn drop(&mut self) {
        if !self.await_empty(Duration::ZERO) {
            return;
        }
        // Under the lock, or alone there: no other jail's limits go with the controllers.
        if (self.jail.is_some() || self.moved) && !self.enabled.is_empty() {
            let _ = put(&self.subtree, &signed('-', &self.enabled));
        }
        if let Some(jail) = self.jail.take() {
            let _ = unlinkat(&self.place, JAIL_LEAF, UnlinkatFlags::RemoveDir);
            drop(jail);
        }
        if self.moved {
            let _ = put(&self.procs, "0");
            let _ = unlinkat(&self.place, OWN_LEAF, UnlinkatFlags::RemoveDir);
        }
    }
}

/// `cgroup.procs` of a leaf that is made.
fn own_leaf(place: &OwnedFd) -> Result<OwnedFd, Errno> {
    mkdirat(place, OWN_LEAF, Mode::from_bits_truncate(0o755))?;
    writable(place, &format!("{OWN_LEAF}/cgroup.procs"))
}

/// The words that `cgroup.subtree_control` takes.
fn signed(sign: char, controllers: &[&str]) -> String {
    let each = controllers.iter().map(|name| format!("{sign}{name}"));
    each.collect::<Vec<_>>().join(" ")
}

const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_CLOEXEC);
const FOR_WRITING: OFlag = OFlag::O_WRONLY.union(OFlag::O_CLOEXEC);

fn writable(at: &impl AsFd, file: &str) -> Result<OwnedFd, Errno> {
    openat(at, file, FOR_WRITING, Mode::empty())
}

fn readable(at: &impl AsFd, file: &str) -> Result<OwnedFd, Errno> {
    openat(at, file, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
}

fn put(file: &OwnedFd, value: &str) -> Result<(), Errno> {
    write(file, value.as_bytes()).map(drop)
}

/// What a file of the kernel's says now. Each is shorter than a page.
pub fn text(file: &OwnedFd) -> Option<String> {
    let mut room = [0u8; 4096];
    let length = pread(file, &mut room, 0).ok()?;
    room.get(..length)
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// The number behind a key, of lines `key number`.
pub fn value(text: &str, key: &str) -> Option<u64> {
    let number = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        value.trim().parse().ok().filter(|_| name == key)
    };
    text.lines().find_map(number)
}
