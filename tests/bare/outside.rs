//! What happens to flowjail's processes from outside: strangers at the gateway's port, signals, an outer supervisor.

use crate::case::nothing_else_arrived;
use crate::kit::procs::{self, Proc};
use crate::kit::scratch::Scratch;
use crate::kit::who::Who;
use crate::kit::{Check, ensure, wait_for};
use crate::program;
use crate::run::{How, Session, command, profile};
use crate::world::World;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const ALLOW: [&str; 2] = ["--allow", "third.world.test:7000"];
const EACH_LINE: [&str; 3] = ["each-line", "third.world.test", "7000"];
const GONE: Duration = Duration::from_secs(5);
const LONG: Duration = Duration::from_secs(60);

fn strike(pid: i32, signal: Signal) -> Check {
    kill(Pid::from_raw(pid), signal).map_err(|error| error.to_string())
}

/// One more connection of the actor's.
fn connects(session: &mut Session) -> Check {
    session.go_on()?;
    session.has_to_pause()?;
    let said = session.take_words();
    ensure(said == "ok", || session.complaint(&said))
}

/// A jail whose actor has connected once.
fn connected(world: &World, who: Who) -> Result<Session<'_>, String> {
    let mut session = Session::start(world, How::Jailed(who), &ALLOW, &EACH_LINE)?;
    session.has_to_pause()?;
    connects(&mut session)?;
    Ok(session)
}

/// Where a process listens by TCP, in this thread's network.
fn ports(process: &Proc) -> Result<Vec<SocketAddr>, String> {
    let folder = format!("/proc/{}/fd", process.pid);
    let own: BTreeSet<String> = std::fs::read_dir(&folder)
        .map_err(|error| format!("{folder}: {error}"))?
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .map(|link| link.display().to_string())
        .collect();
    let table = std::fs::read_to_string("/proc/thread-self/net/tcp")
        .map_err(|error| format!("the table of sockets: {error}"))?;
    let listens = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (address, port) = fields.get(1)?.split_once(':')?;
        let inode = format!("socket:[{}]", fields.get(9)?);
        let address = u32::from_str_radix(address, 16).ok()?.to_ne_bytes();
        let port = u16::from_str_radix(port, 16).ok()?;
        let at = SocketAddr::new(IpAddr::V4(Ipv4Addr::from(address)), port);
        (fields[3] == "0A" && own.contains(&inode)).then_some(at)
    };
    Ok(table.lines().filter_map(listens).collect())
}

/// Whether somebody who was not announced is turned away, and hears nothing.
fn turned_away(at: SocketAddr, from: Option<&str>) -> bool {
    let knock = || -> std::io::Result<usize> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        if let Some(from) = from {
            let from: IpAddr = from.parse().map_err(std::io::Error::other)?;
            socket.bind(&SocketAddr::new(from, 0).into())?;
        }
        socket.connect_timeout(&at.into(), Duration::from_secs(10))?;
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"hello")?;
        stream.read(&mut [0; 64])
    };
    match knock() {
        Ok(length) => length == 0,
        Err(error) => [
            ErrorKind::ConnectionReset,
            ErrorKind::BrokenPipe,
            ErrorKind::ConnectionRefused,
        ]
        .contains(&error.kind()),
    }
}

/// Hundreds of strangers at the gateway's port while the jail connects: all of them are turned away, none of its own.
pub fn strangers_are_turned_away(world: &World, who: Who) -> Check {
    let words = ["many-later", "third.world.test", "7000", "8", "100"];
    let mut session = Session::start(world, How::Jailed(who), &ALLOW, &words)?;
    session.has_to_pause()?;
    let [_, gateway] = session.supervisor_and_gateway()?;
    let doors = ports(&gateway)?;
    ensure(!doors.is_empty(), || {
        session.complaint("has a gateway without a port")
    })?;
    session.go_on()?;
    let mut entered = Vec::new();
    for round in 0..200 {
        let from = [
            None,
            Some("127.0.0.1"),
            Some("127.8.9.10"),
            Some("203.0.113.10"),
        ][round % 4];
        for door in &doors {
            if !turned_away(*door, from) {
                entered.push((*door, from));
            }
        }
    }
    ensure(entered.is_empty(), || {
        format!("not turned away: {entered:?}")
    })?;
    session.has_to_pause()?;
    // The same by the jail's own user.
    let actor = program::actor()?;
    for door in &doors {
        let output = Who::Ordinary
            .command(&actor)
            .args(["reaches", &door.ip().to_string(), &door.port().to_string()])
            .output()
            .map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure(!said.contains("echo ok"), || format!("{door}: {said}"))?;
    }
    let run = session.finish()?;
    let all = "connected 800 echoed 800 errno none";
    ensure(run.said == all, || format!("{run:#?}"))?;
    nothing_else_arrived(&run)
}

