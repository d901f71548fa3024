//! The last step: what only the whole can show (variables, cycles), and the checked profile.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::file::{Fragment, Item, Limits};
use super::leaf::PROMISES;
use super::net::{Net, NetLimits};
use super::problem::Place;
use super::report::{Report, nearest};
use super::secrets::{self, SecretSource};
use super::template::BUILT_IN_VARIABLES;
use super::types::{
    ByteSize, Environment, Files, JailKind, Level, Part, Profile, Promise, Sourced, Template,
    UserChoice,
};

/// `files.tmp.size` where no profile says another.
const DEFAULT_TMP: ByteSize = ByteSize(64 << 20);

/// What a parameter's value is that the launcher finds out by itself.
const AUTO: &str = "auto";

/// Checks the merged lines and makes them a profile. What is wrong is in the report.
pub fn check(
    name: String,
    about: Option<String>,
    merged: Fragment,
    report: &mut Report,
) -> Profile {
    variables(&merged, report);
    cycles(&merged.params, report);
    relative_paths(&merged, report);
    secrets::refuse_one_place(&merged, report);
    Profile {
        name,
        about: about.unwrap_or_default(),
        jail: merged.jail.unwrap_or(JailKind::Auto),
        features: plain(&merged.features),
        params: values(&merged.params),
        command: plain(merged.command.as_deref().unwrap_or_default()),
        user: merged.user.unwrap_or(UserChoice::Auto),
        files: files(&merged),
        programs: sourced(&merged.programs),
        net: net(&merged),
        resources: merged.resources,
        service: merged.service.clone(),
        env: Environment {
            pass: sourced(&merged.pass),
            set: values(&merged.set),
            bare: values(&merged.bare),
        },
        secrets: merged
            .secrets
            .iter()
            .map(|(name, item)| (name.clone(), item.sourced()))
            .collect(),
        promises: promises(&merged),
        layers_off: merged
            .layers
            .into_iter()
            .filter(|(_, on)| !on)
            .map(|(layer, _)| layer)
            .collect(),
        allow: plain(&merged.syscalls),
        answer: plain(&merged.answers),
    }
}

fn promises(merged: &Fragment) -> BTreeMap<Promise, Level> {
    PROMISES
        .iter()
        .map(|(_, promise)| {
            (
                *promise,
                merged
                    .promises
                    .get(promise)
                    .copied()
                    .unwrap_or(Level::Require),
            )
        })
        .collect()
}

fn files(merged: &Fragment) -> Files {
    Files {
        read: sourced(&merged.read),
        write: sourced(&merged.write),
        tmp: merged.tmp.unwrap_or(DEFAULT_TMP),
        cwd: merged.cwd.as_ref().map(Item::sourced),
    }
}

fn net(merged: &Fragment) -> Net {
    let hosts = merged.hosts.iter();
    Net {
        publish: sourced(merged.publish.as_deref().unwrap_or_default()),
        allow: sourced(&merged.allow),
        private: sourced(&merged.private),
        addresses: sourced(&merged.addresses),
        resolvers: merged.resolvers.clone().unwrap_or_default(),
        proxy: merged.proxy.clone().flatten(),
        limits: limits(&merged.limits),
        hosts: hosts
            .map(|(name, item)| (name.clone(), item.value))
            .collect(),
        enabled: merged.net_enabled.unwrap_or(true),
    }
}

fn limits(said: &Limits) -> NetLimits {
    let own = NetLimits::default();
    let [connections, per_host, visitors, queries] = said.counts;
    let [connect, idle] = said.times;
    NetLimits {
        connections: connections.unwrap_or(own.connections),
        per_host: per_host.unwrap_or(own.per_host),
        visitors: visitors.unwrap_or(own.visitors),
        queries: queries.unwrap_or(own.queries),
        connect: connect.unwrap_or(own.connect),
        idle: idle.unwrap_or(own.idle),
    }
}

fn plain<T: Clone>(items: &[Item<T>]) -> Vec<T> {
    items.iter().map(|item| item.value.clone()).collect()
}

