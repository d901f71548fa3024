//! `[remove]`: what a profile takes away from what it extends. The same shape as the sections.
#![forbid(unsafe_code)]

use super::file::Item;
use super::problem::Place;
use super::reader::{Fields, Node};
use super::report::{Flaw, Report};
use super::{address, host, hosts, leaf, resources, rules, template};

/// The lists that something can be removed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum List {
    /// `features`.
    Features,
    /// `files.read`.
    Read,
    /// `files.write`.
    Write,
    /// `exec.programs`.
    Programs,
    /// `net.publish`.
    Publish,
    /// `net.allow`.
    Allow,
    /// `net.private`.
    Private,
    /// `net.addresses`.
    Addresses,
    /// `net.hosts`, by name.
    Hosts,
    /// `net.resolver`, by address.
    Resolver,
    /// `net.proxy`, by its URL.
    Proxy,
    /// `net.limits`, by name: the default again.
    Limits,
    /// `env.pass`.
    Pass,
    /// `env.set`, by name.
    Set,
    /// `secrets`, by name.
    Secrets,
    /// `resources`, by name: no limit of its own again.
    Resources,
    /// `syscalls`, by name: every rule and every answer of the call.
    Syscalls,
}

/// Lists that are keys of `[remove]` itself.
const TOP: [(&str, List); 4] = [
    ("features", List::Features),
    ("secrets", List::Secrets),
    ("resources", List::Resources),
    ("syscalls", List::Syscalls),
];

/// Lists that are keys of a section.
const SECTIONS: [(&str, &[(&str, List)]); 4] = [
    ("files", &[("read", List::Read), ("write", List::Write)]),
    ("exec", &[("programs", List::Programs)]),
    (
        "net",
        &[
            ("publish", List::Publish),
            ("allow", List::Allow),
            ("private", List::Private),
            ("addresses", List::Addresses),
            ("hosts", List::Hosts),
            ("resolver", List::Resolver),
            ("proxy", List::Proxy),
            ("limits", List::Limits),
        ],
    ),
    ("env", &[("pass", List::Pass), ("set", List::Set)]),
];

/// Reads `[remove]`.
pub fn read(node: &Node<'_>, report: &mut Report) -> Vec<Item<(List, String)>> {
    let known = [
        "features",
        "files",
        "exec",
        "net",
        "env",
        "secrets",
        "resources",
        "syscalls",
    ];
    let fields = node.table(&known, report);
    let mut all = Vec::new();
    take(&fields, &TOP, &mut all, report);
    for (name, lists) in SECTIONS {
        if let Some(node) = fields.get(name) {
            let keys: Vec<&str> = lists.iter().map(|(key, _)| *key).collect();
            let fields = node.table(&keys, report);
            take(&fields, lists, &mut all, report);
        }
    }
    all
}

fn take(
    fields: &Fields<'_>,
    lists: &[(&str, List)],
    out: &mut Vec<Item<(List, String)>>,
    report: &mut Report,
) {
    for (name, list) in lists {
        let Some(node) = fields.get(name) else {
            continue;
        };
        for (text, place) in node.texts(report) {
            if report.is_full() {
                return;
            }
            let Some(keys) = report.keep(&place, keys(*list, &text, &place)) else {
                continue;
            };
            for key in keys {
                out.push(Item::plain((*list, key), place.clone()));
            }
        }
    }
}

/// The entry in the spelling by which entries of the list are compared.
fn keys(list: List, text: &str, place: &Place) -> Result<Vec<String>, Flaw> {
    let one = match list {
        List::Features | List::Pass | List::Set | List::Secrets => text.to_owned(),
        List::Read | List::Write | List::Programs => template::parse_path(text)?.to_string(),
        List::Publish => host::parse_publish(text)?.to_string(),
        List::Addresses => address::rule(text)?.to_string(),
        List::Hosts => host::parse_name(text, false)?,
        List::Resolver => address::resolver(text)?.to_string(),
        List::Proxy => address::proxy(text)?.to_string(),
        List::Limits => {
            let names = hosts::COUNTS.iter().chain(&hosts::TIMES);
            let words: Vec<(&str, &str)> = names.map(|name| (*name, *name)).collect();
            leaf::word(text, &words)?.to_owned()
        }
        List::Allow | List::Private => {
            return Ok(hosts::entry(text, "", place)?
                .iter()
                .map(|item| item.value.host.to_string())
                .collect());
        }
        List::Resources => {
            let names = resources::KEYS.map(|name| (name, name));
            leaf::word(text, &names)?.to_owned()
        }
        List::Syscalls => return rules::names(text),
    };
    Ok(vec![one])
}
