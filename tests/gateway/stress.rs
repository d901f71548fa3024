//! Many connections, no descriptors, floods of names: the gateway goes on, and stays small.

use crate::kit::who::Who;
use crate::kit::{Check, ensure, wait_for};
use crate::memory::Memory;
use crate::stage::{LONG, Puppet, Stage, number, text};
use crate::world::{self, OTHER, PRIVATE, PUBLIC, VISITOR};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

/// The most memory that the gateway of a debug build may have of its own, in kB; it aims at 6 MB.
const MOST: u64 = 40_000;

/// Two thousand connections at once, a message of its own over each and back.
pub fn two_thousand_connections_at_once(who: Who) -> Check {
    const MANY: u32 = 2000;
    let port = crowd(PUBLIC);
    let stage = Stage::new(who, "")?;
    let flags = [
        "--add-host",
        &format!("mock.test={PUBLIC}"),
        "--allow",
        &format!("mock.test:{port}"),
    ];
    let mut puppet = stage.start(&flags)?;
    let gateway = puppet.gateway()?.pid;
    let before = Memory::of(gateway)?;
    puppet.want(
        &format!("many 1 {MANY} mock.test {port}"),
        &format!("made {MANY} last none"),
    )?;
    for _ in 0..3 {
        puppet.want(&format!("echoes 1 {MANY}"), &format!("same {MANY}"))?;
    }
    let full = Memory::of(gateway)?;
    let open = std::fs::read_dir(format!("/proc/{gateway}/fd"))
        .map_err(|e| e.to_string())?
        .count();
    println!(
        "gateway with {MANY} connections {}: {full}, {open} descriptors; {before} before",
        who.word()
    );
    ensure(full.pss < MOST && full.anonymous < MOST, || {
        full.to_string()
    })?;
    puppet.want(&format!("closemany 1 {MANY}"), "ok")?;
    let few = wait_for(LONG, || {
        let open = std::fs::read_dir(format!("/proc/{gateway}/fd"))
            .ok()?
            .count();
        (open < 200).then_some(open)
    });
    let after = Memory::of(gateway)?;
    println!(
        "gateway after them {}: {after}, {few:?} descriptors",
        who.word()
    );
    ensure(few.is_some(), || "descriptors are left open".into())?;
    puppet.want(&format!("connect 1 mock.test {port}"), "ok")?;
    puppet.echoes(1, "and one more")?;
    puppet.end()?;
    let all = puppet.events("connection")?;
    let counted: u64 = all.iter().map(|event| number(event, "count")).sum();
    let left_out = number(&puppet.event("exit", &[])?, "dropped");
    // A query or two may be among the lines that are left out.
    let all = u64::from(MANY) + 1..=u64::from(MANY) + 4;
    ensure(all.contains(&(counted + left_out)), || {
        format!("{counted} connections are told of, {left_out} left out")
    })
}

/// The same number of visitors at once.
pub fn fifteen_hundred_visitors_at_once(who: Who) -> Check {
    const MANY: u32 = 1500;
    let port = world::port();
    let stage = Stage::new(who, "")?;
    let mut puppet = stage.start(&["--publish", &format!("0.0.0.0:{port}")])?;
    let gateway = puppet.gateway()?.pid;
    puppet.want(&format!("listen 8000 {port} 0"), "ok")?;
    let mut visitors = Vec::new();
    for socket in 1..=MANY {
        visitors.push(world::visit(VISITOR, (PUBLIC, port))?);
        puppet.want(
            &format!("accept 8000 {socket} 20000"),
            &format!("from {VISITOR}"),
        )?;
    }
    for (socket, visitor) in (1..).zip(&mut visitors).step_by(97) {
        crate::ingress::talk(visitor, &mut puppet, socket)?;
    }
    let full = Memory::of(gateway)?;
    println!("gateway with {MANY} visitors {}: {full}", who.word());
    ensure(full.anonymous < MOST, || full.to_string())?;
    drop(visitors);
    puppet
        .want("read 1 20000", "eof")
        .or_else(|_| puppet.want("read 1 20000", "errno 104 ECONNRESET"))?;
    puppet.end().map(drop)
}

