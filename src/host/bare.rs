//! What a place without namespaces gives, and what its own filter refuses: found by doing, in children that end at once.
#![forbid(unsafe_code)]

use std::fs::OpenOptions;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use caps::{CapSet, Capability};
use landlock::{AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr};
use nix::errno::Errno;
use nix::sys::prctl::{set_dumpable, set_no_new_privs, set_pdeathsig};
use nix::sys::signal::Signal;
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use crate::sys::process::{self, Forked};
use crate::sys::{errno_of, outer};

/// What the bare jail depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bare {
    /// Whether a start as root can become an ordinary user (refused with `--cap-drop ALL`).
    pub ids: Result<(), Errno>,
    /// Whether the capability bounding set can be emptied (CAP_SETPCAP).
    pub seal: bool,
    /// Whether the supervisor will be able to read and write the memory of calls that wait (Yama, or a filter, may
    /// refuse that).
    pub memory: Result<(), Errno>,
    /// Whether a Landlock domain can be enforced: a filter may let the version be asked, and refuse the rest.
    pub landlock: Result<(), Errno>,
    /// Places that are written and whose mounts allow code to be mapped (no noexec).
    pub code_mounts: Vec<PathBuf>,
    /// System calls that the surrounding filter refuses by itself, so that nobody is told, and with what.
    pub unseen: Vec<(&'static str, Errno)>,
}

/// Any plain id does for the question.
const PLAIN: u32 = 65_534;

/// Looks; `written`: places that the program writes.
pub fn look(root_start: bool, written: Vec<PathBuf>) -> Bare {
    let allows_code = |place: &PathBuf| {
        statvfs(place).is_ok_and(|fact| !fact.flags().contains(FsFlags::ST_NOEXEC))
    };
    Bare {
        landlock: process::in_child(0, || {
            set_no_new_privs()?;
            enforce_a_domain().map_err(|error| errno_of(&*error))
        }),
        code_mounts: written.into_iter().filter(allows_code).collect(),
        ids: match root_start {
            true => process::in_child(0, become_plain),
            false => Ok(()),
        },
        seal: caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).unwrap_or(false),
        memory: process::in_child(0, move || {
            if root_start {
                become_plain()?;
            }
            reach_child(root_start)
        }),
        unseen: outer::refused(),
    }
}

/// One right, granted everywhere.
fn enforce_a_domain() -> Result<(), Box<dyn std::error::Error>> {
    let right = AccessFs::MakeBlock;
    let ruleset = Ruleset::default().handle_access(right)?.create()?;
    let rule = PathBeneath::new(PathFd::new("/")?, right);
    ruleset.add_rule(rule)?.restrict_self()?;
    Ok(())
}

fn become_plain() -> Result<(), Errno> {
    setgroups(&[])?;
    let (uid, gid) = (Uid::from_raw(PLAIN), Gid::from_raw(PLAIN));
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)
}

/// What is read and written again in a child.
static WORD: u64 = 0x666c_6f77_6a61_696c;

/// As a supervisor of the workload's own uid does it.
fn reach_child(changed: bool) -> Result<(), Errno> {
    let (there, ready) = nix::unistd::pipe()?;
    let (over, held) = nix::unistd::pipe()?;
    let (pid, pidfd) = match process::fork(0)? {
        Forked::Child => {
            // A change of ids has made it unreadable, as execve makes it readable again.
            let readable = if changed { set_dumpable(true) } else { Ok(()) };
            let tied = readable.and(set_pdeathsig(Signal::SIGKILL));
            drop(held);
            if tied.is_ok() && nix::unistd::write(&ready, b"1").is_ok() {
                // Until it is over: no signal, which a filter around may refuse.
                let _ = nix::unistd::read(&over, &mut [0]);
            }
            process::exit_now(1)
        }
        Forked::Parent { pid, pidfd } => (pid, pidfd),
    };
    drop(ready);
    // Nothing, where the child has ended: then it is not reached, either.
    let _ = nix::unistd::read(&there, &mut [0]);
    let reached = reach(pid);
    drop(held);
    waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED)?;
    reached
}

fn reach(pid: i32) -> Result<(), Errno> {
    let at = &raw const WORD as u64;
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .open(format!("/proc/{pid}/mem"));
    let mut found = [0; 8];
    match opened.and_then(|memory| memory.read_exact_at(&mut found, at)) {
        Ok(()) if found == WORD.to_ne_bytes() => Ok(()),
        Ok(()) => Err(Errno::EFAULT),
        Err(error) => Err(errno_of(&error)),
    }
}
