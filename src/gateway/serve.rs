//! The gateway process once it is confined: one thread, one runtime, until the supervisor is gone.
#![forbid(unsafe_code)]

use std::cell::{Cell, OnceCell, RefCell};
use std::io::Error;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixStream};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::{LocalSet, spawn_local};

use super::coming::Coming;
use super::doors::Doors;
use super::live::Live;
use super::names::Names;
use super::relay::Pipes;
use super::resolver::Resolver;
use super::sockets::Sockets;
use super::standing::Standing;
use super::stream::settle;
use super::stub::Rate;
use super::word::{Missed, Word, beside};
use super::{coming, control, inward, outward, policy, probe, stub};
use crate::plan::{Facts, NetworkPlan, Plan, facts};
use crate::sys::channel;

/// What every task of the gateway shares.
pub struct Gateway {
    /// Who may be reached, and what is served: read by [`Gateway::plan`].
    rules: RefCell<Rc<NetworkPlan>>,
    /// Everything else of the jail's plan.
    pub facts: OnceCell<Facts>,
    /// The ports that the jail may connect to; none: Landlock does not ask.
    pub ports: Option<Vec<u16>>,
    /// One reload at a time.
    pub reloading: Mutex<()>,
    /// Listeners in the jail's network.
    pub standing: Standing,
    /// Whether root alone may change rules: who started the jail.
    pub roots: bool,
    /// The jail's name.
    pub name: String,
    /// The addresses that it listens on.
    pub serves: Vec<SocketAddr>,
    /// Names and what stands for them.
    pub names: RefCell<Names>,
    /// Sockets of the jail's network.
    pub sockets: Sockets,
    /// Pipes of the relays.
    pub pipes: Pipes,
    /// Connections and counters.
    pub live: Live,
    resolver: RefCell<Rc<Resolver>>,
    /// Limits the queries for new names.
    pub rate: Rate,
    /// Connections of the bare jail that are on their way.
    pub coming: Coming,
    /// Datagram sockets of the bare jail that are open.
    pub pairs: Cell<usize>,
    /// Clients that ask for names over TCP.
    pub asking: Cell<u32>,
    /// Queries of the world's records by datagram, at once.
    turns: Arc<Semaphore>,
    /// Of records, though tokio takes it for a stream: only its readiness is asked for.
    channel: UnixStream,
    missed: Cell<Missed>,
}

impl Gateway {
    /// Says a word to the supervisor; what cannot be sent at once is counted, and the count sent later.
    pub fn tell(&self, word: &Word) {
        let mut missed = self.missed.take();
        if missed != Missed::default() && self.send(&Word::Missed(missed)).is_err() {
            missed.add(word);
            self.missed.set(missed);
            return;
        }
        if self.send(word).is_err() {
            let mut missed = Missed::default();
            missed.add(word);
            self.missed.set(missed);
        }
    }

    /// Says a word that the supervisor has to have heard before things go on.
    pub async fn tell_surely(&self, word: &Word) {
        let send = || self.send(word).map_err(Error::from);
        // A supervisor that is gone has no use for it; this process ends next.
        let _ = self.channel.async_io(Interest::WRITABLE, send).await;
    }

    fn send(&self, word: &Word) -> Result<(), Errno> {
        let record = serde_json::to_vec(word).map_err(|_| Errno::EINVAL)?;
        channel::send(&self.channel, &record, &[])
    }
}

