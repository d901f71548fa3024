//! A name server of the world's, and what the gateway asks of it.

use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::{Puppet, Stage};
use crate::world::{self, FRONT, PRIVATE, PUBLIC};
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};

/// The questions that a name server has heard, as `name type`.
pub type Heard = Arc<Mutex<Vec<String>>>;

const A: u16 = 1;
const TXT: u16 = 16;
const SRV: u16 = 33;

/// A server that knows `mock.test`, `inner.test` and the records of `db.test`; its address.
pub fn name_server() -> (String, Heard) {
    let port = world::port();
    let socket = UdpSocket::bind((FRONT, port)).expect("bind");
    let heard = Heard::default();
    let sink = heard.clone();
    std::thread::spawn(move || {
        let mut room = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut room) {
            if let Some((name, kind, end)) = question(&room[..length]) {
                sink.lock().expect("lock").push(format!("{name} {kind}"));
                let _ = socket.send_to(&answer(&room[..end], &name, kind), from);
            }
        }
    });
    (format!("{FRONT}:{port}"), heard)
}

/// The name, the type, and where the question ends.
fn question(message: &[u8]) -> Option<(String, u16, usize)> {
    let mut at = 12;
    let mut labels = Vec::new();
    while let length @ 1.. = usize::from(*message.get(at)?) {
        labels.push(String::from_utf8_lossy(message.get(at + 1..at + 1 + length)?).to_lowercase());
        at += length + 1;
    }
    let kind = u16::from_be_bytes([*message.get(at + 1)?, *message.get(at + 2)?]);
    Some((labels.join("."), kind, at + 5))
}

fn answer(asked: &[u8], name: &str, kind: u16) -> Vec<u8> {
    let data = match (name, kind) {
        ("mock.test" | "db.test", A) => Some([203, 0, 113, 10].to_vec()),
        ("inner.test", A) => Some([10, 20, 30, 40].to_vec()),
        ("_mongodb._tcp.db.test", SRV) => Some(b"\0\x01\0\x02\x69\x89\x02db\x04test\0".to_vec()),
        ("db.test", TXT) => Some(b"\x0freplicaSet=mine".to_vec()),
        _ => None,
    };
    let known = [
        "mock.test",
        "db.test",
        "inner.test",
        "_mongodb._tcp.db.test",
    ]
    .contains(&name);
    let mut message = asked.to_vec();
    message[2] = 0x81;
    message[3] = if known { 0x80 } else { 0x83 };
    message[6..12].copy_from_slice(&[0, u8::from(data.is_some()), 0, 0, 0, 0]);
    if let Some(data) = data {
        message.extend([0xc0, 12]);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
        message.extend(data);
    }
    message
}

/// The profile's own name server is asked, and only for what is dialled.
pub fn the_profiles_name_server_is_asked(who: Who) -> Check {
    let (server, heard) = name_server();
    let port = world::echo(PUBLIC);
    let stage = Stage::new(who, &format!("resolver = \"{server}\""))?;
    let mut puppet = stage.start(&[
        "--allow",
        &format!("mock.test:{port}"),
        "--allow",
        "other.test:443",
    ])?;
    puppet.order("query secret-in-a-name.example 1")?;
    puppet.order("query other.test 1")?;
    ensure(heard.lock().expect("lock").is_empty(), || {
        format!("asked without need: {heard:?}")
    })?;
    puppet.want(&format!("connect 1 mock.test {port}"), "ok")?;
    puppet.echoes(1, "hello")?;
    puppet.end()?;
    let asked = heard.lock().expect("lock").clone();
    ensure(
        !asked.is_empty() && asked.iter().all(|line| line.starts_with("mock.test ")),
        || format!("{asked:?}"),
    )
}

/// A public name with a private address is not dialled; as a private host it is.
pub fn a_private_address_takes_a_private_host(who: Who) -> Check {
    let (server, _) = name_server();
    let (listener, port) = world::listener(PRIVATE);
    let stage = Stage::new(who, &format!("resolver = \"{server}\""))?;
    let host = format!("inner.test:{port}");
    let mut puppet = stage.start(&["--allow", &host])?;
    puppet.want(&format!("connect 1 inner.test {port}"), "ok")?;
    puppet.want("read 1 20000", "errno 104 ECONNRESET")?;
    puppet.event(
        "connection",
        &[
            "resolves to a private address",
            &format!("--allow-private {host}"),
        ],
    )?;
    ensure(world::accept_now(&listener).is_none(), || {
        "dialled all the same".into()
    })?;
    puppet.end()?;
    let mut puppet = stage.start(&["--allow-private", &host])?;
    puppet.want(&format!("connect 1 inner.test {port}"), "ok")?;
    world::accept(&listener)?;
    puppet.end().map(drop)
}

/// No answer of any name server: told as such.
pub fn a_name_that_no_server_knows_is_told(who: Who) -> Check {
    let (server, _) = name_server();
    let stage = Stage::new(who, &format!("resolver = \"{server}\""))?;
    let mut puppet = stage.start(&["--allow", "nowhere.test:7000"])?;
    puppet.want("connect 1 nowhere.test 7000", "ok")?;
    puppet.want("read 1 20000", "errno 104 ECONNRESET")?;
    puppet.event("connection", &["the name servers know no address"])?;
    puppet.end().map(drop)
}

fn records(who: Who, more: &str) -> Result<(Stage, Puppet, Heard), String> {
    let (server, heard) = name_server();
    let net = format!("resolver = \"{server}\"\nallow = [{{ host = \"db.test:27017\"{more} }}]");
    let stage = Stage::new(who, &net)?;
    let puppet = stage.start(&[])?;
    Ok((stage, puppet, heard))
}

/// `records = true`: SRV and TXT below the host are answered as the world has them.
pub fn records_are_answered_where_the_profile_says_so(who: Who) -> Check {
    let (_stage, mut puppet, _) = records(who, ", as = \"tcp\", records = true")?;
    let service = puppet.order(&format!("query _mongodb._tcp.db.test {SRV}"))?;
    ensure(
        service.starts_with("rcode 0 answers 1") && service.contains("026462"),
        || service.clone(),
    )?;
    let text = puppet.order(&format!("query db.test {TXT}"))?;
    // "mine"
    ensure(
        text.starts_with("rcode 0 answers 1") && text.contains("6d696e65"),
        || text.clone(),
    )?;
    puppet.end().map(drop)
}

/// Without it they are not, and nobody is asked.
pub fn records_are_not_answered_otherwise(who: Who) -> Check {
    let (_stage, mut puppet, heard) = records(who, "")?;
    for (name, kind) in [("_mongodb._tcp.db.test", SRV), ("db.test", TXT)] {
        let said = puppet.order(&format!("query {name} {kind}"))?;
        ensure(said.contains("answers 0"), || format!("{name}: {said}"))?;
    }
    ensure(heard.lock().expect("lock").is_empty(), || {
        format!("asked: {heard:?}")
    })?;
    puppet.end().map(drop)
}
