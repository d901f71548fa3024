//! The supervisor's loop: whatever happens first is seen to, until the jail ends.
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::limits::Gauge;
use super::{Watch, network, notices};
use crate::events::{Event, Sink};
use crate::launch::{Failure, Launched};
use crate::plan::Plan;
use crate::service::{Service, Wish};
use crate::sys::process;

/// A jail that runs, and all that is watched.
pub struct Watching<'a, 'p> {
    pub launched: &'a Launched,
    pub plan: &'a Plan,
    pub watch: Watch,
    pub notices: &'a mut notices::Notices,
    pub line: Option<&'a mut network::Line>,
    pub gauge: Option<&'a mut Gauge<'p>>,
    pub service: Option<Service>,
    pub served: Vec<SocketAddr>,
    pub sink: &'a mut Sink,
}

/// What has happened, in the order in which it is seen to.
#[derive(Clone, Copy)]
struct Happened {
    ended: bool,
    signalled: bool,
    noticed: PollFlags,
    said: bool,
    gone: bool,
    hit: bool,
}

impl Watching<'_, '_> {
    /// Until the jail ends.
    ///
    /// # Errors
    /// The supervisor has lost its hold, and the jail is to be ended.
    pub fn until_the_end(&mut self) -> Result<(), Failure> {
        let failed = |errno| Failure::outside("watching the jail", errno);
        let mut listener = self.launched.listener.as_ref();
        let started = self.service.as_mut().map(|one| one.started(Instant::now()));
        self.tell(started);
        loop {
            let happened = self.wait(listener).map_err(failed)?;
            if happened.ended {
                return Ok(());
            }
            if happened.gone {
                return Err(gateway_is_gone());
            }
            if happened.signalled {
                self.watch.forward(&self.launched.init).map_err(failed)?;
                reap_orphans(self.launched);
            }
            self.watch
                .enforce_grace(&self.launched.init)
                .map_err(failed)?;
            match listener {
                Some(open) if happened.noticed.contains(PollFlags::POLLIN) => self
                    .notices
                    .answer_next(open, self.line.as_deref_mut(), self.sink)
                    .map_err(failed)?,
                Some(_) if !happened.noticed.is_empty() => listener = None,
                _ => {}
            }
            // After the notice: a call of the jail waits for that.
            if happened.said
                && let Some(line) = &mut self.line
            {
                line.listen(&mut self.notices.record(self.sink))
                    .map_err(|_| gateway_is_gone())?;
            }
            self.see_to_the_rest(happened.hit);
        }
    }

    /// Says that the jail ends, whoever has ended it.
    pub fn stopping(&mut self) {
        if let Some(service) = &mut self.service {
            service.stopping();
        }
    }

    /// Limits and the service manager, for which nobody waits.
    fn see_to_the_rest(&mut self, hit: bool) {
        let now = Instant::now();
        if let Some(gauge) = &mut self.gauge {
            if hit {
                gauge.look(self.sink);
            }
            gauge.tick(now, self.sink);
        }
        if self.watch.ends() {
            self.stopping();
        }
        let Some(service) = &mut self.service else {
            return;
        };
        let answer = self.line.as_mut().and_then(|line| line.probed());
        let wish = answer.map(|well| service.answered(well, now));
        let asks = service.tick(now);
        let asked = |line: &network::Line| self.notices.may_be_asked() && line.probe();
        if asks && !self.line.as_deref().is_some_and(asked) {
            service.answered(false, now);
        }
        let status = || {
            status(
                self.plan,
                &self.served,
                self.notices.ledger.total(),
                self.gauge.as_deref(),
            )
        };
        service.show(status, now);
        self.tell(wish);
    }

    fn tell(&mut self, wish: Option<Wish>) {
        let since = |since: Duration| since.as_millis() as u64;
        let (state, ms) = match wish {
            None | Some(Wish::Nothing) => return,
            Some(Wish::Ready(after)) => ("ready", since(after)),
            Some(Wish::Unwell(after)) => ("unwell", since(after)),
            Some(Wish::Well(after)) => ("well", since(after)),
        };
        self.sink.write(&Event::Service { state, ms });
    }

    /// Waits for the jail's end, a signal, a denied call, a word of the gateway, its end, or a limit.
    fn wait(&self, listener: Option<&OwnedFd>) -> Result<Happened, Errno> {
        let init = self.launched.init.as_fd();
        let line = self.line.as_deref();
        let limits = self
            .gauge
            .as_ref()
            .map_or([None; 2], |gauge| gauge.descriptors());
        let (plain, urgent) = (PollFlags::POLLIN, PollFlags::POLLPRI);
        let watched: [(Option<BorrowedFd>, PollFlags); 7] = [
            (Some(init), plain),
            (Some(self.watch.as_fd()), plain),
            (listener.map(AsFd::as_fd), plain),
            (line.map(network::Line::channel), plain),
            (line.map(network::Line::pidfd), plain),
            (limits[0], urgent),
            (limits[1], urgent),
        ];
        // What is absent is asked about by nobody: poll(2) passes over a descriptor without events.
        let mut waiting = watched.map(|(of, flags)| match of {
            Some(of) => PollFd::new(of, flags),
            None => PollFd::new(init, PollFlags::empty()),
        });
        let timeout = self.time_left().map_or(PollTimeout::NONE, |left| {
            PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut waiting, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        let [ended, signalled, noticed, said, gone, memory, pids] =
            waiting.map(|one| one.revents().unwrap_or(PollFlags::empty()));
        Ok(Happened {
            ended: !ended.is_empty(),
            signalled: !signalled.is_empty(),
            noticed,
            said: !said.is_empty(),
            gone: !gone.is_empty(),
            hit: !(memory | pids).is_empty(),
        })
    }

    /// How long there is nothing to do unless something happens.
    fn time_left(&self) -> Option<Duration> {
        let now = Instant::now();
        let gauge = self.gauge.as_ref().map(|gauge| gauge.time_left(now));
        let service = self
            .service
            .as_ref()
            .and_then(|service| service.time_left(now));
        let all = [self.watch.time_left(), gauge, service];
        all.into_iter().flatten().min()
    }
}

/// One line that an operator wants to read.
fn status(plan: &Plan, served: &[SocketAddr], denied: u64, gauge: Option<&Gauge>) -> String {
    let mut parts = vec!["ready".to_owned()];
    let served: Vec<String> = served.iter().map(|at| format!("http://{at}")).collect();
    if !served.is_empty() {
        parts.push(format!("serves {}", served.join(", ")));
    }
    parts.push(match denied {
        0 => "nothing blocked".into(),
        1 => "blocked once".into(),
        denied => format!("blocked {denied} times"),
    });
    if let Some(bytes) = gauge.and_then(Gauge::current) {
        let limit = plan.cgroup.as_ref().and_then(|cgroup| cgroup.memory);
        let limit = limit.map_or(String::new(), |limit| format!(" of {}", limit >> 20));
        // In steps of 16: the line is not to change with every request.
        parts.push(format!("memory {}{limit} MiB", (bytes >> 24) << 4));
    }
    let not_held = plan.promises_in("not-held");
    if !not_held.is_empty() {
        parts.push(format!("NOT held: {not_held}"));
    }
    parts.join("; ")
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
