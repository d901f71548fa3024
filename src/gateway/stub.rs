//! The name server that the jail asks: it answers for the profile's hosts, and asks nobody.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::io::{Error, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram};
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::dns::{self, Asked};
use super::outward::{self, Target};
use super::policy::{self, Answer};
use super::reason::Reason;
use super::reload::line_of;
use super::serve::{Gateway, next};
use super::standing::Standing;
use super::stream::{read_more, send_all};
use super::wire::kind::{A, AAAA, SRV, TXT};
use super::word::Word;
use crate::events::{Query, Verdict};
use crate::sys::socket::listen_at;

/// Seconds for which an answer may be kept: it is right for as long as the name may be reached, and stands for nothing
/// after that.
const TTL: u32 = 60;
/// The longest question over UDP.
const MAX_QUESTION: usize = 1500;
/// Connections of clients that ask over TCP, and how long one may be idle.
const MAX_STREAMS: u32 = 32;
const STREAM_IDLE: Duration = Duration::from_secs(10);

/// Queries for names without an address yet that are answered in this second.
pub struct Rate {
    second: Cell<(Instant, u32)>,
    most: Cell<u32>,
}

impl Rate {
    /// At most this many a second.
    pub fn new(most: u32) -> Rate {
        Rate {
            second: Cell::new((Instant::now(), 0)),
            most: Cell::new(most),
        }
    }

    /// From now on at most this many.
    pub fn set(&self, most: u32) {
        self.most.set(most);
    }

    fn take(&self) -> bool {
        let (since, used) = self.second.get();
        let (since, used) = match since.elapsed() >= Duration::from_secs(1) {
            true => (Instant::now(), 0),
            false => (since, used),
        };
        self.second.set((since, used.saturating_add(1)));
        used < self.most.get()
    }
}

/// Answers datagrams for ever.
pub async fn datagrams(gateway: Rc<Gateway>, socket: UdpSocket) {
    let socket = Rc::new(socket);
    let mut room = [0u8; MAX_QUESTION];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut room).await else {
            continue;
        };
        let asked = dns::read(&room[..length]);
        if of_the_world(&asked) {
            // Others do not wait for it.
            let Some(turn) = gateway.turn() else {
                continue;
            };
            let (gateway, socket) = (Rc::clone(&gateway), Rc::clone(&socket));
            spawn_local(async move {
                reply(&gateway, &socket, asked, from).await;
                drop(turn);
            });
        } else {
            reply(&gateway, &socket, asked, from).await;
        }
    }
}

/// Whether the world is asked: for records that are not the stub's own.
fn of_the_world(asked: &Asked) -> bool {
    matches!(asked, Asked::Query(query) if matches!(query.kind, SRV | TXT))
}

async fn reply(gateway: &Rc<Gateway>, socket: &UdpSocket, asked: Asked, to: SocketAddr) {
    if let Some(reply) = answer(gateway, asked, false).await {
        // A client that has gone needs no answer.
        let _ = socket.send_to(&reply, to).await;
    }
}

/// Answers what comes from a pair that is a datagram socket to the bare jail, until its other end is closed; it is one of
/// `gateway.pairs`.
pub async fn pair(gateway: Rc<Gateway>, end: UnixDatagram) {
    while let Ok(ready) = end.ready(Interest::READABLE).await {
        let asked = match question(&end) {
            // A pair that has ended is empty for ever; an empty datagram is no question.
            Ok(Asked::Nothing) if ready.is_read_closed() => break,
            Ok(asked) => asked,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(_) => break,
        };
        let turn = of_the_world(&asked).then(|| gateway.turn());
        if matches!(turn, Some(None)) {
            continue;
        }
        if let Some(reply) = answer(&gateway, asked, false).await {
            // A client that does not read what it asked for gets no more.
            let _ = end.try_send(&reply);
        }
    }
    gateway.pairs.set(gateway.pairs.get() - 1);
}

/// The next question of a pair. The room for it is not kept: most pairs wait.
fn question(end: &UnixDatagram) -> Result<Asked, Error> {
    let mut room = [0u8; MAX_QUESTION];
    let length = end.try_recv(&mut room)?;
    Ok(dns::read(&room[..length]))
}

/// One client that asks over TCP, unless there are as many as there may be.
pub async fn stream(gateway: Rc<Gateway>, stream: TcpStream) {
    let open = &gateway.asking;
    if open.get() < MAX_STREAMS {
        open.set(open.get() + 1);
        answer_stream(&gateway, &stream).await;
        open.set(open.get() - 1);
    }
}

/// Answers clients that ask over TCP.
pub async fn streams(gateway: Rc<Gateway>, listener: TcpListener) {
    loop {
        let (client, _) = next(&listener).await;
        spawn_local(stream(Rc::clone(&gateway), client));
    }
}

