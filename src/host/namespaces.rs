//! Whether a namespaced jail can be had here: found by making one and looking, not by names or versions.
#![forbid(unsafe_code)]

use nix::errno::Errno;
use nix::mount::MsFlags;
use nix::sched::CloneFlags;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use std::os::fd::AsFd;

use crate::sys::process::{self, Forked};

/// Why no namespaced jail can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceBlock {
    /// clone3(2) with the namespace flags failed.
    Clone(Errno),
    /// The namespaces came up, but mounting in them is refused (Ubuntu's AppArmor restriction does this).
    Mount(Errno),
    /// /proc cannot be mounted: parts of the host's are covered.
    Proc(Errno),
}

/// The namespaces of a jail, without the network's.
pub const JAIL: CloneFlags = CloneFlags::CLONE_NEWUSER
    .union(CloneFlags::CLONE_NEWNS)
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWCGROUP);

/// Makes the namespaces in a child that mounts a /proc, then ends.
pub fn probe() -> Result<(), NamespaceBlock> {
    let pidfd = match process::fork(JAIL.bits() as u64).map_err(NamespaceBlock::Clone)? {
        Forked::Child => process::exit_now(try_mounts()),
        Forked::Parent { pidfd, .. } => pidfd,
    };
    match waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED) {
        Ok(WaitStatus::Exited(_, 0)) => Ok(()),
        Ok(WaitStatus::Exited(_, code)) if code & 0x80 != 0 => {
            Err(NamespaceBlock::Mount(Errno::from_raw(code & 0x7f)))
        }
        Ok(WaitStatus::Exited(_, code)) => Err(NamespaceBlock::Proc(Errno::from_raw(code))),
        Ok(_) => Err(NamespaceBlock::Clone(Errno::EPERM)),
        Err(errno) => Err(NamespaceBlock::Clone(errno)),
    }
}

/// Makes a network namespace in a child that ends at once.
pub fn probe_network() -> Result<(), Errno> {
    let flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET;
    match process::fork(flags.bits() as u64)? {
        Forked::Child => process::exit_now(0),
        Forked::Parent { pidfd, .. } => {
            waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED).map(drop)
        }
    }
}

/// Runs in the child: the exit code is 0, the errno of proc, or the errno of a mount with bit 7 set.
fn try_mounts() -> i32 {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    if let Err(errno) = nix::mount::mount(None::<&str>, "/", None::<&str>, private, None::<&str>) {
        return (errno as i32 & 0x7f) | 0x80;
    }
    match crate::sys::mount::create("proc", &[], 0) {
        Ok(_) => 0,
        Err(errno) => errno as i32 & 0x7f,
    }
}
