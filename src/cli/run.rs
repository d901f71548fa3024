//! `flowjail run`: the whole program on one screen.
#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;

use clap::Args;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

use super::digest;
use super::terminal::{Terminal, fail, say};
use crate::events::Sink;
use crate::host::{self, Host, Request};
use crate::launch::{self, Failure};
use crate::plan::{self, Plan, Refusals};
use crate::profile::{self, Layer, Overlay};
use crate::supervisor;
use crate::sys::process;

/// Flags that say which jail, each the same as its line in a profile.
#[derive(Args, Debug, Clone, Default)]
pub struct JailFlags {
    /// A profile's name or file
    #[arg(long, value_name = "NAME|FILE", default_value = "flowise")]
    pub profile: String,
    /// The jail's name; default: the profile's
    #[arg(long)]
    pub name: Option<String>,
    /// Let the workload reach a host; as [net] allow
    #[arg(long, value_name = "HOST[:PORT]")]
    pub allow: Vec<String>,
    /// Let it reach a host that has a private address; as [net] private
    #[arg(long, value_name = "HOST[:PORT]")]
    pub allow_private: Vec<String>,
    /// Give a host name an address; as [net] hosts
    #[arg(long, value_name = "NAME=ADDR")]
    pub add_host: Vec<String>,
    /// Serve at this address; as [net] publish
    #[arg(long, value_name = "ADDR:PORT")]
    pub publish: Vec<String>,
    /// Switch a feature of the profile on; as features
    #[arg(long = "with", value_name = "FEATURE")]
    pub features: Vec<String>,
    /// Give a parameter of the profile a value; as [params]
    #[arg(long, value_name = "PARAM=VALUE")]
    pub set: Vec<String>,
    /// Write events as JSON lines to a file or an open descriptor
    #[arg(long, value_name = "FILE|fd:N")]
    pub events: Option<String>,
}

/// Arguments of `run`.
#[derive(Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub jail: JailFlags,
    /// The command; default: the profile's
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// Why nothing ran: printed already, this is the exit code.
pub struct Stopped(pub u8);

impl JailFlags {
    fn overlay(&self) -> Overlay {
        Overlay {
            allow: self.allow.clone(),
            allow_private: self.allow_private.clone(),
            add_host: self.add_host.clone(),
            publish: self.publish.clone(),
            features: self.features.clone(),
            set: self.set.clone(),
        }
    }
}

/// Carries `run` out.
pub fn run(args: &RunArgs) -> u8 {
    jail(&args.jail, &args.command).unwrap_or_else(|Stopped(code)| code)
}

/// Profile to outcome: load, observe, resolve, launch, supervise.
pub fn jail(flags: &JailFlags, command: &[String]) -> Result<u8, Stopped> {
    let (host, plan) = resolve(flags, command, false)?;
    refuse_odd_descriptors()?;
    let events = open_events(flags, &plan)?;
    if plan.has(Layer::Fds) {
        let kept = events.as_ref().map(AsRawFd::as_raw_fd);
        process::close_inherited(kept).map_err(|errno| {
            let failure = Failure::outside("closing what the caller left open", errno);
            Stopped(fail(failure.exit, &failure, None))
        })?;
    }
    let sink = Sink::new(events);
    let terminal = Terminal::of_stdin(&plan);
    say(digest::start(&plan));
    let outcome = start(&plan, sink).map_err(|failure| {
        terminal.restore();
        Stopped(explain(&failure, &host))
    })?;
    terminal.restore();
    say(digest::end(&plan, &outcome));
    Ok(outcome.code)
}

/// From flags to a plan; what stands in the way is printed.
pub fn resolve(
    flags: &JailFlags,
    command: &[String],
    probe: bool,
) -> Result<(Host, Plan), Stopped> {
    let profile = profile::load(&flags.profile, &flags.overlay()).map_err(|problems| {
        say(problems);
        Stopped(super::FAILED)
    })?;
    let request = Request {
        command: command.to_vec(),
        probe,
    };
    let host = host::observe(&profile, &request)
        .map_err(|error| Stopped(fail(error.exit, &error.message, error.hint.as_deref())))?;
    let name = flags.name.clone().unwrap_or_else(|| profile.name.clone());
    let plan = plan::resolve(&profile, &host, &name).map_err(|refusals| {
        say(refusals);
        Stopped(super::FAILED)
    })?;
    Ok((host, plan))
}