/// Serves until the supervisor is gone; then the process ends, and every connection with it.
///
/// # Errors
/// The runtime cannot be made, or the channel fails.
pub fn serve(
    whole: &Plan,
    plan: &NetworkPlan,
    doors: Doors,
    channel: OwnedFd,
    ready: impl FnOnce(),
) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let tasks = LocalSet::new();
    let served = tasks.block_on(&runtime, async {
        let gateway = Rc::new(Gateway {
            rules: RefCell::new(Rc::new(plan.clone())),
            facts: OnceCell::new(),
            ports: ports(whole),
            reloading: Mutex::default(),
            standing: Standing::default(),
            roots: whole.ids.root_start,
            name: doors.name,
            serves: doors
                .published
                .iter()
                .map(|door| door.line.address)
                .collect(),
            names: RefCell::new(Names::new(Instant::now())),
            sockets: Sockets::default(),
            pipes: Pipes::new(),
            live: Live::new(&plan.limits, doors.descriptors),
            resolver: RefCell::new(Rc::new(Resolver::new(plan))),
            rate: Rate::new(plan.limits.queries),
            coming: Coming::default(),
            pairs: Cell::new(0),
            asking: Cell::new(0),
            turns: Arc::new(Semaphore::new(MAX_RECORDS)),
            channel: UnixStream::from_std(channel.into())?,
            missed: Cell::default(),
        });
        let published = if plan.shared {
            Vec::new()
        } else {
            doors.published
        };
        for door in published {
            let listener = TcpListener::from_std(door.listener)?;
            let admit = inward::admit(Rc::clone(&gateway), listener, door.line, door.handed_over);
            spawn_local(admit);
        }
        for listener in doors.inner {
            let listener = TcpListener::from_std(listener)?;
            spawn_local(coming::accept(Rc::clone(&gateway), listener));
        }
        if let Some(listener) = doors.control {
            let listener = tokio::net::UnixListener::from_std(listener)?;
            spawn_local(control::answer(Rc::clone(&gateway), listener));
        }
        if !plan.shared {
            let (v4, v6) = gateway.sockets.first(Instant::now());
            gateway.tell(&Word::Sockets(v4, v6));
        }
        ready();
        // The program starts meanwhile.
        let _ = gateway.facts.set(facts(whole));
        listen_to_supervisor(&gateway).await
    });
    // The process ends now, and the kernel closes its descriptors sooner than it would one by one.
    std::mem::forget((tasks, runtime));
    served
}

/// The ports of the running Landlock domain, where it asks about connects.
fn ports(plan: &Plan) -> Option<Vec<u16>> {
    let shared = plan.network.as_ref().is_some_and(|network| network.shared);
    let landlock = plan.landlock.as_ref()?;
    (landlock.abi >= CONNECT_ABI && !shared).then(|| landlock.connect.clone())
}

/// The first Landlock ABI that knows TCP ports.
const CONNECT_ABI: i32 = 4;

/// Takes what the supervisor hands over; ends when it is gone.
async fn listen_to_supervisor(gateway: &Rc<Gateway>) -> Result<(), Error> {
    loop {
        let taken = gateway
            .channel
            .async_io(Interest::READABLE, || {
                channel::receive(&gateway.channel).map_err(Error::from)
            })
            .await;
        let (record, descriptors) = match taken {
            Ok(taken) => taken,
            Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => return Ok(()),
            Err(error) => return Err(error),
        };
        match record.first() {
            None => return Ok(()),
            Some(&beside::COMING | &beside::PAIR) => take_at_once(gateway, &record, descriptors),
            Some(&beside::V4) => gateway.sockets.put(false, descriptors),
            Some(&beside::V6) => gateway.sockets.put(true, descriptors),
            Some(&beside::STUB) => start_stub(gateway, descriptors)?,
            Some(&beside::PROBE) => drop(spawn_local(probe::ask(Rc::clone(gateway)))),
            Some(&beside::END) => {
                last_words(gateway).await;
                return Ok(());
            }
            Some(&beside::ADDRESS) => {
                if descriptors.is_empty() {
                    tell_lost(gateway, &record).await;
                }
                for descriptor in descriptors {
                    stand_in_for_address(gateway, descriptor)?;
                }
            }
            Some(_) => {}
        }
    }
}

/// Takes what the bare jail's supervisor says of connections and datagram sockets.
fn take_at_once(gateway: &Rc<Gateway>, record: &[u8], descriptors: Vec<OwnedFd>) {
    if record.first() == Some(&beside::COMING) {
        if let Some((source, to)) = coming::read(&record[1..]) {
            gateway.coming.announce(source, to, Instant::now());
        }
        return;
    }
    for descriptor in descriptors {
        // One that nobody takes is closed, and the jail's resolver learns of it at once.
        if gateway.pairs.get() < MAX_PAIRS
            && let Ok(end) = UnixDatagram::from_std(descriptor.into())
        {
            gateway.pairs.set(gateway.pairs.get() + 1);
            spawn_local(stub::pair(Rc::clone(gateway), end));
        }
    }
}

