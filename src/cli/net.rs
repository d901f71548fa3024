//! `flowjail net`: the network side of a running jail.
#![forbid(unsafe_code)]

use std::fmt::Write;

use clap::Args;

use super::running;
use super::terminal::{fail, out};
use crate::events::phrase::tame;
use crate::gateway::control::State;

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
    let name = match running::which(args.name.as_deref()) {
        Ok(name) => name,
        Err((message, hint)) => return fail(super::FAILED, message, Some(&hint)),
    };
    match running::ask(&name, &[]) {
        Ok(text) => match serde_json::from_str::<State>(&text) {
            Ok(_) if args.json => {
                out(format_args!("{text}\n"));
                0
            }
            Ok(state) => {
                out(render(&state));
                0
            }
            Err(error) => fail(
                super::FAILED,
                format!("jail `{name}`: its answer: {}", tame(&error.to_string())),
                None,
            ),
        },
        Err(error) => {
            let message = format!("jail `{name}`: {error}");
            fail(super::FAILED, message, Some(running::hint(&error)))
        }
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
        writeln!(out, "serves    {}", tame(address))?;
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
            tame(&name.address),
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
            tame(&flow.address),
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

#[cfg(test)]
mod tests {
    use super::render;
    use crate::gateway::control::{Flow, Name, State};

    #[test]
    fn whatever_a_gateway_says_moves_no_terminal() {
        let odd = || "\u{1b}[31m\r\n".to_owned();
        let state = State {
            schema: 1,
            jail: odd(),
            names: vec![Name {
                host: odd(),
                address: odd(),
                ports: vec![443],
            }],
            connections: vec![Flow {
                host: odd(),
                port: 443,
                address: odd(),
                sent: 0,
                received: 0,
                ms: 0,
            }],
            visitors: 0,
            serves: vec![odd()],
            totals: Default::default(),
        };
        let text = render(&state);
        let control = text.chars().filter(|c| c.is_control() && *c != '\n');
        assert_eq!((control.count(), text.lines().count()), (0, 10), "{text}");
    }
}
