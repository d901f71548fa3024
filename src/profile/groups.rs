//! Named groups of hosts and of system calls: data files, read once.
#![forbid(unsafe_code)]

use std::sync::{Arc, LazyLock};

use super::host;
use super::problem::{Source, SourceKind};
use super::reader::Node;
use super::report::{Flaw, Report, nearest};
use super::types::HostPort;
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

/// The hosts of `@NAME` or `@NAME(PARAMETER)`, and the group's reason.
pub fn hosts(text: &str) -> Result<(String, Vec<HostPort>), Flaw> {
    let (name, parameter) = split(text)?;
    let (why, parameter_is, patterns) = host_group(name)?;
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
    let hosts = patterns
        .iter()
        .map(|pattern| host::parse_host_port(&pattern.replace("${name}", &parameter)));
    Ok((why, hosts.collect::<Result<_, _>>()?))
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

/// A host group: why, what its parameter is, and its patterns.
type HostGroup = (String, Option<String>, Vec<String>);

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
    let hosts = fields
        .get("hosts")
        .map(|node| node.texts(&mut report))
        .unwrap_or_default();
    Ok((
        fields.why(&mut report),
        parameter,
        hosts.into_iter().map(|(host, _)| host).collect(),
    ))
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
            let (why, parameter, patterns) = host_group(name).unwrap();
            assert!(!why.is_empty() && !patterns.is_empty(), "{name}");
            let text = if parameter.is_some() {
                format!("@{name}(mine)")
            } else {
                format!("@{name}")
            };
            let (_, hosts) = hosts(&text).unwrap_or_else(|flaw| panic!("{name}: {flaw:?}"));
            assert_eq!(hosts.len(), patterns.len());
        }
    }
}
