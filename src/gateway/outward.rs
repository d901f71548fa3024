//! A connection out of the jail: who is meant, whether the bytes say so, dialled, carried, recorded.
#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::dial;
use super::hello::{self, Hello};
use super::http::Requests;
use super::live::Open;
use super::reason::Reason;
use super::relay::relay;
use super::requests;
use super::serve::{Gateway, next};
use super::standing::Meaning;
use super::stream::{read_more, reset, send_all};
use super::word::Word;
use crate::events::{Connection, Verdict};
use crate::plan::HostLine;
use crate::profile::Protocol;

/// What a listener in the jail's network stands for.
#[derive(Debug, Clone)]
pub enum Target {
    /// A host, by the line that allows it.
    Host(String, HostLine),
    /// An address of the profile.
    Address(SocketAddr),
}

/// How long a client may take to say whom it means.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// Accepts for ever, each for what the listener stands for then.
pub async fn accept(gateway: Rc<Gateway>, listener: TcpListener, meaning: Meaning) {
    loop {
        let (stream, _) = next(&listener).await;
        let target = Rc::clone(&meaning.borrow());
        serve(&gateway, stream, &target);
    }
}

impl Target {
    /// Its name for the record, and its port.
    pub fn shown(&self) -> (String, u16) {
        match self {
            Target::Host(host, line) => (host.clone(), line.port),
            Target::Address(address) => (String::new(), address.port()),
        }
    }

    /// What its connections are counted by.
    pub fn key(&self) -> String {
        match self {
            Target::Host(host, _) => host.clone(),
            Target::Address(address) => address.ip().to_string(),
        }
    }

    /// The profile line that allows it.
    fn rule(&self, gateway: &Gateway) -> String {
        match self {
            Target::Host(_, line) => line.origin.clone(),
            Target::Address(address) => {
                let plan = gateway.plan();
                let named = plan.addresses.iter().find(|line| line.names(*address));
                named.map_or(String::new(), |line| line.origin.clone())
            }
        }
    }
}

/// Serves one connection to its end. It is known of when this returns: rules that change find it.
pub fn serve(gateway: &Rc<Gateway>, near: TcpStream, target: &Rc<Target>) {
    match gateway.live.open(target) {
        Ok((key, open)) => {
            spawn_local(to_the_end(Rc::clone(gateway), near, key, open));
        }
        Err(reason) => {
            reset(&near);
            drop(near);
            gateway.live.count(|totals| totals.refused += 1);
            gateway.tell(&Word::Connection(failed(target, gateway, &reason)));
        }
    }
}

async fn to_the_end(gateway: Rc<Gateway>, near: TcpStream, key: u64, open: Rc<Open>) {
    // Pinned here: what is handed on by value would lie in the task twice.
    let came_to = {
        let carrying = pin!(carry(&gateway, &near, &open));
        unless_withdrawn(carrying, &open).await
    };
    if came_to.is_err() {
        reset(&near);
    }
    drop(near);
    gateway.live.close(key);
    let event = so_far(&gateway, &open);
    gateway.live.count(|totals| {
        totals.sent += event.sent;
        totals.received += event.received;
        match came_to {
            Err(_) if event.sent + event.received == 0 => totals.refused += 1,
            _ => totals.connections += 1,
        }
    });
    let event = match came_to {
        Ok(()) => event,
        Err(reason) => because(&reason, event),
    };
    gateway.tell(&Word::Connection(event));
}

/// Carries a connection on for as long as the rules let it.
async fn unless_withdrawn(
    mut carrying: Pin<&mut impl Future<Output = Result<(), Reason>>>,
    open: &Open,
) -> Result<(), Reason> {
    let mut withdrawal = pin!(open.withdrawal());
    poll_fn(|context| match withdrawal.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(Err(Reason::Withdrawn)),
        Poll::Pending => carrying.as_mut().poll(context),
    })
    .await
}

/// A connection that is still open when the jail has ended.
pub fn left_open(gateway: &Gateway, open: &Open) -> Connection {
    Connection {
        reason: "the jail ended".into(),
        ..so_far(gateway, open)
    }
}

