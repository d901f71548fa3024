//! `[net]`: hosts, groups of hosts, addresses, what is served, and limits.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::address;
use super::file::{Fragment, Item, Limits};
use super::groups;
use super::host::{self, DEFAULT_PORT};
use super::leaf;
use super::net::{AddressRule, HostRule, MAX_COUNT, Network, Protocol, Proxy, Publish};
use super::problem::Place;
use super::reader::{Line, Node};
use super::report::{Flaw, Report};
use super::sections::{address as static_address, items, refuse_twice};
use super::types::HostPort;
use super::value::Kind;

const KEYS: [&str; 9] = [
    "enabled",
    "publish",
    "allow",
    "private",
    "addresses",
    "hosts",
    "resolver",
    "proxy",
    "limits",
];

/// Reads `[net]`.
pub fn net(node: &Node<'_>, out: &mut Fragment, report: &mut Report) {
    let fields = node.table(&KEYS, report);
    out.net_enabled = fields.get("enabled").and_then(|node| node.truth(report));
    if let Some(node) = fields.get("publish") {
        let published = items(&node, "address", &PUBLISH_KEYS, report, publish);
        refuse_twice(&published, |publish| publish.address.to_string(), report);
        refuse_one_socket_twice(&published, report);
        out.publish = Some(published);
    }
    if let Some(node) = fields.get("allow") {
        out.allow = host_list(&node, report);
    }
    if let Some(node) = fields.get("private") {
        out.private = host_list(&node, report);
    }
    refuse_both(&out.allow, &out.private, report);
    if let Some(node) = fields.get("addresses") {
        out.addresses = items(&node, "network", &["port"], report, address_rule);
        refuse_twice(&out.addresses, AddressRule::to_string, report);
    }
    if let Some(node) = fields.get("hosts") {
        out.hosts = static_names(&node, report);
    }
    out.resolvers = fields
        .get("resolver")
        .and_then(|node| resolvers(&node, report));
    out.proxy = fields.get("proxy").and_then(|node| proxy(&node, report));
    if let Some(node) = fields.get("limits") {
        out.limits = limits(&node, report);
    }
}

/// The keys of `[net.limits]` that are numbers.
pub const COUNTS: [&str; 4] = ["connections", "per_host", "visitors", "queries"];

/// Those that are times.
pub const TIMES: [&str; 2] = ["connect", "idle"];

const PUBLISH_KEYS: [&str; 6] = [
    "in_container",
    "to",
    "allow_from",
    "proxy_from",
    "socket",
    "activation",
];

/// Whether a socket has to be handed over.
const ACTIVATION: [(&str, bool); 2] = [("require", true), ("prefer", false)];

/// An address that is served without more being said.
pub fn published(address: SocketAddr) -> Publish {
    Publish {
        address,
        in_container: None,
        to: None,
        allow_from: None,
        proxy_from: Vec::new(),
        socket: None,
        must_come: false,
    }
}

fn publish(line: &Line<'_>, report: &mut Report) -> Option<Publish> {
    let plain = report
        .keep(&line.place, host::parse_publish(&line.text))
        .map(published);
    let in_container = line.get("in_container").and_then(|node| {
        let text = node.text(report)?;
        report.keep(&node.place(), host::parse_publish(&text))
    });
    let to = line.get("to").and_then(|node| port(&node, report));
    let allow_from = line.get("allow_from").map(|node| networks(&node, report));
    let proxy_from = line.get("proxy_from").map(|node| networks(&node, report));
    let socket = line.get("socket").and_then(|node| {
        let text = node.text(report)?;
        report.keep(&node.place(), leaf::socket_name(&text))
    });
    let must_come = line.get("activation").and_then(|node| {
        let text = node.text(report)?;
        report.keep(&node.place(), leaf::word(&text, &ACTIVATION))
    });
    Some(Publish {
        socket,
        must_come: must_come.unwrap_or(false),
        in_container,
        to,
        allow_from,
        proxy_from: proxy_from.unwrap_or_default(),
        ..plain?
    })
}

