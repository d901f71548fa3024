//! What `run` says at the start in one line, and at the end about what was blocked.
#![forbid(unsafe_code)]

use std::fmt::Write;
use std::net::SocketAddr;

use super::usage;
use crate::events::phrase::{self, tame, times};
use crate::events::{Denial, Ledger, Tally, advice};
use crate::gateway::Doors;
use crate::gateway::address::metadata;
use crate::plan::Plan;
use crate::supervisor::Outcome;

/// One line: the jail and its promises; then the notes that warn.
pub fn start(plan: &Plan, doors: Option<&Doors>) -> String {
    let held = match plan.promises_in("held") {
        none if none.is_empty() => "nothing".into(),
        held => held,
    };
    let mut line = format!("flowjail: {}: holds {held}", plan.name);
    let missing = plan.promises_in("not-held");
    if !missing.is_empty() {
        line += &format!("; NOT held: {missing} (see `flowjail plan`)");
    }
    line.push('\n');
    for address in served(plan, doors) {
        line += &format!("flowjail: {}: serves http://{address}\n", plan.name);
    }
    if let Some(doors) = doors.filter(|doors| doors.name != plan.name) {
        let own = &doors.name;
        line += &format!(
            "flowjail: {}: another jail has this name: this one is `flowjail net {own}`\n",
            plan.name
        );
    }
    let network = plan.network.iter();
    let named = network.clone().flat_map(|network| {
        let names = network.names.iter();
        names.map(|(name, address)| (name.as_str(), *address))
    });
    let unnamed = network.flat_map(|network| &network.addresses);
    let unnamed = unnamed.filter(|line| line.network.is_single());
    let all = named.chain(unnamed.map(|line| ("[net] addresses", line.network.address)));
    for (what, address) in all.filter(|(_, address)| metadata(*address)) {
        line += &format!(
            "flowjail: WARNING: {what}: {address} is a cloud's metadata service: it hands out the machine's credentials\n"
        );
    }
    let told = |note: &&String| {
        let lower = note.to_lowercase();
        // Whoever starts a container can still say how long it has.
        lower.starts_with("warning") || lower.starts_with("stopping")
    };
    let warnings = plan.notes.iter().filter(told);
    warnings.for_each(|note| line += &format!("flowjail: {note}\n"));
    line
}

/// What is really listened on: a socket that was handed over has an address of its own.
pub fn served(plan: &Plan, doors: Option<&Doors>) -> Vec<SocketAddr> {
    match doors {
        None if plan.no_network => Vec::new(),
        None => plan.publish.clone(),
        Some(doors) => doors
            .published
            .iter()
            .map(|door| door.line.address)
            .collect(),
    }
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

/// Hosts that could not be reached, one line each.
fn write_failures(out: &mut String, plan: &Plan, failures: &Ledger) -> std::fmt::Result {
    // Visitors who came before the program listened are nobody's concern by now.
    let hosts = |kind: &(&Denial, &Tally)| matches!(kind.0, Denial::Connection { .. });
    let kinds: Vec<_> = failures.kinds().0.filter(hosts).collect();
    if kinds.is_empty() {
        return Ok(());
    }
    writeln!(out, "flowjail: {}: allowed, and failed:", plan.name)?;
    for (failure, tally) in kinds.iter().take(MAX_LISTED) {
        writeln!(out, "  {} ({})", describe(failure).0, times(tally.count))?;
    }
    match kinds.len().saturating_sub(MAX_LISTED) {
        0 => Ok(()),
        rest => writeln!(out, "  and {} more", count_kinds(rest)),
    }
}

fn write_end(out: &mut String, plan: &Plan, outcome: &Outcome) -> std::fmt::Result {
    if let Some(usage) = &outcome.usage {
        usage::write(out, plan, usage)?;
    }
    write_failures(out, plan, &outcome.failures)?;
    let (kinds, beyond) = outcome.ledger.kinds();
    let kinds: Vec<_> = kinds.collect();
    if outcome.ledger.total() == 0 {
        return Ok(());
    }
    let total = times(outcome.ledger.total());
    let of = count_kinds(kinds.len());
    writeln!(out, "flowjail: {}: blocked {total} in {of}", plan.name)?;
    for (denial, tally) in kinds.iter().take(MAX_LISTED) {
        let (what, allow) = describe(denial);
        writeln!(out, "  {what} ({})", times(tally.count))?;
        match allow.is_empty() {
            true => writeln!(out, "    no profile should allow it")?,
            false => writeln!(out, "    to allow it: {}", tame(&allow))?,
        }
    }
    let rest = kinds.len().saturating_sub(MAX_LISTED);
    if rest > 0 {
        writeln!(
            out,
            "  and {} more, which the events list",
            count_kinds(rest)
        )?;
    }
    if beyond > 0 {
        writeln!(
            out,
            "  and {} more, too many to be told apart",
            times(beyond)
        )?;
    }
    let names = |(denial, _): &(&Denial, &Tally)| matches!(denial, Denial::Name { allow, .. } if allow.starts_with("--allow"));
    if kinds.iter().any(names) {
        // Whoever asks for a name does not say for which port.
        writeln!(
            out,
            "  --allow NAME is for port 443; write NAME:PORT for another"
        )?;
    }
    Ok(())
}

fn describe(denial: &Denial) -> (String, String) {
    let allow = match denial {
        Denial::Exec { path, .. } | Denial::Program { path } => advice::for_exec(path),
        Denial::Connection { allow, .. }
        | Denial::Name { allow, .. }
        | Denial::Visitor { allow, .. } => allow.clone(),
        Denial::Call { syscall, tested } => advice::for_call(syscall, tested),
    };
    (phrase::denial(denial), allow)
}

fn count_kinds(count: usize) -> String {
    if count == 1 {
        "1 kind".into()
    } else {
        format!("{count} kinds")
    }
}
