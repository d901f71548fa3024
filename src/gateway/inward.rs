//! Visitors of a published address, led to the program in the jail.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::front::{self, Front};
use super::reason::Reason;
use super::relay::{Count, relay};
use super::serve::{Gateway, next};
use super::stream::{read_more, reset, send_all, settle};
use super::word::Word;
use crate::events::Visitor;
use crate::plan::PublishLine;
use crate::profile::START_LIMIT;
use crate::sys::socket;

/// How long a front may take to say whom it speaks for.
const FRONT_PATIENCE: Duration = Duration::from_secs(10);

/// How long a visitor waits before he is led to a program again that does not listen yet.
const AGAIN: Duration = Duration::from_millis(100);

/// Accepts visitors for ever. `awaited`: who comes before the program listens is why it was started, and waits for it.
pub async fn admit(gateway: Rc<Gateway>, listener: TcpListener, line: PublishLine, awaited: bool) {
    let line = Rc::new(line);
    let awaited = Rc::new(Cell::new(awaited));
    loop {
        let (stream, from) = next(&listener).await;
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        if let Err(reason) = gateway.live.enter() {
            turn_away(&gateway, &stream, from.ip(), &line, &reason);
            continue;
        }
        let (gateway, line) = (Rc::clone(&gateway), Rc::clone(&line));
        let awaited = Rc::clone(&awaited);
        spawn_local(async move {
            let mut visitor = from.ip();
            if let Err(reason) = lead(&gateway, &stream, &mut visitor, &line, &awaited).await {
                turn_away(&gateway, &stream, visitor, &line, &reason);
            }
            gateway.live.leave();
        });
    }
}

fn turn_away(
    gateway: &Gateway,
    stream: &TcpStream,
    from: IpAddr,
    line: &PublishLine,
    reason: &Reason,
) {
    reset(stream);
    gateway.live.count(|totals| totals.turned_away += 1);
    let allow = match reason {
        Reason::NotInvited => Reason::invitation(from),
        Reason::TooMany => "[net.limits] visitors".into(),
        _ => String::new(),
    };
    gateway.tell(&Word::Visitor(Visitor {
        from: from.to_string(),
        to: line.address.to_string(),
        verdict: reason.verdict(),
        reason: match reason {
            Reason::TooMany => "too many visitors at once".into(),
            Reason::NoHead => "a front that does not say whom it speaks for".into(),
            reason => reason.to_string(),
        },
        allow,
        count: 1,
    }));
}

/// Leads one visitor in; `visitor` is whom a front speaks for, once it has said so.
async fn lead(
    gateway: &Gateway,
    stream: &TcpStream,
    visitor: &mut IpAddr,
    line: &PublishLine,
    awaited: &Cell<bool>,
) -> Result<(), Reason> {
    let mut first = Vec::new();
    if line.proxy_from.iter().any(|front| front.contains(*visitor)) {
        let introduced = timeout(FRONT_PATIENCE, introduction(stream, &mut first)).await;
        let named = introduced.map_err(|_| Reason::NoHead)??;
        *visitor = named.map_or(*visitor, |named| named.ip().to_canonical());
    }
    let visitor = *visitor;
    if !line.admits(visitor) {
        return Err(Reason::NotInvited);
    }
    let inner = reach_awaited(gateway, visitor, line.to, awaited).await?;
    let (count, idle) = (Count::default(), gateway.plan().limits.idle);
    let begun = timeout(idle, send_all(&inner, &first, &count.sent)).await;
    if !matches!(begun, Ok(Ok(()))) {
        return Err(Reason::NotListening);
    }
    gateway.live.count(|totals| totals.visitors += 1);
    // How a visit ends is the visitor's and the program's business.
    let _ = relay(stream, &inner, &count, &gateway.pipes, idle).await;
    Ok(())
}

/// Whom a front speaks for; what came behind its header is left in `bytes`.
async fn introduction(
    stream: &TcpStream,
    bytes: &mut Vec<u8>,
) -> Result<Option<SocketAddr>, Reason> {
    loop {
        let more = read_more(stream, bytes).await;
        match front::read(bytes) {
            Front::Visitor { source, length } => {
                bytes.drain(..length);
                return Ok(source);
            }
            Front::Refused(flaw) => return Err(Reason::Front(flaw)),
            Front::Incomplete if more => {}
            Front::Incomplete => return Err(Reason::NoHead),
        }
    }
}

/// The same as [`reach`], tried again while the program is awaited; no longer once it was reached.
async fn reach_awaited(
    gateway: &Gateway,
    visitor: IpAddr,
    port: u16,
    awaited: &Cell<bool>,
) -> Result<TcpStream, Reason> {
    let until = Instant::now() + START_LIMIT;
    loop {
        let reached = reach(gateway, visitor, port).await;
        match reached {
            Ok(_) => awaited.set(false),
            Err(Reason::NotListening) if awaited.get() && Instant::now() < until => {
                sleep(AGAIN).await;
                continue;
            }
            Err(_) => {}
        }
        return reached;
    }
}

/// A connection to the program, with the visitor's address as its source, so that the program's logs and limits stay
/// true. A program that listens on the other family only hears the loopback.
pub async fn reach(gateway: &Gateway, visitor: IpAddr, port: u16) -> Result<TcpStream, Reason> {
    let loopback = |v6: bool| match v6 {
        true => IpAddr::from(Ipv6Addr::LOCALHOST),
        false => IpAddr::from(Ipv4Addr::LOCALHOST),
    };
    let own = visitor.is_ipv6();
    let mut last = Error::from(ErrorKind::ConnectionRefused);
    for (to, source) in [(loopback(own), visitor), (loopback(!own), loopback(!own))] {
        let Some(made) = gateway.socket(to.is_ipv6()).await else {
            continue;
        };
        let reached = timeout(
            gateway.plan().limits.connect,
            connect(made, source, SocketAddr::new(to, port)),
        );
        match reached.await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            // A program that listens and does not accept.
            Err(_) => return Err(Reason::ConnectTimeout),
        }
    }
    match last.kind() {
        ErrorKind::ConnectionRefused => Err(Reason::NotListening),
        _ => Err(Reason::Unreachable(last.to_string())),
    }
}

/// Addresses that no visitor has: the jail's own, and one of those that are discarded (RFC 6666).
fn nobody(v6: bool) -> IpAddr {
    match v6 {
        true => IpAddr::from([0x100, 0, 0, 0, 0, 0, 0, 1]),
        false => IpAddr::from([198, 19, 255, 254]),
    }
}

async fn connect(
    made: std::os::fd::OwnedFd,
    source: IpAddr,
    to: SocketAddr,
) -> Result<TcpStream, Error> {
    // The loopback's own address needs no telling. One that means nothing without its link (fe80::) cannot be had: such
    // a visitor gets an address that is nobody's, since programs trust the loopback's.
    if !source.is_loopback() && socket::speak_as(&made, source).is_err() {
        socket::speak_as(&made, nobody(source.is_ipv6()))?;
    }
    settle(&made);
    TcpSocket::from_std_stream(made.into()).connect(to).await
}
