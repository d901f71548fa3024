//! `[syscalls]`: rules and answers.
#![forbid(unsafe_code)]

use super::file::{Fragment, Item};
use super::groups;
use super::leaf;
use super::problem::Place;
use super::reader::{Fields, Node};
use super::report::{Flaw, Report};
use super::types::Answer;
use super::value::Kind;
use crate::syscalls::{Condition, Known, Rule, closest, known, parse_when};

/// Reads `[syscalls]`.
pub fn syscalls(node: &Node<'_>, out: &mut Fragment, report: &mut Report) {
    let fields = node.table(&["allow", "answer"], report);
    if let Some(node) = fields.get("allow") {
        for entry in node.list(report) {
            allow(&entry, None, &mut out.syscalls, report);
        }
    }
    if let Some(node) = fields.get("answer") {
        for entry in node.list(report) {
            answer(&entry, &mut out.answers, report);
        }
    }
    refuse_clashes(out, report);
}

/// The names that a text stands for in `remove`: one call, or those of a group.
pub fn names(text: &str) -> Result<Vec<String>, Flaw> {
    if !text.starts_with('@') {
        return name(text).map(|name| vec![name.to_owned()]);
    }
    let (source, value) = groups::syscalls(text)?;
    let mut rules = Vec::new();
    let mut report = Report::default();
    for entry in (Node { source, value }).list(&mut report) {
        allow(&entry, None, &mut rules, &mut report);
    }
    Ok(rules
        .into_iter()
        .map(|item| item.value.syscall.to_owned())
        .collect())
}

/// One entry of `allow`. Entries of a group take the place of the line that names the group, and its reason
/// where that line gives one.
fn allow(
    entry: &Node<'_>,
    group: Option<(&Place, &str)>,
    out: &mut Vec<Item<Rule>>,
    report: &mut Report,
) {
    if let Kind::String(text) = &entry.value.kind
        && text.starts_with('@')
    {
        return expand(text, &entry.place(), "", out, report);
    }
    let Some(line) = rule_line(entry, &["name", "names", "when", "arch", "why"], report) else {
        return;
    };
    for (text, place) in &line.names {
        if report.is_full() {
            return;
        }
        if text.starts_with('@') {
            expand(text, place, &line.why, out, report);
            continue;
        }
        let (place, why) = match group {
            Some((place, why)) => (place, if why.is_empty() { &line.why } else { why }),
            None => (place, line.why.as_str()),
        };
        if let Some(rule) = rule(text, place, why, line.when, report)
            && line.here
        {
            out.push(Item {
                value: rule,
                place: place.clone(),
                why: why.to_owned(),
            });
        }
    }
}

fn expand(text: &str, place: &Place, why: &str, out: &mut Vec<Item<Rule>>, report: &mut Report) {
    if let Some((source, value)) = report.keep(place, groups::syscalls(text)) {
        for entry in (Node { source, value }).list(report) {
            allow(&entry, Some((place, why)), out, report);
        }
    }
}

fn answer(entry: &Node<'_>, out: &mut Vec<Item<Answer>>, report: &mut Report) {
    let known = ["name", "names", "when", "arch", "errno", "why"];
    let Some(line) = rule_line(entry, &known, report) else {
        return;
    };
    let Some((errno_name, errno)) = errno(entry, &line, report) else {
        return;
    };
    for (text, place) in &line.names {
        if report.is_full() {
            return;
        }
        if let Some(rule) = rule(text, place, &line.why, line.when, report)
            && line.here
        {
            let value = Answer {
                rule,
                errno_name: errno_name.to_owned(),
                errno,
            };
            let why = line.why.clone();
            let place = place.clone();
            out.push(Item { value, place, why });
        }
    }
}

fn errno(
    entry: &Node<'_>,
    line: &RuleLine<'_>,
    report: &mut Report,
) -> Option<(&'static str, i32)> {
    let Some(node) = line.fields.and_then(|fields| fields.get("errno")) else {
        let hint = "as in { name = \"clone3\", errno = \"ENOSYS\" }";
        report.hinted(&entry.place(), "has no `errno`", hint);
        return None;
    };
    let text = node.text(report)?;
    report.keep(&node.place(), leaf::errno(&text))
}

/// An entry with its names; conditions are read per name, since arguments differ.
struct RuleLine<'v> {
    names: Vec<(String, Place)>,
    why: String,
    when: Option<Node<'v>>,
    fields: Option<Fields<'v>>,
    /// Whether the entry is for the architecture that this binary is built for.
    here: bool,
}

/// Architectures that `arch` can name.
const ARCHITECTURES: [(&str, &str); 2] = [("x86_64", "x86_64"), ("aarch64", "aarch64")];