async fn answer_stream(gateway: &Rc<Gateway>, stream: &TcpStream) {
    let mut bytes = Vec::new();
    let ignored = Cell::new(0);
    loop {
        while let Some(question) = take_framed(&mut bytes) {
            let Some(reply) = answer(gateway, dns::read(&question), true).await else {
                continue;
            };
            let framed = [&(reply.len() as u16).to_be_bytes(), reply.as_slice()].concat();
            let sent = timeout(STREAM_IDLE, send_all(stream, &framed, &ignored));
            if !matches!(sent.await, Ok(Ok(()))) {
                return;
            }
        }
        match timeout(STREAM_IDLE, read_more(stream, &mut bytes)).await {
            Ok(true) if bytes.len() <= 1 << 16 => {}
            _ => return,
        }
    }
}

/// A message behind its length in two bytes (RFC 1035, section 4.2.2).
fn take_framed(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes(*bytes.first_chunk()?));
    let question = bytes.get(2..2 + length)?.to_vec();
    bytes.drain(..2 + length);
    Some(question)
}

async fn answer(gateway: &Rc<Gateway>, asked: Asked, over_tcp: bool) -> Option<Vec<u8>> {
    let query = match asked {
        Asked::Nothing => return None,
        Asked::Reply(reply) => return Some(reply),
        Asked::Query(query) => query,
    };
    let limit = if over_tcp {
        usize::from(u16::MAX)
    } else {
        query.limit
    };
    let known = |host: &String| gateway.names.borrow().known(host).is_some();
    // Names that have their address already are always answered: clients ask for them again and again. The world is
    // asked for records each time.
    let free = query.host.as_ref().is_some_and(known) && !matches!(query.kind, SRV | TXT);
    if !free && !gateway.rate.take() {
        record(gateway, &query, Err(&Reason::TooManyQueries));
        // An answer that sounds as if asking again might help would only bring more.
        return Some(query.unknown());
    }
    Some(match query.kind {
        SRV | TXT => {
            let reply = records(gateway, &query).await;
            dns::fit(reply, limit)
        }
        _ => address(gateway, &query).await,
    })
}

async fn address(gateway: &Rc<Gateway>, query: &dns::Query) -> Vec<u8> {
    let host = query.host.as_deref();
    // Whether a line spells the name out.
    let decided = match policy::decide(&gateway.plan(), host) {
        Answer::Own => match query.kind {
            A => return query.address(Ipv4Addr::LOCALHOST, TTL),
            _ => return query.nothing(),
        },
        Answer::Unknown(reason) => Err(reason),
        Answer::StandIn(lines) => Ok(lines.iter().any(|line| !line.pattern.contains('*'))),
    };
    let admitted = match decided {
        Ok(exact) => admit(gateway, host.unwrap_or_default(), exact).await,
        Err(reason) => Err(reason),
    };
    record(gateway, query, admitted.as_ref());
    match (admitted, query.kind) {
        (Ok(address), A) => query.address(address, TTL),
        (Ok(_), _) => query.nothing(),
        (Err(Reason::NotInProfile | Reason::NoHostName | Reason::MetadataName), _) => {
            query.unknown()
        }
        (Err(_), _) => query.failed(),
    }
}

/// The address that stands for a host, with a listener on each of its ports.
async fn admit(gateway: &Rc<Gateway>, host: &str, exact: bool) -> Result<Ipv4Addr, Reason> {
    if let Some(known) = gateway.names.borrow().known(host) {
        return Ok(known);
    }
    let address = gateway
        .names
        .borrow_mut()
        .admit(host, exact, Instant::now())?;
    // A connect that the supervisor hears of before the name would be told of as one to a raw address. Rules that change
    // while it is told are told, too.
    loop {
        let plan = gateway.plan();
        let lines = policy::lines_of(&plan, host);
        let ports = lines.iter().map(|line| line.port).collect();
        let name = Word::Name(address, host.to_owned(), ports);
        gateway.tell_surely(&name).await;
        if Rc::ptr_eq(&plan, &gateway.plan()) {
            break;
        }
    }
    // A port for which nothing can stand in is told of.
    if !gateway.plan().shared
        && let Err(reason) = stand_in_for_all(gateway, host, address).await
    {
        gateway.names.borrow_mut().forget(host);
        return Err(reason);
    }
    match gateway.names.borrow().known(host) {
        Some(_) => Ok(address),
        None => Err(Reason::NotInProfile),
    }
}