fn sourced<T: Clone>(items: &[Item<T>]) -> Vec<Sourced<T>> {
    items.iter().map(Item::sourced).collect()
}

fn values(items: &BTreeMap<String, Item<Template>>) -> BTreeMap<String, Template> {
    items
        .iter()
        .map(|(name, item)| (name.clone(), item.value.clone()))
        .collect()
}

/// Every template that is a path, with its place.
fn paths(merged: &Fragment) -> Vec<(&Template, &Place)> {
    let mut all: Vec<(&Template, &Place)> = Vec::new();
    all.extend(
        merged
            .read
            .iter()
            .map(|item| (&item.value.path, &item.place)),
    );
    all.extend(
        merged
            .write
            .iter()
            .map(|item| (&item.value.path, &item.place)),
    );
    all.extend(
        merged
            .write
            .iter()
            .filter_map(|item| item.value.at.as_ref().map(|at| (at, &item.place))),
    );
    all.extend(merged.cwd.iter().map(|item| (&item.value, &item.place)));
    all.extend(
        merged
            .programs
            .iter()
            .map(|item| (&item.value, &item.place)),
    );
    let files = merged.secrets.values();
    all.extend(files.filter_map(|item| match &item.value.source {
        SecretSource::File(path) => Some((path, &item.place)),
        SecretSource::Credential(_) => None,
    }));
    all
}

fn variables(merged: &Fragment, report: &mut Report) {
    let mut all = paths(merged);
    all.extend(
        merged
            .params
            .values()
            .map(|item| (&item.value, &item.place)),
    );
    all.extend(
        merged
            .command
            .iter()
            .flatten()
            .map(|item| (&item.value, &item.place)),
    );
    let set = merged.set.values().chain(merged.bare.values());
    all.extend(set.map(|item| (&item.value, &item.place)));
    for (template, place) in all {
        for name in template.variables() {
            let known = || {
                BUILT_IN_VARIABLES
                    .into_iter()
                    .chain(merged.params.keys().map(String::as_str))
            };
            if known().any(|known| known == name) {
                continue;
            }
            let hint = match nearest(name, known()) {
                Some(near) => format!("did you mean `${{{near}}}`?"),
                None => format!("define it: [params] {name} = \"...\""),
            };
            report.hinted(
                &place.narrow(&format!("${{{name}}}")),
                "an unknown variable",
                hint,
            );
        }
    }
}

/// A parameter that needs its own value has none.
fn cycles(params: &BTreeMap<String, Item<Template>>, report: &mut Report) {
    for (name, item) in params {
        let mut met: Vec<&str> = Vec::new();
        let mut open: Vec<&str> = item.value.variables().collect();
        while let Some(next) = open.pop() {
            if next == name {
                let hint = "a value may use other variables, not itself";
                report.hinted(&item.place, format!("`{name}` is made of itself"), hint);
                break;
            }
            if met.contains(&next) {
                continue;
            }
            met.push(next);
            open.extend(
                params
                    .get(next)
                    .into_iter()
                    .flat_map(|item| item.value.variables()),
            );
        }
    }
}

/// A path that starts with a parameter is absolute only if the parameter is.
fn relative_paths(merged: &Fragment, report: &mut Report) {
    let mut named: Vec<&str> = Vec::new();
    for (template, _) in paths(merged) {
        let mut first = template.0.first();
        // As many steps as there are parameters; more would be a cycle, which has its own problem.
        for _ in 0..=merged.params.len() {
            let Some(Part::Variable(name)) = first else {
                break;
            };
            let Some(item) = merged.params.get(name) else {
                break;
            };
            first = item.value.0.first();
            let relative = match first {
                None => true,
                Some(Part::Text(text)) => !text.starts_with('/') && item.value.to_string() != AUTO,
                Some(Part::Variable(_)) => false,
            };
            if relative && !named.contains(&name.as_str()) {
                named.push(name);
                let message = format!("`{name}` starts a path and is not absolute");
                report.hinted(
                    &item.place,
                    message,
                    "start it with /, with ~/ or with a variable",
                );
            }
        }
    }
}
