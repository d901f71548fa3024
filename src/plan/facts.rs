//! A plan as single facts under the profile keys that they come from, so that two plans can be compared in words that
//! the profile's author knows.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Plan;
use crate::profile::{Level, Promise, Resources, Secret, Sourced};

/// Key to fact. The value is compared and never shown: of the environment it is the variable's own.
pub type Facts = BTreeMap<String, String>;

/// What a profile and a command line ask for, where the plan has only what the host makes of it: limits are held by a
/// cgroup that whoever reloads need not be in.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The command, without what limits add to it.
    pub argv: Vec<String>,
    /// `[resources]`.
    pub resources: Resources,
    /// How binding the limits are.
    pub limits: Option<Level>,
    /// `[secrets]`, which the program reads when it starts.
    pub secrets: BTreeMap<String, Secret>,
}

/// What a table of the profile says, without where.
pub fn values<T: Clone>(table: &BTreeMap<String, Sourced<T>>) -> BTreeMap<String, T> {
    let own = |(key, entry): (&String, &Sourced<T>)| (key.clone(), entry.value.clone());
    table.iter().map(own).collect()
}

/// Fields of a plan whose facts have keys of their own, and fields that are no facts of the profile: what the host's
/// state, or the caller's rights, make of it at the moment.
const SETTLED: [&str; 24] = [
    "profile",
    "name",
    "kind",
    "program",
    "argv",
    "env",
    "cwd",
    "ids",
    "publish",
    "network",
    "no_network",
    "makes",
    "group_files",
    "seals",
    "mounts",
    "landlock",
    "cgroup",
    "readiness",
    "rlimits",
    "secrets",
    "filter",
    "layers_off",
    "promises",
    "notes",
];

/// Everything that a running jail cannot take in place of what it has: all but [`Egress`](super::Egress).
pub fn facts(plan: &Plan) -> Facts {
    let mut all = Facts::new();
    let mut note = |key: String, value: String| {
        // Two facts of one key, as a mount and a right at one place, are one.
        let known = all.entry(key).or_default();
        known.push_str(&value);
        known.push('\n');
    };
    of_program(plan, &mut note);
    of_files(plan, &mut note);
    of_filter(plan, &mut note);
    of_network(plan, &mut note);
    for (field, value) in rest(plan) {
        note(format!("[{field}]"), value.to_string());
    }
    all
}

fn of_program(plan: &Plan, note: &mut impl FnMut(String, String)) {
    note("jail".into(), plan.kind.to_string());
    let command = format!("{} {:?}", plan.program.display(), plan.asked.argv);
    note("the command".into(), command);
    let ids = &plan.ids;
    note("[ids] user".into(), format!("{}:{}", ids.uid, ids.gid));
    let secrets = &plan.asked.secrets;
    // The variable of a secret is there or not, as its file is.
    let open = plan
        .env
        .iter()
        .filter(|(name, _)| secrets.get(name).is_none_or(|secret| secret.at.is_some()));
    for (name, value) in open {
        note(format!("[env] {name}"), value.clone());
    }
    for (name, secret) in secrets {
        note(format!("[secrets] {name}"), format!("{secret:?}"));
    }
    for (key, value) in of_resources(&plan.asked.resources) {
        note(format!("[resources] {key}"), value);
    }
    note("[service]".into(), json(&plan.readiness));
    for layer in &plan.layers_off {
        note(format!("[layers] {}", word(layer)), String::new());
    }
    let limits = word(&plan.asked.limits);
    note("[promises] limits".into(), limits);
    let promises = plan.promises.iter();
    for line in promises.filter(|line| line.promise != Promise::Limits) {
        let key = format!("[promises] {}", word(&line.promise));
        note(key, word(&line.level));
    }
}

