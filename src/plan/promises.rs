//! The eight promises: what holds each on this host, or why nothing does.
#![forbid(unsafe_code)]

use nix::errno::Errno;
use serde::Serialize;

use super::limits::judge;
use super::{CHANGES, Plan};
use crate::host::Host;
use crate::profile::{Layer, Level, Profile, Promise};
use crate::syscalls::{Compare, Condition, Rule};

mod refuse;

pub use refuse::refusals;

/// One line of the promise table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PromiseLine {
    /// The promise.
    pub promise: Promise,
    /// How binding it is.
    pub level: Level,
    /// Whether it is held.
    pub holding: Holding,
}

/// Whether a promise is held, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holding {
    /// Held by these mechanisms.
    Held(Vec<String>),
    /// Not held: why, and the mechanisms that hold a part of it.
    NotHeld {
        /// What is missing.
        why: String,
        /// What stands all the same.
        part: Vec<String>,
    },
}

/// The promises in the order of the table.
pub const ALL: [Promise; 8] = [
    Promise::Exec,
    Promise::Files,
    Promise::NativeCode,
    Promise::Egress,
    Promise::Ingress,
    Promise::Privilege,
    Promise::Limits,
    Promise::Processes,
];

/// The kebab-case name of a promise, level or layer, as profiles write it.
pub fn key(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

/// The table for a plan.
pub fn table(profile: &Profile, host: &Host, plan: &Plan) -> Vec<PromiseLine> {
    let line = |promise: Promise| PromiseLine {
        promise,
        level: profile
            .promises
            .get(&promise)
            .copied()
            .unwrap_or(Level::Require),
        holding: holding(promise, profile, host, plan),
    };
    ALL.into_iter().map(line).collect()
}

fn holding(promise: Promise, profile: &Profile, host: &Host, plan: &Plan) -> Holding {
    let mut parts = Parts {
        held: Vec::new(),
        missing: Vec::new(),
    };
    match promise {
        Promise::Exec => exec(&mut parts, profile, host, plan),
        Promise::Files => files(&mut parts, profile, host, plan),
        Promise::NativeCode => native_code(&mut parts, profile, host, plan),
        Promise::Egress => network(&mut parts, profile, host, plan, true),
        Promise::Ingress => network(&mut parts, profile, host, plan, false),
        Promise::Privilege => privilege(&mut parts, host, plan),
        Promise::Limits => limits(&mut parts, profile, host, plan),
        Promise::Processes => processes(&mut parts, host, plan),
    }
    match parts.missing.is_empty() {
        true => Holding::Held(parts.held),
        false => Holding::NotHeld {
            why: parts.missing.join("; "),
            part: parts.held,
        },
    }
}

struct Parts {
    held: Vec<String>,
    missing: Vec<String>,
}

impl Parts {
    fn layer(&mut self, plan: &Plan, layer: Layer, mechanism: &str) {
        if plan.has(layer) {
            self.held.push(mechanism.into());
        } else {
            self.missing.push(format!("layer `{}` is off", key(&layer)));
        }
    }

    fn landlock(&mut self, host: &Host, plan: &Plan, mechanism: &str) {
        match (&plan.landlock, host.landlock) {
            (Some(_), _) => self.held.push(mechanism.into()),
            (None, Err(errno)) => self
                .missing
                .push(format!("Landlock cannot be had ({errno})")),
            (None, Ok(_)) => self.missing.push("layer `landlock` is off".into()),
        }
    }
}

fn native_code(parts: &mut Parts, profile: &Profile, host: &Host, plan: &Plan) {
    if plan.is_bare() {
        parts.landlock(host, plan, "Landlock: /proc is read only");
        let open = host.bare.iter().flat_map(|bare| &bare.code_mounts);
        let open: Vec<String> = open.map(|place| place.display().to_string()).collect();
        match open.is_empty() {
            true => parts
                .held
                .push("everything writable is mounted noexec (dlopen too)".into()),
            false => parts.missing.push(format!(
                "a library that it wrote can be loaded (dlopen): {} not mounted noexec",
                are(&open)
            )),
        }
    } else {
        let mechanism = "noexec on everything writable (dlopen too), /proc read-only";
        parts.layer(plan, Layer::Mounts, mechanism);
    }
    memory_files(parts, profile, plan);
}

fn are(all: &[String]) -> String {
    let verb = if all.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", all.join(", "))
}

fn exec(parts: &mut Parts, profile: &Profile, host: &Host, plan: &Plan) {
    match &plan.filter {
        None => parts.missing.push("layer `seccomp` is off".into()),
        Some(filter) if filter.mediated_exec => {
            parts.held.push("execve mediated: one program, once".into())
        }
        Some(_) if !profile.programs.is_empty() => {
            parts.landlock(host, plan, "Landlock: named programs only");
            let why = "a dynamic loader starts any program that can be read";
            parts.missing.push(why.into());
        }
        Some(filter) if !filter.listener => {
            let errno = host.listener.err().map_or("", |errno| errno.desc());
            parts.missing.push(format!(
                "no seccomp listener can be had ({errno}), so execve is not mediated"
            ));
        }
        Some(_) => parts.missing.push("layer `exec` is off".into()),
    }
    if plan.is_bare() {
        parts.landlock(host, plan, "Landlock: nothing written is executed");
    } else {
        parts.layer(plan, Layer::Mounts, "noexec on everything writable");
    }
    memory_files(parts, profile, plan);
}

/// A file in memory can be executed and mapped like any other, unless it cannot be made.
fn memory_files(parts: &mut Parts, profile: &Profile, plan: &Plan) {
    let makes = |rule: &Rule| matches!(rule.syscall, "memfd_create" | "memfd_secret");
    let noexec = plan.ids.memfd_noexec && plan.has(Layer::Pid);
    let refused = plan.filter.is_some() && !profile.allow.iter().any(makes);
    if refused {
        parts.held.push("memfd_create refused".into());
    }
    if noexec {
        parts.held.push("vm.memfd_noexec=2".into());
    }
    if !refused && !noexec {
        parts
            .missing
            .push("files in memory can be made and executed".into());
    }
}

fn files(parts: &mut Parts, profile: &Profile, host: &Host, plan: &Plan) {
    if !plan.is_bare() {
        parts.layer(plan, Layer::Mounts, "own root of read-only binds");
    }
    parts.landlock(host, plan, "Landlock");
    if plan.is_bare() {
        let changes = |rule: &Rule| CHANGES.contains(&rule.syscall);
        match &plan.filter {
            Some(filter) if filter.listener => parts
                .held
                .push("modes, owners and times changed by the supervisor".into()),
            Some(_) if !profile.allow.iter().any(changes) => {}
            _ => parts.missing.push(
                "modes, owners and times of its user's files can be changed: no seccomp listener"
                    .into(),
            ),
        }
    }
}

fn network(parts: &mut Parts, profile: &Profile, host: &Host, plan: &Plan, outwards: bool) {
    let listens = plan.filter.as_ref().is_some_and(|filter| filter.listener);
    if plan.no_network && (listens || !plan.is_bare()) {
        parts.held.push(match plan.is_bare() {
            true => "sockets mediated: none connects, none listens".into(),
            false => "empty network namespace".into(),
        });
        return;
    }
    if plan.is_bare() && plan.landlock.is_none() {
        // Others of the same user could be made to do it.
        parts.landlock(host, plan, "");
    }
    if let Some(network) = &plan.network {
        let (namespace, served) = match network.shared {
            true => (
                "sockets mediated: made and connected by the supervisor",
                "listeners at",
            ),
            false => (
                "own network namespace, every address leads to itself",
                "relay from",
            ),
        };
        parts.held.push(namespace.into());
        parts.held.push(match outwards {
            true => format!("gateway: {} by name", count(network.hosts.len(), "host")),
            false => format!("{served} {}", count(network.publish.len(), "address")),
        });
        let own = outwards && !network.shared;
        let leaves = own.then(|| leaving_sockets(profile, plan)).flatten();
        parts.missing.extend(leaves.map(str::to_owned));
        if outwards && !network.addresses.is_empty() {
            let ranges = count(network.addresses.len(), "range");
            parts.held.push(format!("{ranges} of addresses"));
        }
        return;
    }
    match (&plan.landlock, outwards) {
        (Some(landlock), true) if landlock.abi >= 4 => {
            let ports: Vec<String> = landlock.connect.iter().map(u16::to_string).collect();
            parts
                .held
                .push(format!("Landlock: TCP to ports {} only", ports.join(", ")));
        }
        (Some(landlock), false) if landlock.abi >= 4 => {
            let ports: Vec<String> = landlock.bind.iter().map(u16::to_string).collect();
            let ports = if ports.is_empty() {
                "no port".into()
            } else {
                format!("port {}", ports.join(", "))
            };
            parts
                .held
                .push(format!("Landlock: TCP bind to {ports} only"));
        }
        _ => {}
    }
    parts
        .missing
        .push(match (plan.is_bare(), host.listener, host.network) {
            (true, ..) if plan.filter.is_none() => {
                "layer `seccomp` is off: sockets are not mediated, and the network is the host's"
                    .into()
            }
            (true, Err(errno), _) => {
                format!("no seccomp listener can be had ({errno}), so sockets are not mediated")
            }
            (false, _, Err(errno)) => no_network_namespace(errno),
            _ => "layer `net` is off: the network is the host's".into(),
        });
}

/// Sockets that no network namespace holds (AF_VSOCK, vsock(7)) are held by the filter.
fn leaving_sockets(profile: &Profile, plan: &Plan) -> Option<&'static str> {
    if plan.filter.is_none() {
        return Some("layer `seccomp` is off: vsock sockets leave every network namespace");
    }
    let known = [
        libc::AF_UNIX,
        libc::AF_INET,
        libc::AF_INET6,
        libc::AF_NETLINK,
    ];
    let family = |condition: &Condition| {
        let whole = condition.arg == 0 && condition.compare == Compare::Equal;
        let exact = condition.mask & 0xffff_ffff == 0xffff_ffff;
        whole && exact && known.contains(&(condition.value as i32))
    };
    let held =
        |rule: &Rule| !rule.when.is_empty() && rule.when.iter().all(|all| all.iter().any(family));
    let mut sockets = profile.allow.iter().filter(|rule| rule.syscall == "socket");
    let loose = sockets.any(|rule| !held(rule));
    loose.then_some("a rule allows sockets of families that leave every network namespace (vsock)")
}

