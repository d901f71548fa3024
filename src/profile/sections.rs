//! The sections of a profile that need no groups: from nodes to typed values.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use super::file::{Fragment, Item};
use super::reader::{Fields, Line, Node};
use super::report::{Flaw, Report};
use super::resources::size;
use super::types::{Part, ReadPath, Template, UserChoice, WritePath};
use super::value::Kind;
use super::{hosts, leaf, removal, resources, rules, secrets, service, template};

/// Reads one section into a fragment.
type Section = fn(&Node<'_>, &mut Fragment, &mut Report);

/// Reads every section that is there.
pub fn read(fields: &Fields<'_>, report: &mut Report) -> Fragment {
    let mut fragment = Fragment::default();
    if let Some(node) = fields.get("jail") {
        fragment.jail = word(&node, &leaf::JAILS, report);
    }
    if let Some(node) = fields.get("features") {
        let texts = node.texts(report);
        fragment.features = texts
            .into_iter()
            .map(|(value, place)| Item {
                value,
                place,
                why: String::new(),
            })
            .collect();
        refuse_twice(&fragment.features, String::clone, report);
    }
    if let Some(node) = fields.get("params") {
        fragment.params = templates(&node, template::is_name, "not a parameter's name", report);
    }
    if let Some(node) = fields.get("command") {
        fragment.command = command(&node, report);
    }
    if let Some(node) = fields.get("ids") {
        let fields = node.table(&["user"], report);
        fragment.user = fields.get("user").and_then(|node| user(&node, report));
    }
    let sections: [(&str, Section); 10] = [
        ("files", files),
        ("exec", exec),
        ("net", hosts::net),
        ("resources", read_resources),
        ("service", read_service),
        ("env", env),
        ("secrets", secrets::secrets),
        ("promises", promises),
        ("layers", layers),
        ("syscalls", rules::syscalls),
    ];
    for (name, section) in sections {
        if let Some(node) = fields.get(name) {
            section(&node, &mut fragment, report);
        }
    }
    if let Some(node) = fields.get("remove") {
        fragment.remove = removal::read(&node, report);
    }
    fragment
}

/// One entry per line of a list, each read by `parse`; entries that are flawed are left out.
pub fn items<T>(
    node: &Node<'_>,
    main: &str,
    more: &[&str],
    report: &mut Report,
    mut parse: impl FnMut(&Line<'_>, &mut Report) -> Option<T>,
) -> Vec<Item<T>> {
    let mut all = Vec::new();
    for node in node.list(report) {
        if !report.is_full()
            && let Some(line) = node.line(main, more, report)
            && let Some(value) = parse(&line, report)
        {
            all.push(Item {
                value,
                place: line.place,
                why: line.why,
            });
        }
    }
    all
}

/// The same entry twice in one list is a problem: one of them has no effect.
pub fn refuse_twice<T>(items: &[Item<T>], key: impl Fn(&T) -> String, report: &mut Report) {
    let mut lines = BTreeMap::new();
    for item in items {
        match lines.entry(key(&item.value)) {
            Entry::Vacant(entry) => {
                entry.insert(item.place.line());
            }
            Entry::Occupied(entry) => {
                report.hinted(
                    &item.place,
                    "listed twice",
                    format!("first in line {}", entry.get()),
                );
            }
        }
    }
}

fn word<T: Copy>(node: &Node<'_>, words: &[(&str, T)], report: &mut Report) -> Option<T> {
    let text = node.text(report)?;
    report.keep(&node.place(), leaf::word(&text, words))
}

fn templates(
    node: &Node<'_>,
    fine: fn(&str) -> bool,
    message: &str,
    report: &mut Report,
) -> BTreeMap<String, Item<Template>> {
    let mut all = BTreeMap::new();
    for (name, key, node) in node.pairs(report) {
        if !fine(name) {
            report.add(&key, message, None);
        }
        let place = node.place();
        let text = node.text(report);
        let value = text.and_then(|text| report.keep(&place, template::parse(&text)));
        // A flawed value still defines its name: others that use it are not at fault.
        let value = value.unwrap_or_else(|| Template(vec![Part::Variable("home".into())]));
        all.insert(name.to_owned(), Item::plain(value, place));
    }
    all
}

fn command(node: &Node<'_>, report: &mut Report) -> Option<Vec<Item<Template>>> {
    let mut words = Vec::new();
    for node in node.list(report) {
        let text = node.text(report)?;
        let value = report.keep(&node.place(), template::parse(&text))?;
        words.push(Item::plain(value, node.place()));
    }
    Some(words)
}

fn user(node: &Node<'_>, report: &mut Report) -> Option<UserChoice> {
    let text = match node.value.kind {
        Kind::Integer(number) => number.to_string(),
        _ => node.text(report)?,
    };
    report.keep(&node.place(), leaf::user(&text))
}

fn path(line: &Line<'_>, report: &mut Report) -> Option<Template> {
    report.keep(&line.place, template::parse_path(&line.text))
}

fn read_path(line: &Line<'_>, report: &mut Report) -> Option<ReadPath> {
    let optional = line.get("optional").and_then(|node| node.truth(report));
    Some(ReadPath {
        path: path(line, report)?,
        optional: optional.unwrap_or(false),
    })
}

fn write_path(line: &Line<'_>, report: &mut Report) -> Option<WritePath> {
    let at = line.get("at").and_then(|node| {
        let text = node.text(report)?;
        report.keep(&node.place(), template::parse_path(&text))
    });
    let links = line.get("links").and_then(|node| node.truth(report));
    let group_files = line
        .get("group_files")
        .map(|node| file_names(&node, report));
    Some(WritePath {
        path: path(line, report)?,
        at,
        links: links.unwrap_or(false),
        group_files: group_files.unwrap_or_default(),
    })
}

/// Names in a directory, and none that lead out of it.
fn file_names(node: &Node<'_>, report: &mut Report) -> Vec<String> {
    let mut all = Vec::new();
    for (text, place) in node.texts(report) {
        match text.contains('/') || matches!(text.as_str(), "" | "." | "..") || text.contains('\0')
        {
            true => report.hinted(
                &place,
                "not the name of a file",
                "write one name, as in \"database.sqlite\"",
            ),
            false => all.push(text),
        }
    }
    all
}

fn files(node: &Node<'_>, out: &mut Fragment, report: &mut Report) {
    let fields = node.table(&["read", "write", "tmp", "cwd"], report);
    if let Some(node) = fields.get("read") {
        out.read = items(&node, "path", &["optional"], report, read_path);
        refuse_twice(&out.read, |read| read.path.to_string(), report);
    }
    if let Some(node) = fields.get("write") {
        out.write = items(
            &node,
            "path",
            &["at", "links", "group_files"],
            report,
            write_path,
        );
        refuse_twice(&out.write, |write| write.path.to_string(), report);
    }
    for item in &out.write {
        let same =
            |read: &&Item<ReadPath>| read.value.path == item.value.path && item.value.at.is_none();
        if let Some(read) = out.read.iter().find(same) {
            let hint = format!(
                "a path that is written is read, too: leave line {} out",
                read.place.line()
            );
            report.hinted(&item.place, "both in read and in write", hint);
        }
    }
    if let Some(node) = fields.get("tmp") {
        let fields = node.table(&["size"], report);
        out.tmp = fields.get("size").and_then(|node| size(&node, report));
    }
    if let Some(node) = fields.get("cwd")
        && let Some(text) = node.text(report)
        && let Some(value) = report.keep(&node.place(), template::parse_path(&text))
    {
        out.cwd = Some(Item::plain(value, node.place()));
    }
}

fn exec(node: &Node<'_>, out: &mut Fragment, report: &mut Report) {
    let fields = node.table(&["programs"], report);
    if let Some(node) = fields.get("programs") {
        out.programs = items(&node, "path", &[], report, path);
        refuse_twice(&out.programs, Template::to_string, report);
    }
}

fn read_resources(node: &Node<'_>, out: &mut Fragment, report: &mut Report) {
    out.resources = resources::read(node, report);
}

fn read_service(node: &Node<'_>, out: &mut Fragment, report: &mut Report) {
    out.service = service::read(node, report);
}

fn env(node: &Node<'_>, out: &mut Fragment, report: &mut Report) {
    let fields = node.table(&["pass", "set", "bare"], report);
    if let Some(node) = fields.get("pass") {
        out.pass = items(&node, "name", &[], report, |line, report| {
            report.keep(&line.place, leaf::env_pattern(&line.text))
        });
        refuse_twice(&out.pass, String::clone, report);
    }
    for (key, out) in [("set", &mut out.set), ("bare", &mut out.bare)] {
        if let Some(node) = fields.get(key) {
            *out = templates(
                &node,
                |name| leaf::env_name(name).is_ok(),
                "not a variable's name",
                report,
            );
        }
    }
    for item in &out.pass {
        if out.set.contains_key(&item.value) {
            report.hinted(
                &item.place,
                "both in pass and in set",
                "a name is either passed or set",
            );
        }
    }
}

/// `NAME = WORD` lines.
fn words<K: Copy + Ord, V: Copy>(
    node: &Node<'_>,
    names: &[(&str, K)],
    values: &[(&str, V)],
    report: &mut Report,
) -> BTreeMap<K, V> {
    let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    let fields = node.table(&known, report);
    let mut all = BTreeMap::new();
    for (name, key) in names {
        if let Some(node) = fields.get(name)
            && let Some(value) = word(&node, values, report)
        {
            all.insert(*key, value);
        }
    }
    all
}

fn promises(node: &Node<'_>, out: &mut Fragment, report: &mut Report) {
    out.promises = words(node, &leaf::PROMISES, &leaf::LEVELS, report);
}

fn layers(node: &Node<'_>, out: &mut Fragment, report: &mut Report) {
    out.layers = words(node, &leaf::LAYERS, &leaf::SWITCH, report);
}

/// A static name's address.
pub fn address(node: &Node<'_>, report: &mut Report) -> Option<IpAddr> {
    let text = node.text(report)?;
    let flaw = |_| Flaw::new("not an IP address", "as in \"127.0.0.1\"");
    report.keep(&node.place(), text.parse().map_err(flaw))
}
