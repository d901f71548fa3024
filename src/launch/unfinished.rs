//! A process of a launch that is not over yet.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};

use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use crate::sys::process;

/// A process that is killed and reaped unless the launch comes to its end.
pub struct Unfinished(Option<OwnedFd>);

impl Unfinished {
    /// By its pidfd.
    pub fn of(pidfd: OwnedFd) -> Unfinished {
        Unfinished(Some(pidfd))
    }

    /// Its pidfd.
    pub fn pidfd(&self) -> Option<&OwnedFd> {
        self.0.as_ref()
    }

    /// The launch is over: the process lives on.
    pub fn finished(mut self) -> Option<OwnedFd> {
        self.0.take()
    }

    /// Whether it has ended; it stays to be reaped.
    pub fn ended(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        self.0.as_ref().is_none_or(|pidfd| {
            !matches!(
                waitid(Id::PIDFd(pidfd.as_fd()), flags),
                Ok(WaitStatus::StillAlive)
            )
        })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(pidfd) = &self.0 {
            // ESRCH: it ended by itself.
            let _ = process::send_signal(pidfd, Signal::SIGKILL);
            let _ = waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED);
        }
    }
}
