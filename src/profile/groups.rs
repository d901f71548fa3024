//! Named groups of hosts and of system calls: data files, read once.
#![forbid(unsafe_code)]

use std::sync::{Arc, LazyLock};

use super::host;
use super::leaf;
use super::net::{HostRule, Protocol};
use super::problem::{Source, SourceKind};
use super::reader::Node;
use super::report::{Flaw, Report, nearest};
use super::value::{Value, parse_toml};

const HOSTS: &str = include_str!("../../profiles/groups/hosts.toml");
const SYSCALLS: &str = include_str!("../../profiles/groups/syscalls.toml");

/// A group file, parsed.
struct GroupFile {
    source: Arc<Source>,
    root: Value,
}

static HOST_FILE: LazyLock<GroupFile> = LazyLock::new(|| group_file("groups/hosts.toml", HOSTS));
static SYSCALL_FILE: LazyLock<GroupFile> =
    LazyLock::new(|| group_file("groups/syscalls.toml", SYSCALLS));

fn group_file(name: &str, text: &str) -> GroupFile {
    let root = parse_toml(text).expect("the embedded group files are TOML: a test reads them");
    let source = Source::new(name, text, SourceKind::Toml);
    GroupFile {
        source: Arc::new(source),
        root,
    }
}

/// The hosts of `@NAME` or `@NAME(PARAMETER)`, each with its reason: its own, or the group's.
pub fn hosts(text: &str) -> Result<Vec<(HostRule, String)>, Flaw> {
    let (name, parameter) = split(text)?;
    let (parameter_is, lines) = host_group(name)?;
    let parameter = match (parameter, parameter_is) {
        (Some(value), Some(_)) => Some(host::parse_labels(value)?),
        (None, None) => None,
        (None, Some(what)) => {
            let hint =
                format!("write @{name}(NAME) with {what}; others can rent a name beside yours");
            return Err(Flaw::new("a group that needs a parameter", hint));
        }
        (Some(_), None) => {
            return Err(Flaw::new(
                "a group without a parameter",
                format!("write @{name}"),
            ));
        }
    };
    let parameter = parameter.unwrap_or_default();
    let lines = lines.into_iter().map(|line| {
        let host = host::parse_host_port(&line.pattern.replace("${name}", &parameter))?;
        let rule = HostRule {
            protocol: line.protocol.unwrap_or(Protocol::at(host.port)),
            records: line.records,
            host,
        };
        Ok((rule, line.why))
    });
    lines.collect()
}

/// The entries of the system call group `@NAME`, of the same shape as those of `syscalls.allow`.
pub fn syscalls(text: &str) -> Result<(&'static Arc<Source>, &'static Value), Flaw> {
    let (name, parameter) = split(text)?;
    if parameter.is_some() {
        return Err(Flaw::new(
            "a group without a parameter",
            format!("write @{name}"),
        ));
    }
    let file = &*SYSCALL_FILE;
    let mut ignored = Report::default();
    let root = Node {
        source: &file.source,
        value: &file.root,
    };
    let groups = root.pairs(&mut ignored);
    match groups.iter().find(|(known, _, _)| *known == name) {
        Some((_, _, node)) => match node.table(&["list"], &mut ignored).get("list") {
            Some(list) => Ok((&file.source, list.value)),
            None => Err(Flaw::bare("an empty group")),
        },
        None => Err(unknown(name, groups.iter().map(|(known, _, _)| *known))),
    }
}

/// The names of all host groups, for hints and listings.
pub fn host_names() -> Vec<&'static str> {
    let file = &*HOST_FILE;
    Node {
        source: &file.source,
        value: &file.root,
    }
    .pairs(&mut Report::default())
    .into_iter()
    .map(|(name, _, _)| name)
    .collect()
}

/// A group as `flowjail profiles groups` shows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HostGroupInfo {
    /// As it is written in a profile, with what stands in the parentheses where it takes a parameter.
    pub name: String,
    /// Its hosts and their ports, each with its reason.
    pub hosts: Vec<(String, String)>,
}

/// Every host group.
pub fn all_hosts() -> Vec<HostGroupInfo> {
    let info = |name: &str| {
        let (parameter, lines) = host_group(name).ok()?;
        let parameter = parameter.map_or(String::new(), |what| format!("({what})"));
        let host = |line: GroupLine| {
            let shown = line.pattern.replace("${name}", "NAME");
            (shown, line.why)
        };
        Some(HostGroupInfo {
            name: format!("@{name}{parameter}"),
            hosts: lines.into_iter().map(host).collect(),
        })
    };
    host_names().into_iter().filter_map(info).collect()
}

/// A host group: what its parameter is, and its lines.
type HostGroup = (Option<String>, Vec<GroupLine>);

/// A host of a group.
struct GroupLine {
    /// The host and its port, with `${name}` for the parameter.
    pattern: String,
    protocol: Option<Protocol>,
    records: bool,
    why: String,
}

fn host_group(name: &str) -> Result<HostGroup, Flaw> {
    let file = &*HOST_FILE;
    let mut report = Report::default();
    let root = Node {
        source: &file.source,
        value: &file.root,
    };
    let Some((_, _, node)) = root
        .pairs(&mut report)
        .into_iter()
        .find(|(known, _, _)| *known == name)
    else {
        return Err(unknown(name, host_names()));
    };
    let fields = node.table(&["why", "parameter", "hosts"], &mut report);
    let parameter = fields
        .get("parameter")
        .and_then(|node| node.text(&mut report));
    let why = fields.why(&mut report);
    let nodes = fields.get("hosts").map(|node| node.list(&mut report));
    let lines = nodes.unwrap_or_default().into_iter().filter_map(|node| {
        let line = node.line("host", &["as", "records"], &mut report)?;
        let protocol = line.get("as").and_then(|node| {
            let text = node.text(&mut report)?;
            report.keep(&node.place(), leaf::word(&text, &leaf::PROTOCOLS))
        });
        let records = line.get("records").and_then(|node| node.truth(&mut report));
        Some(GroupLine {
            pattern: line.text,
            protocol,
            records: records.unwrap_or(false),
            why: if line.why.is_empty() {
                why.clone()
            } else {
                line.why
            },
        })
    });
    let lines = lines.collect();
    debug_assert!(
        report.is_empty(),
        "the embedded group files are right: a test reads them"
    );
    Ok((parameter, lines))
}

fn split(text: &str) -> Result<(&str, Option<&str>), Flaw> {
    let rest = text.strip_prefix('@').unwrap_or(text);
    match rest.split_once('(') {
        None => Ok((rest, None)),
        Some((name, parameter)) => match parameter.strip_suffix(')') {
            Some(parameter) => Ok((name, Some(parameter))),
            None => Err(Flaw::new(
                "`(` is not closed",
                "write @GROUP or @GROUP(NAME)",
            )),
        },
    }
}

fn unknown<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Flaw {
    let known: Vec<&str> = known.into_iter().collect();
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `@{near}`?"),
        None => format!("the groups are @{}", known.join(", @")),
    };
    Flaw::new("an unknown group", hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_host_group_has_a_reason_and_hosts_that_are_valid() {
        for name in host_names() {
            let (parameter, lines) = host_group(name).unwrap();
            assert!(!lines.is_empty(), "{name}");
            assert!(lines.iter().all(|line| !line.why.is_empty()), "{name}");
            let text = if parameter.is_some() {
                format!("@{name}(mine)")
            } else {
                format!("@{name}")
            };
            let hosts = hosts(&text).unwrap_or_else(|flaw| panic!("{name}: {flaw:?}"));
            assert_eq!(hosts.len(), lines.len());
        }
    }
}