fn count(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        number => format!(
            "{number} {what}{}",
            if what.ends_with('s') { "es" } else { "s" }
        ),
    }
}

/// Why there is no network namespace.
pub fn no_network_namespace(errno: Errno) -> String {
    match errno {
        Errno::ENOSPC => "user.max_net_namespaces is 0 or used up (ENOSPC)".into(),
        Errno::EROFS => "one came up, but /proc/sys cannot be written in it (EROFS)".into(),
        Errno::ENOENT => "one came up, but there is no /proc/sys to set it up by (ENOENT)".into(),
        errno => format!("a network namespace cannot be had ({errno})"),
    }
}

/// What would give one.
pub fn network_hints(errno: Errno) -> Vec<String> {
    match errno {
        Errno::ENOSPC => {
            vec!["allow network namespaces: sysctl -w user.max_net_namespaces=15000".into()]
        }
        Errno::EPERM => {
            vec!["no filter around may refuse one: in a unit remove RestrictNamespaces=".into()]
        }
        Errno::EROFS => vec!["in a unit remove ProtectKernelTunables=".into()],
        Errno::ENOENT => vec!["in a unit remove ProcSubset=pid".into()],
        _ => Vec::new(),
    }
}

fn privilege(parts: &mut Parts, host: &Host, plan: &Plan) {
    parts.held.push(match plan.is_bare() {
        true => format!("plain uid {}", plan.ids.uid),
        false => format!("user namespace that maps uid {} alone", plan.ids.uid),
    });
    if plan.is_bare() && plan.landlock.is_none() {
        parts.landlock(host, plan, "");
    }
    let caps = match plan.seals {
        true => "no capabilities, securebits locked",
        // capabilities(7): without CAP_SETPCAP nobody can empty it.
        false => "no capabilities (the bounding set stays, inert under no_new_privs)",
    };
    parts.layer(plan, Layer::Caps, caps);
    parts.layer(plan, Layer::NoNewPrivs, "no_new_privs");
}

