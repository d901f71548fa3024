//! Visitors: served addresses, who may come, whose address the program sees, and what is not served.

use crate::kit::who::Who;
use crate::kit::{Check, ensure, wait_for};
use crate::stage::{LONG, Puppet, Stage, number, text};
use crate::world::{self, FRONT, PUBLIC, PUBLIC_V6, RESET, VISITOR, VISITOR_V6};
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

/// Both ways between a visitor and the puppet's socket.
pub fn talk(visitor: &mut TcpStream, puppet: &mut Puppet, socket: u32) -> Check {
    visitor
        .write_all(b"from outside")
        .map_err(|e| e.to_string())?;
    let inside = puppet.read(socket, 20_000)?;
    ensure(inside == "from outside", || format!("{inside:?}"))?;
    puppet.send(socket, "from inside")?;
    let outside = world::read(visitor);
    ensure(outside == "from inside", || format!("{outside:?}"))
}

/// A visitor that is led in, and the source that the program sees.
fn led_in(puppet: &mut Puppet, listener: u32, from: &str, to: (&str, u16), seen: &str) -> Check {
    let mut visitor = world::visit(from, to)?;
    puppet.want(
        &format!("accept {listener} 50 20000"),
        &format!("from {seen}"),
    )?;
    talk(&mut visitor, puppet, 50)?;
    puppet.want("close 50", "ok")
}

/// Several addresses of both families, one led to another port.
pub fn visitors_come_by_both_families_and_are_seen_as_themselves(who: Who) -> Check {
    let (one, two, three) = (world::port(), world::port(), world::port());
    let net = format!(
        "publish = [\"{PUBLIC}:{one}\", \"[{PUBLIC_V6}]:{two}\", {{ address = \"127.0.0.1:{three}\", to = {one} }}]"
    );
    let stage = Stage::new(who, &net)?;
    let mut puppet = stage.start(&[])?;
    puppet.want(&format!("listen 1 {one} 0"), "ok")?;
    // Without a `to` of its own every further address leads to the first one's port.
    puppet.want(&format!("listen 2 {one} 1"), "ok")?;
    led_in(&mut puppet, 1, VISITOR, (PUBLIC, one), VISITOR)?;
    led_in(&mut puppet, 2, VISITOR_V6, (PUBLIC_V6, two), VISITOR_V6)?;
    led_in(
        &mut puppet,
        1,
        "127.0.0.1",
        ("127.0.0.1", three),
        "127.0.0.1",
    )?;
    puppet.end().map(drop)
}

/// An IPv6 visitor keeps its address where the program hears IPv6.
pub fn a_visitor_by_ipv6_is_seen_as_itself(who: Who) -> Check {
    let port = world::port();
    let stage = Stage::new(who, &format!("publish = [\"[{PUBLIC_V6}]:{port}\"]"))?;
    let mut puppet = stage.start(&[])?;
    puppet.want(&format!("listen 1 {port} 1"), "ok")?;
    led_in(&mut puppet, 1, VISITOR_V6, (PUBLIC_V6, port), VISITOR_V6)?;
    puppet.end().map(drop)
}

/// A program that hears IPv4 only is reached by IPv6 visitors all the same, from the loopback.
pub fn a_program_of_one_family_serves_both(who: Who) -> Check {
    let port = world::port();
    let stage = Stage::new(who, &format!("publish = [\"[{PUBLIC_V6}]:{port}\"]"))?;
    let mut puppet = stage.start(&[])?;
    puppet.want(&format!("listen 1 {port} 0"), "ok")?;
    led_in(&mut puppet, 1, VISITOR_V6, (PUBLIC_V6, port), "127.0.0.1")?;
    puppet.end().map(drop)
}