fn start(plan: &Plan, sink: Sink) -> Result<supervisor::Outcome, Failure> {
    let watch =
        supervisor::Watch::new().map_err(|errno| Failure::outside("watching signals", errno))?;
    let launched = launch::launch(plan)?;
    supervisor::supervise(launched, plan, watch, sink)
}

/// A directory as descriptor 0, 1 or 2 would be a way out of the jail's root; a file that is open for reading and
/// writing could be filled with code and mapped, past every noexec.
fn refuse_odd_descriptors() -> Result<(), Stopped> {
    for number in 0..=2 {
        let Ok(fact) = std::fs::metadata(format!("/proc/self/fd/{number}")) else {
            continue;
        };
        let why = if fact.is_dir() {
            "a directory: the jail could leave its root by it"
        } else if fact.is_file() && process::reads_and_writes(number) {
            "a file open for reading and writing: the jail could map as code what it writes to it"
        } else {
            continue;
        };
        let hint = "give a file for reading or for writing, a pipe or a terminal";
        let message = format!("descriptor {number} is {why}");
        return Err(Stopped(fail(super::FAILED, message, Some(hint))));
    }
    Ok(())
}

/// A failed launch; where no namespaced jail can be had at all, that is a refusal with its usual causes.
fn explain(failure: &Failure, host: &Host) -> u8 {
    let code = fail(failure.exit, failure, None);
    if failure.concerns_namespaces()
        && let Err(block) = host::probe_namespaces()
    {
        let refusal = plan::refuse_namespaces(block, host.container);
        say(Refusals(vec![refusal]));
    }
    code
}

/// Opens what `--events` names.
fn open_events(flags: &JailFlags, plan: &Plan) -> Result<Option<File>, Stopped> {
    let Some(name) = &flags.events else {
        return Ok(None);
    };
    match events_file(name, plan) {
        Ok(file) => Ok(Some(file)),
        Err(why) => Err(Stopped(fail(
            super::FAILED,
            format!("--events {name}: {why}"),
            None,
        ))),
    }
}

/// A descriptor that the caller left open, or a file outside of what the jail writes; no symbolic link at its end.
fn events_file(name: &str, plan: &Plan) -> Result<File, String> {
    if let Some(number) = name.strip_prefix("fd:") {
        let number: i32 = number
            .parse()
            .map_err(|_| "not a descriptor's number".to_owned())?;
        if (0..=2).contains(&number) {
            return Err(
                "0, 1 and 2 are the jailed program's own: it could write there, too".into(),
            );
        }
        let file = process::duplicate(number).map_err(|errno| errno.desc().to_owned())?;
        return Ok(File::from(file));
    }
    let path = std::path::absolute(name).map_err(|error| error.to_string())?;
    let (Some(parent), Some(file)) = (path.parent(), path.file_name()) else {
        return Err("not a file".into());
    };
    let place = host::look(parent);
    if nix::unistd::geteuid().is_root() && !place.link_owners.is_empty() {
        return Err("a symbolic link of another user leads there".into());
    }
    if plan.writes_below(&place.real) {
        return Err("lies in a directory that the jail writes".into());
    }
    let flags = OFlag::O_WRONLY
        | OFlag::O_APPEND
        | OFlag::O_CREAT
        | OFlag::O_NONBLOCK
        | OFlag::O_NOCTTY
        | OFlag::O_CLOEXEC;
    // What was looked at is what is opened: no link is followed from here on.
    let how = OpenHow::new()
        .flags(flags)
        .mode(Mode::S_IRUSR | Mode::S_IWUSR)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    let opened = openat2(AT_FDCWD, &place.real.join(file), how);
    opened.map(File::from).map_err(|errno| match errno {
        Errno::ELOOP => "is a symbolic link".to_owned(),
        other => other.desc().to_owned(),
    })
}