fn rule_line<'v>(entry: &Node<'v>, known: &[&str], report: &mut Report) -> Option<RuleLine<'v>> {
    if let Kind::String(text) = &entry.value.kind {
        let names = vec![(text.clone(), entry.place())];
        return Some(RuleLine {
            names,
            why: String::new(),
            when: None,
            fields: None,
            here: true,
        });
    }
    let fields = entry.table(known, report);
    let names = match (fields.get("name"), fields.get("names")) {
        (Some(name), None) => vec![(name.text(report)?, name.place())],
        (None, Some(names)) => names.texts(report),
        (Some(_), Some(names)) => {
            report.add(&names.place(), "beside `name`", None);
            return None;
        }
        (None, None) => {
            if matches!(entry.value.kind, Kind::Table(_)) {
                report.add(&entry.place(), "has neither `name` nor `names`", None);
            }
            return None;
        }
    };
    let arch = fields.get("arch").and_then(|node| {
        let text = node.text(report)?;
        report.keep(&node.place(), leaf::word(&text, &ARCHITECTURES))
    });
    let here = arch.is_none_or(|arch| arch == std::env::consts::ARCH);
    Some(RuleLine {
        names,
        why: fields.why(report),
        when: fields.get("when"),
        fields: Some(fields),
        here,
    })
}

fn name(text: &str) -> Result<&'static str, Flaw> {
    match known(text) {
        Some(Known::Here(syscall)) => Ok(syscall.name),
        Some(Known::Elsewhere(name)) => Ok(name),
        None => Err(match closest(text) {
            Some(near) => Flaw::new("an unknown system call", format!("did you mean `{near}`?")),
            None => Flaw::new(
                "an unknown system call",
                "write its name as in its man page (section 2)",
            ),
        }),
    }
}

/// The rule for one name; none where only another architecture has the call.
fn rule(
    text: &str,
    place: &Place,
    why: &str,
    when: Option<Node<'_>>,
    report: &mut Report,
) -> Option<Rule> {
    let name = report.keep(place, name(text))?;
    let when = match when {
        Some(node) => conditions(name, &node, report)?,
        None => Vec::new(),
    };
    let Some(Known::Here(syscall)) = known(name) else {
        return None;
    };
    Some(Rule {
        syscall: syscall.name,
        number: syscall.number,
        when,
        why: why.to_owned(),
        origin: place.origin(),
    })
}

fn conditions(name: &str, node: &Node<'_>, report: &mut Report) -> Option<Vec<Vec<Condition>>> {
    let mut all = Vec::new();
    let mut flawed = false;
    let texts = node.texts(report);
    if texts.is_empty() {
        report.hinted(
            &node.place(),
            "no condition",
            "leave `when` out to allow the call as a whole",
        );
        return None;
    }
    for (text, place) in texts {
        match parse_when(name, &text) {
            Ok(conditions) => all.push(conditions),
            Err(error) => {
                flawed = true;
                let part = text
                    .get(error.start..error.start + error.len)
                    .unwrap_or_default();
                // A short word may stand earlier in the text, too: narrow to the whole condition first.
                let mut at = place.narrow(&text);
                if at.span.len() == text.len() {
                    at.span.start += error.start;
                    at.span.end = at.span.start + part.len().max(1);
                }
                report.add(&at, error.message, error.hint);
            }
        }
    }
    // A rule without its flawed condition would be another rule.
    (!flawed).then_some(all)
}

/// The same call twice with the same conditions, conditions beside an unconditional line, or a call that is
/// both allowed and answered: one of the lines has no effect.
fn refuse_clashes(out: &Fragment, report: &mut Report) {
    for (index, item) in out.syscalls.iter().enumerate() {
        for earlier in &out.syscalls[..index] {
            if earlier.value.syscall != item.value.syscall {
                continue;
            }
            let line = earlier.place.line();
            if earlier.value.when == item.value.when {
                report.hinted(
                    &item.place,
                    format!("`{}` is listed twice", item.value.syscall),
                    format!("first in line {line}"),
                );
            } else if earlier.value.when.is_empty() || item.value.when.is_empty() {
                let message = format!(
                    "`{}` is allowed both with and without conditions",
                    item.value.syscall
                );
                report.hinted(&item.place, message, format!("see line {line}"));
            }
        }
    }
    for item in &out.answers {
        if let Some(allowed) = unconditional(&item.value.rule, &out.syscalls) {
            let hint = format!("it is allowed in line {}", allowed.place.line());
            report.hinted(
                &item.place,
                format!("`{}` is both allowed and answered", item.value.rule.syscall),
                hint,
            );
        }
    }
}

/// The line that allows what an unconditional answer answers.
pub fn unconditional<'i>(answer: &Rule, allowed: &'i [Item<Rule>]) -> Option<&'i Item<Rule>> {
    if !answer.when.is_empty() {
        return None;
    }
    allowed
        .iter()
        .find(|item| item.value.number == answer.number)
}