/// Connections that the host has had up to now.
fn at_the_host(session: &Session) -> Result<usize, String> {
    let all = session.arrivals()?;
    Ok(all.iter().filter(|line| line.starts_with("echo")).count())
}

/// SIGSTOP for the supervisor: a connect waits, nothing gets out; with SIGCONT it goes on.
pub fn the_supervisor_stopped_lets_nothing_out(world: &World, who: Who) -> Check {
    let mut session = connected(world, who)?;
    let [supervisor, _] = session.supervisor_and_gateway()?;
    let before = at_the_host(&session)?;
    strike(supervisor.pid, Signal::SIGSTOP)?;
    session.go_on()?;
    let silent = session.is_silent(Duration::from_millis(500));
    let after = at_the_host(&session)?;
    strike(supervisor.pid, Signal::SIGCONT)?;
    ensure(silent && before == after, || {
        format!("silent: {silent}, {before} connections became {after}")
    })?;
    session.has_to_pause()?;
    let said = session.take_words();
    ensure(said == "ok", || session.complaint(&said))?;
    connects(&mut session)?;
    session.jail.signal(Signal::SIGTERM);
    let ended = session.jail.end(LONG)?;
    ensure(ended.code == 143, || format!("{ended:?}"))
}

/// A family whose members all hold the listener, one of them an orphan: the pids that the actor says, too.
fn family(world: &World, who: Who) -> Result<(Session<'_>, Vec<Proc>), String> {
    let flags = ["--publish", "127.0.0.1:8096"];
    let mut session = Session::start(world, How::Jailed(who), &flags, &["family", "8096"])?;
    session.has_to_pause()?;
    let said = session.take_words();
    let fine = said.contains("bind ok listen ok") && said.contains("fork ok");
    ensure(fine, || session.complaint(&said))?;
    let pids = said
        .split(" | ")
        .filter_map(|line| line.strip_prefix("pid "));
    let mut all: Vec<Proc> = pids
        .filter_map(|pid| procs::get(pid.parse().ok()?))
        .collect();
    ensure(all.len() == 2, || session.complaint(&said))?;
    all.extend(session.jail.tree());
    Ok((session, all))
}

/// Nobody of them is left, and nobody serves.
fn all_gone(all: &[Proc]) -> Check {
    let left = procs::survivors(all, GONE);
    for process in &left {
        let _ = strike(process.pid, Signal::SIGKILL);
    }
    ensure(left.is_empty(), || format!("left: {left:?}"))?;
    let served = TcpStream::connect_timeout(
        &SocketAddr::from((Ipv4Addr::LOCALHOST, 8096)),
        Duration::from_secs(5),
    );
    ensure(served.is_err(), || {
        "the published port is still served".into()
    })
}

/// SIGKILL for the supervisor: no process of the jail is left, an orphan neither.
pub fn the_supervisor_killed_ends_them_all(world: &World, who: Who) -> Check {
    let (mut session, all) = family(world, who)?;
    session.jail.signal(Signal::SIGKILL);
    session.jail.end(LONG)?;
    all_gone(&all)
}

/// SIGKILL for the gateway: the jail ends with it.
pub fn the_gateway_killed_ends_them_all(world: &World, who: Who) -> Check {
    let (mut session, all) = family(world, who)?;
    let [_, gateway] = session.supervisor_and_gateway()?;
    strike(gateway.pid, Signal::SIGKILL)?;
    let ended = session.jail.end(LONG)?;
    let words = "the gateway ended";
    ensure(ended.code == 125 && ended.stderr.contains(words), || {
        format!("{ended:?}")
    })?;
    all_gone(&all)
}

/// SIGKILL for the program, or for what stands between it and the supervisor.
pub fn the_program_or_its_parent_killed_ends_them_all(world: &World, who: Who) -> Check {
    for parent in [false, true] {
        let (mut session, all) = family(world, who)?;
        let program = session.jail.program()?;
        if parent && program.ppid == session.jail.pid() {
            continue; // nothing stands between
        }
        let target = if parent { program.ppid } else { program.pid };
        strike(target, Signal::SIGKILL)?;
        let ended = session.jail.end(LONG)?;
        ensure(ended.code == 137 || ended.code == 125, || {
            format!("{ended:?}")
        })?;
        all_gone(&all)?;
    }
    Ok(())
}

/// The program ends by itself, and leaves an orphan: that one ends, too.
pub fn orphans_end_with_the_program(world: &World, who: Who) -> Check {
    let (mut session, all) = family(world, who)?;
    session.jail.signal(Signal::SIGTERM);
    let ended = session.jail.end(LONG)?;
    ensure(ended.code == 143, || format!("{ended:?}"))?;
    all_gone(&all)
}