fn limits(parts: &mut Parts, profile: &Profile, host: &Host, plan: &Plan) {
    let nproc = plan.has(Layer::Rlimits) && !plan.is_bare();
    let judged = judge(profile, host, nproc);
    parts.held.extend(judged.held);
    parts.missing.extend(judged.missing);
}

fn processes(parts: &mut Parts, host: &Host, plan: &Plan) {
    if plan.is_bare() {
        parts
            .missing
            .push("other processes here are visible".into());
        parts.layer(
            plan,
            Layer::Seccomp,
            "signals, limits and priorities for itself only",
        );
    } else {
        parts.layer(plan, Layer::Pid, "pid namespace");
        parts.layer(plan, Layer::Ipc, "ipc namespace");
    }
    match &plan.landlock {
        Some(landlock) if landlock.abi >= 6 => parts.held.push("Landlock scopes: signals, abstract sockets".into()),
        // The supervisor connects no unix socket.
        Some(_) if plan.is_bare() => {}
        Some(landlock) => parts.missing.push(format!(
            "abstract unix sockets of the host are in reach: scopes need Landlock ABI 6, host has {}",
            landlock.abi
        )),
        None => parts.landlock(host, plan, ""),
    }
}

impl PromiseLine {
    /// The promise's key in a profile.
    pub fn name(&self) -> String {
        key(&self.promise)
    }

    /// `held`, `not-held` or `off`, as events say it.
    pub fn state(&self) -> &'static str {
        match (&self.holding, self.level) {
            (Holding::Held(_), _) => "held",
            (_, Level::Off) => "off",
            _ => "not-held",
        }
    }
}
