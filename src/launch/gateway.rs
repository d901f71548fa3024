//! The gateway's process: forked while the supervisor is still in the host's network.
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::Ordering::SeqCst;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use super::confine;
use super::recipe::{GatewayProcess, Recipe};
use super::unfinished::Unfinished;
use crate::gateway::word::beside;
use crate::gateway::{self, Doors};
use crate::layers::network;
use crate::layers::process::die_with_supervisor;
use crate::plan::{NetworkPlan, Runner, Step};
use crate::sys::process::{self, Forked};
use crate::sys::{channel, socket};

/// A gateway whose launch is not over, and the supervisor's end of their channel.
pub struct Starting(Option<Begun>);

struct Begun {
    pid: i32,
    process: Unfinished,
    channel: OwnedFd,
    doors: Doors,
}

impl Starting {
    /// None: the jail has no network of its own.
    pub fn none() -> Starting {
        Starting(None)
    }

    /// Forks it; `doors` are its own from now on, but for those that the bare jail's supervisor serves itself.
    pub fn fork(recipe: &Recipe, doors: Doors) -> Result<Starting, Errno> {
        let (own, its) = channel::pair()?;
        match process::fork(0)? {
            Forked::Child => run(recipe, doors, its),
            Forked::Parent { pid, pidfd } => Ok(Starting(Some(Begun {
                pid,
                process: Unfinished::of(pidfd),
                channel: own,
                doors,
            }))),
        }
    }

    /// The jail's own network, and the stub's sockets in it for the gateway.
    pub fn make_network(&self, plan: &NetworkPlan) -> Result<(), Errno> {
        network::leave()?;
        network::prepare()?;
        let Some(Begun { channel, .. }) = &self.0 else {
            return Ok(());
        };
        for (index, at) in plan.stubs.iter().enumerate() {
            let made = stub(*at);
            // The first is where flowjail's own resolv.conf leads; the others are there for a root that shows the
            // host's, on a kernel that may be without IPv6.
            let both = match made {
                Err(_) if index > 0 => continue,
                made => made?,
            };
            let numbers = both.each_ref().map(AsRawFd::as_raw_fd);
            channel::send(channel, &[beside::STUB], &numbers)?;
        }
        Ok(())
    }

    /// Whether it has ended.
    pub fn ended(&self) -> bool {
        self.0.as_ref().is_some_and(|begun| begun.process.ended())
    }

    /// The process, for the supervisor.
    pub fn finished(self) -> Option<GatewayProcess> {
        let Begun {
            pid,
            process,
            channel,
            doors,
        } = self.0?;
        let pidfd = process.finished()?;
        let inner = doors
            .inner
            .iter()
            .flat_map(|inner| inner.local_addr())
            .collect();
        let published = if served_by_supervisor(&doors) {
            doors.published
        } else {
            Vec::new()
        };
        Some(GatewayProcess {
            pid,
            pidfd,
            channel,
            published,
            inner,
        })
    }
}

/// Whether the published addresses are the supervisor's to serve.
fn served_by_supervisor(doors: &Doors) -> bool {
    !doors.inner.is_empty()
}

/// Datagrams and a listener at one address.
fn stub(at: SocketAddr) -> Result<[OwnedFd; 2], Errno> {
    let listener = socket::listen_at(socket::stream(at.is_ipv6())?, at)?;
    Ok([socket::datagrams(at)?, listener])
}

/// Exit codes that nobody but a reader of traces sees: the supervisor ends the jail whatever they are.
const DONE: i32 = 0;
const FAILED: i32 = 1;

fn run(recipe: &Recipe, doors: Doors, its: OwnedFd) -> ! {
    recipe.carry_out(Runner::Gateway, |step| match step {
        Step::ConfineGateway => {
            settle(recipe, &doors, &its)?;
            confine::confine_gateway(recipe)
        }
        _ => Err(Errno::EINVAL),
    });
    let Some(plan) = &recipe.plan.network else {
        process::exit_now(FAILED);
    };
    let ready = || {
        recipe
            .page
            .announce(|page| page.gateway_ready.store(1, SeqCst));
        // What it reads from now on is hostile: the status of the jail is not its to write.
        if recipe.page.seal().is_err() {
            process::exit_now(FAILED);
        }
    };
    let served = gateway::serve(recipe.plan, plan, doors, its, ready);
    process::exit_now(if served.is_ok() { DONE } else { FAILED })
}

/// No terminal, no signal of one, no descriptor but its own.
fn settle(recipe: &Recipe, doors: &Doors, its: &OwnedFd) -> Result<(), Errno> {
    setsid()?;
    die_with_supervisor(recipe.supervisor_pidfd.as_fd())?;
    let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
    let null = open("/dev/null", flags, Mode::empty())?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    let mut kept: Vec<RawFd> = vec![its.as_raw_fd(), recipe.supervisor_pidfd.as_raw_fd()];
    kept.extend(doors.inner.iter().map(AsRawFd::as_raw_fd));
    if !served_by_supervisor(doors) {
        kept.extend(doors.published.iter().map(|door| door.listener.as_raw_fd()));
    }
    kept.extend(doors.control.iter().map(AsRawFd::as_raw_fd));
    drop(null);
    process::close_inherited(&kept)
}