/// Who is not in `allow_from` is reset, recorded once, with the line that would admit it.
pub fn an_uninvited_visitor_is_reset_and_recorded(who: Who) -> Check {
    let port = world::port();
    let net = format!(
        "publish = [{{ address = \"0.0.0.0:{port}\", allow_from = [\"{VISITOR}\", \"127.0.0.0/8\"] }}]"
    );
    let stage = Stage::new(who, &net)?;
    let mut puppet = stage.start(&[])?;
    puppet.want(&format!("listen 1 {port} 0"), "ok")?;
    let mut uninvited = world::visit(FRONT, (PUBLIC, port))?;
    let said = world::read(&mut uninvited);
    ensure(said == RESET, || format!("{said:?}"))?;
    puppet.want("accept 1 2 200", "nothing")?;
    let event = puppet.event("visitor", &[FRONT, "not in allow_from"])?;
    let allow = format!("[net] publish: allow_from = [\"{FRONT}\"]");
    ensure(text(&event, "allow") == allow, || event.to_string())?;
    led_in(&mut puppet, 1, VISITOR, (PUBLIC, port), VISITOR)?;
    led_in(
        &mut puppet,
        1,
        "127.0.0.1",
        ("127.0.0.1", port),
        "127.0.0.1",
    )?;
    let ended = puppet.end()?;
    let events = puppet.events("visitor")?;
    ensure(events.len() == 1, || format!("{events:?}"))?;
    ensure(
        ended.stderr.contains("not in allow_from") && ended.stderr.contains(&allow),
        || format!("the digest: {}", ended.stderr),
    )
}

/// An empty list admits nobody.
pub fn an_empty_list_admits_nobody(who: Who) -> Check {
    let port = world::port();
    let net = format!("publish = [{{ address = \"0.0.0.0:{port}\", allow_from = [] }}]");
    let stage = Stage::new(who, &net)?;
    let mut puppet = stage.start(&[])?;
    puppet.want(&format!("listen 1 {port} 0"), "ok")?;
    let said = world::read(&mut world::visit("127.0.0.1", ("127.0.0.1", port))?);
    ensure(said == RESET, || format!("{said:?}"))?;
    puppet.want("accept 1 2 200", "nothing")?;
    puppet.end().map(drop)
}

/// A taken port is an error before anything starts.
pub fn a_taken_port_is_an_error(who: Who) -> Check {
    let (_taken, port) = world::listener("127.0.0.1");
    let stage = Stage::new(who, "")?;
    let ended = stage.refused(&["--publish", &format!("127.0.0.1:{port}")])?;
    let told = ended.stderr.contains(&format!("serving 127.0.0.1:{port}"))
        && ended.stderr.contains("hint: another program serves there");
    ensure(ended.code == 125 && told, || format!("{ended:?}"))
}

/// Whoever comes before the program listens is told so at once; later visitors are led in.
pub fn a_program_that_does_not_listen_yet_is_no_trouble(who: Who) -> Check {
    let port = world::port();
    let stage = Stage::new(who, "")?;
    let mut puppet = stage.start(&["--publish", &format!("127.0.0.1:{port}")])?;
    for _ in 0..3 {
        let said = world::read(&mut world::visit("127.0.0.1", ("127.0.0.1", port))?);
        ensure(said == RESET, || format!("{said:?}"))?;
    }
    puppet.event("visitor", &["the program does not listen (yet)"])?;
    puppet.want(&format!("listen 1 {port} 0"), "ok")?;
    led_in(
        &mut puppet,
        1,
        "127.0.0.1",
        ("127.0.0.1", port),
        "127.0.0.1",
    )?;
    puppet.end()?;
    let counted = puppet.events("visitor")?;
    let most = counted.iter().map(|event| number(event, "count")).max();
    ensure(most == Some(3), || format!("{counted:?}"))
}

/// More visitors than the limit are reset; when one leaves, the next is led in.
pub fn visitors_are_limited(who: Who) -> Check {
    let port = world::port();
    let stage = Stage::new(who, "limits = { visitors = 2 }")?;
    let mut puppet = stage.start(&["--publish", &format!("127.0.0.1:{port}")])?;
    puppet.want(&format!("listen 1 {port} 0"), "ok")?;
    let mut first = world::visit("127.0.0.1", ("127.0.0.1", port))?;
    puppet.want("accept 1 2 20000", "from 127.0.0.1")?;
    let _second = world::visit("127.0.0.1", ("127.0.0.1", port))?;
    puppet.want("accept 1 3 20000", "from 127.0.0.1")?;
    let said = world::read(&mut world::visit("127.0.0.1", ("127.0.0.1", port))?);
    ensure(said == RESET, || format!("{said:?}"))?;
    puppet.event(
        "visitor",
        &["too many visitors at once", "[net.limits] visitors"],
    )?;
    talk(&mut first, &mut puppet, 2)?;
    drop(first);
    puppet.want("close 2", "ok")?;
    // The gateway sees the end of the first in its own time.
    let mut next = wait_for(Duration::from_secs(20), || {
        let next = world::visit("127.0.0.1", ("127.0.0.1", port)).ok()?;
        let accepted = puppet.order("accept 1 4 300").ok()?;
        (accepted == "from 127.0.0.1").then_some(next)
    })
    .ok_or("no visitor after one has left")?;
    talk(&mut next, &mut puppet, 4)
}

