//! Others who share a network with the jail: what they reach of the workload, and of flowjail itself.

use super::bed::bed;
use super::config::{Config, USER, unique};
use super::container::{Container, code};
use super::engine::ask;
use super::life::SERVE;
use super::matrix::{JAILED, words};
use super::world::NETWORK;
use crate::kit::{Check, ensure};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Says what the workload's ports answer to whoever asks at ADDRESS.
const ASK: &str = "const [address] = process.argv.slice(1); (async () => { for (const port of [3000, 3001]) { \
    const got = await fetch(`http://${address}:${port}/`, { signal: AbortSignal.timeout(5000) }).then(r => r.text(), () => 'nothing'); \
    console.log(port, got.startsWith('served') ? 'served' : 'nothing') } })()";

/// Speaks to every port that listens on the shared loopback, as a proxy would be spoken to, and shows what comes back.
const SPEAK: &str = "const net = require('net'), fs = require('fs'); \
    const lines = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap(f => { try { return fs.readFileSync(f, 'utf8').split('\\n').slice(1) } catch { return [] } }); \
    const ports = [...new Set(lines.map(l => l.trim().split(/\\s+/)).filter(f => f[3] === '0A').map(f => parseInt(f[1].split(':').pop(), 16)))]; \
    const speak = (port, text) => new Promise(done => { let got = ''; const s = net.connect(port, '127.0.0.1', () => s.write(text)); \
      s.on('data', d => (got += d)); s.on('error', () => { }); s.on('close', () => done(got)); s.setTimeout(2000, () => s.destroy()) }); \
    (async () => { for (const port of ports) for (const text of ['GET http://llm.test:8080/_stats HTTP/1.1\\r\\nHost: llm.test:8080\\r\\nConnection: close\\r\\n\\r\\n', \
      'CONNECT llm.test:8080 HTTP/1.1\\r\\nHost: llm.test:8080\\r\\n\\r\\n', '\\x05\\x01\\x00']) { \
      const got = await speak(port, text); console.log(port, got.includes('chat') || got.includes('200 Connection') || got.startsWith('\\x05') ? 'PROXY' : got.includes('served') ? 'served' : 'nothing') } })()";

fn serving(before: &[&str]) -> Result<Container, String> {
    let data = format!("{}:/data", unique(&*bed()?)?);
    let flags = [USER.as_slice(), &["-v", &data, "--network", NETWORK]].concat();
    let container = Container::start(&flags, &[before, &SERVE].concat())?;
    container.says("ready\n", 1)?;
    Ok(container)
}

fn asked(container: &Container) -> Result<String, String> {
    let address = container.address(NETWORK)?;
    let ended = bed()?
        .world
        .neighbour
        .exec(&["node", "-e", ASK, &address])?;
    Ok(ended.stdout)
}

/// The twin: another container reaches both ports.
pub fn another_container_reaches_both_bare() -> Check {
    let said = asked(&serving(&[])?)?;
    ensure(said == "3000 served\n3001 served\n", || said)
}

/// Behind flowjail, only the published one.
pub fn another_container_reaches_the_published_alone() -> Check {
    let said = asked(&serving(&JAILED)?)?;
    ensure(said == "3000 served\n3001 nothing\n", || said)
}

/// A published port, from the other side of the engine's bridge: bare, or behind flowjail.
pub fn the_published_port_is_served(config: &Config, before: &[&str]) -> Check {
    let flags = config.flags(&*bed()?)?;
    let flags = [words(&flags).as_slice(), &["-p", "127.0.0.1::3000"]].concat();
    let container = Container::start(&flags, &[before, &SERVE].concat())?;
    container.says("ready\n", 1)?;
    let at = ask(["port", container.name(), "3000/tcp"])?;
    let mut stream = TcpStream::connect(&at).map_err(|e| format!("{at}: {e}"))?;
    let mut answer = String::new();
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let asked = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    asked
        .and_then(|()| stream.read_to_string(&mut answer))
        .map_err(|e| e.to_string())?;
    ensure(answer.contains("served by"), || answer)
}

/// A container on the same loopback gets nothing out of what flowjail listens on.
pub fn a_sidecar_gets_no_way_out(before: &[&str]) -> Check {
    let container = serving(before)?;
    let network = format!("container:{}", container.name());
    let flags = ["--user", "1002:1002", "--network", &network];
    let ended = super::container::run(&flags, &["node", "-e", SPEAK])?;
    let right = code(&ended) == 0
        && ended.stdout.contains("3000 served")
        && !ended.stdout.contains("PROXY");
    ensure(right, || format!("{ended:?}"))
}
