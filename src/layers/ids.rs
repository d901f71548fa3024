//! Ids: the maps of the user namespace, taking them, and the namespace of an idmapped bind.
#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use caps::{CapSet, Capability};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Gid, Pid, Uid, getpid, seteuid, setgroups, setresgid, setresuid};

use super::process::die_with_parent;
use crate::plan::IdPlan;
use crate::sys::errno_of;
use crate::sys::process::{self, Forked};

/// Writes the maps of a child's user namespace: exactly the workload's two ids, to themselves
/// (user_namespaces(7)). Without privilege setgroups(2) must be denied first.
pub fn write_maps(child: i32, ids: &IdPlan) -> Result<(), Errno> {
    if !ids.root_start {
        write(child, "setgroups", "deny".into())?;
    }
    write(child, "uid_map", format!("{0} {0} 1", ids.uid))?;
    write(child, "gid_map", format!("{0} {0} 1", ids.gid))
}

fn write(child: i32, file: &str, text: String) -> Result<(), Errno> {
    std::fs::write(format!("/proc/{child}/{file}"), text).map_err(|error| errno_of(&error))
}

/// The user namespace of a supervisor that was started by an ordinary user, in which it is itself: what lets it
/// empty its own bounding set and leave the file system behind, later on.
pub fn own_namespace(ids: &IdPlan) -> Result<(), Errno> {
    unshare(CloneFlags::CLONE_NEWUSER)?;
    write_maps(getpid().as_raw(), ids)
}

/// A start's root takes the workload's effective ids for a moment, so that a user namespace made now is the
/// workload's own: whoever has those ids, as the supervisor will, may later look into it.
///
/// The change of ids puts the effective capabilities down; the one that Debian's kernels ask for where
/// kernel.unprivileged_userns_clone is 0 is taken up again, by whoever has it.
pub fn assume_owner(ids: &IdPlan) -> Result<(), Errno> {
    if ids.root_start {
        seteuid(Uid::from_raw(ids.uid))?;
        let of_host = Capability::CAP_SYS_ADMIN;
        let failed = |_| Errno::last();
        if caps::has_cap(None, CapSet::Permitted, of_host).map_err(failed)? {
            caps::raise(None, CapSet::Effective, of_host).map_err(failed)?;
        }
    }
    Ok(())
}

/// Ends what [`assume_owner`] began.
pub fn resume(ids: &IdPlan) -> Result<(), Errno> {
    if ids.root_start {
        seteuid(Uid::from_raw(0))
    } else {
        Ok(())
    }
}

/// Becomes the workload's ids, for good (setresuid(2)); a start as root drops every group.
pub fn take(ids: &IdPlan) -> Result<(), Errno> {
    if ids.root_start {
        setgroups(&[])?;
    }
    let (uid, gid) = (Uid::from_raw(ids.uid), Gid::from_raw(ids.gid));
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)
}

/// A user namespace that shows the ids `on_disk` (uid, gid) as the workload's, for an idmapped mount.
pub fn mapping(ids: &IdPlan, on_disk: (u32, u32)) -> Result<OwnedFd, Errno> {
    let parent = getpid();
    let (pid, pidfd) = match process::fork(CloneFlags::CLONE_NEWUSER.bits() as u64)? {
        Forked::Child => idle(parent),
        Forked::Parent { pid, pidfd } => (pid, pidfd),
    };
    let namespace = write(pid, "uid_map", format!("{} {} 1", on_disk.0, ids.uid))
        .and_then(|()| write(pid, "gid_map", format!("{} {} 1", on_disk.1, ids.gid)))
        .and_then(|()| {
            File::open(format!("/proc/{pid}/ns/user")).map_err(|error| errno_of(&error))
        });
    process::send_signal(&pidfd, Signal::SIGKILL)?;
    waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED)?;
    namespace.map(OwnedFd::from)
}

/// Keeps a namespace alive until it is killed, or until its parent ends.
fn idle(parent: Pid) -> ! {
    if die_with_parent(parent).is_err() {
        process::exit_now(1);
    }
    loop {
        nix::unistd::pause();
    }
}
