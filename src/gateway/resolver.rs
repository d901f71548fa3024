//! Asking the world's name servers, when something is about to be dialled and not before.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::OnceCell;
use tokio::time::{timeout, timeout_at};

use super::reason::Reason;
use super::stream::{read_more, send_all};
use super::upstream::{self, Reply, Service};
use super::wire::kind::{A, AAAA};
use crate::plan::NetworkPlan;

/// How long a name server has; then the next is asked, and all of them [`ROUNDS`] times.
const PATIENCE: Duration = Duration::from_secs(2);
const ROUNDS: usize = 2;
/// How long an IPv4 answer waits for the IPv6 one (RFC 8305, section 3).
const OTHER_FAMILY: Duration = Duration::from_millis(50);
/// The longest time for which an answer is kept, whatever its own says.
const MAX_TTL: u32 = 3600;
/// Names that are kept.
const MAX_KEPT: usize = 1024;

/// What a name has.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Addresses, where these were asked for.
    pub addresses: Vec<IpAddr>,
    /// SRV records.
    pub services: Vec<Service>,
    /// TXT records, each with its time to live.
    pub texts: Vec<(Vec<Vec<u8>>, u32)>,
    /// For how many seconds it may be kept.
    pub ttl: u32,
}

type Lookup = Rc<OnceCell<Result<Vec<IpAddr>, Reason>>>;

/// The name servers, and what they have said.
pub struct Resolver {
    servers: Vec<SocketAddr>,
    search: Vec<String>,
    ndots: usize,
    host_names: BTreeMap<String, Vec<IpAddr>>,
    kept: RefCell<BTreeMap<String, (Instant, Vec<IpAddr>)>>,
    asking: RefCell<BTreeMap<String, Lookup>>,
}

impl Resolver {
    /// For a plan.
    pub fn new(plan: &NetworkPlan) -> Resolver {
        Resolver {
            servers: plan.resolvers.clone(),
            search: plan.search.clone(),
            ndots: plan.ndots,
            host_names: plan.host_names.clone(),
            kept: RefCell::default(),
            asking: RefCell::default(),
        }
    }

    /// A name's addresses: of the host's own table, of an answer whose time to live is not over, or asked for now.
    /// Whoever asks while a query is under way gets its answer.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Reason> {
        if let Some(own) = self.host_names.get(host) {
            return Ok(own.clone());
        }
        if let Some(kept) = self.kept(host) {
            return Ok(kept);
        }
        let lookup = Rc::clone(self.asking.borrow_mut().entry(host.to_owned()).or_default());
        let found = lookup.get_or_init(|| self.ask_and_keep(host)).await.clone();
        self.asking.borrow_mut().remove(host);
        found
    }

    fn kept(&self, host: &str) -> Option<Vec<IpAddr>> {
        let kept = self.kept.borrow();
        let (until, addresses) = kept.get(host)?;
        (*until > Instant::now()).then(|| addresses.clone())
    }

    async fn ask_and_keep(&self, host: &str) -> Result<Vec<IpAddr>, Reason> {
        let found = self.ask_in_order(host).await?;
        let now = Instant::now();
        let mut kept = self.kept.borrow_mut();
        kept.retain(|_, (until, _)| *until > now);
        if found.ttl > 0 && kept.len() < MAX_KEPT {
            let ttl = Duration::from_secs(found.ttl.min(MAX_TTL).into());
            kept.insert(host.to_owned(), (now + ttl, found.addresses.clone()));
        }
        Ok(found.addresses)
    }

    /// Short names are looked up in the host's search list first, as the host itself does.
    async fn ask_in_order(&self, host: &str) -> Result<Found, Reason> {
        if host.matches('.').count() < self.ndots {
            for domain in &self.search {
                let whole = format!("{host}.{domain}");
                let found = self.each_server(|server| both_families(server, &whole));
                match found.await {
                    Err(Reason::NoAddress) => {}
                    answered => return answered,
                }
            }
        }
        self.each_server(|server| both_families(server, host)).await
    }

    /// A name's records of another type.
    pub async fn records(&self, name: &str, kind: u16) -> Result<Found, Reason> {
        self.each_server(|server| one_kind(server, name, kind))
            .await
    }

    /// The first server that answers; one that says that there is no such name has answered.
    async fn each_server<T, F: Future<Output = Result<T, Reason>>>(
        &self,
        ask: impl Fn(SocketAddr) -> F,
    ) -> Result<T, Reason> {
        let mut last = Reason::ResolverSilent;
        for _ in 0..ROUNDS {
            for server in &self.servers {
                match ask(*server).await {
                    Ok(found) => return Ok(found),
                    Err(Reason::NoAddress) => return Err(Reason::NoAddress),
                    Err(reason) => last = reason,
                }
            }
        }
        Err(last)
    }
}

