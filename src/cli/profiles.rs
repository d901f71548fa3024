//! `flowjail profiles`.
#![forbid(unsafe_code)]

use clap::{Args, Subcommand};

use super::terminal::{fail, out};
use crate::profile::{self, Overlay};

/// Arguments of `profiles`.
#[derive(Args)]
pub struct ProfilesArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Verb {
    /// List the built-in profiles
    List,
    /// List the groups of hosts that [net] allow and --allow take as @NAME
    Groups,
    /// Print a built-in profile's text
    Show {
        /// Its name
        name: String,
    },
}

/// Lists or shows.
pub fn run(args: &ProfilesArgs) -> u8 {
    match &args.verb {
        None | Some(Verb::List) => list(args.json),
        Some(Verb::Groups) => groups(args.json),
        Some(Verb::Show { name }) => show(name),
    }
}

fn list(json: bool) -> u8 {
    let loaded = |name: &str| {
        profile::load(name, &Overlay::default())
            .map(|profile| profile.about)
            .unwrap_or_default()
    };
    let all: Vec<(&str, String)> = profile::builtin_names()
        .map(|name| (name, loaded(name)))
        .collect();
    if json {
        let rows: Vec<_> = all
            .iter()
            .map(|(name, about)| serde_json::json!({ "name": name, "about": about }))
            .collect();
        out(format_args!("{}\n", serde_json::Value::from(rows)));
    } else {
        all.iter()
            .for_each(|(name, about)| out(format_args!("{name:<14} {about}\n")));
    }
    0
}

fn groups(json: bool) -> u8 {
    let all = profile::host_groups();
    if json {
        out(format_args!("{}\n", serde_json::json!(all)));
        return 0;
    }
    for group in all {
        out(format_args!("{}\n", group.name));
        for (host, why) in group.hosts {
            out(format_args!("  {host:<44} {why}\n"));
        }
    }
    0
}

fn show(name: &str) -> u8 {
    match profile::builtin_text(name) {
        Some(text) => {
            out(text);
            0
        }
        None => {
            let names: Vec<&str> = profile::builtin_names().collect();
            fail(
                super::FAILED,
                format!("no built-in profile `{name}`"),
                Some(&format!("there are {}", names.join(", "))),
            )
        }
    }
}
