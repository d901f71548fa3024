//! The eight promises: what holds each on this host, or why nothing does.
#![forbid(unsafe_code)]

use serde::Serialize;

use super::{Plan, Refusal};
use crate::host::Host;
use crate::profile::{Layer, Level, Profile, Promise};
use crate::syscalls::Rule;

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
        Promise::Files => files(&mut parts, host, plan),
        Promise::NativeCode => {
            parts.layer(
                plan,
                Layer::Mounts,
                "noexec on everything writable (dlopen too), /proc read-only",
            );
            memory_files(&mut parts, profile, plan);
        }
        Promise::Egress => network(&mut parts, plan, true),
        Promise::Ingress => network(&mut parts, plan, false),
        Promise::Privilege => privilege(&mut parts, plan),
        Promise::Limits => limits(&mut parts, profile, plan),
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
    parts.layer(plan, Layer::Mounts, "noexec on everything writable");
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

fn files(parts: &mut Parts, host: &Host, plan: &Plan) {
    parts.layer(plan, Layer::Mounts, "own root of read-only binds");
    parts.landlock(host, plan, "Landlock");
}

fn network(parts: &mut Parts, plan: &Plan, outwards: bool) {
    if plan.no_network {
        parts.held.push("empty network namespace".into());
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
    parts.missing.push(match outwards {
        true => "the network is the host's: host names and UDP are not enforced yet".into(),
        false => {
            "the network is the host's: the address, listening without bind, and UDP are not enforced yet".into()
        }
    });
}

fn privilege(parts: &mut Parts, plan: &Plan) {
    parts.held.push(format!(
        "user namespace that maps uid {} alone",
        plan.ids.uid
    ));
    parts.layer(plan, Layer::Caps, "no capabilities, securebits locked");
    parts.layer(plan, Layer::NoNewPrivs, "no_new_privs");
}

fn limits(parts: &mut Parts, profile: &Profile, plan: &Plan) {
    if let Some(pids) = profile.resources.pids.filter(|_| plan.has(Layer::Rlimits)) {
        parts.held.push(format!(
            "at most {pids} processes and threads (RLIMIT_NPROC)"
        ));
    }
    parts.missing.push("cgroup limits are not built yet".into());
}

fn processes(parts: &mut Parts, host: &Host, plan: &Plan) {
    parts.layer(plan, Layer::Pid, "pid namespace");
    parts.layer(plan, Layer::Ipc, "ipc namespace");
    match &plan.landlock {
        Some(landlock) if landlock.abi >= 6 => parts.held.push("Landlock scopes: signals, abstract sockets".into()),
        Some(landlock) => parts.missing.push(format!(
            "abstract unix sockets of the host are in reach: scopes need Landlock ABI 6, host has {}",
            landlock.abi
        )),
        None => parts.landlock(host, plan, ""),
    }
}

/// What is required and not held.
pub fn refusals(plan: &Plan, host: &Host) -> Vec<Refusal> {
    let refuse = |line: &PromiseLine| match (&line.holding, line.level) {
        (Holding::NotHeld { why, .. }, Level::Require) => Some(Refusal {
            what: format!("promise `{}` (required)", key(&line.promise)),
            needs: need(line.promise).into(),
            found: why.clone(),
            hints: hints(line.promise, why, host),
        }),
        _ => None,
    };
    plan.promises.iter().filter_map(refuse).collect()
}

fn need(promise: Promise) -> &'static str {
    match promise {
        Promise::Exec => "a seccomp listener and noexec mounts",
        Promise::Files => "an own root and Landlock",
        Promise::NativeCode => "noexec mounts and a read-only /proc",
        Promise::Egress | Promise::Ingress => "an own network namespace",
        Promise::Privilege => "a user namespace, empty capability sets and no_new_privs",
        Promise::Limits => "cgroup v2",
        Promise::Processes => "pid and ipc namespaces and Landlock scopes",
    }
}

fn hints(promise: Promise, why: &str, host: &Host) -> Vec<String> {
    let mut hints = Vec::new();
    if host.landlock.is_err() && why.contains("Landlock") {
        hints.push("Landlock: boot with `lsm=landlock,...` (Linux 5.13 or newer), and let no outer filter hide it".into());
    }
    if why.contains("listener") {
        hints.push("another supervisor already holds this process tree's seccomp listener: start flowjail outside of it".into());
    }
    let key = key(&promise);
    hints.push(format!(
        "to run without it, write `{key} = \"prefer\"` under [promises]"
    ));
    hints
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