/// A listener for each line of a host that has none yet. An error: the host has lines, and not one of them has a listener.
pub async fn stand_in_for_all(
    gateway: &Rc<Gateway>,
    host: &str,
    address: Ipv4Addr,
) -> Result<(), Reason> {
    let mut failed = None;
    let mut standing = 0;
    let plan = gateway.plan();
    for line in policy::lines_of(&plan, host) {
        match stand_in(gateway, host, line.port, address).await {
            Ok(()) => standing += 1,
            Err(reason) => {
                let target = Target::Host(host.to_owned(), line.clone());
                gateway.tell(&Word::Connection(outward::failed(
                    &target, gateway, &reason,
                )));
                failed = Some(reason);
            }
        }
    }
    failed.filter(|_| standing == 0).map_or(Ok(()), Err)
}

/// A listener that stands for a host at a port, by the line that there is by then.
async fn stand_in(
    gateway: &Rc<Gateway>,
    host: &str,
    port: u16,
    address: Ipv4Addr,
) -> Result<(), Reason> {
    let at = SocketAddr::from((address, port));
    if gateway.standing.has(at) {
        return Ok(());
    }
    let socket = gateway.socket(false).await.ok_or(Reason::NoDescriptors)?;
    // While it was waited for another may have been put there, or the rules may have changed.
    let known = gateway.names.borrow().known(host) == Some(address);
    let line = line_of(&gateway.plan(), host, port).filter(|_| known);
    let Some(line) = line.filter(|_| !gateway.standing.has(at)) else {
        return Ok(());
    };
    // EADDRINUSE: the workload itself listens on all addresses of that port.
    let listener = listen_at(socket, at).map_err(|_| Reason::NoListener)?;
    let listener = TcpListener::from_std(listener.into()).map_err(|_| Reason::NoDescriptors)?;
    Standing::put(gateway, at, listener, Target::Host(host.to_owned(), line));
    Ok(())
}

/// SRV and TXT records as the world has them, for names below a line that says `records = true`.
async fn records(gateway: &Rc<Gateway>, query: &dns::Query) -> Vec<u8> {
    let plan = gateway.plan();
    let Some(line) = policy::line_of_records(&plan, &query.name) else {
        let host = query.host.as_deref().unwrap_or_default();
        if !policy::lines_of(&plan, host).is_empty() {
            // An allowed host has no such record, as far as the jail is concerned.
            record(gateway, query, Ok(&Ipv4Addr::UNSPECIFIED));
            return query.nothing();
        }
        record(gateway, query, Err(&Reason::NotInProfile));
        return query.unknown();
    };
    let exact = !line.pattern.contains('*');
    let asked = gateway
        .names
        .borrow_mut()
        .ask(&query.name, exact, Instant::now());
    if let Err(reason) = asked {
        record(gateway, query, Err(&reason));
        return query.failed();
    }
    match gateway.resolver().records(&query.name, query.kind).await {
        Ok(found) => {
            record(gateway, query, Ok(&Ipv4Addr::UNSPECIFIED));
            match query.kind {
                SRV => query.services(&found.services),
                _ => query.texts(&found.texts),
            }
        }
        Err(reason) => {
            record(gateway, query, Err(&reason));
            match reason {
                Reason::NoAddress => query.unknown(),
                _ => query.failed(),
            }
        }
    }
}

fn record(gateway: &Gateway, query: &dns::Query, answered: Result<&Ipv4Addr, &Reason>) {
    gateway.live.count(|totals| {
        totals.queries += 1;
        totals.unknown += u64::from(answered.is_err());
    });
    let host = query.host.as_deref().unwrap_or_default();
    let (verdict, reason, allow) = match answered {
        Ok(_) => (Verdict::Allowed, String::new(), String::new()),
        Err(reason) => (
            reason.verdict(),
            reason.to_string(),
            policy::advice(&gateway.plan(), host, reason),
        ),
    };
    gateway.tell(&Word::Query(Query {
        name: query.name.clone(),
        kind: kind_name(query.kind),
        verdict,
        reason,
        allow,
        flags: dns::oddities(&query.name)
            .into_iter()
            .map(str::to_owned)
            .collect(),
        count: 1,
    }));
}

/// The record types that clients ask for; others by number, as RFC 3597 has it.
fn kind_name(kind: u16) -> String {
    let known = [
        (A, "A"),
        (2, "NS"),
        (5, "CNAME"),
        (6, "SOA"),
        (12, "PTR"),
        (15, "MX"),
        (TXT, "TXT"),
        (AAAA, "AAAA"),
        (SRV, "SRV"),
        (64, "SVCB"),
        (65, "HTTPS"),
        (255, "ANY"),
        (257, "CAA"),
    ];
    let found = known.iter().find(|(number, _)| *number == kind);
    found.map_or_else(|| format!("TYPE{kind}"), |(_, name)| (*name).to_owned())
}
