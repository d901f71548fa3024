//! How many connections there may be, and what becomes of one too many.

use crate::kit::who::Who;
use crate::kit::{Check, ensure, wait_for};
use crate::stage::{Puppet, Stage};
use crate::world::{self, OTHER, PUBLIC};
use std::time::Duration;

/// Two hosts that echo, `one.test` and `two.test`.
fn two_hosts(who: Who, limits: &str) -> Result<(Stage, Puppet, u16, u16), String> {
    let (one, two) = (world::echo(PUBLIC), world::echo(OTHER));
    let stage = Stage::new(who, limits)?;
    let flags = [
        "--add-host",
        &format!("one.test={PUBLIC}"),
        "--allow",
        &format!("one.test:{one}"),
        "--add-host",
        &format!("two.test={OTHER}"),
        "--allow",
        &format!("two.test:{two}"),
    ];
    let puppet = stage.start(&flags)?;
    Ok((stage, puppet, one, two))
}

/// An answer of a connection that the gateway does not want: it may be heard of late.
fn refused(puppet: &mut Puppet, socket: u32, host: &str, port: u16) -> Check {
    let answer = puppet.order(&format!("connect {socket} {host} {port}"))?;
    if answer == "ok" {
        let said = puppet.read(socket, 20_000)?;
        ensure(said == "errno 104 ECONNRESET", || format!("{host}: {said}"))?;
        return puppet.want(&format!("close {socket}"), "ok");
    }
    ensure(answer == "errno 104 ECONNRESET", || {
        format!("{host}: {answer}")
    })
}

/// The next one is let in once the gateway has seen the end of an earlier one.
fn admitted_at_last(puppet: &mut Puppet, socket: u32, host: &str, port: u16) -> Check {
    wait_for(Duration::from_secs(20), || {
        puppet
            .order(&format!("connect {socket} {host} {port}"))
            .ok()?;
        let fine = puppet.echoes(socket, "again").is_ok();
        if !fine {
            puppet.order(&format!("close {socket}")).ok()?;
        }
        fine.then_some(())
    })
    .ok_or_else(|| format!("{host} is refused for good"))
}

/// One host's limit: one too many is reset and told, other hosts go on.
pub fn connections_to_one_host_are_limited(who: Who) -> Check {
    let (_stage, mut puppet, one, two) = two_hosts(who, "limits = { per_host = 3 }")?;
    for socket in 1..=3 {
        puppet.want(&format!("connect {socket} one.test {one}"), "ok")?;
        puppet.echoes(socket, "one")?;
    }
    refused(&mut puppet, 4, "one.test", one)?;
    puppet.event(
        "connection",
        &["too many connections to this host", "[net.limits] per_host"],
    )?;
    puppet.want(&format!("connect 5 two.test {two}"), "ok")?;
    puppet.echoes(5, "two")?;
    puppet.echoes(1, "still one")?;
    puppet.want("close 2", "ok")?;
    admitted_at_last(&mut puppet, 6, "one.test", one)?;
    puppet.end().map(drop)
}

/// The limit of all: one too many is reset, those that are there go on.
pub fn connections_are_limited(who: Who) -> Check {
    let (_stage, mut puppet, one, two) = two_hosts(who, "limits = { connections = 4 }")?;
    for socket in 1..=4 {
        puppet.want(&format!("connect {socket} one.test {one}"), "ok")?;
        puppet.echoes(socket, "one")?;
    }
    refused(&mut puppet, 5, "two.test", two)?;
    let event = puppet.event("connection", &["two.test", "[net.limits] connections"])?;
    ensure(
        crate::stage::text(&event, "reason") == "too many connections",
        || event.to_string(),
    )?;
    puppet.echoes(4, "still there")?;
    puppet.want("close 1", "ok")?;
    admitted_at_last(&mut puppet, 6, "two.test", two)?;
    puppet.end().map(drop)
}

/// A port of an allowed host that no line names, and a host that none names.
pub fn what_no_line_names_is_refused_and_told(who: Who) -> Check {
    let (_stage, mut puppet, _, two) = two_hosts(who, "")?;
    puppet.want(
        &format!("connect 1 one.test {two}"),
        "errno 111 ECONNREFUSED",
    )?;
    puppet.event(
        "connection",
        &[
            "port not in the profile",
            &format!("--allow one.test:{two}"),
        ],
    )?;
    puppet.want("connect 2 three.test 443", "no address")?;
    puppet.event(
        "query",
        &["three.test", "not in the profile", "--allow three.test"],
    )?;
    puppet.end().map(drop)
}
