//! What `run` says at the start in one line, and at the end about what was blocked.
#![forbid(unsafe_code)]

use std::fmt::Write;

use super::terminal::tame;
use crate::events::Denial;
use crate::plan::Plan;
use crate::supervisor::Outcome;

/// One line: the jail and its promises; then the notes that warn.
pub fn start(plan: &Plan) -> String {
    let with = |state: &str| {
        let named: Vec<String> = plan
            .promises
            .iter()
            .filter(|line| line.state() == state)
            .map(|line| line.name())
            .collect();
        named.join(" ")
    };
    let mut line = format!("flowjail: {}: holds {}", plan.name, with("held"));
    let missing = with("not-held");
    if !missing.is_empty() {
        line += &format!("; NOT held: {missing} (see `flowjail plan`)");
    }
    line.push('\n');
    for address in &plan.publish {
        line += &format!("flowjail: {}: serves http://{address}\n", plan.name);
    }
    let warnings = plan
        .notes
        .iter()
        .filter(|note| note.to_lowercase().starts_with("warning"));
    warnings.for_each(|note| line += &format!("flowjail: {note}\n"));
    line
}

/// What was blocked, and the profile line that would allow each; nothing where nothing was.
pub fn end(plan: &Plan, outcome: &Outcome) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_end(&mut text, plan, outcome);
    text
}

/// Kinds that the digest lists; the events have them all.
const MAX_LISTED: usize = 20;

fn write_end(out: &mut String, plan: &Plan, outcome: &Outcome) -> std::fmt::Result {
    let (kinds, beyond) = outcome.ledger.kinds();
    let kinds: Vec<_> = kinds.collect();
    if kinds.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "flowjail: {}: blocked {} in {}",
        plan.name,
        times(outcome.ledger.total()),
        count_kinds(kinds.len())
    )?;
    for (denial, tally) in kinds.iter().take(MAX_LISTED) {
        let (what, allow) = describe(denial);
        writeln!(out, "  {what} ({})", times(tally.count))?;
        writeln!(out, "    to allow it: {allow}")?;
    }
    if kinds.len() > MAX_LISTED || beyond > 0 {
        let rest = kinds.len().saturating_sub(MAX_LISTED);
        writeln!(
            out,
            "  and {} more, {beyond} of other kinds; --events FILE has them",
            count_kinds(rest)
        )?;
    }
    Ok(())
}

fn describe(denial: &Denial) -> (String, String) {
    match denial {
        Denial::Exec { path, argv } => {
            let words = tame(&argv.join(" "));
            (
                format!("start of the program {}: {words}", tame(path)),
                format!("[exec] programs = [{path:?}]"),
            )
        }
        Denial::Call { syscall, key } if key.is_empty() => (
            format!("system call {syscall}"),
            format!("[syscalls] allow = [\"{syscall}\"]"),
        ),
        Denial::Call { syscall, key } => {
            let args: Vec<String> = key.iter().map(|arg| format!("{arg:#x}")).collect();
            let when = format!(
                "[syscalls] allow = [{{ name = \"{syscall}\", when = \"arg0 == {:#x}\" }}]",
                key[0]
            );
            (
                format!("system call {syscall}({}, ...)", args.join(", ")),
                when,
            )
        }
    }
}

fn times(count: u64) -> String {
    if count == 1 {
        "once".into()
    } else {
        format!("{count} times")
    }
}

fn count_kinds(count: usize) -> String {
    if count == 1 {
        "1 kind".into()
    } else {
        format!("{count} kinds")
    }
}