/// One socket cannot be served in two ways.
fn refuse_one_socket_twice(published: &[Item<Publish>], report: &mut Report) {
    let mut names = BTreeMap::new();
    for item in published {
        let Some(name) = &item.value.socket else {
            continue;
        };
        if let Some(first) = names.insert(name, item.place.line()) {
            let hint = format!("first in line {first}: each address has a socket of its own");
            report.hinted(&item.place, format!("socket `{name}` twice"), hint);
        }
    }
}

fn port(node: &Node<'_>, report: &mut Report) -> Option<u16> {
    u16::try_from(node.whole(1..=65535, report)?).ok()
}

fn networks(node: &Node<'_>, report: &mut Report) -> Vec<Network> {
    let texts = node.texts(report);
    let read = |(text, place): (String, Place)| report.keep(&place, address::network(&text));
    texts.into_iter().filter_map(read).collect()
}

/// `"10.1.2.3:5432"`, or a table with `network` and `port`.
fn address_rule(line: &Line<'_>, report: &mut Report) -> Option<AddressRule> {
    let Some(node) = line.get("port") else {
        return report.keep(&line.place, address::rule(&line.text));
    };
    let network = report.keep(&line.place, address::reached(&line.text));
    let port = port(&node, report);
    Some(AddressRule {
        network: network?,
        port: port?,
    })
}

/// `"host"` takes back what an extended profile says.
fn resolvers(node: &Node<'_>, report: &mut Report) -> Option<Vec<SocketAddr>> {
    let texts = node.texts(report);
    if let [(text, _)] = texts.as_slice()
        && text == "host"
    {
        return Some(Vec::new());
    }
    if matches!(&node.value.kind, Kind::List(list) if list.is_empty()) {
        let hint = "write \"host\" to ask those of the host's resolv.conf";
        report.hinted(&node.place(), "no name server", hint);
    }
    let read = |(text, place): (String, Place)| report.keep(&place, address::resolver(&text));
    Some(texts.into_iter().filter_map(read).collect())
}

/// `"none"` takes back what an extended profile says.
fn proxy(node: &Node<'_>, report: &mut Report) -> Option<Option<Proxy>> {
    let text = node.text(report)?;
    if text == "none" {
        return Some(None);
    }
    report.keep(&node.place(), address::proxy(&text)).map(Some)
}

fn limits(node: &Node<'_>, report: &mut Report) -> Limits {
    let known = [COUNTS.as_slice(), &TIMES].concat();
    let fields = node.table(&known, report);
    Limits {
        counts: COUNTS.map(|key| {
            let number = fields.get(key)?.whole(1..=u64::from(MAX_COUNT), report)?;
            u32::try_from(number).ok()
        }),
        times: TIMES.map(|key| time(&fields.get(key)?, report)),
    }
}

fn time(node: &Node<'_>, report: &mut Report) -> Option<Duration> {
    if let Kind::Integer(_) | Kind::Float(_) = node.value.kind {
        let hint = "write a number and ms, s, m or h, as in \"10s\"";
        report.hinted(&node.place(), "a time without a unit", hint);
        return None;
    }
    let text = node.text(report)?;
    report.keep(&node.place(), leaf::duration(&text))
}

/// The hosts of one entry: one host, or those of a group.
pub fn entry(text: &str, why: &str, place: &Place) -> Result<Vec<Item<HostRule>>, Flaw> {
    let item = |value: HostRule, why: &str| Item {
        value,
        place: place.clone(),
        why: why.to_owned(),
    };
    if !text.starts_with('@') {
        let host = host::parse_host_port(text)?;
        return Ok(vec![item(usual(host), why)]);
    }
    let hosts = groups::hosts(text)?.into_iter();
    let line = |(rule, own): (HostRule, String)| match why.is_empty() {
        true => item(rule, &own),
        false => item(rule, why),
    };
    Ok(hosts.map(line).collect())
}

fn usual(host: HostPort) -> HostRule {
    HostRule {
        protocol: Protocol::at(host.port),
        records: false,
        host,
    }
}

