//! What changes while a jail runs.

use crate::kit::{Check, ensure};
use crate::names::{Heard, name_server};
use crate::running::{How, Running};
use crate::stage::{number, text};
use crate::world::{self, OTHER, PRIVATE, PUBLIC};

/// Lists of hosts at one port.
fn allow(hosts: &[&str], port: u16) -> String {
    let hosts: Vec<String> = hosts
        .iter()
        .map(|host| format!("\"{host}:{port}\""))
        .collect();
    format!("allow = [{}]", hosts.join(", "))
}

/// Connections to a host that is removed are reset and told of; those to one that stays go on.
pub fn hosts_come_and_go(how: How) -> Check {
    let port = world::echo(PUBLIC);
    let mut jail = Running::start(how, &allow(&["a.test", "b.test"], port))?;
    jail.reaches(1, "a.test", port)?;
    jail.reaches(2, "b.test", port)?;
    jail.puppet
        .want(&format!("connect 3 c.test {port}"), "no address")?;
    let [a, b] = [jail.address("a.test")?, jail.address("b.test")?];
    let told = [
        &format!("+ c.test:{port} as tcp"),
        &format!("- a.test:{port} as tcp"),
        "1 added, 1 removed, 1 connections ended",
    ];
    jail.reload_tells(&allow(&["b.test", "c.test"], port), 0, &told)?;
    jail.is_reset(1)?;
    jail.knows_nothing_of("a.test")?;
    let said = jail.puppet.order(&format!("connect 4 {a} {port}"))?;
    ensure(said == "errno 111 ECONNREFUSED", || said)?;
    jail.puppet.echoes(2, "still here")?;
    jail.reaches(5, "c.test", port)?;
    ensure(jail.address("b.test")? == b, || "b.test has moved".into())?;
    let event = jail.last_reload()?;
    let counts = ["added_count", "removed_count", "ended", "restart_count"];
    let counts = counts.map(|key| number(&event, key));
    ensure(counts == [1, 1, 1, 0], || event.to_string())?;
    let told = jail
        .puppet
        .event("connection", &["a.test", "not in the profile any more"])?;
    ensure(text(&told, "verdict") == "refused", || told.to_string())?;
    jail.puppet.end().map(drop)
}

/// Removed and added again: it works, at the address that was its own; nobody else got it in between.
pub fn a_host_comes_again(how: How) -> Check {
    let port = world::echo(PUBLIC);
    let (both, one) = (allow(&["a.test", "b.test"], port), allow(&["b.test"], port));
    let mut jail = Running::start(how, &both)?;
    jail.reaches(1, "a.test", port)?;
    let a = jail.address("a.test")?;
    for round in 0..3 {
        jail.reload(&one, 0)?;
        jail.knows_nothing_of("a.test")?;
        let b = jail.address("b.test")?;
        ensure(a != b, || format!("{a} is b.test's now, in round {round}"))?;
        jail.reload(&both, 0)?;
        ensure(jail.address("a.test")? == a, || "a.test has moved".into())?;
        jail.reaches(10 + round, "a.test", port)?;
    }
    jail.puppet.end().map(drop)
}

/// The name was asked for before, and is not asked for again.
pub fn a_known_name_gets_another_port(how: How) -> Check {
    let [one, other] = [world::echo(PUBLIC), world::echo(PUBLIC)];
    // Both ports are known to Landlock, the second one for another host.
    let lines = |host: &str| format!("allow = [\"a.test:{one}\", \"{host}:{other}\"]");
    let mut jail = Running::start(how, &lines("b.test"))?;
    jail.reaches(1, "a.test", one)?;
    let a = jail.address("a.test")?;
    let said = jail.puppet.order(&format!("connect 2 {a} {other}"))?;
    ensure(said == "errno 111 ECONNREFUSED", || said)?;
    jail.reload(&lines("a.test"), 0)?;
    jail.reaches(3, &a, other)?;
    jail.puppet.echoes(1, "undisturbed")?;
    jail.reload(&lines("b.test"), 0)?;
    jail.is_reset(3)?;
    let said = jail.puppet.order(&format!("connect 4 {a} {other}"))?;
    ensure(said == "errno 111 ECONNREFUSED", || said)?;
    jail.puppet.echoes(1, "undisturbed")?;
    jail.puppet.end().map(drop)
}

/// What was let through unread is reset, and the next is read.
pub fn protocols_change(how: How) -> Check {
    let port = world::echo(PUBLIC);
    let line = |protocol: &str| {
        format!("allow = [{{ host = \"a.test\", port = {port}, as = \"{protocol}\" }}]")
    };
    let mut jail = Running::start(how, &line("tcp"))?;
    jail.reaches(1, "a.test", port)?;
    let told = [
        &format!("+ a.test:{port} as http"),
        &format!("- a.test:{port} as tcp"),
    ];
    jail.reload_tells(&line("http"), 0, &told.map(String::as_str))?;
    jail.is_reset(1)?;
    jail.puppet
        .want(&format!("connect 2 a.test {port}"), "ok")?;
    jail.puppet.send(2, "no request at all\r\n\r\n")?;
    jail.is_reset(2)?;
    jail.reload(&line("tcp"), 0)?;
    jail.reaches(3, "a.test", port)?;
    jail.puppet.end().map(drop)
}

