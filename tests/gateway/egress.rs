//! Connections out of the jail: ends, resets, pressure, silence.

use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::memory::Memory;
use crate::stage::{Puppet, Stage, number, text};
use crate::world::{self, PRIVATE, PUBLIC, RESET};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// A jail that may reach `mock.test` at a listener of the test's.
pub struct Out {
    pub stage: Stage,
    pub puppet: Puppet,
    pub listener: TcpListener,
    pub port: u16,
}

impl Out {
    /// `net`: more lines of `[net]`.
    pub fn new(who: Who, net: &str) -> Result<Self, String> {
        Self::with(who, net, &[])
    }

    /// The same with more flags.
    pub fn with(who: Who, net: &str, flags: &[&str]) -> Result<Self, String> {
        let (listener, port) = world::listener(PUBLIC);
        let stage = Stage::new(who, net)?;
        let (host, allow) = (format!("mock.test={PUBLIC}"), format!("mock.test:{port}"));
        let own = ["--add-host", &host, "--allow", &allow];
        let puppet = stage.start(&[&own, flags].concat())?;
        Ok(Self {
            stage,
            puppet,
            listener,
            port,
        })
    }

    /// The puppet's socket connected to the world.
    pub fn connect(&mut self, socket: u32) -> Result<TcpStream, String> {
        self.puppet
            .want(&format!("connect {socket} mock.test {}", self.port), "ok")?;
        world::accept(&self.listener).map(|(far, _)| far)
    }
}

/// One direction ends, the other goes on; from both sides.
pub fn a_connection_may_end_in_one_direction(who: Who) -> Check {
    let mut out = Out::new(who, "")?;
    let mut far = out.connect(1)?;
    out.puppet.send(1, "request")?;
    out.puppet.want("shut 1", "ok")?;
    let mut request = String::new();
    far.read_to_string(&mut request)
        .map_err(|e| e.to_string())?;
    ensure(request == "request", || format!("{request:?}"))?;
    far.write_all(b"answer").map_err(|e| e.to_string())?;
    ensure(out.puppet.read(1, 20_000)? == "answer", || {
        "no answer".into()
    })?;
    drop(far);
    out.puppet.want("read 1 20000", "eof")?;
    let mut far = out.connect(2)?;
    far.shutdown(Shutdown::Write).map_err(|e| e.to_string())?;
    out.puppet.want("read 2 20000", "eof")?;
    out.puppet.send(2, "late")?;
    let late = world::read(&mut far);
    ensure(late == "late", || format!("{late:?}"))?;
    out.puppet.end()?;
    let event = out.puppet.event("connection", &["mock.test"])?;
    ensure(
        number(&event, "sent") == 7
            && number(&event, "received") == 6
            && text(&event, "verdict") == "allowed",
        || event.to_string(),
    )
}

/// A reset of one side is a reset, or at least an end, for the other.
pub fn a_reset_passes_through(who: Who) -> Check {
    let mut out = Out::new(who, "")?;
    let far = out.connect(1)?;
    let socket = socket2::Socket::from(far);
    socket
        .set_linger(Some(Duration::ZERO))
        .map_err(|e| e.to_string())?;
    drop(socket);
    out.puppet.want("read 1 20000", "errno 104 ECONNRESET")?;
    let mut far = out.connect(2)?;
    out.puppet.want("reset 2", "ok")?;
    let said = world::read(&mut far);
    ensure(said == RESET, || format!("the host reads {said:?}"))?;
    out.puppet.end().map(drop)
}

/// Nobody listens there, and the profile allows it: refused, and told as failed.
pub fn a_host_that_refuses_is_told(who: Who) -> Check {
    // Never listened on: a listener that was closed may live on for a moment in the fork of another test.
    let port = world::port();
    let stage = Stage::new(who, "")?;
    let (host, allow) = (format!("mock.test={PUBLIC}"), format!("mock.test:{port}"));
    let mut puppet = stage.start(&["--add-host", &host, "--allow", &allow])?;
    let connected = puppet.order(&format!("connect 1 mock.test {port}"))?;
    // The refusal may come before connect(2) has returned.
    let reset = "errno 104 ECONNRESET";
    ensure(connected == "ok" || connected == reset, || {
        connected.clone()
    })?;
    if connected == "ok" {
        puppet.want("read 1 20000", reset)?;
    }
    let told = ["cannot be reached: connection refused", "failed"];
    puppet.event("connection", &told)?;
    puppet.end().map(drop)
}

/// Whoever does not read stops the sender; the gateway keeps next to nothing of it.
pub fn a_reader_that_does_not_read_stops_the_sender(who: Who) -> Check {
    const CONNECTIONS: u32 = 4;
    let mut out = Out::new(who, "")?;
    let gateway = out.puppet.gateway()?.pid;
    let before = Memory::of(gateway)?;
    let mut fars = Vec::new();
    for socket in 1..=CONNECTIONS {
        fars.push(out.connect(socket)?);
        let sent = out.puppet.order(&format!("flood {socket} 400000000"))?;
        let bytes: u64 = sent
            .strip_prefix("sent ")
            .and_then(|n| n.parse().ok())
            .ok_or(sent)?;
        ensure(bytes < 100_000_000, || {
            format!("{bytes} bytes are on their way")
        })?;
    }
    let full = Memory::of(gateway)?;
    println!(
        "gateway with {CONNECTIONS} blocked streams {}: {full}, {before} before",
        who.word()
    );
    ensure(full.anonymous < before.anonymous + 4_000, || {
        format!("{before} grew to {full}")
    })?;
    // Nothing is lost: what was taken arrives.
    out.puppet.want("shut 1", "ok")?;
    let mut all = Vec::new();
    fars[0].read_to_end(&mut all).map_err(|e| e.to_string())?;
    ensure(
        all.len() > 100_000 && all.iter().all(|byte| *byte == b'x'),
        || format!("{} bytes came", all.len()),
    )
}