/// What a connection has come to by now.
fn so_far(gateway: &Gateway, open: &Open) -> Connection {
    Connection {
        address: open.address.borrow().clone(),
        sent: open.count.sent.get(),
        received: open.count.received.get(),
        ms: open.since.elapsed().as_millis() as u64,
        ..begun(&open.target, gateway)
    }
}

/// A connection that came to nothing.
pub fn failed(target: &Target, gateway: &Gateway, reason: &Reason) -> Connection {
    because(reason, begun(target, gateway))
}

fn begun(target: &Target, gateway: &Gateway) -> Connection {
    let (host, port) = target.shown();
    Connection {
        host,
        port,
        address: String::new(),
        sent: 0,
        received: 0,
        ms: 0,
        verdict: Verdict::Allowed,
        reason: String::new(),
        rule: target.rule(gateway),
        allow: String::new(),
        count: 1,
    }
}

fn because(reason: &Reason, event: Connection) -> Connection {
    Connection {
        verdict: reason.verdict(),
        reason: reason.to_string(),
        allow: reason.allow(&event.host, event.port),
        ..event
    }
}

/// Reads what says who is meant, dials, and carries the rest. A connection that one side broke off has ended as
/// connections do. Boxed is what most connections need for a moment or not at all: a task has the size of its largest
/// state for as long as it lives.
async fn carry(gateway: &Gateway, near: &TcpStream, open: &Open) -> Result<(), Reason> {
    let idle = gateway.plan().limits.idle;
    let (host, line) = match &*open.target {
        Target::Address(address) => {
            let far = open.reached(Box::pin(dial::address(gateway, *address, open)).await?);
            return relay(near, &far, &open.count, &gateway.pipes, idle).await;
        }
        Target::Host(host, line) => (host, line),
    };
    match line.protocol {
        Protocol::Tcp => {
            let far = open.reached(Box::pin(dial::host(gateway, host, line, open)).await?);
            relay(near, &far, &open.count, &gateway.pipes, idle).await
        }
        Protocol::Tls => {
            let first = timeout(HEAD_PATIENCE, hello_for(near, host));
            let Some(first) = first.await.map_err(|_| Reason::NoHead)?? else {
                return Ok(());
            };
            let far = open.reached(Box::pin(dial::host(gateway, host, line, open)).await?);
            let sent = timeout(idle, send_all(&far, &first, &open.count.sent)).await;
            drop(first);
            match sent {
                Ok(Ok(())) => relay(near, &far, &open.count, &gateway.pipes, idle).await,
                Ok(Err(_)) => Err(Reason::Unreachable("it broke off".into())),
                Err(_) => Err(Reason::Idle),
            }
        }
        Protocol::Http => {
            let mut requests = Requests::new(host, line.port);
            let first = timeout(HEAD_PATIENCE, requests::first(near, &mut requests));
            let Some(first) = first.await.map_err(|_| Reason::NoHead)?? else {
                return Ok(());
            };
            let far = open.reached(Box::pin(dial::host(gateway, host, line, open)).await?);
            let ends = requests::Ends { near, far: &far };
            Box::pin(requests::carry(gateway, ends, requests, first, open)).await
        }
    }
}

/// The bytes of a TLS hello that names `host`; none where the client left without a word, as those do that open more
/// connections than they need.
async fn hello_for(near: &TcpStream, host: &str) -> Result<Option<Vec<u8>>, Reason> {
    let mut bytes = Vec::new();
    loop {
        let more = read_more(near, &mut bytes).await;
        if bytes.is_empty() {
            return Ok(None);
        }
        match hello::read(&bytes) {
            Hello::Name(name) if name == host => return Ok(Some(bytes)),
            Hello::Name(name) => return Err(Reason::WrongName(name)),
            Hello::Refused(flaw) => return Err(Reason::Hello(flaw)),
            Hello::Incomplete if more => {}
            Hello::Incomplete => return Err(Reason::NoHead),
        }
    }
}