/// A jail whose gateway may have few descriptors, though the profile allows it many connections.
fn with_few_descriptors(stage: &Stage, flags: &[&str], few: usize) -> Result<Puppet, String> {
    let mut command = stage.who.command(Path::new("/bin/sh"));
    let script = format!("ulimit -n {few} && exec \"$@\"");
    command.args(["-c", &script, "sh"]);
    command
        .arg(crate::kit::jail::binary())
        .args(stage.words(flags));
    stage.start_command(command)
}

/// The jail takes what it can of the few descriptors that the gateway has: its share. What is open goes on, visitors
/// come in meanwhile, and new connections work once it gives back.
pub fn a_gateway_out_of_descriptors_survives(who: Who) -> Check {
    let (port, other) = (crowd(PUBLIC), world::echo(OTHER));
    let served = world::port();
    let stage = Stage::new(who, "limits = { connections = 100000, per_host = 100000 }")?;
    let flags = [
        "--add-host",
        &format!("mock.test={PUBLIC}"),
        "--allow",
        &format!("mock.test:{port}"),
        "--add-host",
        &format!("other.test={OTHER}"),
        "--allow",
        &format!("other.test:{other}"),
        "--publish",
        &format!("127.0.0.1:{served}"),
    ];
    let mut puppet = with_few_descriptors(&stage, &flags, 256)?;
    let gateway = puppet.gateway()?;
    puppet.want(&format!("listen 8000 {served} 0"), "ok")?;
    puppet.want(&format!("connect 1 other.test {other}"), "ok")?;
    puppet.echoes(1, "before")?;
    puppet.order(&format!("many 10 200 mock.test {port}"))?;
    puppet.echoes(1, "while nothing is left")?;
    puppet.event("connection", &["too many connections"])?;
    let mut meanwhile = world::visit("127.0.0.1", ("127.0.0.1", served))?;
    puppet.want("accept 8000 4 20000", "from 127.0.0.1")?;
    crate::ingress::talk(&mut meanwhile, &mut puppet, 4)?;
    ensure(puppet.gateway()? == gateway, || "another gateway".into())?;
    puppet.want("closemany 10 200", "ok")?;
    puppet.echoes(1, "after")?;
    let again = wait_for(LONG, || {
        puppet
            .order(&format!("connect 5 other.test {other}"))
            .ok()?;
        let fine = puppet.echoes(5, "again").is_ok();
        if !fine {
            puppet.order("close 5").ok()?;
        }
        fine.then_some(())
    });
    ensure(again.is_some(), || "no new connection".into())?;
    let visitor = wait_for(LONG, || {
        let visitor = world::visit("127.0.0.1", ("127.0.0.1", served)).ok()?;
        (puppet.order("accept 8000 6 1000").ok()? == "from 127.0.0.1").then_some(visitor)
    });
    let mut visitor = visitor.ok_or("no new visitor")?;
    crate::ingress::talk(&mut visitor, &mut puppet, 6)?;
    puppet.want("connect 7 unknown.test 443", "no address")?;
    puppet.end().map(drop)
}

/// So few descriptors that the share of the connections and what is kept beside them are more.
const FEW: usize = 60;