/// An end of one direction leaves the other open, from both sides.
pub fn a_visit_may_end_in_one_direction(who: Who) -> Check {
    let port = world::port();
    let stage = Stage::new(who, "")?;
    let mut puppet = stage.start(&["--publish", &format!("127.0.0.1:{port}")])?;
    puppet.want(&format!("listen 1 {port} 0"), "ok")?;
    let mut visitor = world::visit("127.0.0.1", ("127.0.0.1", port))?;
    puppet.want("accept 1 2 20000", "from 127.0.0.1")?;
    visitor.write_all(b"request").map_err(|e| e.to_string())?;
    visitor
        .shutdown(Shutdown::Write)
        .map_err(|e| e.to_string())?;
    ensure(puppet.read(2, 20_000)? == "request", || "no request".into())?;
    puppet.want("read 2 20000", "eof")?;
    puppet.send(2, "answer")?;
    ensure(world::read(&mut visitor) == "answer", || "no answer".into())?;
    puppet.want("shut 2", "ok")?;
    let end = world::read(&mut visitor);
    ensure(end.is_empty(), || format!("{end:?}"))?;
    puppet.end().map(drop)
}

/// On a port that is not published the program may not even listen, and nobody outside reaches it.
pub fn another_port_of_the_program_is_not_reached(who: Who) -> Check {
    let (port, other) = (world::port(), world::port());
    let stage = Stage::new(who, "")?;
    let mut puppet = stage.start(&["--publish", &format!("127.0.0.1:{port}")])?;
    puppet.want(&format!("listen 1 {port} 0"), "ok")?;
    puppet.want(&format!("listen 2 {other} 0"), "errno 13 EACCES")?;
    for address in ["127.0.0.1", PUBLIC] {
        let reached = world::visit("127.0.0.1", (address, other));
        ensure(reached.is_err(), || {
            format!("{address}:{other} was reached")
        })?;
    }
    led_in(
        &mut puppet,
        1,
        "127.0.0.1",
        ("127.0.0.1", port),
        "127.0.0.1",
    )?;
    // The same port of another address of the host is free for others.
    ensure(TcpListener::bind((PUBLIC, port)).is_ok(), || {
        "the port is taken everywhere".into()
    })?;
    puppet.end().map(drop)
}

/// A visitor that breaks off is heard of inside, and the other way round.
pub fn a_reset_passes_through(who: Who) -> Check {
    let port = world::port();
    let stage = Stage::new(who, "")?;
    let mut puppet = stage.start(&["--publish", &format!("127.0.0.1:{port}")])?;
    puppet.want(&format!("listen 1 {port} 0"), "ok")?;
    let mut visitor = world::visit("127.0.0.1", ("127.0.0.1", port))?;
    puppet.want("accept 1 2 20000", "from 127.0.0.1")?;
    talk(&mut visitor, &mut puppet, 2)?;
    puppet.want("reset 2", "ok")?;
    let said = world::read(&mut visitor);
    ensure(said == RESET || said.is_empty(), || format!("{said:?}"))?;
    let mut visitor = world::visit("127.0.0.1", ("127.0.0.1", port))?;
    puppet.want("accept 1 3 20000", "from 127.0.0.1")?;
    talk(&mut visitor, &mut puppet, 3)?;
    let socket = socket2::Socket::from(visitor);
    socket
        .set_linger(Some(Duration::ZERO))
        .map_err(|e| e.to_string())?;
    drop(socket);
    let inside = puppet.read(3, 20_000)?;
    ensure(inside == "errno 104 ECONNRESET" || inside == "eof", || {
        inside
    })?;
    puppet.tell("exit 0")?;
    puppet.jail.end(LONG).map(drop)
}
