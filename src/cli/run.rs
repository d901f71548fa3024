//! `flowjail run`: the whole program on one screen.
#![forbid(unsafe_code)]

use clap::Args;

use super::terminal::{Terminal, fail, say};
use super::{descriptors, digest, secrets};
use crate::events::Sink;
use crate::events::phrase::tame;
use crate::gateway::Doors;
use crate::gateway::doors::plain;
use crate::host::{self, Host, Request};
use crate::launch::{self, Failure, SecretFd};
use crate::plan::{self, Plan, Refusals};
use crate::profile::{self, Overlay, Profile};
use crate::service::{Manager, Service};
use crate::supervisor::{self, Beside};

/// Flags that say which jail, each the same as its line in a profile.
#[derive(Args, Debug, Clone, Default)]
pub struct JailFlags {
    /// A profile's name or file
    #[arg(long, value_name = "NAME|FILE", default_value = "flowise")]
    pub profile: String,
    /// The jail's name, up to 64 letters, digits, `-`, `_` and `.` (others become `-`); default: the profile's
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
    /// Write events as JSON lines to a file or an open descriptor, or send them to the journal; default: to the
    /// journal where that is what stderr is, else nowhere
    #[arg(long, value_name = "FILE|fd:N|journal")]
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
    let manager = service_manager(&host, &plan)?;
    let (events, doors) = descriptors::settle(flags.events.as_deref(), &plan, manager.as_ref())?;
    let secrets = secrets::open(&plan, &host)?;
    let sink = Sink::new(events);
    let terminal = Terminal::of_stdin(&plan);
    say(digest::start(&plan, doors.as_ref()));
    let outcome = start(&plan, doors, secrets, sink, manager).map_err(|failure| {
        terminal.restore();
        Stopped(explain(&failure, &host, &plan))
    })?;
    terminal.restore();
    say(digest::end(&plan, &outcome));
    if let Some(failure) = &outcome.cut_short {
        fail(failure.exit, failure, None);
    }
    // The process ends next: giving back thousands of small pieces of memory would only keep the caller waiting.
    std::mem::forget((host, plan));
    Ok(outcome.code)
}

/// The profile that the flags name and change; its problems are printed.
pub fn load(flags: &JailFlags) -> Result<Profile, Stopped> {
    profile::load(&flags.profile, &flags.overlay()).map_err(|problems| {
        say(problems);
        Stopped(super::FAILED)
    })
}

/// From flags to a plan; what stands in the way is printed.
pub fn resolve(
    flags: &JailFlags,
    command: &[String],
    probe: bool,
) -> Result<(Host, Plan), Stopped> {
    plan_by(plan::resolve, flags, command, probe)
}

/// How a plan is made of a profile, a host and the jail's name.
type Resolve = fn(&Profile, &Host, &str) -> Result<Plan, Refusals>;

/// The same by another way to resolve.
pub fn plan_by(
    resolve: Resolve,
    flags: &JailFlags,
    command: &[String],
    probe: bool,
) -> Result<(Host, Plan), Stopped> {
    let profile = load(flags)?;
    let request = Request {
        command: command.to_vec(),
        probe,
    };
    let host = host::observe(&profile, &request)
        .map_err(|error| Stopped(fail(error.exit, &error.message, error.hint.as_deref())))?;
    let asked = flags.name.as_ref().filter(|name| !name.is_empty());
    // The name by which the jail is found, in every record and message, too.
    let name = plain(asked.unwrap_or(&profile.name));
    let plan = resolve(&profile, &host, &name).map_err(|refusals| {
        say(refusals);
        Stopped(super::FAILED)
    })?;
    // Given back piece by piece it would cost time, and scatter what is allocated next over pages that are then
    // copied in every process of the launch.
    std::mem::forget(profile);
    Ok((host, plan))
}

/// Whoever wants to be told how the service does.
fn service_manager(host: &Host, plan: &Plan) -> Result<Option<Manager>, Stopped> {
    let stop = |message: String, hint: Option<&str>| Stopped(fail(super::FAILED, message, hint));
    let found = Manager::find(&host.env, std::process::id()).map_err(|error| {
        let hint = "a service manager sets it for its own service (sd_notify(3)): elsewhere unset NOTIFY_SOCKET";
        stop(tame(&error.to_string()), Some(hint))
    })?;
    if found.is_none() || !plan.readiness.is_asked() {
        return Ok(found);
    }
    let network = plan.network.as_ref();
    let Some((network, line)) =
        network.and_then(|network| Some((network, network.publish.first()?)))
    else {
        let message = format!(
            "[service] ready: {}: nothing is published by which the program could be asked",
            plan.readiness
        );
        let hint = "write publish = [\"ADDR:PORT\"] under [net], or ready = \"none\"";
        return Err(stop(message, Some(hint)));
    };
    if network.shared && !line.admits(std::net::Ipv4Addr::LOCALHOST.into()) {
        let message = "[service] ready: in the bare jail the program is asked from 127.0.0.1, which allow_from turns away";
        let hint = "add \"127.0.0.1\" to allow_from, or write ready = \"none\"";
        return Err(stop(message.into(), Some(hint)));
    }
    Ok(found)
}

fn start(
    plan: &Plan,
    doors: Option<Doors>,
    secrets: Vec<SecretFd>,
    sink: Sink,
    manager: Option<Manager>,
) -> Result<supervisor::Outcome, Failure> {
    let watch =
        supervisor::Watch::new().map_err(|errno| Failure::outside("watching signals", errno))?;
    let served = digest::served(plan, doors.as_ref());
    let launched = launch::launch(plan, doors, secrets)?;
    let now = std::time::Instant::now();
    let service = manager.map(|manager| Service::new(manager, plan.readiness.clone(), now));
    let beside = Beside {
        watch,
        sink,
        service,
        served,
    };
    supervisor::supervise(launched, plan, beside)
}

/// A failed launch; where no namespaced jail can be had at all, that is a refusal with its usual causes.
fn explain(failure: &Failure, host: &Host, plan: &Plan) -> u8 {
    let code = fail(failure.exit, failure, failure.hint());
    if plan.is_bare() {
        return code;
    }
    if failure.concerns_namespaces()
        && let Err(block) = host::probe_namespaces()
    {
        let refusal = plan::refuse_namespaces(block, host.container);
        say(Refusals(vec![refusal]));
    } else if let Some(errno) = failure.concerns_network() {
        say(Refusals(vec![plan::refuse_network(errno)]));
    }
    code
}
