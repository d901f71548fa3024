//! What is required and not held: why, and what would mend it.
#![forbid(unsafe_code)]

use nix::errno::Errno;

use super::{Holding, PromiseLine, key, network_hints};
use crate::host::Host;
use crate::plan::{Plan, Refusal, limits};
use crate::profile::{Level, Promise};

/// What is required and not held.
pub fn refusals(plan: &Plan, host: &Host) -> Vec<Refusal> {
    let refuse = |line: &PromiseLine| match (&line.holding, line.level) {
        (Holding::NotHeld { why, .. }, Level::Require) => Some(Refusal {
            what: format!("promise `{}` (required)", key(&line.promise)),
            needs: need(line.promise, plan.is_bare()).into(),
            found: why.clone(),
            hints: hints(line.promise, why, host, plan.is_bare()),
        }),
        _ => None,
    };
    plan.promises.iter().filter_map(refuse).collect()
}

fn need(promise: Promise, bare: bool) -> &'static str {
    match promise {
        Promise::Exec if bare => "a seccomp listener and Landlock",
        Promise::Files if bare => "Landlock, and a seccomp listener",
        Promise::NativeCode if bare => "noexec on everything writable, and Landlock",
        Promise::Egress | Promise::Ingress if bare => "a seccomp listener",
        Promise::Privilege if bare => "an ordinary user, empty capability sets and no_new_privs",
        Promise::Processes if bare => "a pid namespace, which the bare jail does not have",
        Promise::Exec => "a seccomp listener and noexec mounts",
        Promise::Files => "an own root and Landlock",
        Promise::NativeCode => "noexec mounts and a read-only /proc",
        Promise::Egress | Promise::Ingress => "an own network namespace",
        Promise::Privilege => "a user namespace, empty capability sets and no_new_privs",
        Promise::Limits => "limits of memory, CPU and processes (cgroup v2)",
        Promise::Processes => "pid and ipc namespaces and Landlock scopes",
    }
}

fn hints(promise: Promise, why: &str, host: &Host, bare: bool) -> Vec<String> {
    let mut hints = Vec::new();
    if bare && why.contains("dlopen") {
        hints.push("mount what is written noexec: --tmpfs /tmp:noexec, and a volume with `o: noexec` or of a noexec mount".into());
    }
    if host.container && host.landlock.is_err() && why.contains("Landlock") {
        hints.push("a seccomp profile of the container's own (--security-opt seccomp=FILE) must allow landlock_create_ruleset, landlock_add_rule and landlock_restrict_self".into());
    }
    if host.container && why.contains("listener") && host.listener != Err(Errno::EBUSY) {
        hints.push("a seccomp profile of the container's own (--security-opt seccomp=FILE) must allow seccomp; the kernel must be Linux 5.19 or newer".into());
    }
    let in_unit = |missing: Option<Errno>| !host.container && missing == Some(Errno::EPERM);
    let filtered = why.contains("Landlock") && in_unit(host.landlock.err())
        || why.contains("listener") && in_unit(host.listener.err());
    if filtered {
        hints.push("a filter around forbids it: in a unit add seccomp, landlock_create_ruleset, landlock_add_rule and landlock_restrict_self to SystemCallFilter=".into());
    }
    if host.landlock.is_err() && why.contains("Landlock") {
        hints.push("Landlock: boot with `lsm=landlock,...` (Linux 5.13 or newer), and let no outer filter hide it".into());
    }
    if why.contains("listener") && !host.container {
        hints.push(match host.listener {
            Err(Errno::EBUSY) => "another supervisor already holds this process tree's seccomp listener: start flowjail outside of it".into(),
            _ => "seccomp user notification: Linux 5.19 or newer has what is needed, and no filter around may refuse seccomp".into(),
        });
    }
    if why.contains("scopes need Landlock") {
        hints.push("Linux 6.12 or newer has Landlock's scopes (ABI 6)".into());
    }
    if let (Promise::Egress | Promise::Ingress, Err(errno), false) = (promise, host.network, bare) {
        hints.extend(network_hints(errno));
    }
    if promise == Promise::Limits {
        hints.extend(limits::hints(host, why));
    }
    let key = key(&promise);
    hints.push(format!(
        "to run without it, write `{key} = \"prefer\"` under [promises]"
    ));
    hints
}
