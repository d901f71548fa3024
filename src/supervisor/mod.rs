//! The supervisor: one loop over the jail's end, signals and denied calls. Its decisions are in `decide`.
#![forbid(unsafe_code)]

mod decide;
mod memory;
mod notices;
mod signals;

use std::os::fd::AsFd;
use std::sync::atomic::Ordering::SeqCst;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use crate::events::{Event, Ledger, Sink};
use crate::launch::{Failure, Launched, step_failure};
use crate::plan::Plan;

pub use signals::Watch;

/// How a jail ended.
pub struct Outcome {
    /// flowjail's exit code: the command's own, or 128+n for a signal.
    pub code: u8,
    /// What was blocked.
    pub ledger: Ledger,
}

/// Watches a jail to its end. Whatever happens here, no process of the jail is left when this returns.
///
/// # Errors
/// The program could not be executed, or the supervisor lost its hold; the jail is killed then.
pub fn supervise(
    launched: Launched,
    plan: &Plan,
    mut watch: Watch,
    mut sink: Sink,
) -> Result<Outcome, Failure> {
    let mut notices = notices::Notices::new(plan);
    sink.write(&start_event(plan));
    let watched = watch_to_the_end(&launched, &mut watch, &mut notices, &mut sink);
    let status = end(&launched)?;
    watched.map_err(|errno| Failure::outside("watching the jail", errno))?;
    outcome(&launched, status, notices.ledger, sink)
}

fn watch_to_the_end(
    launched: &Launched,
    watch: &mut Watch,
    notices: &mut notices::Notices,
    sink: &mut Sink,
) -> Result<(), Errno> {
    let mut listener = launched.listener.as_ref();
    loop {
        let mut waiting = vec![
            PollFd::new(launched.init.as_fd(), PollFlags::POLLIN),
            PollFd::new(watch.as_fd(), PollFlags::POLLIN),
        ];
        waiting.extend(listener.map(|listener| PollFd::new(listener.as_fd(), PollFlags::POLLIN)));
        let timeout = watch.time_left().map_or(PollTimeout::NONE, |left| {
            PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut waiting, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        let ready = |index: usize| {
            waiting
                .get(index)
                .and_then(PollFd::revents)
                .unwrap_or(PollFlags::empty())
        };
        let (ended, signalled, noticed) = (ready(0), ready(1), ready(2));
        if !ended.is_empty() {
            return Ok(());
        }
        if !signalled.is_empty() {
            watch.forward(&launched.init)?;
        }
        watch.enforce_grace(&launched.init)?;
        match listener {
            Some(open) if noticed.contains(PollFlags::POLLIN) => notices.answer_next(open, sink)?,
            Some(_) if !noticed.is_empty() => listener = None,
            _ => {}
        }
    }
}

/// Kills what is left, and reaps init: with pid 1 its whole pid namespace is gone.
fn end(launched: &Launched) -> Result<WaitStatus, Failure> {
    // ESRCH: it ended by itself.
    let _ = crate::sys::process::send_signal(&launched.init, Signal::SIGKILL);
    waitid(Id::PIDFd(launched.init.as_fd()), WaitPidFlag::WEXITED)
        .map_err(|errno| Failure::outside("waiting for init", errno))
}

fn outcome(
    launched: &Launched,
    init: WaitStatus,
    mut ledger: Ledger,
    mut sink: Sink,
) -> Result<Outcome, Failure> {
    let page = &launched.page;
    if page.failed().is_some() {
        return Err(step_failure(&launched.steps, page, true));
    }
    let signal = match (page.status.load(SeqCst), init) {
        // init was killed, and everything with it.
        (-1, WaitStatus::Signaled(_, signal, _)) => signal as i32,
        (-1, _) => libc::SIGKILL,
        (word, _) => word & 0x7f,
    };
    let code = match signal {
        0 => (page.status.load(SeqCst) >> 8 & 0xff) as u8,
        number => (128 + number) as u8,
    };
    ledger.settle(&mut sink);
    let name = (signal != 0).then(|| signal_name(signal));
    sink.write(&Event::Exit {
        code,
        signal: name,
        denied: ledger.total(),
        dropped: sink.dropped(),
    });
    Ok(Outcome { code, ledger })
}

/// The signal's name; real-time signals have numbers only.
fn signal_name(number: i32) -> String {
    Signal::try_from(number)
        .map_or_else(|_| format!("SIG{number}"), |signal| signal.as_str().into())
}

fn start_event(plan: &Plan) -> Event {
    Event::Start {
        schema: crate::events::SCHEMA,
        jail: plan.name.clone(),
        profile: plan.profile.clone(),
        argv: plan.argv.clone(),
        uid: plan.ids.uid,
        promises: plan
            .promises
            .iter()
            .map(|line| (line.name(), line.state().to_owned()))
            .collect(),
    }
}
