//! Signals of the supervisor: forwarded to the jail, with a grace period behind SIGTERM and job control.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::getpid;

use crate::sys::process;

/// Flowise takes up to 30 s to shut down.
pub const GRACE: Duration = Duration::from_secs(35);

/// A second SIGTERM this soon is the first one seen twice, as timeout(1) sends it to a process and to its group.
const SAME_SIGTERM: Duration = Duration::from_secs(1);

/// Everything that is forwarded; SIGTSTP and SIGCONT stop and continue the jail with the supervisor.
const FORWARDED: [Signal; 9] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGHUP,
    Signal::SIGWINCH,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGTSTP,
    Signal::SIGCONT,
];

/// SIGCHLD is watched, too, for orphans.
fn set() -> SigSet {
    FORWARDED.into_iter().chain([Signal::SIGCHLD]).collect()
}

/// The forwarded signals as a descriptor, and the grace period.
pub struct Watch {
    signals: SignalFd,
    first_sigterm: Option<Instant>,
    kill_at: Option<Instant>,
}

impl Watch {
    /// Blocks what will be forwarded, so that none is lost, and watches from now on. To be called before a
    /// launch: the descriptor cannot be made once the supervisor is confined.
    pub fn new() -> Result<Watch, Errno> {
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set()), None)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Watch {
            signals: SignalFd::with_flags(&set(), flags)?,
            first_sigterm: None,
            kill_at: None,
        })
    }

    /// What is left of the grace period, once SIGTERM came.
    pub fn time_left(&self) -> Option<Duration> {
        self.kill_at
            .map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Forwards what has arrived. A second SIGTERM ends the grace period at once.
    pub fn forward(&mut self, init: &OwnedFd) -> Result<(), Errno> {
        while let Some(info) = self.signals.read_signal()? {
            let Ok(signal) = Signal::try_from(info.ssi_signo.cast_signed()) else {
                continue;
            };
            if signal == Signal::SIGCHLD {
                continue;
            }
            if signal == Signal::SIGTERM {
                let now = Instant::now();
                let first = *self.first_sigterm.get_or_insert(now);
                let again = now.duration_since(first) > SAME_SIGTERM;
                self.kill_at = Some(if again { now } else { first + GRACE });
            }
            if signal == Signal::SIGTSTP && getpid().as_raw() == 1 {
                // A container's terminal has no shell that could let it go on.
                continue;
            }
            send(init, signal)?;
            if signal == Signal::SIGTSTP {
                kill(getpid(), Signal::SIGSTOP)?;
            }
        }
        Ok(())
    }

    /// Whether the jail has been told to end.
    pub fn ends(&self) -> bool {
        self.kill_at.is_some()
    }

    /// Kills the jail when the grace period is over.
    pub fn enforce_grace(&self, init: &OwnedFd) -> Result<(), Errno> {
        if self.kill_at.is_some_and(|at| at <= Instant::now()) {
            send(init, Signal::SIGKILL)
        } else {
            Ok(())
        }
    }
}

fn send(init: &OwnedFd, signal: Signal) -> Result<(), Errno> {
    match process::send_signal(init, signal) {
        // It has just ended; the loop is about to see it.
        Err(Errno::ESRCH) => Ok(()),
        sent => sent,
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signals.as_fd()
    }
}
