//! `flowjail plan`.
#![forbid(unsafe_code)]

use clap::Args;

use super::run::{self, JailFlags, Stopped};
use super::terminal::out;
use crate::plan;

/// Arguments of `plan`.
#[derive(Args)]
pub struct PlanArgs {
    #[command(flatten)]
    jail: JailFlags,
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
    /// The command; default: the profile's
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Prints the plan on stdout.
pub fn run(args: &PlanArgs) -> u8 {
    match run::resolve(&args.jail, &args.command) {
        Ok((host, plan)) if !args.json => {
            out(plan::render(&plan, &host.kernel));
            0
        }
        Ok((host, plan)) => {
            let whole = serde_json::json!({ "schema": 1, "kernel": host.kernel, "plan": plan, "steps": plan.steps() });
            out(format_args!("{whole:#}\n"));
            0
        }
        Err(Stopped(code)) => code,
    }
}