/// What is asked for first while no descriptor is left works later, too: a name, and an address of the profile.
pub fn what_came_while_out_of_descriptors_works_later(who: Who) -> Check {
    let (other, raw) = (world::echo(OTHER), world::echo(PRIVATE));
    let stage = Stage::new(who, &format!("addresses = [\"10.0.0.0/8:{raw}\"]"))?;
    let flags = [
        "--add-host",
        &format!("other.test={OTHER}"),
        "--allow",
        &format!("other.test:{other}"),
        "--add-host",
        &format!("known.test={OTHER}"),
        "--allow",
        &format!("known.test:{other}"),
    ];
    let mut puppet = with_few_descriptors(&stage, &flags, FEW)?;
    let gateway = puppet.gateway()?.pid;
    let known = |puppet: &mut Puppet| {
        let answer = puppet.order("query known.test 1")?;
        ensure(answer.starts_with("rcode 0 answers 1"), || answer)
    };
    known(&mut puppet)?;
    // Those that come when nothing is left fail, and leave room again: more of them, until what is open stays.
    let (crowds, each) = (10..250, 30);
    let mut open = 0;
    for first in crowds.clone().step_by(each) {
        puppet.order(&format!("many {first} {each} known.test {other}"))?;
        open = std::fs::read_dir(format!("/proc/{gateway}/fd")).map_or(0, Iterator::count);
        if open >= FEW - 2 {
            break;
        }
    }
    ensure(open >= FEW - 2, || {
        format!("only {open} descriptors are open")
    })?;
    puppet.order(&format!("connect 300 {PRIVATE} {raw}"))?;
    puppet.order("query other.test 1")?;
    known(&mut puppet)?;
    puppet.order("close 300")?;
    puppet.want(
        &format!("closemany {} {}", crowds.start, crowds.len()),
        "ok",
    )?;
    for (socket, host, port) in [(400, "other.test", other), (401, PRIVATE, raw)] {
        let fine = wait_for(Duration::from_secs(20), || {
            puppet
                .order(&format!("connect {socket} {host} {port}"))
                .ok()?;
            let fine = puppet.echoes(socket, "later").is_ok();
            if !fine {
                puppet.order(&format!("close {socket}")).ok()?;
            }
            fine.then_some(())
        });
        ensure(fine.is_some(), || format!("{host} is never reached"))?;
    }
    puppet.end().map(drop)
}

/// Ten thousand names that no line allows: each is in an event or counted as left out, and allowed names are answered.
pub fn a_flood_of_names_is_counted(who: Who) -> Check {
    const MANY: u64 = 10_000;
    let port = world::echo(PUBLIC);
    let stage = Stage::new(who, "limits = { queries = 1000000 }")?;
    let flags = [
        "--add-host",
        &format!("mock.test={PUBLIC}"),
        "--allow",
        &format!("mock.test:{port}"),
    ];
    let mut puppet = stage.start(&flags)?;
    let gateway = puppet.gateway()?.pid;
    let before = Memory::of(gateway)?;
    puppet.want(&format!("connect 1 mock.test {port}"), "ok")?;
    let answers = puppet.order(&format!("names {MANY} flood.test"))?;
    puppet.want(&format!("connect 2 mock.test {port}"), "ok")?;
    puppet.echoes(2, "still answered")?;
    let (full, supervisor) = (Memory::of(gateway)?, Memory::of(puppet.jail.pid())?);
    println!(
        "gateway after {MANY} names {}: {full}, {before} before; supervisor {supervisor}; {answers}",
        who.word()
    );
    ensure(full.anonymous < MOST, || full.to_string())?;
    ensure(
        answers == format!("sent {MANY} fine 0 failed 0 unknown {MANY} refused 0"),
        || answers.clone(),
    )?;
    puppet.end()?;
    told_or_counted(&puppet, "flood.test", MANY)
}

/// A query for an allowed host of its own that a test makes while names pour in, of both kinds, and its connection.
const OWN: u64 = 3;

/// What the events say of the queries for names below a domain, and what they leave out, are all of them.
fn told_or_counted(puppet: &Puppet, domain: &str, all: u64) -> Check {
    let queries = puppet.events("query")?;
    let ours = queries
        .iter()
        .filter(|event| text(event, "name").ends_with(domain));
    let told = ours.clone().count() as u64;
    let exit = puppet.event("exit", &[])?;
    let (dropped, denied) = (number(&exit, "dropped"), number(&exit, "denied"));
    println!("{told} lines of {all} denied names, {dropped} left out, {denied} denials counted");
    ensure(told < 3000, || format!("{told} lines"))?;
    ensure(denied == all, || {
        format!("{denied} denials of {all}: {exit}")
    })?;
    // What the jail asks beside the flood, a host that is allowed, may be among what is left out.
    let own = (told + dropped).checked_sub(all);
    ensure(own.is_some_and(|own| own <= OWN), || {
        format!("{told} lines and {dropped} left out of {all}: {exit}")
    })
}

