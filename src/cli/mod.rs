//! The command line: clap, one file per command, the only place that prints.
#![forbid(unsafe_code)]

mod check;
mod descriptors;
mod digest;
mod handed_over;
mod health;
mod journal;
mod net;
mod plan;
mod profiles;
mod reload;
mod run;
mod running;
mod secrets;
mod terminal;
mod up;
mod usage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs Flowise, or any node program, inside a jail made from one profile file.
#[derive(Parser)]
#[command(name = "flowjail", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a command in a jail; without a profile it is Flowise's.
    Run(run::RunArgs),
    /// Get Flowise from npm when it is not there yet, and start it in its jail.
    ///
    /// Needs node 24 or 20. The first time it also needs npm, python3, make, a C++ compiler and about
    /// 4 GB of disk; it takes two to ten minutes, can be interrupted, and goes on when it is run again.
    Up(up::UpArgs),
    /// Check a profile and say every problem at once.
    Check(check::CheckArgs),
    /// Show what `run` would do here: the promises, what holds them, and every step in order.
    Plan(plan::PlanArgs),
    /// Give a running jail the rules of its changed profile, without a restart where that can be.
    ///
    /// What may be reached is changed at once and as a whole: [net] allow, private, addresses, hosts, resolver and
    /// limits. Connections to hosts that are not allowed any more are reset; the others go on. Everything else needs a
    /// restart, and so does a port that a namespaced jail's Landlock domain does not know: it is listed, and what can be
    /// changed is changed all the same. A profile with a problem, or one that cannot be held here, changes nothing.
    /// Give the same flags and command that `run` was given. Under systemd:
    /// ExecReload=/usr/local/bin/flowjail reload --profile FILE
    ///
    /// Exit code: 0 everything is in force, 10 something needs a restart, 125 nothing is changed.
    Reload(reload::ReloadArgs),
    /// Show the network of a running jail: open connections, names, counters.
    Net(net::NetArgs),
    /// Ask a running jail's program whether it is well: 0 for a 2xx, 1 for anything else. For HEALTHCHECK and probes.
    Health(health::HealthArgs),
    /// List the profiles that flowjail carries, or show one.
    Profiles(profiles::ProfilesArgs),
}

/// flowjail's own failure; every other code is the jailed command's.
const FAILED: u8 = 125;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    crate::sys::process::settle_signals();
    if nix::unistd::getuid() != nix::unistd::geteuid() {
        let hint = "flowjail needs no privilege: remove the set-user-ID bit";
        return ExitCode::from(terminal::fail(FAILED, "started set-user-ID", Some(hint)));
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let asked_for = !error.use_stderr();
            // Nothing is left to be done about a terminal that is gone.
            let _ = error.print();
            return ExitCode::from(if asked_for { 0 } else { FAILED });
        }
    };
    let code = match arguments.command {
        Command::Run(args) => run::run(&args),
        Command::Up(args) => up::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Net(args) => net::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Profiles(args) => profiles::run(&args),
    };
    ExitCode::from(code)
}
