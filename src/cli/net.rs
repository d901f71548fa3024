//! `flowjail net`: the network side of a running jail.
#![forbid(unsafe_code)]

use std::fmt::Write;
use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use clap::Args;
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::Uid;

use super::terminal::{fail, out};
use crate::events::phrase::tame;
use crate::gateway::control::State;
use crate::gateway::doors::{CONTROL, control_name, plain};

/// Arguments of `net`.
#[derive(Args)]
pub struct NetArgs {
    /// The jail's name; default: the only one that runs
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Asks the gateway of a jail and prints what it says.
pub fn run(args: &NetArgs) -> u8 {
    let name = match which(args.name.as_deref()) {
        Ok(name) => name,
        Err((message, hint)) => return fail(super::FAILED, message, Some(&hint)),
    };
    match ask(&name) {
        Ok(text) if args.json => {
            out(format_args!("{text}\n"));
            0
        }
        Ok(text) => match serde_json::from_str::<State>(&text) {
            Ok(state) => {
                out(render(&state));
                0
            }
            Err(error) => fail(super::FAILED, format!("jail `{name}`: {error}"), None),
        },
        Err(error) => {
            let hint = "only the user who started a jail, and root, may look into it";
            fail(super::FAILED, format!("jail `{name}`: {error}"), Some(hint))
        }
    }
}

/// The name that is meant.
fn which(asked: Option<&str>) -> Result<String, (String, String)> {
    let unreadable = |error| {
        (
            "looking for jails in /proc/net/unix failed".to_owned(),
            error,
        )
    };
    let mut running = running().map_err(unreadable)?;
    let listed = || match running.is_empty() {
        true => "no jail with a network of its own runs in this network namespace".to_owned(),
        false => format!("these run: {}", running.join(", ")),
    };
    match asked {
        Some(name) if running.iter().any(|other| other == name) => Ok(name.to_owned()),
        Some(name) => Err((format!("no jail `{}` runs here", tame(name)), listed())),
        None if running.len() == 1 => Ok(running.remove(0)),
        None if running.is_empty() => Err(("no jail runs here".into(), listed())),
        None => Err(("more than one jail runs here".into(), listed())),
    }
}

/// The names of all control sockets in this network namespace, as /proc/net/unix lists them: `@` for the NUL in front.
fn running() -> Result<Vec<String>, String> {
    let table = std::fs::read("/proc/net/unix").map_err(|error| error.to_string())?;
    let table = String::from_utf8_lossy(&table);
    let mark = format!("@{CONTROL}");
    let names = table.lines().filter_map(|line| {
        let path = line.split_whitespace().nth(7)?;
        path.strip_prefix(&mark).map(str::to_owned)
    });
    // Anybody may give a socket any name: one that no jail has is none.
    let mut all: Vec<String> = names.filter(|name| plain(name) == *name).collect();
    all.sort();
    all.dedup();
    Ok(all)
}

/// How long a gateway may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest document that is read: some thousand connections.
const LONGEST: u64 = 16 << 20;

/// Anybody can give a socket such a name: one that is not of this user or root is not believed. Root asks as the user
/// who started the jail, whose namespace knows no root.
fn ask(name: &str) -> Result<String, String> {
    let plain = |error: std::io::Error| error.to_string();
    let address = SocketAddr::from_abstract_name(control_name(name)).map_err(plain)?;
    let connect = || UnixStream::connect_addr(&address).map_err(plain);
    let mut stream = connect()?;
    let peer = getsockopt(&stream, sockopt::PeerCredentials).map_err(|errno| errno.to_string())?;
    let own = nix::unistd::geteuid();
    let owner = Uid::from_raw(peer.uid());
    if owner != own && own.is_root() {
        // The gateway of an ordinary user is in a user namespace to which root is nobody.
        nix::unistd::setresuid(owner, owner, owner).map_err(|errno| errno.to_string())?;
        stream = connect()?;
    } else if owner != own && !owner.is_root() {
        return Err(format!("its control socket belongs to uid {owner}"));
    }
    stream.set_read_timeout(Some(PATIENCE)).map_err(plain)?;
    let mut text = String::new();
    stream
        .by_ref()
        .take(LONGEST)
        .read_to_string(&mut text)
        .map_err(plain)?;
    match text.is_empty() {
        true => Err("it does not answer".into()),
        false => Ok(text),
    }
}

fn render(state: &State) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_state(&mut text, state);
    text
}

fn write_state(out: &mut String, state: &State) -> std::fmt::Result {
    let totals = &state.totals;
    writeln!(
        out,
        "jail `{}`: {} connections open, {} visitors here",
        tame(&state.jail),
        state.connections.len(),
        state.visitors
    )?;
    for address in &state.serves {
        writeln!(out, "serves    {address}")?;
    }
    writeln!(
        out,
        "so far    {} connections, {} refused or failed; {} sent, {} received",
        totals.connections,
        totals.refused,
        bytes(totals.sent),
        bytes(totals.received)
    )?;
    writeln!(
        out,
        "          {} names asked for, {} refused; {} visitors led in, {} turned away",
        totals.queries, totals.unknown, totals.visitors, totals.turned_away
    )?;
    write_names(out, state)?;
    write_connections(out, state)
}

fn write_names(out: &mut String, state: &State) -> std::fmt::Result {
    if !state.names.is_empty() {
        writeln!(out, "\n{:<40} {:<15} PORTS", "NAME", "STANDS IN")?;
    }
    for name in &state.names {
        let ports: Vec<String> = name.ports.iter().map(u16::to_string).collect();
        writeln!(
            out,
            "{:<40} {:<15} {}",
            tame(&name.host),
            name.address,
            ports.join(" ")
        )?;
    }
    Ok(())
}

fn write_connections(out: &mut String, state: &State) -> std::fmt::Result {
    if !state.connections.is_empty() {
        writeln!(
            out,
            "\n{:<40} {:<22} {:>9} {:>9} {:>8}",
            "CONNECTION", "ADDRESS", "SENT", "RECEIVED", "AGE"
        )?;
    }
    for flow in &state.connections {
        let target = format!("{}:{}", tame(&flow.host), flow.port);
        let age = format!("{:.1} s", flow.ms as f64 / 1000.0);
        writeln!(
            out,
            "{target:<40} {:<22} {:>9} {:>9} {age:>8}",
            flow.address,
            bytes(flow.sent),
            bytes(flow.received)
        )?;
    }
    Ok(())
}

/// A number of bytes that a person reads.
fn bytes(number: u64) -> String {
    match number {
        0..=9_999 => format!("{number} B"),
        10_000..=9_999_999 => format!("{} kB", number / 1000),
        10_000_000..=9_999_999_999 => format!("{} MB", number / 1_000_000),
        _ => format!("{} GB", number / 1_000_000_000),
    }
}