/// The connection to the old address ends, the next goes to the new one.
pub fn a_static_name_moves(how: How) -> Check {
    let (listener, port) = world::listener(PUBLIC);
    let moved = std::net::TcpListener::bind((OTHER, port)).map_err(|e| e.to_string())?;
    let lines = |address: &str| {
        format!("hosts = {{ \"a.test\" = \"{address}\" }}\nallow = [\"a.test:{port}\"]")
    };
    let mut jail = Running::start(how, &lines(PUBLIC))?;
    jail.puppet
        .want(&format!("connect 1 a.test {port}"), "ok")?;
    let (_here, _) = world::accept(&listener)?;
    jail.reload_tells(&lines(OTHER), 0, &[&format!("+ a.test = {OTHER}")])?;
    jail.is_reset(1)?;
    jail.puppet
        .want(&format!("connect 2 a.test {port}"), "ok")?;
    world::accept(&moved)?;
    jail.puppet.end().map(drop)
}

/// An address that it may not have any more: the connection ends, and no other is made.
pub fn a_private_host_becomes_public(how: How) -> Check {
    let port = world::echo(PRIVATE);
    let lines = |key: &str| {
        format!("hosts = {{ \"a.test\" = \"{PRIVATE}\" }}\n{key} = [\"a.test:{port}\"]")
    };
    let mut jail = Running::start(how, &lines("private"))?;
    jail.reaches(1, "a.test", port)?;
    jail.reload(&lines("allow"), 0)?;
    jail.is_reset(1)?;
    if jail.puppet.order(&format!("connect 2 a.test {port}"))? == "ok" {
        jail.is_reset(2)?;
    }
    jail.puppet
        .event("connection", &["a.test", "resolves to a private address"])?;
    jail.reload(&lines("private"), 0)?;
    jail.reaches(3, "a.test", port)?;
    jail.puppet.end().map(drop)
}

/// Addresses without a name.
pub fn addresses_come_and_go(how: How) -> Check {
    let port = world::echo(PUBLIC);
    let _other = std::net::TcpListener::bind((OTHER, port)).map_err(|e| e.to_string())?;
    let line = |address: &str| format!("addresses = [\"{address}:{port}\"]");
    let mut jail = Running::start(how, &line(PUBLIC))?;
    jail.reaches(1, PUBLIC, port)?;
    let refused = format!("connect 2 {OTHER} {port}");
    jail.puppet.want(&refused, "errno 111 ECONNREFUSED")?;
    jail.reload(&line(OTHER), 0)?;
    jail.is_reset(1)?;
    jail.puppet
        .want(&format!("connect 3 {OTHER} {port}"), "ok")?;
    let gone = format!("connect 4 {PUBLIC} {port}");
    jail.puppet.want(&gone, "errno 111 ECONNREFUSED")?;
    jail.puppet.event("connection", &[PUBLIC, "raw address"])?;
    jail.reload(&line(PUBLIC), 0)?;
    jail.reaches(5, PUBLIC, port)?;
    jail.puppet.want(&refused, "errno 111 ECONNREFUSED")?;
    jail.puppet.end().map(drop)
}

/// Nothing is named, nothing is reached.
pub fn an_empty_list_denies_all(how: How) -> Check {
    let port = world::echo(PUBLIC);
    let lines = format!(
        "{}\naddresses = [\"{PUBLIC}:{port}\"]",
        allow(&["a.test", "*.b.test"], port)
    );
    let mut jail = Running::start(how, &lines)?;
    jail.reaches(1, "a.test", port)?;
    jail.reaches(2, PUBLIC, port)?;
    jail.reload_tells(
        "allow = []",
        0,
        &["0 added, 3 removed, 2 connections ended"],
    )?;
    jail.is_reset(1)?;
    jail.is_reset(2)?;
    for name in ["a.test", "x.b.test"] {
        jail.knows_nothing_of(name)?;
    }
    let raw = format!("connect 3 {PUBLIC} {port}");
    jail.puppet.want(&raw, "errno 111 ECONNREFUSED")?;
    jail.reload(&lines, 0)?;
    jail.reaches(4, "a.test", port)?;
    jail.puppet.end().map(drop)
}

/// Fewer connections to a host from now on: those that are open stay.
pub fn limits_change(how: How) -> Check {
    let port = world::echo(PUBLIC);
    let lines = |most: u32| {
        let allow = allow(&["a.test"], port);
        format!("{allow}\nlimits = {{ per_host = {most} }}")
    };
    let mut jail = Running::start(how, &lines(10))?;
    for socket in 1..=3 {
        jail.reaches(socket, "a.test", port)?;
    }
    jail.reload_tells(&lines(2), 0, &["~ [net.limits]"])?;
    if jail.puppet.order(&format!("connect 4 a.test {port}"))? == "ok" {
        jail.is_reset(4)?;
    }
    jail.puppet
        .event("connection", &["too many connections to this host"])?;
    for socket in 1..=3 {
        jail.puppet.echoes(socket, "still here")?;
    }
    jail.reload(&lines(10), 0)?;
    jail.reaches(5, "a.test", port)?;
    jail.puppet.end().map(drop)
}

/// What the first one has said is forgotten.
pub fn another_name_server_is_asked(how: How) -> Check {
    let port = world::echo(PUBLIC);
    let [(first, asked_first), (second, asked_second)] = [name_server(), name_server()];
    let lines = |server: &str| format!("allow = [\"mock.test:{port}\"]\nresolver = \"{server}\"");
    let asked = |heard: &Heard| heard.lock().map_or(0, |heard| heard.len());
    let mut jail = Running::start(how, &lines(&first))?;
    jail.reaches(1, "mock.test", port)?;
    let before = asked(&asked_first);
    ensure(before > 0 && asked(&asked_second) == 0, || {
        "the wrong one was asked".into()
    })?;
    jail.reload_tells(&lines(&second), 0, &["~ [net] resolver"])?;
    jail.puppet.echoes(1, "undisturbed")?;
    jail.reaches(2, "mock.test", port)?;
    ensure(
        asked(&asked_first) == before && asked(&asked_second) > 0,
        || "the first one is still asked".into(),
    )?;
    jail.puppet.end().map(drop)
}
