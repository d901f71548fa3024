//! `flowjail check`.
#![forbid(unsafe_code)]

use clap::Args;

use super::terminal::{out, say};
use crate::profile::{self, Overlay, Place, Problem};

/// Arguments of `check`.
#[derive(Args)]
pub struct CheckArgs {
    /// A profile's name or file
    #[arg(default_value = "flowise", value_name = "NAME|FILE")]
    profile: String,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Loads the profile and says all of its problems, or that there are none.
pub fn run(args: &CheckArgs) -> u8 {
    let checked = profile::load(&args.profile, &Overlay::default());
    if args.json {
        let all: Vec<_> = checked
            .as_ref()
            .err()
            .into_iter()
            .flat_map(|problems| &problems.list)
            .map(row)
            .collect();
        out(format_args!(
            "{}\n",
            serde_json::json!({ "schema": 1, "ok": checked.is_ok(), "problems": all })
        ));
    }
    match checked {
        Ok(profile) if !args.json => {
            out(format_args!(
                "profile `{}` is good: {} system call rules, {} readable paths, {} hosts\n",
                profile.name,
                profile.allow.len(),
                profile.files.read.len(),
                profile.net.allow.len()
            ));
            0
        }
        Ok(_) => 0,
        Err(problems) => {
            if !args.json {
                say(problems);
            }
            super::FAILED
        }
    }
}

fn row(problem: &Problem) -> serde_json::Value {
    let line = problem.span.clone().map(|span| {
        Place {
            source: problem.file.clone(),
            span,
        }
        .line()
    });
    serde_json::json!({
        "file": problem.file.name,
        "line": line,
        "message": problem.message,
        "hint": problem.hint,
    })
}
