//! One profile file as it stands: typed values with their places, nothing inherited yet.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::net::{AddressRule, HostRule, Proxy, Publish};
use super::problem::{Place, Source};
use super::reader::{Fields, Node};
use super::report::Report;
use super::resources::Resources;
use super::secrets::Secret;
use super::service::Service;
use super::types::{
    Answer, ByteSize, JailKind, Layer, Level, Promise, ReadPath, Sourced, Template, UserChoice,
    WritePath,
};
use super::value::Value;
use super::{hosts, removal, sections};
use crate::syscalls::Rule;

/// A value of a profile line, with its place and its reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Item<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub place: Place,
    /// Why, empty where the line does not say.
    pub why: String,
}

/// A file: its header and its lines.
#[derive(Debug)]
pub struct ProfileFile {
    /// One line about it.
    pub about: Option<String>,
    /// What it extends, in order.
    pub extends: Vec<Item<String>>,
    /// Its own lines.
    pub body: Fragment,
    /// `[feature.NAME]`, each a fragment of the same shape.
    pub features: BTreeMap<String, Fragment>,
}

/// The lines of a file, of a feature, or of the command line. `None` and empty mean that nothing is said.
#[derive(Debug, Default)]
pub struct Fragment {
    /// `jail`.
    pub jail: Option<JailKind>,
    /// `features`.
    pub features: Vec<Item<String>>,
    /// `[params]`.
    pub params: BTreeMap<String, Item<Template>>,
    /// `command`.
    pub command: Option<Vec<Item<Template>>>,
    /// `ids.user`.
    pub user: Option<UserChoice>,
    /// `files.read`.
    pub read: Vec<Item<ReadPath>>,
    /// `files.write`.
    pub write: Vec<Item<WritePath>>,
    /// `files.tmp.size`.
    pub tmp: Option<ByteSize>,
    /// `files.cwd`.
    pub cwd: Option<Item<Template>>,
    /// `exec.programs`.
    pub programs: Vec<Item<Template>>,
    /// `net.enabled`.
    pub net_enabled: Option<bool>,
    /// `net.publish`.
    pub publish: Option<Vec<Item<Publish>>>,
    /// `net.allow`.
    pub allow: Vec<Item<HostRule>>,
    /// `net.private`.
    pub private: Vec<Item<HostRule>>,
    /// `net.addresses`.
    pub addresses: Vec<Item<AddressRule>>,
    /// `net.resolver`; empty: the host's.
    pub resolvers: Option<Vec<SocketAddr>>,
    /// `net.proxy`; `Some(None)`: none.
    pub proxy: Option<Option<Proxy>>,
    /// `[net.limits]`.
    pub limits: Limits,
    /// `net.hosts`.
    pub hosts: BTreeMap<String, Item<IpAddr>>,
    /// `[resources]`.
    pub resources: Resources,
    /// `[service]`.
    pub service: Service,
    /// `env.pass`.
    pub pass: Vec<Item<String>>,
    /// `env.set`.
    pub set: BTreeMap<String, Item<Template>>,
    /// `env.bare`.
    pub bare: BTreeMap<String, Item<Template>>,
    /// `[secrets]`, each with the place of its name.
    pub secrets: BTreeMap<String, Item<Secret>>,
    /// `[promises]`.
    pub promises: BTreeMap<Promise, Level>,
    /// `[layers]`: whether each is on.
    pub layers: BTreeMap<Layer, bool>,
    /// `syscalls.allow`.
    pub syscalls: Vec<Item<Rule>>,
    /// `syscalls.answer`.
    pub answers: Vec<Item<Answer>>,
    /// `[remove]`: what is taken away from what was there before this fragment.
    pub remove: Vec<Item<(removal::List, String)>>,
}

/// `[net.limits]`, each as far as it is said.
#[derive(Debug, Default)]
pub struct Limits {
    /// `connections`, `per_host`, `visitors` and `queries`.
    pub counts: [Option<u32>; 4],
    /// `connect` and `idle`.
    pub times: [Option<Duration>; 2],
}

/// The keys of a fragment; a file has those of [`HEADER`] beside them.
pub const BODY: [&str; 16] = [
    "jail",
    "features",
    "params",
    "command",
    "ids",
    "files",
    "exec",
    "net",
    "resources",
    "service",
    "env",
    "secrets",
    "promises",
    "layers",
    "syscalls",
    "remove",
];

/// The keys that only a file has.
pub const HEADER: [&str; 4] = ["schema", "about", "extends", "feature"];

/// The one version of the schema.
const SCHEMA: u64 = 1;

impl Limits {
    /// Takes a line away; whether there was one.
    pub fn take(&mut self, key: &str) -> bool {
        let place = |keys: &[&str]| keys.iter().position(|known| *known == key);
        match (place(&hosts::COUNTS), place(&hosts::TIMES)) {
            (Some(at), _) => self.counts[at].take().is_some(),
            (None, Some(at)) => self.times[at].take().is_some(),
            (None, None) => false,
        }
    }
}

impl<T> Item<T> {
    /// A value without a reason.
    pub fn plain(value: T, place: Place) -> Item<T> {
        Item {
            value,
            place,
            why: String::new(),
        }
    }

    /// The value with its origin as text, as the checked profile keeps it.
    pub fn sourced(&self) -> Sourced<T>
    where
        T: Clone,
    {
        Sourced {
            value: self.value.clone(),
            origin: self.place.origin(),
            why: self.why.clone(),
        }
    }
}

/// Reads the value tree of a whole file.
pub fn read(source: &Arc<Source>, root: &Value, report: &mut Report) -> ProfileFile {
    let node = Node {
        source,
        value: root,
    };
    let known: Vec<&str> = HEADER.into_iter().chain(BODY).collect();
    let fields = node.table(&known, report);
    if let Some(node) = fields.get("schema")
        && let Some(version) = node.whole(0..=u64::MAX, report)
        && version != SCHEMA
    {
        report.hinted(
            &node.place(),
            "an unknown schema",
            format!("this flowjail knows schema {SCHEMA}"),
        );
    }
    ProfileFile {
        about: fields.get("about").and_then(|node| node.text(report)),
        extends: extends(&fields, report),
        body: sections::read(&fields, report),
        features: features(&fields, report),
    }
}

fn extends(fields: &Fields<'_>, report: &mut Report) -> Vec<Item<String>> {
    let Some(node) = fields.get("extends") else {
        return Vec::new();
    };
    let texts = node.texts(report);
    let mut items: Vec<Item<String>> = Vec::new();
    for (value, place) in texts {
        if items.iter().any(|item| item.value == value) {
            report.add(&place, "extended twice", None);
            continue;
        }
        items.push(Item::plain(value, place));
    }
    items
}

fn features(fields: &Fields<'_>, report: &mut Report) -> BTreeMap<String, Fragment> {
    let mut all = BTreeMap::new();
    let Some(node) = fields.get("feature") else {
        return all;
    };
    let known: Vec<&str> = BODY
        .into_iter()
        .filter(|key| *key != "features")
        .chain(["about"])
        .collect();
    for (name, place, node) in node.pairs(report) {
        let fine = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !fine {
            report.hinted(
                &place,
                "not a feature's name",
                "lower-case letters, digits and hyphens",
            );
        }
        let fields = node.table(&known, report);
        all.insert(name.to_owned(), sections::read(&fields, report));
    }
    all
}
