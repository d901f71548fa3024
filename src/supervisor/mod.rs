//! The supervisor: one loop over the jail's end, signals and denied calls. Its decisions are in `decide`.
#![forbid(unsafe_code)]

mod decide;
mod limits;
mod mediate;
mod memory;
mod network;
mod notices;
mod record;
mod rules;
mod signals;
mod sockaddr;
mod watching;

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getpid};

use crate::events::{Event, Ledger, Sink, Usage};
use crate::launch::{Failure, Launched, step_failure};
use crate::layers::limits::Group;
use crate::plan::Plan;
use crate::service::Service;
use crate::sys::process;
use limits::Gauge;

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
    /// What it has used; none where it had no cgroup of its own.
    pub usage: Option<Usage>,
}

/// Who else is heard and told beside the jail.
pub struct Beside {
    /// Signals.
    pub watch: Watch,
    /// Events.
    pub sink: Sink,
    /// The service manager; none where nobody wants to be told.
    pub service: Option<Service>,
    /// Where visitors come in, for the manager's status line.
    pub served: Vec<SocketAddr>,
}

/// Watches a jail to its end. Whatever happens here, no process of the jail is left when this returns.
///
/// # Errors
/// The program could not be executed.
pub fn supervise(launched: Launched, plan: &Plan, beside: Beside) -> Result<Outcome, Failure> {
    let mut launched = launched;
    let Beside {
        watch,
        mut sink,
        service,
        served,
    } = beside;
    let gateway = launched.gateway.take().zip(plan.network.as_ref());
    let mut line = gateway.map(|(process, plan)| network::Line::new(process, plan));
    let mut notices = notices::Notices::new(plan, Rc::clone(&launched.proc), line.as_mut());
    let files = launched.group.as_ref().and_then(Group::files);
    let now = Instant::now();
    let gauge = files.zip(plan.cgroup.as_ref());
    let mut gauge = gauge.map(|(files, plan)| Gauge::new(files, plan, now));
    sink.write(&start_event(plan));
    let mut watching = watching::Watching {
        launched: &launched,
        plan,
        watch,
        notices: &mut notices,
        line: line.as_mut(),
        gauge: gauge.as_mut(),
        service,
        served,
        sink: &mut sink,
    };
    let watched = watching.until_the_end();
    watching.stopping();
    let status = end(&launched, plan)?;
    let finish = |line: network::Line| line.finish(&mut notices.record(&mut sink));
    let failures = line.map(finish).unwrap_or_default();
    let usage = gauge.map(|mut gauge| {
        gauge.look(&mut sink);
        gauge.usage()
    });
    let cut_short = watched.err();
    let own_code = cut_short.as_ref().map(|failure| failure.exit);
    let ended = Ended {
        status,
        own_code,
        usage,
    };
    let code = outcome(&launched, &ended, &mut notices.ledger, sink)?;
    Ok(Outcome {
        code,
        ledger: notices.ledger,
        failures,
        cut_short,
        usage,
    })
}

/// How init ended, the exit code where the supervisor has one of its own, and what was used.
struct Ended {
    status: WaitStatus,
    own_code: Option<u8>,
    usage: Option<Usage>,
}

/// Kills what is left, and reaps init: with pid 1 its whole pid namespace is gone.
fn end(launched: &Launched, plan: &Plan) -> Result<WaitStatus, Failure> {
    // ESRCH: it ended by itself.
    let _ = process::send_signal(&launched.init, Signal::SIGKILL);
    let status = waitid(Id::PIDFd(launched.init.as_fd()), WaitPidFlag::WEXITED)
        .map_err(|errno| Failure::outside("waiting for init", errno))?;
    if let Some(group) = &launched.group {
        // With the pid namespace everyone in it has ended; a bare jail may have children that init did not see.
        group.kill();
        group.await_empty(EMPTY);
    }
    // As pid 1 of a container the supervisor takes everyone with it.
    if plan.is_bare() && launched.alone && getpid().as_raw() != 1 {
        sweep(launched);
    }
    Ok(status)
}

/// How long processes that were killed may take to be gone.
const EMPTY: Duration = Duration::from_secs(5);

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

fn outcome(
    launched: &Launched,
    ended: &Ended,
    ledger: &mut Ledger,
    mut sink: Sink,
) -> Result<u8, Failure> {
    let page = &launched.page;
    if page.failed().is_some() {
        return Err(Failure {
            short: launched.group.as_ref().and_then(Group::short),
            ..step_failure(&launched.steps, page, true)
        });
    }
    let signal = match (page.status.load(SeqCst), ended.status) {
        // init was killed, and everything with it.
        (-1, WaitStatus::Signaled(_, signal, _)) => signal as i32,
        (-1, _) => libc::SIGKILL,
        (word, _) => word & 0x7f,
    };
    let code = ended.own_code.unwrap_or(match signal {
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
        usage: ended.usage,
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