/// The twin of those: without a jail the orphan lives on and serves.
pub fn an_orphan_lives_on_without_a_jail(world: &World) -> Check {
    let mut session = Session::start(world, How::Free, &[], &["family", "8096"])?;
    session.has_to_pause()?;
    let said = session.take_words();
    session.jail.signal(Signal::SIGKILL);
    session.jail.end(LONG)?;
    let pids = said
        .split(" | ")
        .filter_map(|line| line.strip_prefix("pid "));
    let left: Vec<Proc> = pids
        .filter_map(|pid| procs::get(pid.parse().ok()?))
        .collect();
    let served = TcpStream::connect((Ipv4Addr::LOCALHOST, 8096)).is_ok();
    for process in &left {
        strike(process.pid, Signal::SIGKILL)?;
    }
    let gone = procs::survivors(&left, GONE);
    ensure(left.len() == 1 && served && gone.is_empty(), || {
        format!("left {left:?}, served {served}: {said}")
    })
}

/// SIGKILL for the supervisor: the world sees the end of the jail's connections.
pub fn the_supervisor_killed_ends_connections(world: &World, who: Who) -> Check {
    let mut session = connected(world, who)?;
    let all = session.jail.tree();
    session.jail.signal(Signal::SIGKILL);
    session.jail.end(LONG)?;
    let left = procs::survivors(&all, GONE);
    ensure(left.is_empty(), || format!("left: {left:?}"))?;
    let open = || {
        let table = std::fs::read_to_string("/proc/thread-self/net/tcp").ok()?;
        // Established, with the host's port 7000.
        let is_open = |line: &&str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields.get(3) == Some(&"01") && line.contains(":1B58 ")
        };
        (table.lines().filter(is_open).count() == 0).then_some(())
    };
    wait_for(GONE, open).ok_or_else(|| "connections are left open".to_owned())
}

/// An outer supervisor holds the one listener of the filter chain: a refusal.
pub fn a_listener_held_by_another_is_a_refusal(_: &World, who: Who) -> Check {
    let scratch = Scratch::new();
    let failer = scratch.at("failer");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lifecycle/failer.c");
    let built = Command::new("cc")
        .args(["-static", "-O1", "-o"])
        .args([&failer, &source])
        .status();
    ensure(built.is_ok_and(|status| status.success()), || "cc".into())?;
    let profile = profile(&scratch, "", "", "");
    let actor = program::actor()?.display().to_string();
    let (inner, _) = command(
        &scratch,
        How::Jailed(who),
        &profile,
        &[],
        &[&actor, "interfaces"],
    );
    let mut outer = who.command(&failer);
    outer
        .args(["seccomp:1=8/8", "16", "--"])
        .arg(inner.get_program());
    outer.args(inner.get_args());
    let output = outer.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
    let refused = output.status.code() == Some(125) && said.contains("hint:");
    ensure(
        refused && said.contains("listener") && output.stdout.is_empty(),
        || format!("{output:?}"),
    )
}

/// Its twin: the same jail without an outer supervisor runs.
pub fn a_listener_of_its_own_is_none(world: &World, who: Who) -> Check {
    let run = Session::start(world, How::Jailed(who), &[], &["interfaces"])?.finish()?;
    ensure(run.said == "loopback 1", || format!("{run:#?}"))
}

/// SIGTERM ends a jail whose program does what it can to keep the supervisor busy.
pub fn a_full_queue_does_not_hold_the_supervisor(world: &World, who: Who) -> Check {
    stalled(world, who, "queue")
}

/// The same for sockets that are to end slowly.
pub fn a_slow_end_does_not_hold_the_supervisor(world: &World, who: Who) -> Check {
    stalled(world, who, "linger")
}

fn stalled(world: &World, who: Who, kind: &str) -> Check {
    let flags = ["--publish", "127.0.0.1:8096"];
    let words = ["stalls", kind, "8096"];
    let mut session = Session::start(world, How::Jailed(who), &flags, &words)?;
    session.has_to_pause()?;
    session.go_on()?;
    session.has_to_pause()?;
    let all = session.jail.tree();
    session.jail.signal(Signal::SIGTERM);
    let ended = session.jail.end(LONG);
    let left = procs::survivors(&all, GONE);
    for process in &left {
        let _ = strike(process.pid, Signal::SIGKILL);
    }
    let ended = ended?;
    ensure(ended.code == 143 && left.is_empty(), || {
        format!("{ended:?}, left: {left:?}")
    })
}
