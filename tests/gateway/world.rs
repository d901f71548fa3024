//! The world around the jails: a network namespace of the tests' own, with invented addresses, and servers in it.

use crate::common::needs::{Need, is_root};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// A host of the world with a public address.
pub const PUBLIC: &str = "203.0.113.10";
/// Another one.
pub const OTHER: &str = "203.0.113.11";
/// A host with a private address.
pub const PRIVATE: &str = "10.20.30.40";
/// A visitor's address.
pub const VISITOR: &str = "198.51.100.7";
/// A front's address.
pub const FRONT: &str = "192.0.2.9";
/// A host and visitor with an IPv6 address.
pub const PUBLIC_V6: &str = "2001:db8::10";
/// Another one.
pub const VISITOR_V6: &str = "2001:db8::77";
const ADDRESSES: [&str; 7] = [
    PUBLIC, OTHER, PRIVATE, VISITOR, FRONT, PUBLIC_V6, VISITOR_V6,
];

/// Says to the tests that they are in their own world.
const MARK: &str = "FLOWJAIL_TEST_WORLD";

/// A static program from a C file of tests/gateway.
pub fn compiled(name: &str) -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/gateway/{name}.c"));
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gateway-{name}"));
    let modified = |path: &Path| std::fs::metadata(path).ok()?.modified().ok();
    if modified(&built) > modified(&source) {
        return Ok(built);
    }
    let fresh = built.with_extension(std::process::id().to_string());
    let output = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
        .args(["-static", "-O1", "-Wall", "-Wextra", "-o"])
        .args([&fresh, &source])
        .output()
        .map_err(|error| format!("cc: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    std::fs::rename(&fresh, &built).map_err(|error| error.to_string())?;
    Ok(built)
}

/// Goes on in a world of its own where that can be made; what is missing otherwise.
pub fn enter() -> Need {
    let what = "a network namespace of the tests' own";
    let missing = match (std::env::var_os(MARK).is_some(), is_root()) {
        (true, _) => None,
        (false, false) => Some("the tests run as an ordinary user".to_owned()),
        (false, true) => Some(match compiled("world") {
            Err(why) => why,
            Ok(world) => match Command::new(&world)
                .args(ADDRESSES)
                .args(["--", "/bin/true"])
                .output()
            {
                Ok(output) if output.status.success() => go(&world),
                Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
                Err(error) => error.to_string(),
            },
        }),
    };
    Need { what, missing }
}

/// Comes back with an error only.
fn go(world: &Path) -> String {
    let own = match std::env::current_exe() {
        Ok(own) => own,
        Err(error) => return error.to_string(),
    };
    let mut command = Command::new(world);
    command
        .args(ADDRESSES)
        .arg("--")
        .arg(own)
        .args(std::env::args_os().skip(1));
    // Most of them wait most of their time.
    let named = std::env::args().any(|word| word.starts_with("--test-threads"));
    if !named && std::env::var_os("RUST_TEST_THREADS").is_none() {
        command.arg("--test-threads=8");
    }
    command.env(MARK, "1").exec().to_string()
}

/// A port that nobody has: below those that the kernel gives away.
pub fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A listener at an address, with a port of its own.
pub fn listener(at: &str) -> (TcpListener, u16) {
    let port = port();
    (TcpListener::bind((at, port)).expect("bind"), port)
}

/// A host that sends back what it gets, until the tests end; its port.
pub fn echo(at: &str) -> u16 {
    let (listener, port) = listener(at);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || echo_to_the_end(stream));
        }
    });
    port
}

fn echo_to_the_end(mut stream: TcpStream) {
    let mut block = [0; 16 << 10];
    while let Ok(length @ 1..) = stream.read(&mut block) {
        if stream.write_all(&block[..length]).is_err() {
            return;
        }
    }
}

/// The next one that comes, with patience of its own for every read.
pub fn accept(listener: &TcpListener) -> Result<(TcpStream, SocketAddr), String> {
    listener.set_nonblocking(true).map_err(|e| e.to_string())?;
    let taken = crate::kit::wait_for(Duration::from_secs(20), || listener.accept().ok());
    let (stream, from) = taken.ok_or("nobody came")?;
    stream.set_nonblocking(false).map_err(|e| e.to_string())?;
    patient(&stream);
    Ok((stream, from))
}

/// Whether nobody comes within this time.
pub fn nobody_comes(listener: &TcpListener, within: Duration) -> bool {
    listener.set_nonblocking(true).expect("nonblocking");
    crate::kit::wait_for(within, || listener.accept().ok()).is_none()
}

/// A visitor from one of the world's addresses.
pub fn visit(from: &str, to: impl ToSocketAddrs) -> Result<TcpStream, String> {
    let plain = |error: std::io::Error| format!("visit from {from}: {error}");
    let to = to
        .to_socket_addrs()
        .map_err(plain)?
        .next()
        .ok_or("no address")?;
    let domain = socket2::Domain::for_address(to);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).map_err(plain)?;
    let source = SocketAddr::new(from.parse().map_err(|_| "not an address")?, 0);
    socket.bind(&source.into()).map_err(plain)?;
    socket.connect(&to.into()).map_err(plain)?;
    let stream = TcpStream::from(socket);
    patient(&stream);
    Ok(stream)
}

fn patient(stream: &TcpStream) {
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).expect("timeout");
    stream.set_write_timeout(patience).expect("timeout");
}

/// One read: the text, "" at the end, or the error's kind in angle brackets.
pub fn read(stream: &mut TcpStream) -> String {
    let mut block = [0; 64 << 10];
    match stream.read(&mut block) {
        Ok(length) => String::from_utf8_lossy(&block[..length]).into_owned(),
        Err(error) => format!("<{:?}>", error.kind()),
    }
}

/// What a refused visitor reads.
pub const RESET: &str = "<ConnectionReset>";

/// One that waits already.
pub fn accept_now(listener: &TcpListener) -> Option<TcpStream> {
    listener.set_nonblocking(true).ok()?;
    listener.accept().ok().map(|(stream, _)| stream)
}