/// Without a byte for the profile's idle time a connection is reset, and told of.
pub fn an_idle_connection_is_cut(who: Who) -> Check {
    let mut out = Out::new(who, "limits = { idle = \"1s\" }")?;
    let mut far = out.connect(1)?;
    // Alive as long as something passes.
    for _ in 0..6 {
        std::thread::sleep(Duration::from_millis(300));
        far.write_all(b"tick").map_err(|e| e.to_string())?;
        ensure(out.puppet.read(1, 20_000)? == "tick", || {
            "cut although it was in use".into()
        })?;
    }
    out.puppet.want("read 1 20000", "errno 104 ECONNRESET")?;
    let said = world::read(&mut far);
    ensure(said.is_empty() || said == RESET, || {
        format!("the host reads {said:?}")
    })?;
    out.puppet.event("connection", &["idle for too long"])?;
    out.puppet.end().map(drop)
}

/// A host that accepts and says nothing holds up nobody else.
pub fn a_silent_host_holds_up_nobody(who: Who) -> Check {
    let mut out = Out::new(who, "")?;
    let _silent: Vec<TcpStream> = (1..=20).map(|n| out.connect(n)).collect::<Result<_, _>>()?;
    let mut far = out.connect(30)?;
    far.write_all(b"hello").map_err(|e| e.to_string())?;
    ensure(out.puppet.read(30, 20_000)? == "hello", || "held up".into())?;
    out.puppet.want("read 1 100", "nothing")?;
    out.puppet.end().map(drop)
}

/// A host that never answers is given up after the profile's time, and named.
pub fn a_host_that_never_answers_is_given_up(who: Who) -> Check {
    let port = world::port();
    // A queue of one that is full: the kernel drops every further SYN.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
        .map_err(|e| e.to_string())?;
    let at: std::net::SocketAddr = format!("{PRIVATE}:{port}").parse().map_err(|_| "address")?;
    full.bind(&at.into())
        .and_then(|()| full.listen(0))
        .map_err(|e| e.to_string())?;
    let _waiting = TcpStream::connect(at).map_err(|e| e.to_string())?;
    let _second = TcpStream::connect_timeout(&at, Duration::from_millis(300));
    let stage = Stage::new(who, "limits = { connect = \"1s\" }")?;
    let flags = [
        "--add-host",
        &format!("slow.test={PRIVATE}"),
        "--allow-private",
        &format!("slow.test:{port}"),
    ];
    let mut puppet = stage.start(&flags)?;
    let begun = Instant::now();
    puppet.want(&format!("connect 1 slow.test {port}"), "ok")?;
    puppet.want("read 1 20000", "errno 104 ECONNRESET")?;
    ensure(begun.elapsed() >= Duration::from_millis(900), || {
        format!("after {:?}", begun.elapsed())
    })?;
    puppet.event("connection", &["no answer in time", "slow.test"])?;
    puppet.end().map(drop)
}

/// Clients that never say whom they mean, or only byte by byte, are cut, and reach nobody.
pub fn clients_that_dawdle_are_cut(who: Who) -> Check {
    let (listener, port) = world::listener(PUBLIC);
    let (other, http) = world::listener(PUBLIC);
    let net = format!(
        "allow = [{{ host = \"mock.test:{port}\", as = \"tls\" }}, {{ host = \"mock.test:{http}\", as = \"http\" }}]\n[net.hosts]\n\"mock.test\" = \"{PUBLIC}\""
    );
    let stage = Stage::new(who, &net)?;
    let mut puppet = stage.start(&[])?;
    for (socket, port) in [(1, port), (2, http), (3, port), (4, http)] {
        puppet.want(&format!("connect {socket} mock.test {port}"), "ok")?;
    }
    let begun = Instant::now();
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let head = b"GET / HTTP/1.1\r\nHost: mock.test\r\nX: ";
    // One byte a second on two of them; the others say nothing.
    let mut cut = 0;
    for at in 0.. {
        std::thread::sleep(Duration::from_millis(900));
        let sent = [
            puppet.send(3, [hello[at.min(hello.len() - 1)]])?,
            puppet.send(4, [head[at.min(head.len() - 1)]])?,
        ];
        cut = sent.iter().filter(|sent| sent.starts_with("errno")).count();
        if cut == 2 || begun.elapsed() > Duration::from_secs(25) {
            break;
        }
    }
    ensure(cut == 2 && begun.elapsed() > Duration::from_secs(8), || {
        format!("{cut} after {:?}", begun.elapsed())
    })?;
    puppet.want("read 1 20000", "errno 104 ECONNRESET")?;
    puppet.want("read 2 20000", "errno 104 ECONNRESET")?;
    puppet.event("connection", &["said nothing in time that names its host"])?;
    for host in [&listener, &other] {
        ensure(
            world::nobody_comes(host, Duration::from_millis(100)),
            || "dialled without a name".into(),
        )?;
    }
    puppet.end().map(drop)
}
