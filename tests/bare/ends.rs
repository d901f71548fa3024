//! How connections end: the host sees it at once, and so does the jail.

use crate::kit::{Check, ensure, wait_for};
use crate::run::{How, Session};
use crate::world::World;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// The host that the actor knows by a name, at an IPv4 address only.
const HOST: &str = "198.51.100.7";
const NAME: &str = "third.world.test";
/// An end is told within this time, on a busy machine, too.
const AT_ONCE: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(20);

/// A host that waits for a connection, and a session that makes it.
fn met<'w>(world: &'w World, how: How, act: &str) -> Result<(Session<'w>, TcpStream), String> {
    static NEXT: AtomicU16 = AtomicU16::new(21_000);
    let port = NEXT.fetch_add(1, Ordering::Relaxed);
    let listener = TcpListener::bind((HOST, port)).map_err(|error| error.to_string())?;
    let allow = format!("{NAME}:{port}");
    let words = [act, NAME, &port.to_string()];
    let session = Session::start(world, how, &["--allow", &allow], &words)?;
    listener
        .set_nonblocking(true)
        .map_err(|error| error.to_string())?;
    let taken = wait_for(LONG, || listener.accept().ok());
    let (stream, _) = taken.ok_or_else(|| session.complaint("did not come"))?;
    stream
        .set_nonblocking(false)
        .and_then(|()| stream.set_read_timeout(Some(LONG)))
        .map_err(|error| error.to_string())?;
    Ok((session, stream))
}

/// What comes up to the end, and how long the end took behind the last byte.
fn to_the_end(stream: &mut TcpStream, bytes: usize) -> Result<(String, Duration), String> {
    let mut text = vec![0; bytes];
    let words = |error: std::io::Error| format!("the host reads: {error}");
    stream.read_exact(&mut text).map_err(words)?;
    let since = Instant::now();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).map_err(words)?;
    text.extend(rest);
    Ok((String::from_utf8_lossy(&text).into_owned(), since.elapsed()))
}

/// A close behind a write: the host sees it although the program lives on.
pub fn a_close_is_seen(world: &World, how: How) -> Check {
    let (mut session, mut stream) = met(world, how, "ends-it")?;
    let (text, took) = to_the_end(&mut stream, 3)?;
    ensure(text == "bye" && took < AT_ONCE, || {
        format!("{text:?} after {took:?}")
    })?;
    session.has_to_pause()?;
    let run = session.finish()?;
    ensure(run.said == "send ok", || format!("{run:#?}"))
}

/// The jail's half ends first, and the host's answer still comes.
pub fn a_half_close_is_seen(world: &World, how: How) -> Check {
    let (session, mut stream) = met(world, how, "ends-half")?;
    let (text, took) = to_the_end(&mut stream, 3)?;
    ensure(text == "bye" && took < AT_ONCE, || {
        format!("{text:?} after {took:?}")
    })?;
    stream
        .write_all(b"answer")
        .map_err(|error| error.to_string())?;
    drop(stream);
    let run = session.finish()?;
    let wanted = "send ok | shutdown ok | read answer | end seen";
    ensure(run.said == wanted, || format!("{run:#?}"))
}

/// The host's half ends first, and what the jail sends then still arrives.
pub fn the_hosts_half_close_is_seen(world: &World, how: How) -> Check {
    let (mut session, mut stream) = met(world, how, "sees-end")?;
    stream
        .shutdown(std::net::Shutdown::Write)
        .map_err(|error| error.to_string())?;
    let mut text = [0; 7];
    stream
        .read_exact(&mut text)
        .map_err(|error| error.to_string())?;
    ensure(&text == b"heymore", || format!("{text:?}"))?;
    session.has_to_pause()?;
    let run = session.finish()?;
    ensure(run.said == "send ok | end seen | send ok", || {
        format!("{run:#?}")
    })
}
