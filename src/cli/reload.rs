//! `flowjail reload`: a changed profile for a jail that runs.
#![forbid(unsafe_code)]

use std::fmt::Write;

use clap::Args;

use super::run::{self, JailFlags, Stopped};
use super::running;
use super::terminal::{fail, out, say};
use crate::events::phrase::tame;
use crate::gateway::doors::plain;
use crate::gateway::reload::{Answer, Request, SCHEMA};
use crate::plan::{Egress, Plan, facts, resolve_again, sealed};
use crate::sys::process;

/// Everything that can be is in force, and something needs a restart.
const RESTART: u8 = 10;

/// Arguments of `reload`.
#[derive(Args)]
pub struct ReloadArgs {
    #[command(flatten)]
    jail: JailFlags,
    /// Print what came of it as JSON
    #[arg(long)]
    json: bool,
    /// The command, as `run` was given it; default: the profile's
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Resolves the profile as `run` would, and hands its rules to the jail that runs.
pub fn run(args: &ReloadArgs) -> u8 {
    reload(args).unwrap_or_else(|Stopped(code)| code)
}

fn reload(args: &ReloadArgs) -> Result<u8, Stopped> {
    let stop = |message: String, hint: &str| Stopped(fail(super::FAILED, message, Some(hint)));
    let name = match &args.jail.name {
        Some(name) => name.clone(),
        None => run::load(&args.jail)?.name,
    };
    let name =
        running::which(Some(&plain(&name))).map_err(|(message, hint)| stop(message, &hint))?;
    let failed = |error: String| {
        let hint = running::hint(&error);
        stop(format!("jail `{name}`: {}", tame(&error)), hint)
    };
    let starter = running::starter(&name).map_err(failed)?;
    if !starter.is_root() && starter != nix::unistd::geteuid() {
        // Another user's home and rights would make another plan of the same profile.
        let message = format!("jail `{name}`: uid {starter} has started it");
        let hint = "reload it as that user: runuser -u USER -- flowjail reload ...";
        return Err(stop(message, hint));
    }
    let (_, plan) = run::plan_by(resolve_again, &args.jail, &args.command, false)?;
    let request = serde_json::to_vec(&request(&plan)).map_err(|error| failed(error.to_string()))?;
    let text = running::ask(&name, &request).map_err(failed)?;
    let answer: Answer =
        serde_json::from_str(&text).map_err(|error| failed(format!("its answer: {error}")))?;
    if args.json {
        out(format_args!("{text}\n"));
    }
    if let Some(why) = &answer.refused {
        let message = format!("jail `{name}`: nothing is changed: {}", tame(why));
        return Err(Stopped(fail(super::FAILED, message, None)));
    }
    if !args.json {
        say(format_args!("{}\n", render(&answer)));
    }
    Ok(if answer.restart.is_empty() {
        0
    } else {
        RESTART
    })
}

fn request(plan: &Plan) -> Request {
    let mut salt = [0u8; 16];
    process::random(&mut salt);
    let salt: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
    Request {
        schema: SCHEMA,
        facts: sealed(&facts(plan), &salt),
        salt,
        egress: plan.network.as_ref().map(Egress::of),
    }
}

fn render(answer: &Answer) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_answer(&mut text, answer);
    text
}

fn write_answer(out: &mut String, answer: &Answer) -> std::fmt::Result {
    let (added, removed) = (answer.added.len(), answer.removed.len());
    let jail = tame(&answer.jail);
    match added + removed + answer.changed.len() {
        0 => write!(out, "jail `{jail}`: its rules say the same as before")?,
        _ => write!(
            out,
            "jail `{jail}`: {added} added, {removed} removed, {} connections ended",
            answer.ended
        )?,
    }
    let marked = [
        ('+', &answer.added),
        ('-', &answer.removed),
        ('~', &answer.changed),
    ];
    for (mark, lines) in marked {
        for line in lines {
            write!(out, "\n  {mark} {}", tame(line))?;
        }
    }
    if answer.restart.is_empty() {
        return Ok(());
    }
    write!(out, "\nwhat else has changed needs a restart:")?;
    for key in &answer.restart {
        write!(out, "\n  {}", tame(key))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::gateway::reload::Answer;

    #[test]
    fn what_came_of_it_is_said_in_lines() {
        let text = |one: &str| vec![one.to_owned()];
        let answer = Answer {
            jail: "flowise".into(),
            added: text("a.test:443 as tls"),
            removed: text("b.test:5432 as tcp"),
            restart: text("[env] TZ"),
            ended: 2,
            ..Answer::default()
        };
        let expected = "jail `flowise`: 1 added, 1 removed, 2 connections ended\n  + a.test:443 as tls\n  \
                        - b.test:5432 as tcp\nwhat else has changed needs a restart:\n  [env] TZ";
        assert_eq!(render(&answer), expected);
        let same = Answer {
            jail: "flowise".into(),
            ..Answer::default()
        };
        let expected = "jail `flowise`: its rules say the same as before";
        assert_eq!(render(&same), expected);
    }
}