fn of_resources(all: &Resources) -> [(&'static str, String); 11] {
    [
        ("memory", format!("{:?}", all.memory)),
        ("memory_high", format!("{:?}", all.memory_high)),
        ("swap", format!("{:?}", all.swap)),
        ("oom_group", format!("{:?}", all.oom_group)),
        ("heap", format!("{:?}", all.heap)),
        ("cpus", format!("{:?}", all.cpus)),
        ("cpu_weight", format!("{:?}", all.cpu_weight)),
        ("pids", format!("{:?}", all.pids)),
        ("open_files", format!("{:?}", all.open_files)),
        ("reserve", format!("{:?}", all.reserve)),
        ("io", format!("{:?}", all.io)),
    ]
}

fn of_files(plan: &Plan, note: &mut impl FnMut(String, String)) {
    note("[files] cwd".into(), plan.cwd.display().to_string());
    for mount in &plan.mounts {
        let key = format!("[files] {}", mount.at().display());
        note(key, without(mount, "inode").to_string());
    }
    for rule in plan.landlock.iter().flat_map(|landlock| &landlock.rules) {
        note(format!("[files] {}", rule.path.display()), json(rule));
    }
}

fn of_filter(plan: &Plan, note: &mut impl FnMut(String, String)) {
    let Some(filter) = &plan.filter else {
        return;
    };
    // Its rules in any order, and without where they stand.
    let mut rules: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for rule in &filter.policy.allow {
        let of = rules.entry(rule.syscall).or_default();
        of.insert(format!("allow {}", json(&rule.when)));
    }
    for (rule, errno) in &filter.policy.answer {
        let of = rules.entry(rule.syscall).or_default();
        of.insert(format!("answer {errno} {}", json(&rule.when)));
    }
    for rule in &filter.mediated {
        let of = rules.entry(rule.syscall).or_default();
        of.insert(format!("mediate {}", json(&rule.when)));
    }
    for (name, of) in rules {
        note(format!("[syscalls] {name}"), format!("{of:?}"));
    }
}

fn of_network(plan: &Plan, note: &mut impl FnMut(String, String)) {
    let on = plan.network.is_some();
    note("[net] enabled".into(), format!("{on} {}", plan.no_network));
    let Some(network) = &plan.network else {
        return;
    };
    for line in &network.publish {
        note(format!("[net] publish {}", line.address), json(line));
    }
    note("[service]".into(), json(&network.ready));
    if let Some(proxy) = &network.proxy {
        note("[net] proxy".into(), proxy.to_string());
    }
    if plan.mounts.is_empty() {
        // The program reads the host's own resolv.conf, and the stub answers in the place of those that it names.
        let servers = json(&network.stubs);
        note("the host's /etc/resolv.conf".into(), servers);
    }
}

/// Fields that nobody here has thought of: better a key too coarse than a change unseen.
fn rest(plan: &Plan) -> Vec<(String, Value)> {
    match serde_json::to_value(plan) {
        Ok(Value::Object(all)) => {
            let all = all.into_iter();
            all.filter(|(field, _)| !SETTLED.contains(&field.as_str()))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The same with each value's digest (SHA-256, behind the salt) in its place.
pub fn sealed(facts: &Facts, salt: &str) -> Facts {
    let seal = |value: &String| {
        let digest = Sha256::new().chain_update(salt).chain_update(value);
        let bytes = digest.finalize();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    facts
        .iter()
        .map(|(key, value)| (key.clone(), seal(value)))
        .collect()
}

/// The keys under which two plans say something else.
pub fn differing(running: &Facts, new: &Facts) -> Vec<String> {
    let keys: BTreeSet<&String> = running.keys().chain(new.keys()).collect();
    let differs = |key: &&&String| running.get(**key) != new.get(**key);
    keys.iter()
        .filter(differs)
        .map(ToString::to_string)
        .collect()
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A value without one of its fields: what a place is, not which inode it has today.
fn without(value: &impl serde::Serialize, field: &str) -> Value {
    let mut value = serde_json::to_value(value).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.remove(field);
    }
    value
}

/// An enum's name as the profile writes it.
fn word(value: &impl serde::Serialize) -> String {
    json(value).trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Facts, differing, sealed};

    fn facts(all: &[(&str, &str)]) -> Facts {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        all.iter().map(own).collect()
    }

    #[test]
    fn what_differs_is_named_by_its_key_whether_sealed_or_not() {
        let running = facts(&[("[env] A", "1"), ("[env] B", "2"), ("jail", "bare")]);
        let new = facts(&[("[env] A", "1"), ("[env] B", "3"), ("[ids] user", "1:1")]);
        let expected = ["[env] B", "[ids] user", "jail"];
        assert_eq!(differing(&running, &new), expected);
        let found = differing(&sealed(&running, "x"), &sealed(&new, "x"));
        assert_eq!(found, expected);
        assert!(differing(&running, &running).is_empty());
    }

    #[test]
    fn a_sealed_value_tells_nothing_without_its_salt() {
        let one = facts(&[("[env] PASSWORD", "secret")]);
        assert_ne!(sealed(&one, "x"), sealed(&one, "y"));
        assert!(!format!("{:?}", sealed(&one, "x")).contains("secret"));
    }
}