/// Queries of the world's records at once; more are asked for again by their client.
const MAX_RECORDS: usize = 32;

/// Datagram sockets that the bare jail may have at once.
const MAX_PAIRS: usize = 1024;

/// How long connections have to notice that the jail has ended.
const NOTICE: Duration = Duration::from_millis(50);

/// Connections end with the jail, and tell of themselves; those that wait for their host are told of here.
async fn last_words(gateway: &Gateway) {
    let until = Instant::now() + NOTICE;
    while !gateway.live.all().is_empty() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for open in gateway.live.all() {
        gateway.tell(&Word::Connection(outward::left_open(gateway, &open)));
    }
}

fn start_stub(gateway: &Rc<Gateway>, sockets: Vec<OwnedFd>) -> Result<(), Error> {
    let both: Result<[OwnedFd; 2], _> = sockets.try_into();
    let [datagrams, listener] = both.map_err(|_| Error::from(Errno::EBADMSG))?;
    let datagrams = UdpSocket::from_std(datagrams.into())?;
    let listener = TcpListener::from_std(listener.into())?;
    spawn_local(stub::datagrams(Rc::clone(gateway), datagrams));
    spawn_local(stub::streams(Rc::clone(gateway), listener));
    Ok(())
}

/// The supervisor makes it again for the next connect.
async fn tell_lost(gateway: &Gateway, record: &[u8]) {
    let text = record.get(1..).and_then(|text| str::from_utf8(text).ok());
    if let Some(address) = text.and_then(|text| text.parse().ok()) {
        gateway.tell_surely(&Word::Lost(address)).await;
    }
}

fn stand_in_for_address(gateway: &Rc<Gateway>, listener: OwnedFd) -> Result<(), Error> {
    let listener = TcpListener::from_std(StdListener::from(listener))?;
    let at = listener.local_addr()?;
    match policy::screen_address(&gateway.plan().addresses, at) {
        Ok(()) => Standing::put(gateway, at, listener, outward::Target::Address(at)),
        // The supervisor has not heard of the rules that are in force by now.
        Err(_) => gateway.tell(&Word::Lost(at)),
    }
    Ok(())
}

/// The next visitor or connection; a listener that fails, as for want of descriptors, waits a little and goes on.
pub async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                settle(&stream);
                return (stream, from);
            }
            // The peer has left before it was let in.
            Err(error) if error.raw_os_error() == Some(libc::ECONNABORTED) => {}
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

impl Gateway {
    /// The rules of now. Whoever waits for something looks again afterwards.
    pub fn plan(&self) -> Rc<NetworkPlan> {
        Rc::clone(&self.rules.borrow())
    }

    /// Puts others in force.
    pub fn set_plan(&self, plan: Rc<NetworkPlan>) {
        *self.rules.borrow_mut() = plan;
    }

    /// Asks the world's name servers.
    pub fn resolver(&self) -> Rc<Resolver> {
        Rc::clone(&self.resolver.borrow())
    }

    /// Asks others from now on.
    pub fn set_resolver(&self, resolver: Resolver) {
        *self.resolver.borrow_mut() = Rc::new(resolver);
    }

    /// A turn to ask the world for records; none while as many as may are at it.
    pub fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).try_acquire_owned().ok()
    }

    /// Takes what the supervisor has said of connections and nobody has heard yet; its other words wait for who listens
    /// to them.
    pub fn catch_up(self: &Rc<Gateway>) {
        let of_the_bare = |first| matches!(first, beside::COMING | beside::PAIR);
        while channel::next_begins(&self.channel).is_some_and(of_the_bare)
            && let Ok((record, descriptors)) = channel::receive(&self.channel)
        {
            take_at_once(self, &record, descriptors);
        }
    }

    /// Asks the supervisor for sockets where few are left.
    pub fn ask_for_sockets(&self) {
        if let Some((v4, v6)) = self.sockets.wanted(Instant::now()) {
            self.tell(&Word::Sockets(v4, v6));
        }
    }

    /// A socket of the jail's network.
    pub async fn socket(&self, v6: bool) -> Option<OwnedFd> {
        let taken = self.sockets.take(v6, || self.ask_for_sockets()).await;
        self.ask_for_sockets();
        taken
    }
}