/// IPv4 and IPv6 from one socket, each query with an unguessable number.
async fn both_families(server: SocketAddr, host: &str) -> Result<Found, Reason> {
    let socket = ask_from(server).await.map_err(silent)?;
    let mut pending = vec![(A, random_id()), (AAAA, random_id())];
    for (kind, id) in &pending {
        let question = upstream::question(*id, host, *kind);
        socket.send(&question).await.map_err(silent)?;
    }
    let mut all: Option<Found> = None;
    let mut failed = Reason::NoAddress;
    let mut until = tokio::time::Instant::now() + PATIENCE;
    let mut room = [0u8; 4096];
    while !pending.is_empty() {
        let Ok(read) = timeout_at(until, socket.recv(&mut room)).await else {
            break;
        };
        let bytes = &room[..read.map_err(silent)?];
        let read = |(kind, id): &(u16, u16)| match upstream::read(bytes, *id, host, *kind) {
            Reply::NotOurs => None,
            reply => Some((*kind, *id, reply)),
        };
        let Some((kind, id, reply)) = pending.iter().find_map(read) else {
            continue;
        };
        pending.retain(|other| *other != (kind, id));
        match settle(server, host, kind, reply).await {
            Ok(found) => {
                merge(&mut all, found);
                // IPv4 alone will do; IPv6 alone may not, on a host that has none.
                if kind == A {
                    until = until.min(tokio::time::Instant::now() + OTHER_FAMILY);
                }
            }
            Err(Reason::NoAddress) => {}
            Err(reason) => failed = reason,
        }
    }
    match all {
        // Half an answer is used, and not kept.
        Some(found) if !pending.is_empty() => Ok(Found { ttl: 0, ..found }),
        Some(found) => Ok(found),
        None if pending.is_empty() => Err(failed),
        None => Err(Reason::ResolverSilent),
    }
}

fn merge(all: &mut Option<Found>, more: Found) {
    match all {
        None => *all = Some(more),
        Some(found) => {
            found.ttl = found.ttl.min(more.ttl);
            found.addresses.extend(more.addresses);
        }
    }
}

async fn one_kind(server: SocketAddr, name: &str, kind: u16) -> Result<Found, Reason> {
    let socket = ask_from(server).await.map_err(silent)?;
    let id = random_id();
    let question = upstream::question(id, name, kind);
    socket.send(&question).await.map_err(silent)?;
    let until = tokio::time::Instant::now() + PATIENCE;
    let mut room = [0u8; 4096];
    loop {
        let read = timeout_at(until, socket.recv(&mut room)).await;
        let read = read.map_err(|_| Reason::ResolverSilent)?.map_err(silent)?;
        match upstream::read(&room[..read], id, name, kind) {
            Reply::NotOurs => {}
            reply => return settle(server, name, kind, reply).await,
        }
    }
}

/// What a reply comes to; one that was cut is asked for again over TCP.
async fn settle(server: SocketAddr, name: &str, kind: u16, reply: Reply) -> Result<Found, Reason> {
    let whole = match reply {
        Reply::Truncated => {
            let asked = timeout(PATIENCE, over_tcp(server, name, kind)).await;
            asked.map_err(|_| Reason::ResolverSilent)??
        }
        reply => reply,
    };
    match whole {
        Reply::Answer {
            addresses,
            services,
            texts,
            ttl,
        } => match addresses.is_empty() && services.is_empty() && texts.is_empty() {
            true => Err(Reason::NoAddress),
            false => Ok(Found {
                addresses,
                services,
                texts,
                ttl,
            }),
        },
        Reply::Unknown => Err(Reason::NoAddress),
        Reply::Failed(code) => Err(Reason::ResolverFailed(code)),
        Reply::NotOurs | Reply::Truncated => Err(Reason::ResolverSilent),
    }
}

async fn over_tcp(server: SocketAddr, name: &str, kind: u16) -> Result<Reply, Reason> {
    let stream = TcpStream::connect(server).await.map_err(silent)?;
    let id = random_id();
    let question = upstream::question(id, name, kind);
    let framed = [&(question.len() as u16).to_be_bytes(), question.as_slice()].concat();
    let ignored = std::cell::Cell::new(0);
    let sent = send_all(&stream, &framed, &ignored).await;
    sent.map_err(|_| Reason::ResolverSilent)?;
    let mut bytes = Vec::new();
    while read_more(&stream, &mut bytes).await {
        let length = bytes
            .first_chunk()
            .map(|length| u16::from_be_bytes(*length));
        let whole = length.and_then(|length| bytes.get(2..2 + usize::from(length)));
        if let Some(whole) = whole {
            return Ok(upstream::read(whole, id, name, kind));
        }
    }
    Err(Reason::ResolverSilent)
}

/// A socket of its own for each query, so that its port is one more thing that a forger would have to guess.
async fn ask_from(server: SocketAddr) -> Result<UdpSocket, Error> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.ready(Interest::WRITABLE).await?;
    Ok(socket)
}

fn silent(_: Error) -> Reason {
    Reason::ResolverSilent
}

fn random_id() -> u16 {
    let mut bytes = [0u8; 2];
    crate::sys::process::random(&mut bytes);
    u16::from_ne_bytes(bytes)
}
