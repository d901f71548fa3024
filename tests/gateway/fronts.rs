//! Fronts that speak the PROXY protocol, and those who only pretend.

use crate::ingress::talk;
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::{Puppet, Stage};
use crate::world::{self, FRONT, PUBLIC, PUBLIC_V6, RESET, VISITOR, VISITOR_V6};
use std::io::Write;
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

/// A jail that serves a port behind a front, and judges its visitors.
fn behind_a_front(who: Who) -> Result<(Stage, Puppet, u16), String> {
    let port = world::port();
    let net = format!(
        "publish = [{{ address = \"0.0.0.0:{port}\", proxy_from = [\"{FRONT}\"], allow_from = [\"{VISITOR}\", \"{VISITOR_V6}\", \"127.0.0.1\"] }}]"
    );
    let stage = Stage::new(who, &net)?;
    let mut puppet = stage.start(&[])?;
    puppet.want(&format!("listen 1 {port} 0"), "ok")?;
    puppet.want(&format!("listen 2 {port} 1"), "ok")?;
    Ok((stage, puppet, port))
}

/// Version 2: the signature, the command and transport, and the addresses.
fn binary(from: &str) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
    match from.parse().expect("an address") {
        IpAddr::V4(from) => {
            header.extend([0x11, 0, 12]);
            header.extend(from.octets());
            header.extend([203, 0, 113, 10]);
        }
        IpAddr::V6(from) => {
            header.extend([0x21, 0, 36]);
            header.extend(from.octets());
            header.extend([0; 16]);
        }
    }
    header.extend([0x9c, 0x40, 0, 80]);
    header
}

fn front(port: u16, header: &[u8]) -> Result<TcpStream, String> {
    let mut stream = world::visit(FRONT, (PUBLIC, port))?;
    stream.write_all(header).map_err(|e| e.to_string())?;
    Ok(stream)
}

/// The address in the header is what the program sees.
pub fn a_front_tells_whom_it_speaks_for(who: Who) -> Check {
    let (_stage, mut puppet, port) = behind_a_front(who)?;
    let lines = [
        (
            format!("PROXY TCP4 {VISITOR} {PUBLIC} 40000 80\r\n").into_bytes(),
            1,
            VISITOR,
        ),
        (
            format!("PROXY TCP6 {VISITOR_V6} {PUBLIC_V6} 40000 80\r\n").into_bytes(),
            2,
            VISITOR_V6,
        ),
        (binary(VISITOR), 1, VISITOR),
        (binary(VISITOR_V6), 2, VISITOR_V6),
    ];
    for (header, listener, seen) in lines {
        let mut stream = front(port, &header)?;
        puppet.want(
            &format!("accept {listener} 50 20000"),
            &format!("from {seen}"),
        )?;
        talk(&mut stream, &mut puppet, 50)?;
        puppet.want("close 50", "ok")?;
    }
    puppet.end().map(drop)
}

/// A header and the first bytes in one piece, and a header byte by byte.
pub fn a_header_may_come_in_any_pieces(who: Who) -> Check {
    let (_stage, mut puppet, port) = behind_a_front(who)?;
    let mut whole = binary(VISITOR);
    whole.extend(b"and more");
    let _one = front(port, &whole)?;
    puppet.want("accept 1 50 20000", &format!("from {VISITOR}"))?;
    ensure(puppet.read(50, 20_000)? == "and more", || {
        "the first bytes are lost".into()
    })?;
    let mut stream = front(port, b"")?;
    for byte in binary(VISITOR) {
        stream.write_all(&[byte]).map_err(|e| e.to_string())?;
        std::thread::sleep(Duration::from_millis(2));
    }
    puppet.want("accept 1 51 20000", &format!("from {VISITOR}"))?;
    talk(&mut stream, &mut puppet, 51)?;
    puppet.end().map(drop)
}

/// `allow_from` judges the visitor in the header, not the front.
pub fn the_visitor_in_the_header_is_judged(who: Who) -> Check {
    let (_stage, mut puppet, port) = behind_a_front(who)?;
    for header in [
        b"PROXY TCP4 203.0.113.99 203.0.113.10 40000 80\r\n".to_vec(),
        binary("203.0.113.98"),
        // It speaks for itself, and is not invited.
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(),
    ] {
        let said = world::read(&mut front(port, &header)?);
        ensure(said == RESET, || format!("{header:?}: {said:?}"))?;
    }
    puppet.want("accept 1 50 200", "nothing")?;
    puppet.end().map(drop)
}

/// A front that speaks no PROXY protocol is refused.
pub fn a_front_without_a_header_is_refused(who: Who) -> Check {
    let (_stage, mut puppet, port) = behind_a_front(who)?;
    for bytes in [
        "GET / HTTP/1.1\r\n\r\n",
        "PROXY TCP4 nonsense\r\n",
        "PROXY UDP4 a b 1 2\r\n",
    ] {
        let said = world::read(&mut front(port, bytes.as_bytes())?);
        ensure(said == RESET, || format!("{bytes:?}: {said:?}"))?;
    }
    puppet.event("visitor", &[FRONT, "no PROXY protocol header"])?;
    puppet.want("accept 1 50 200", "nothing")?;
    puppet.end().map(drop)
}

/// Who is no front cannot speak for others: the bytes are the program's, the source is its own.
pub fn a_visitor_cannot_pretend_to_be_a_front(who: Who) -> Check {
    let (_stage, mut puppet, port) = behind_a_front(who)?;
    let header = format!("PROXY TCP4 127.0.0.1 {PUBLIC} 40000 80\r\n");
    let mut stream = world::visit(VISITOR, (PUBLIC, port))?;
    stream
        .write_all(header.as_bytes())
        .map_err(|e| e.to_string())?;
    puppet.want("accept 1 50 20000", &format!("from {VISITOR}"))?;
    let came = puppet.read(50, 20_000)?;
    ensure(came == header, || format!("{came:?}"))?;
    puppet.end().map(drop)
}

/// A front that says nothing is cut after ten seconds.
pub fn a_silent_front_is_cut(who: Who) -> Check {
    let (_stage, mut puppet, port) = behind_a_front(who)?;
    let begun = Instant::now();
    let said = world::read(&mut front(port, b"PROXY ")?);
    let took = begun.elapsed();
    ensure(said == RESET && took > Duration::from_secs(8), || {
        format!("{said:?} after {took:?}")
    })?;
    puppet.end().map(drop)
}