/// A host that is both allowed and private would be checked by whichever line is found first.
pub fn refuse_both(allow: &[Item<HostRule>], private: &[Item<HostRule>], report: &mut Report) {
    for item in private {
        if allow
            .iter()
            .any(|other| other.value.host == item.value.host)
        {
            let hint = "a private host may be reached already: leave it out of allow";
            report.hinted(&item.place, "both in allow and in private", hint);
        }
    }
}

fn host_list(node: &Node<'_>, report: &mut Report) -> Vec<Item<HostRule>> {
    let entries = items(node, "host", &["port", "as", "records"], report, host_entry);
    let mut all: Vec<Item<HostRule>> = Vec::new();
    for item in entries.into_iter().flat_map(|entry| entry.value) {
        add(&mut all, item, true, report);
    }
    all
}

/// Adds a host, unless an earlier entry has it; `once` says whether a line that repeats another is a mistake.
pub fn add(all: &mut Vec<Item<HostRule>>, item: Item<HostRule>, once: bool, report: &mut Report) {
    let same = |earlier: &&mut Item<HostRule>| earlier.value.host == item.value.host;
    let Some(first) = all.iter_mut().find(same) else {
        all.push(item);
        return;
    };
    if first.value.protocol != item.value.protocol {
        let message = format!("{} with two protocols", item.value.host);
        let name = leaf::protocol_name(first.value.protocol);
        let hint = format!("{name} in {}: leave one of them out", first.place.origin());
        report.hinted(&item.place, message, hint);
    } else if once && !is_group(&item.place) && !is_group(&first.place) {
        let hint = format!("first in line {}", first.place.line());
        report.hinted(&item.place, "listed twice", hint);
    }
    // Two groups may share a host: what either of them needs is answered.
    first.value.records |= item.value.records;
}

fn is_group(place: &Place) -> bool {
    place
        .source
        .text
        .get(place.span.clone())
        .is_some_and(|text| text.trim_start_matches(['"', '\'']).starts_with('@'))
}

/// The entry's hosts, with the other keys of a table applied.
fn host_entry(line: &Line<'_>, report: &mut Report) -> Option<Vec<Item<HostRule>>> {
    let group = line.text.starts_with('@');
    for (key, message) in [
        ("port", "a group has its own ports"),
        ("as", "a group has its own protocols"),
        ("records", "a group says this itself"),
    ] {
        if let Some(node) = line.get(key).filter(|_| group) {
            report.add(&node.place(), message, None);
            return None;
        }
    }
    if group {
        return report.keep(&line.place, entry(&line.text, &line.why, &line.place));
    }
    let value = host_rule(line, report)?;
    Some(vec![Item {
        value,
        place: line.place.clone(),
        why: line.why.clone(),
    }])
}

fn host_rule(line: &Line<'_>, report: &mut Report) -> Option<HostRule> {
    let parsed = report.keep(&line.place, host::parse(&line.text));
    let as_word = line.get("as").map(|node| {
        let text = node.text(report)?;
        report.keep(&node.place(), leaf::word(&text, &leaf::PROTOCOLS))
    });
    let records = line.get("records").map(|node| node.truth(report));
    let own_port = match (line.get("port"), &parsed) {
        (Some(node), Some((_, Some(_)))) => {
            report.add(&node.place(), "the port is already behind the host", None);
            return None;
        }
        (Some(node), _) => Some(port(&node, report)?),
        (None, _) => None,
    };
    let (host, written) = parsed?;
    let port = own_port.or(written).unwrap_or(DEFAULT_PORT);
    let plain = usual(HostPort { host, port });
    Some(HostRule {
        protocol: as_word.unwrap_or(Some(plain.protocol))?,
        records: records.unwrap_or(Some(false))?,
        ..plain
    })
}

fn static_names(node: &Node<'_>, report: &mut Report) -> BTreeMap<String, Item<IpAddr>> {
    let mut all: BTreeMap<String, Item<IpAddr>> = BTreeMap::new();
    for (name, place, node) in node.pairs(report) {
        let name = report.keep(&place, host::parse_name(name, false));
        let value = static_address(&node, report);
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
