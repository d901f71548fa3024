//! The jail's cgroup: made, watched and removed by descriptors that are opened before the supervisor drops what it has.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::sys::uio::pread;
use nix::unistd::{UnlinkatFlags, unlinkat, write};

use crate::plan::{CgroupPlan, CgroupWrite, JAIL_LEAF, OWN_LEAF};

/// The cgroup that was handed over, and the jail's below it. What was made is removed with it, once nobody is in there.
pub struct Group {
    /// The directory of the one that was handed over.
    place: OwnedFd,
    /// Its `cgroup.procs` and `cgroup.subtree_control`, for the way back.
    procs: OwnedFd,
    subtree: OwnedFd,
    controllers: Vec<&'static str>,
    /// The jail's directory, and files that are read and written while it lives; none before it is made.
    jail: Option<Jail>,
}

struct Jail {
    directory: OwnedFd,
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
    /// Moves this process to a leaf of its own: controllers are enabled below a cgroup only while nobody is in it. What an
    /// earlier flowjail that was killed has left there is removed.
    pub fn enter(plan: &CgroupPlan) -> Result<Group, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let place = open(&plan.place, flags, Mode::empty())?;
        for leaf in [JAIL_LEAF, OWN_LEAF] {
            // EBUSY: somebody is in it; the launch fails in the next step, and nothing of theirs is touched.
            let _ = unlinkat(&place, leaf, UnlinkatFlags::RemoveDir);
        }
        let group = Group {
            procs: writable(&place, "cgroup.procs")?,
            subtree: writable(&place, "cgroup.subtree_control")?,
            place,
            controllers: plan.controllers.clone(),
            jail: None,
        };
        mkdirat(&group.place, OWN_LEAF, Mode::from_bits_truncate(0o755))?;
        put(
            &writable(&group.place, &format!("{OWN_LEAF}/cgroup.procs"))?,
            "0",
        )?;
        Ok(group)
    }

    /// Enables the controllers for what is below.
    pub fn enable(&self) -> Result<(), Errno> {
        let each = self.controllers.iter().map(|name| format!("+{name}"));
        put(&self.subtree, &each.collect::<Vec<_>>().join(" "))
    }

    /// Makes the jail's cgroup.
    pub fn make(&mut self) -> Result<(), Errno> {
        mkdirat(&self.place, JAIL_LEAF, Mode::from_bits_truncate(0o755))?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = openat(&self.place, JAIL_LEAF, flags, Mode::empty())?;
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

    /// The jail's directory, for clone3(2).
    pub fn jail(&self) -> Option<&OwnedFd> {
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
            if text(&jail.events).is_some_and(|text| text.contains("populated 0")) {
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
        self.jail = None;
        let _ = unlinkat(&self.place, JAIL_LEAF, UnlinkatFlags::RemoveDir);
        let each = self.controllers.iter().map(|name| format!("-{name}"));
        let _ = put(&self.subtree, &each.collect::<Vec<_>>().join(" "));
        let _ = put(&self.procs, "0");
        let _ = unlinkat(&self.place, OWN_LEAF, UnlinkatFlags::RemoveDir);
    }
}

fn writable(at: &impl AsFd, file: &str) -> Result<OwnedFd, Errno> {
    openat(at, file, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())
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
