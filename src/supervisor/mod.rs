//! The supervisor: one loop over the jail's end, signals and denied calls. Its decisions are in `decide`.
#![forbid(unsafe_code)]

mod decide;
mod mediate;
mod memory;
mod network;
mod notices;
mod signals;
mod sockaddr;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::Ordering::SeqCst;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getpid};

use crate::events::{Event, Ledger, Sink};
use crate::launch::{Failure, Launched, step_failure};
use crate::plan::Plan;
use crate::sys::process;

pub use signals::Watch;

/// How a jail ended.
pub struct Outcome {
    /// flowjail's exit code: the command's own, or 128+n for a signal.
    pub code: u8,
    /// What was blocked.
    pub ledger: Ledger,
    /// Connections that were allowed and came to nothing.
    pub failures: Ledger,
    /// Why the supervisor ended the jail, where it lost its hold.
    pub cut_short: Option<Failure>,
}

/// Watches a jail to its end. Whatever happens here, no process of the jail is left when this returns.
///
/// # Errors
/// The program could not be executed.
pub fn supervise(
    launched: Launched,
    plan: &Plan,
    mut watch: Watch,
    mut sink: Sink,
) -> Result<Outcome, Failure> {
    let mut launched = launched;
    let gateway = launched.gateway.take().zip(plan.network.as_ref());
    let mut line = gateway.map(|(process, plan)| network::Line::new(process, plan));
    let mut notices = notices::Notices::new(plan, Rc::clone(&launched.proc), line.as_mut());
    sink.write(&start_event(plan));
    let watched = watch_to_the_end(
        &launched,
        &mut watch,
        &mut notices,
        line.as_mut(),
        &mut sink,
    );
    let status = end(&launched, plan)?;
    let finish = |line: network::Line| line.finish(&mut notices.ledger, &mut sink);
    let failures = line.map(finish).unwrap_or_default();
    let cut_short = watched.err();
    let own_code = cut_short.as_ref().map(|failure| failure.exit);
    let code = outcome(&launched, status, own_code, &mut notices.ledger, sink)?;
    Ok(Outcome {
        code,
        ledger: notices.ledger,
        failures,
        cut_short,
    })
}

fn watch_to_the_end(
    launched: &Launched,
    watch: &mut Watch,
    notices: &mut notices::Notices,
    mut line: Option<&mut network::Line>,
    sink: &mut Sink,
) -> Result<(), Failure> {
    let failed = |errno| Failure::outside("watching the jail", errno);
    let mut listener = launched.listener.as_ref();
    loop {
        let channels = line.as_deref().map(|line| (line.channel(), line.pidfd()));
        let happened = wait(launched, watch, listener, channels).map_err(failed)?;
        let [ended, signalled, noticed, said, gone] = happened;
        if !ended.is_empty() {
            return Ok(());
        }
        if !gone.is_empty() {
            return Err(gateway_is_gone());
        }
        if !signalled.is_empty() {
            watch.forward(&launched.init).map_err(failed)?;
            reap_orphans(launched);
        }
        watch.enforce_grace(&launched.init).map_err(failed)?;
        match listener {
            Some(open) if noticed.contains(PollFlags::POLLIN) => notices
                .answer_next(open, line.as_deref_mut(), sink)
                .map_err(failed)?,
            Some(_) if !noticed.is_empty() => listener = None,
            _ => {}
        }
        // After the notice: a call of the jail waits for that.
        if let Some(line) = &mut line
            && !said.is_empty()
        {
            line.listen(&mut notices.ledger, sink)
                .map_err(|_| gateway_is_gone())?;
        }
    }
}

/// Waits for the jail's end, a signal, a denied call, a word of the gateway, or its end; says which, in this order.
fn wait(
    launched: &Launched,
    watch: &Watch,
    listener: Option<&OwnedFd>,
    gateway: Option<(BorrowedFd<'_>, BorrowedFd<'_>)>,
) -> Result<[PollFlags; 5], Errno> {
    let init = launched.init.as_fd();
    let watched = [
        Some(init),
        Some(watch.as_fd()),
        listener.map(AsFd::as_fd),
        gateway.map(|(channel, _)| channel),
        gateway.map(|(_, pidfd)| pidfd),
    ];
    // What is absent is asked about by nobody: poll(2) passes over a descriptor without events.
    let mut waiting = watched.map(|of| match of {
        Some(of) => PollFd::new(of, PollFlags::POLLIN),
        None => PollFd::new(init, PollFlags::empty()),
    });
    let timeout = watch.time_left().map_or(PollTimeout::NONE, |left| {
        PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX)
    });
    match poll(&mut waiting, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno),
    }
    Ok(waiting.map(|one| one.revents().unwrap_or(PollFlags::empty())))
}

/// Without its gateway a jail reaches nobody and is reached by nobody: it ends, rather than hang.
fn gateway_is_gone() -> Failure {
    Failure {
        errno: None,
        ..Failure::outside(
            "the gateway ended, and the jail with it: it has no network without",
            Errno::ESRCH,
        )
    }
}

/// Kills what is left, and reaps init: with pid 1 its whole pid namespace is gone.
fn end(launched: &Launched, plan: &Plan) -> Result<WaitStatus, Failure> {
    // ESRCH: it ended by itself.
    let _ = process::send_signal(&launched.init, Signal::SIGKILL);
    let status = waitid(Id::PIDFd(launched.init.as_fd()), WaitPidFlag::WEXITED)
        .map_err(|errno| Failure::outside("waiting for init", errno))?;
    // As pid 1 of a container the supervisor takes everyone with it.
    if plan.is_bare() && launched.alone && getpid().as_raw() != 1 {
        sweep(launched);
    }
    Ok(status)
}

/// Ends whoever is left of a bare jail whose init was killed: children by now. The gateway is a child, too, and goes on for
/// a moment: what it has to tell is wanted.
fn sweep(launched: &Launched) {
    for _ in 0..MOST_SWEEPS {
        let all = launched.proc.children(getpid().as_raw());
        let left: Vec<i32> = all
            .into_iter()
            .filter(|pid| Some(*pid) != launched.gateway_pid)
            .collect();
        if left.is_empty() {
            return;
        }
        for pid in left {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            // A child that has been killed ends.
            let _ = waitpid(Pid::from_raw(pid), None);
        }
    }
}

/// Each hands on its own children: as deep as a tree of processes may be.
const MOST_SWEEPS: usize = 10_000;

/// Reaps orphans that came to this process as the parent of the last resort. init and the gateway are waited for by
/// others.
fn reap_orphans(launched: &Launched) {
    while let Some(pid) = process::ended_child() {
        if pid == launched.init_pid || Some(pid) == launched.gateway_pid {
            return;
        }
        // Whatever came of it.
        let _ = process::reap(pid);
    }
}

fn outcome(
    launched: &Launched,
    init: WaitStatus,
    own_code: Option<u8>,
    ledger: &mut Ledger,
    mut sink: Sink,
) -> Result<u8, Failure> {
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
    let code = own_code.unwrap_or(match signal {
        0 => (page.status.load(SeqCst) >> 8 & 0xff) as u8,
        number => (128 + number) as u8,
    });
    ledger.settle(&mut sink);
    let name = (signal != 0).then(|| signal_name(signal));
    sink.write(&Event::Exit {
        code,
        signal: name,
        denied: ledger.total(),
        dropped: sink.dropped(),
    });
    Ok(code)
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
