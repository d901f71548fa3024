//! A plan as text for people: the promise table, then the steps.
#![forbid(unsafe_code)]

use std::fmt::Write;

use super::promises::{Holding, PromiseLine, key};
use super::{LandlockPlan, NetworkPlan, Plan, Runner};

/// The whole plan.
pub fn render(plan: &Plan, kernel: &str) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_plan(&mut out, plan, kernel);
    out
}

fn write_plan(out: &mut String, plan: &Plan, kernel: &str) -> std::fmt::Result {
    writeln!(
        out,
        "{} jail `{}` from profile `{}` on Linux {kernel}",
        plan.kind, plan.name, plan.profile
    )?;
    writeln!(out, "program   {}", plan.argv.join(" "))?;
    writeln!(out, "ids       uid {} gid {}", plan.ids.uid, plan.ids.gid)?;
    for note in &plan.notes {
        writeln!(out, "note      {note}")?;
    }
    writeln!(out, "\nPROMISE      LEVEL    HELD")?;
    for line in &plan.promises {
        writeln!(
            out,
            "{:<12} {:<8} {}",
            key(&line.promise),
            key(&line.level),
            held(line)
        )?;
    }
    if let Some(filter) = &plan.filter {
        let seen = if filter.listener {
            "the rest is refused and reported"
        } else {
            "the rest is refused UNSEEN"
        };
        writeln!(out, "\nsystem calls: {} allowed, {seen}", filter.allowed)?;
    }
    if let Some(landlock) = &plan.landlock {
        write_landlock(out, landlock)?;
    }
    if let Some(network) = &plan.network {
        write_network(out, network)?;
    }
    writeln!(out, "\nenvironment: {}", names(plan))?;
    write_secrets(out, plan)?;
    writeln!(out, "\nSTEPS")?;
    for (index, step) in plan.steps().iter().enumerate() {
        let runner = match step.runner() {
            Runner::Supervisor => "supervisor",
            Runner::Init => "init",
            Runner::Workload => "workload",
            Runner::Gateway => "gateway",
        };
        writeln!(out, "{:>3} {runner:<10} {step}", index + 1)?;
    }
    Ok(())
}

fn names(plan: &Plan) -> String {
    let all: Vec<&str> = plan.env.iter().map(|(name, _)| name.as_str()).collect();
    if all.is_empty() {
        "empty".into()
    } else {
        all.join(" ")
    }
}

/// Names and places; the values are nobody's business here.
fn write_secrets(out: &mut String, plan: &Plan) -> std::fmt::Result {
    if !plan.secrets.is_empty() {
        writeln!(out, "\nSECRETS")?;
    }
    for line in &plan.secrets {
        let form = match &line.at {
            None => format!("variable {}", line.name),
            Some(at) => format!("file     {} -> {}", line.name, at.display()),
        };
        let credential = line.credential.iter();
        let credential: String = credential
            .map(|name| format!("credential {name}, "))
            .collect();
        let source = match &line.source {
            Some(source) => source.display().to_string(),
            None => "nowhere".into(),
        };
        let absent = if line.present {
            ""
        } else {
            ": NOT THERE, optional"
        };
        let origin = &line.origin;
        writeln!(
            out,
            "    {form}  from {credential}{source}{absent}  ({origin})"
        )?;
    }
    Ok(())
}

fn write_landlock(out: &mut String, landlock: &LandlockPlan) -> std::fmt::Result {
    writeln!(out, "\nLANDLOCK")?;
    for rule in &landlock.rules {
        writeln!(out, "    {:<8} {}", key(&rule.access), rule.path.display())?;
    }
    if landlock.abi >= 4 {
        writeln!(
            out,
            "    tcp bind {:?}, tcp connect {:?}",
            landlock.bind, landlock.connect
        )?;
    }
    Ok(())
}

fn write_network(out: &mut String, network: &NetworkPlan) -> std::fmt::Result {
    writeln!(out, "\nNETWORK")?;
    write_served(out, network)?;
    write_allowed(out, network)?;
    let limits = &network.limits;
    writeln!(out, "    resolve  by {}", joined(&network.resolvers))?;
    if let Some(proxy) = &network.proxy {
        writeln!(out, "    through  {proxy}")?;
    }
    writeln!(
        out,
        "    limits   {} connections, {} to one host, {} visitors, connect {:?}, idle {:?}",
        limits.connections, limits.per_host, limits.visitors, limits.connect, limits.idle
    )
}

fn write_served(out: &mut String, network: &NetworkPlan) -> std::fmt::Result {
    for line in &network.publish {
        let from = match &line.allow_from {
            None => "anyone".to_owned(),
            Some(guests) if guests.is_empty() => "nobody".to_owned(),
            Some(guests) => joined(guests),
        };
        write!(
            out,
            "    serve    {} -> port {} of the jail, from {from}",
            line.address, line.to
        )?;
        if !line.proxy_from.is_empty() {
            write!(out, ", PROXY protocol from {}", joined(&line.proxy_from))?;
        }
        match (&line.socket, line.must_come) {
            (Some(name), true) => write!(out, ", by the socket `{name}` that is handed over")?,
            (Some(name), false) => {
                write!(out, ", by the socket `{name}` where one is handed over")?
            }
            (None, true) => write!(out, ", by a socket that is handed over")?,
            (None, false) => {}
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_allowed(out: &mut String, network: &NetworkPlan) -> std::fmt::Result {
    for line in &network.hosts {
        let private = if line.private { ", may be private" } else { "" };
        let records = if line.records { ", SRV and TXT" } else { "" };
        let protocol = key(&line.protocol);
        writeln!(
            out,
            "    allow    {}:{} as {protocol}{private}{records}  ({})",
            line.pattern, line.port, line.origin
        )?;
    }
    for line in &network.addresses {
        writeln!(
            out,
            "    allow    {} port {}  ({})",
            line.network, line.port, line.origin
        )?;
    }
    for (name, address) in &network.names {
        writeln!(out, "    name     {name} = {address}")?;
    }
    Ok(())
}

fn joined(all: &[impl std::fmt::Display]) -> String {
    let texts: Vec<String> = all.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

fn held(line: &PromiseLine) -> String {
    match &line.holding {
        Holding::Held(by) => by.join(" + "),
        Holding::NotHeld { why, part } if part.is_empty() => format!("NOT HELD: {why}"),
        Holding::NotHeld { why, part } => {
            format!("NOT HELD: {why} (in part: {})", part.join(" + "))
        }
    }
}