/// A flood hides no allowed name from the record: what is connected to after it is not called a raw address.
pub fn a_flood_does_not_falsify_the_record(who: Who) -> Check {
    let port = world::echo(PUBLIC);
    let stage = Stage::new(who, "limits = { queries = 1000000 }")?;
    let names: Vec<String> = (0..20).map(|n| format!("late{n}.test")).collect();
    let mut flags = Vec::new();
    for name in &names {
        flags.extend(["--add-host".to_owned(), format!("{name}={PUBLIC}")]);
        flags.extend(["--allow".to_owned(), format!("{name}:{port}")]);
    }
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut puppet = stage.start(&flags)?;
    for (socket, name) in (1..).zip(&names) {
        puppet.order("burst 200 flood.test")?;
        puppet.want(&format!("connect {socket} {name} {port}"), "ok")?;
    }
    puppet.end()?;
    let refused = puppet
        .events("connection")?
        .into_iter()
        .filter(|event| text(event, "verdict") == "refused");
    let refused: Vec<_> = refused.collect();
    ensure(refused.is_empty(), || format!("{refused:?}"))
}

/// More names than the profile lets a jail ask for in a second are refused, allowed ones that are known are not.
pub fn queries_are_limited(who: Who) -> Check {
    let port = world::echo(PUBLIC);
    let stage = Stage::new(who, "limits = { queries = 50 }")?;
    let flags = [
        "--add-host",
        &format!("mock.test={PUBLIC}"),
        "--allow",
        &format!("mock.test:{port}"),
    ];
    let mut puppet = stage.start(&flags)?;
    puppet.want(&format!("connect 1 mock.test {port}"), "ok")?;
    // Whatever the limit, a name that no line allows is one that there is not: an answer that sounds as if asking again
    // might help would only bring more.
    let answers = puppet.order("names 2000 flood.test")?;
    ensure(answers.ends_with("unknown 2000 refused 0"), || {
        answers.clone()
    })?;
    puppet.want(&format!("connect 2 mock.test {port}"), "ok")?;
    puppet.event("query", &["too many queries", "[net.limits] queries"])?;
    puppet.end().map(drop)
}

/// For the world's own side of all that: as many descriptors as the machine gives.
pub fn raise_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(1 << 16), hard);
    }
}

/// A host that echoes to thousands; its port.
fn crowd(at: &str) -> u16 {
    let port = world::port();
    let domain = socket2::Domain::IPV4;
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).expect("socket");
    let address = std::net::SocketAddr::new(at.parse().expect("an address"), port);
    socket.bind(&address.into()).expect("bind");
    socket.listen(4096).expect("listen");
    std::thread::spawn(move || echo_to_a_crowd(socket.into()));
    port
}

/// A host that echoes to a crowd: one thread, poll(2).
fn echo_to_a_crowd(listener: std::net::TcpListener) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::io::{ErrorKind, Read, Write};
    let _ = listener.set_nonblocking(true);
    let mut guests: Vec<std::net::TcpStream> = Vec::new();
    let mut block = [0; 4096];
    loop {
        let listens = PollFd::new(listener.as_fd(), PollFlags::POLLIN);
        let mut waiting = vec![listens];
        waiting.extend(
            guests
                .iter()
                .map(|guest| PollFd::new(guest.as_fd(), PollFlags::POLLIN)),
        );
        if poll(&mut waiting, PollTimeout::from(1000u16)).is_err() {
            continue;
        }
        let woken: Vec<bool> = waiting
            .iter()
            .map(|one| one.any().unwrap_or(true))
            .collect();
        let mut at = 0;
        guests.retain_mut(|guest| {
            at += 1;
            if !woken[at] {
                return true;
            }
            match guest.read(&mut block) {
                Ok(length @ 1..) => guest.write_all(&block[..length]).is_ok(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => true,
                _ => false,
            }
        });
        while let Ok((guest, _)) = listener.accept() {
            let _ = guest.set_nonblocking(false);
            let _ = guest.set_read_timeout(Some(Duration::from_millis(100)));
            guests.push(guest);
        }
    }
}
