//! An upstream proxy that speaks CONNECT.

use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::Stage;
use crate::world::{self, FRONT, PRIVATE, PUBLIC};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

/// The first lines of what a proxy was asked.
type Asked = Arc<Mutex<Vec<String>>>;

/// A proxy that answers with this status, and is the host itself behind it: it sends back what comes. Its port.
fn proxy(status: &'static str) -> (u16, Asked) {
    let (listener, port) = world::listener(FRONT);
    let asked = Asked::default();
    let sink = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sink = sink.clone();
            std::thread::spawn(move || serve(stream, status, &sink));
        }
    });
    (port, asked)
}

fn serve(mut stream: TcpStream, status: &str, asked: &Asked) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => break,
        }
    }
    asked
        .lock()
        .expect("lock")
        .push(String::from_utf8_lossy(&head).into_owned());
    // The host's greeting comes in one piece with the answer.
    let _ = write!(stream, "HTTP/1.1 {status}\r\nX-Proxy: test\r\n\r\nbehind");
    let mut block = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut block) {
        if stream.write_all(&block[..length]).is_err() {
            return;
        }
    }
}

/// Allowed names go by the proxy, by name; nothing else does.
pub fn allowed_names_go_by_the_proxy(who: Who) -> Check {
    let (port, asked) = proxy("200 Connection established");
    let stage = Stage::new(who, &format!("proxy = \"http://{FRONT}:{port}\""))?;
    let mut puppet = stage.start(&["--allow", "mock.test:7000", "--allow", "other.test:7001"])?;
    puppet.want("connect 1 mock.test 7000", "ok")?;
    ensure(puppet.read(1, 20_000)? == "behind", || {
        "the greeting is lost".into()
    })?;
    puppet.echoes(1, "by the proxy")?;
    puppet.want("connect 2 other.test 7001", "ok")?;
    ensure(puppet.read(2, 20_000)? == "behind", || {
        "the greeting is lost".into()
    })?;
    puppet.want("connect 3 third.test 7000", "no address")?;
    let raw = puppet.order(&format!("connect 4 {FRONT} {port}"))?;
    ensure(raw != "ok", || "the jail reaches the proxy itself".into())?;
    puppet.end()?;
    let mut all = asked.lock().expect("lock").clone();
    all.sort();
    let lines: Vec<&str> = all.iter().filter_map(|head| head.lines().next()).collect();
    ensure(
        lines
            == [
                "CONNECT mock.test:7000 HTTP/1.1",
                "CONNECT other.test:7001 HTTP/1.1",
            ],
        || format!("{all:?}"),
    )
}

/// Private hosts, and names that the profile itself gives an address, go directly.
pub fn private_hosts_go_directly(who: Who) -> Check {
    let (port, asked) = proxy("200 OK");
    let (private, public) = (world::echo(PRIVATE), world::echo(PUBLIC));
    let stage = Stage::new(who, &format!("proxy = \"http://{FRONT}:{port}\""))?;
    let flags = [
        "--add-host",
        &format!("inner.test={PRIVATE}"),
        "--allow-private",
        &format!("inner.test:{private}"),
        "--add-host",
        &format!("pinned.test={PUBLIC}"),
        "--allow",
        &format!("pinned.test:{public}"),
    ];
    let mut puppet = stage.start(&flags)?;
    puppet.want(&format!("connect 1 inner.test {private}"), "ok")?;
    puppet.echoes(1, "directly")?;
    puppet.want(&format!("connect 2 pinned.test {public}"), "ok")?;
    puppet.echoes(2, "directly, too")?;
    puppet.end()?;
    ensure(asked.lock().expect("lock").is_empty(), || {
        format!("{asked:?}")
    })
}

/// A proxy that refuses, one that speaks nonsense, and one that is not there: told, and nothing goes around it.
pub fn a_proxy_that_refuses_is_told(who: Who) -> Check {
    let (refusing, _) = proxy("403 Forbidden");
    let (nonsense, _) = proxy("forty-two\r\n\r\n");
    for (port, told) in [
        (refusing, "the upstream proxy refused (status 403)"),
        (nonsense, "the upstream proxy does not speak HTTP"),
        (world::port(), "cannot be reached"),
    ] {
        let stage = Stage::new(who, &format!("proxy = \"http://{FRONT}:{port}\""))?;
        let mut puppet = stage.start(&["--allow", "mock.test:7000"])?;
        puppet.want("connect 1 mock.test 7000", "ok")?;
        puppet.want("read 1 20000", "errno 104 ECONNRESET")?;
        puppet.event("connection", &["mock.test", told])?;
        puppet.end()?;
    }
    Ok(())
}
