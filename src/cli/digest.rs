//! What `run` says at the start in one line, and at the end about what was blocked.
#![forbid(unsafe_code)]

use std::fmt::Write;

use super::terminal::tame;
use crate::events::{Denial, advice};
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
        match allow.is_empty() {
            true => writeln!(out, "    no profile should allow it")?,
            false => writeln!(out, "    to allow it: {}", tame(&allow))?,
        }
    }
    if kinds.len() > MAX_LISTED || beyond > 0 {
        let rest = kinds.len().saturating_sub(MAX_LISTED);
        writeln!(
            out,
            "  and {} more, and {beyond} denials of kinds beyond those",
            count_kinds(rest)
        )?;
    }
    Ok(())
}

fn describe(denial: &Denial) -> (String, String) {
    match denial {
        Denial::Exec { path, argv } => {
            let words = shorten(&tame(&argv.join(" ")));
            (
                format!("start of the program {}: {words}", shorten(&tame(path))),
                advice::for_exec(path),
            )
        }
        Denial::Program { path } => {
            let what = format!("start of the program {}", shorten(&tame(path)));
            (what, advice::for_exec(path))
        }
        Denial::Call { syscall, tested } => {
            let args: Vec<String> = tested
                .iter()
                .map(|(arg, value)| format!("arg{arg} {value:#x}"))
                .collect();
            let with = if args.is_empty() {
                String::new()
            } else {
                format!(" with {}", args.join(", "))
            };
            (
                format!("system call {syscall}{with}"),
                advice::for_call(syscall, tested),
            )
        }
    }
}

/// A line that a person reads.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
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
