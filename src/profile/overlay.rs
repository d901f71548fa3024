//! The command line's additions: each flag is the same as its profile line.
#![forbid(unsafe_code)]

use std::sync::Arc;

use super::file::{Fragment, Item};
use super::net::HostRule;
use super::problem::{Place, Source, SourceKind};
use super::report::{Flaw, Report, did_you_mean};
use super::{host, hosts, template};

/// What the command line adds to a profile. The values are as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlay {
    /// `--allow HOST[:PORT]` or `@GROUP`.
    pub allow: Vec<String>,
    /// `--allow-private HOST[:PORT]`.
    pub allow_private: Vec<String>,
    /// `--add-host NAME=ADDR`.
    pub add_host: Vec<String>,
    /// `--publish ADDR:PORT`; replaces the profile's.
    pub publish: Vec<String>,
    /// `--with FEATURE`.
    pub features: Vec<String>,
    /// `--set PARAM=VALUE`.
    pub set: Vec<String>,
}

/// Reads all flags.
pub fn read(overlay: &Overlay, report: &mut Report) -> Fragment {
    let mut out = Fragment {
        allow: host_list("--allow", &overlay.allow, report),
        private: host_list("--allow-private", &overlay.allow_private, report),
        ..Fragment::default()
    };
    // The more that is asked for by hand counts: the advice of an earlier run is added to its flags as it stands.
    out.allow.retain(|item| !names(&out.private, item));
    for text in &overlay.add_host {
        let place = place("--add-host", text, report);
        if let Some((name, address)) = report.keep(&place, static_name(text)) {
            out.hosts.insert(name, Item::plain(address, place));
        }
    }
    for text in &overlay.publish {
        let place = place("--publish", text, report);
        if let Some(value) = report.keep(&place, host::parse_publish(text)) {
            out.publish
                .get_or_insert_default()
                .push(Item::plain(hosts::published(value), place));
        }
    }
    for text in &overlay.features {
        let place = place("--with", text, report);
        out.features.push(Item::plain(text.clone(), place));
    }
    for text in &overlay.set {
        let place = place("--set", text, report);
        if let Some((name, value)) = report.keep(&place, parameter(text)) {
            out.params.insert(
                name,
                Item {
                    value,
                    place,
                    why: String::new(),
                },
            );
        }
    }
    out
}

fn names(list: &[Item<HostRule>], item: &Item<HostRule>) -> bool {
    list.iter().any(|other| other.value.host == item.value.host)
}

/// Leaves out what a profile allows already: its line may say more about the host than a flag can.
pub fn keep_lines(over: &mut Fragment, merged: &Fragment) {
    let known = [&merged.allow, &merged.private];
    over.allow
        .retain(|item| !known.iter().any(|list| names(list, item)));
    over.private.retain(|item| !names(&merged.private, item));
}

/// A parameter that the profile does not have would be set for nothing.
pub fn check_params(over: &Fragment, merged: &Fragment, report: &mut Report) {
    for (name, item) in &over.params {
        let known = || merged.params.keys().map(String::as_str);
        if !merged.params.contains_key(name) {
            let hint = did_you_mean(name, known()).unwrap_or_else(|| {
                let names: Vec<&str> = known().collect();
                if names.is_empty() {
                    "this profile has none".to_owned()
                } else {
                    format!("this profile has: {}", names.join(", "))
                }
            });
            report.hinted(&item.place.narrow(name), "an unknown parameter", hint);
        }
    }
}

fn place(flag: &str, text: &str, report: &mut Report) -> Place {
    let source = Arc::new(Source::new(flag, text, SourceKind::Flag));
    report.meet(&source);
    Place {
        span: 0..source.text.len(),
        source,
    }
}

fn host_list(flag: &str, texts: &[String], report: &mut Report) -> Vec<Item<HostRule>> {
    let mut all: Vec<Item<HostRule>> = Vec::new();
    for text in texts {
        let place = place(flag, text, report);
        let items = report.keep(&place, hosts::entry(text, "", &place));
        for item in items.into_iter().flatten() {
            hosts::add(&mut all, item, false, report);
        }
    }
    all
}

fn static_name(text: &str) -> Result<(String, std::net::IpAddr), Flaw> {
    let example = "write NAME=ADDR, as in ollama=127.0.0.1";
    let (name, address) = text
        .split_once('=')
        .ok_or_else(|| Flaw::new("no `=`", example))?;
    let host = host::parse_name(name, false)?;
    let parsed = address
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse();
    let flaw = |_| Flaw::new("not an IP address", example).at(address);
    Ok((host, parsed.map_err(flaw)?))
}

fn parameter(text: &str) -> Result<(String, super::types::Template), Flaw> {
    let example = "write PARAM=VALUE, as in data=~/.flowise";
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| Flaw::new("no `=`", example))?;
    if !template::is_name(name) {
        return Err(Flaw::new("not a parameter's name", example).at(name));
    }
    Ok((name.to_owned(), template::parse(value)?))
}
