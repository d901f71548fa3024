//! `[net]`: hosts, groups of hosts, published addresses.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::file::{Fragment, Item};
use super::groups;
use super::host::{self, DEFAULT_PORT};
use super::problem::Place;
use super::reader::{Line, Node};
use super::report::{Flaw, Report};
use super::sections::{address, items, refuse_twice};
use super::types::HostPort;

/// Reads `[net]`.
pub fn net(node: &Node<'_>, out: &mut Fragment, report: &mut Report) {
    let fields = node.table(&["enabled", "publish", "allow", "private", "hosts"], report);
    out.net_enabled = fields.get("enabled").and_then(|node| node.truth(report));
    if let Some(node) = fields.get("publish") {
        let published = items(&node, "address", &[], report, |line, report| {
            report.keep(&line.place, host::parse_publish(&line.text))
        });
        refuse_twice(&published, std::net::SocketAddr::to_string, report);
        out.publish = Some(published);
    }
    if let Some(node) = fields.get("allow") {
        out.allow = host_list(&node, report);
    }
    if let Some(node) = fields.get("private") {
        out.private = host_list(&node, report);
    }
    refuse_both(&out.allow, &out.private, report);
    if let Some(node) = fields.get("hosts") {
        out.hosts = static_names(&node, report);
    }
}

/// The hosts of one entry: one host, or those of a group.
pub fn entry(text: &str, why: &str, place: &Place) -> Result<Vec<Item<HostPort>>, Flaw> {
    let item = |value: HostPort, why: &str| Item {
        value,
        place: place.clone(),
        why: why.to_owned(),
    };
    if !text.starts_with('@') {
        return Ok(vec![item(host::parse_host_port(text)?, why)]);
    }
    let (group, hosts) = groups::hosts(text)?;
    let why = if why.is_empty() {
        group
    } else {
        why.to_owned()
    };
    Ok(hosts.into_iter().map(|host| item(host, &why)).collect())
}

/// A host that is both allowed and private would be checked by whichever line is found first.
pub fn refuse_both(allow: &[Item<HostPort>], private: &[Item<HostPort>], report: &mut Report) {
    for item in private {
        if allow.iter().any(|other| other.value == item.value) {
            let hint = "a private host may be reached already: leave it out of allow";
            report.hinted(&item.place, "both in allow and in private", hint);
        }
    }
}

fn host_list(node: &Node<'_>, report: &mut Report) -> Vec<Item<HostPort>> {
    let entries = items(node, "host", &["port"], report, with_port);
    let mut all: Vec<Item<HostPort>> = Vec::new();
    for Item { value, place, why } in entries {
        for mut item in value {
            item.why = if item.why.is_empty() {
                why.clone()
            } else {
                item.why
            };
            // Two groups may share a host; only what the same line says twice is a mistake.
            match all.iter().find(|earlier| earlier.value == item.value) {
                Some(first) if !is_group(&place) && !is_group(&first.place) => {
                    report.hinted(
                        &place,
                        "listed twice",
                        format!("first in line {}", first.place.line()),
                    );
                }
                Some(_) => {}
                None => all.push(item),
            }
        }
    }
    all
}

fn is_group(place: &Place) -> bool {
    place
        .source
        .text
        .get(place.span.clone())
        .is_some_and(|text| text.trim_start_matches(['"', '\'']).starts_with('@'))
}

/// The entry's hosts, with the `port` key of a table applied.
fn with_port(line: &Line<'_>, report: &mut Report) -> Option<Vec<Item<HostPort>>> {
    let port_node = line.get("port");
    let Some(node) = port_node else {
        return report.keep(&line.place, entry(&line.text, &line.why, &line.place));
    };
    let port = node.whole(1..=65535, report)?;
    if line.text.starts_with('@') {
        report.add(&node.place(), "a group has its own ports", None);
        return None;
    }
    let (host, written) = report.keep(&line.place, host::parse(&line.text))?;
    if written.is_some() {
        report.add(&node.place(), "the port is already behind the host", None);
        return None;
    }
    let port = u16::try_from(port).unwrap_or(DEFAULT_PORT);
    let value = HostPort { host, port };
    Some(vec![Item {
        value,
        place: line.place.clone(),
        why: line.why.clone(),
    }])
}

fn static_names(node: &Node<'_>, report: &mut Report) -> BTreeMap<String, Item<std::net::IpAddr>> {
    let mut all: BTreeMap<String, Item<std::net::IpAddr>> = BTreeMap::new();
    for (name, place, node) in node.pairs(report) {
        let name = report.keep(&place, host::parse_name(name, false));
        let value = address(&node, report);
        if let (Some(name), Some(value)) = (name, value) {
            let item = Item::plain(value, node.place());
            if all.insert(name, item).is_some() {
                report.add(
                    &place,
                    "listed twice (case does not count in host names)",
                    None,
                );
            }
        }
    }
    all
}
