//! Session, limits and ties of a process.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, getppid, setsid};

use crate::sys::process;

/// A session of its own, without a terminal; signal handlers at their defaults, none blocked; files private
/// to the owner, or to owner and group where the group is root's (as OpenShift's arbitrary uids need).
pub fn session(gid: u32) -> Result<(), Errno> {
    setsid()?;
    process::default_signals();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    umask(Mode::from_bits_truncate(if gid == 0 {
        0o007
    } else {
        0o077
    }));
    Ok(())
}

/// SIGKILL when the supervisor's thread that forked this process ends (prctl(2) PR_SET_PDEATHSIG); ESRCH when
/// it ended already.
pub fn die_with_supervisor(supervisor: BorrowedFd) -> Result<(), Errno> {
    set_pdeathsig(Signal::SIGKILL)?;
    let mut waiting = [PollFd::new(supervisor.as_fd(), PollFlags::POLLIN)];
    if poll(&mut waiting, PollTimeout::ZERO)? == 0 {
        Ok(())
    } else {
        Err(Errno::ESRCH)
    }
}

/// SIGCHLD when the supervisor, which is the parent, ends, for a process that has something to do then; ESRCH when it ended
/// already.
pub fn hear_of_supervisor(supervisor: Pid) -> Result<(), Errno> {
    set_pdeathsig(Signal::SIGCHLD)?;
    if getppid() == supervisor {
        Ok(())
    } else {
        Err(Errno::ESRCH)
    }
}

/// SIGKILL when the parent, which is this process, ends; ESRCH when it ended already.
pub fn die_with_parent(parent: Pid) -> Result<(), Errno> {
    set_pdeathsig(Signal::SIGKILL)?;
    if getppid() == parent {
        Ok(())
    } else {
        Err(Errno::ESRCH)
    }
}
