//! The supervisor's side of the gateway: sockets of the jail's network for it, its words for the record, and the
//! connects that go around it.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};

use super::record::Record;
use super::rules::Rules;
use crate::events::{Event, Flows, Ledger, Verdict};
use crate::gateway::address;
use crate::gateway::coming;
use crate::gateway::doors::Door;
use crate::gateway::policy::screen_address;
use crate::gateway::word::{Word, beside};
use crate::launch::GatewayProcess;
use crate::plan::NetworkPlan;
use crate::sys::{channel, process, socket};

/// The gateway as the supervisor knows it.
pub struct Line {
    process: GatewayProcess,
    rules: Rules,
    names: BTreeMap<IpAddr, (String, Vec<u16>)>,
    stand_ins: BTreeSet<SocketAddr>,
    flows: Flows,
    /// What the last question to the program came to, until it is taken.
    probed: Option<bool>,
    /// What the world, or the program itself, has to answer for.
    failures: Ledger,
}

/// Listeners that stand in for single addresses of the profile's ranges.
const MAX_STAND_INS: usize = 1024;
/// How long the gateway may take to tell of the connections that the jail's end has ended.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// How long the gateway may take to hear of the bare jail's next socket.
const PATIENCE_MS: u16 = 100;
/// Records that are read before others have their turn.
const AT_ONCE: usize = 64;
/// How many times that many are read before a connect is judged: more than the channel holds.
const CATCH_UP: usize = 16;

/// Where the connect that waits is going.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The jail itself, a host or an address of the profile: others record it.
    Known,
    /// An address of the profile for which nothing stands in yet.
    Awaited,
    /// A host, at a port that the profile does not name.
    WrongPort(String),
    /// An address that no name stands for.
    Raw,
}

impl Line {
    /// For a gateway that runs.
    pub fn new(process: GatewayProcess, plan: &NetworkPlan) -> Line {
        Line {
            process,
            rules: Rules::new(plan),
            names: BTreeMap::new(),
            stand_ins: BTreeSet::new(),
            flows: Flows::default(),
            probed: None,
            failures: Ledger::default(),
        }
    }

    /// Readable when the gateway has something to say.
    pub fn channel(&self) -> BorrowedFd<'_> {
        self.process.channel.as_fd()
    }

    /// Readable when the gateway has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.process.pidfd.as_fd()
    }

    /// Has the program asked whether it serves; says whether the gateway was told to.
    pub fn probe(&self) -> bool {
        channel::send(&self.process.channel, &[beside::PROBE], &[]).is_ok()
    }

    /// What came of the last question, once.
    pub fn probed(&mut self) -> Option<bool> {
        self.probed.take()
    }

    /// Takes what the gateway has said: true where there may be more.
    ///
    /// # Errors
    /// The gateway is gone, or talks nonsense.
    pub fn listen(&mut self, record: &mut Record) -> Result<bool, Errno> {
        for _ in 0..AT_ONCE {
            match channel::receive(&self.process.channel) {
                Ok((said, _)) if said.is_empty() => return Err(Errno::EPIPE),
                Ok((said, _)) => {
                    let word = serde_json::from_slice(&said).map_err(|_| Errno::EBADMSG)?;
                    self.take(word, record)?;
                }
                Err(Errno::EAGAIN | Errno::EINTR) => return Ok(false),
                Err(errno) => return Err(errno),
            }
        }
        Ok(true)
    }

    fn take(&mut self, word: Word, record: &mut Record) -> Result<(), Errno> {
        match word {
            Word::Sockets(v4, v6) => {
                for (v6, count) in [(false, v4), (true, v6)] {
                    if count > 0 {
                        self.make_sockets(v6, count)?;
                    }
                }
            }
            Word::Name(address, _, ports) if ports.is_empty() => {
                self.names.remove(&address.into());
            }
            Word::Name(address, host, ports) => {
                self.names.insert(address.into(), (host, ports));
            }
            Word::Addresses(lines) => self.rules.expect(lines, Vec::new()),
            Word::OfFile(addresses) => self.rules.expect(Vec::new(), addresses),
            Word::Reload(reload) => {
                self.rules.renew();
                record.sink.write(&Event::Reload(reload));
            }
            Word::Connection(connection) if connection.verdict == Verdict::Allowed => {
                self.flows.connection(connection, record.sink);
            }
            Word::Connection(connection) => {
                self.record_of(connection.verdict, record)
                    .connection(connection);
            }
            Word::Query(query) if query.verdict == Verdict::Allowed => {
                self.flows.query(query, record.sink);
            }
            Word::Query(query) => {
                self.record_of(query.verdict, record).query(query);
            }
            Word::Visitor(visitor) => {
                self.record_of(visitor.verdict, record).visitor(visitor);
            }
            Word::Lost(address) => {
                self.stand_ins.remove(&address);
            }
            Word::Probed(well) => self.probed = Some(well),
            Word::Missed(missed) => {
                record.ledger.miss(missed.denied);
                record.sink.skip(missed.lines);
            }
        }
        Ok(())
    }

    /// What the world answers for is kept apart from what the profile does.
    fn record_of<'l>(&'l mut self, verdict: Verdict, denials: &'l mut Record) -> Record<'l> {
        let ledger = match verdict {
            Verdict::Failed => &mut self.failures,
            _ => &mut *denials.ledger,
        };
        Record {
            ledger,
            sink: denials.sink,
        }
    }

    /// An answer without descriptors says that there are none to be had. The gateway asks again for what does not come.
    fn make_sockets(&self, v6: bool, count: u8) -> Result<(), Errno> {
        let count = usize::from(count).min(channel::MAX_DESCRIPTORS);
        let made: Vec<OwnedFd> = (0..count).map_while(|_| socket::stream(v6).ok()).collect();
        let numbers: Vec<i32> = made.iter().map(AsRawFd::as_raw_fd).collect();
        let kind = if v6 { beside::V6 } else { beside::V4 };
        match channel::send(&self.process.channel, &[kind], &numbers) {
            Err(Errno::EAGAIN | Errno::ETOOMANYREFS) => Ok(()),
            sent => sent,
        }
    }

    /// Whether the bare jail may connect to an address; what may not is told of.
    pub fn may_connect(&mut self, to: SocketAddr, record: &mut Record) -> bool {
        if self.rules.stubs().contains(&to) {
            return true;
        }
        self.hear_of(to, record);
        let (host, (reason, allow)) = match self.names.get(&to.ip()) {
            Some((_, ports)) if ports.contains(&to.port()) => return true,
            Some((host, _)) => (host.clone(), wrong_port(host, to)),
            None if screen_address(self.rules.addresses(), to).is_ok() => return true,
            None if self.rules.is_of_file(to) => return true,
            None if to.ip().is_loopback() => (String::new(), why_loopback(to)),
            None => (String::new(), why_raw(to)),
        };
        record.refuse(host, Some(to), reason, allow);
        false
    }

    /// Whether a datagram socket of the bare jail may speak to an address: the name server's. Others connect one to learn
    /// which source address they would have, and send nothing.
    pub fn may_ask(&mut self, to: SocketAddr, record: &mut Record) -> bool {
        let to = SocketAddr::new(to.ip().to_canonical(), to.port());
        let known =
            to.port() == 0 || self.rules.stubs().contains(&to) || self.names.contains_key(&to.ip());
        if !known {
            let reason = "datagrams reach the name server alone";
            record.refuse(String::new(), Some(to), reason, String::new());
        }
        known
    }

    /// Where the gateway takes the bare jail's connections.
    pub fn inner(&self, v4: bool) -> Option<SocketAddr> {
        let mut inner = self.process.inner.iter();
        inner.find(|inner| inner.is_ipv4() == v4).copied()
    }

    /// The name server that answers datagram sockets which have not said whom they ask.
    pub fn server(&self) -> Option<SocketAddr> {
        // The first is that of a jail with a network of its own.
        let stubs = self.rules.stubs();
        stubs.get(1).or(stubs.first()).copied()
    }

    /// Says that a connection from `source` is about to come, for `to`.
    pub fn announce(&self, source: SocketAddr, to: SocketAddr) -> Result<(), Errno> {
        let text = coming::written(source, to);
        let record = [&[beside::COMING], text.as_bytes()].concat();
        self.tell(&record, &[])
    }

    /// Says it to the gateway, which may have to catch up. ECONNREFUSED: it does not.
    fn tell(&self, record: &[u8], beside: &[i32]) -> Result<(), Errno> {
        match channel::send(&self.process.channel, record, beside) {
            Err(Errno::EAGAIN) => {}
            said => return said,
        }
        let mut waiting = [PollFd::new(self.channel(), PollFlags::POLLOUT)];
        poll(&mut waiting, PollTimeout::from(PATIENCE_MS))?;
        match channel::send(&self.process.channel, record, beside) {
            Err(Errno::EAGAIN) => Err(Errno::ECONNREFUSED),
            said => said,
        }
    }

    /// Gives the name server its end of a pair.
    pub fn hand_over_pair(&self, stub: &OwnedFd) -> Result<(), Errno> {
        self.tell(&[beside::PAIR], &[stub.as_raw_fd()])
    }

    /// The published listeners of the bare jail, for whom they are.
    pub fn take_doors(&mut self) -> Vec<Door> {
        std::mem::take(&mut self.process.published)
    }

    /// A name that was answered a moment ago may not have been read of yet: it stands behind what else was said. A
    /// gateway that is gone is seen by the loop.
    fn hear_of(&mut self, to: SocketAddr, record: &mut Record) {
        for _ in 0..CATCH_UP {
            if self.destination(to) == Destination::Known || !self.listen(record).unwrap_or(false) {
                break;
            }
        }
    }

    /// A connect(2) that is about to go on, for the record. An address of the profile gets its stand-in first.
    pub fn before_connect(&mut self, to: SocketAddr, record: &mut Record) {
        let to = SocketAddr::new(to.ip().to_canonical(), to.port());
        if self.destination(to) == Destination::Known {
            return;
        }
        self.hear_of(to, record);
        let (host, (reason, allow)) = match self.destination(to) {
            Destination::Known => return,
            Destination::WrongPort(host) => {
                let why = wrong_port(&host, to);
                (host, why)
            }
            Destination::Raw => (String::new(), why_raw(to)),
            Destination::Awaited => match self.stand_in(to) {
                Ok(()) => return,
                Err(_) => {
                    let reason = "nothing can stand in for this address";
                    (String::new(), (reason, String::new()))
                }
            },
        };
        record.refuse(host, Some(to), reason, allow);
    }

    /// Where a connect goes.
    pub fn destination(&self, to: SocketAddr) -> Destination {
        let own = to.ip().is_loopback() || to.ip().is_unspecified();
        // Resolvers connect datagram sockets to port 0, to see which source address they would have.
        if own || to.port() == 0 || self.rules.stubs().contains(&to) || self.stand_ins.contains(&to)
        {
            return Destination::Known;
        }
        match self.names.get(&to.ip()) {
            Some((_, ports)) if ports.contains(&to.port()) => Destination::Known,
            Some((host, _)) => Destination::WrongPort(host.clone()),
            None => match screen_address(self.rules.addresses(), to) {
                Ok(()) => Destination::Awaited,
                Err(_) => Destination::Raw,
            },
        }
    }

    fn stand_in(&mut self, to: SocketAddr) -> Result<(), Errno> {
        if self.stand_ins.len() >= MAX_STAND_INS {
            return Err(Errno::ENOSPC);
        }
        let made = socket::stream(to.is_ipv6())?;
        let listener = socket::listen_at(made, to)?;
        let record = [&[beside::ADDRESS], to.to_string().as_bytes()].concat();
        channel::send(&self.process.channel, &record, &[listener.as_raw_fd()])?;
        self.stand_ins.insert(to);
        Ok(())
    }

    /// The jail has ended, and its connections with it: the gateway says so of each, within this time. What is left
    /// to tell is told; what failed is returned.
    pub fn finish(mut self, record: &mut Record) -> Ledger {
        let until = Instant::now() + LAST_WORDS;
        // A gateway that cannot be told ends when this process does.
        let _ = channel::send(&self.process.channel, &[beside::END], &[]);
        // The gateway ends once it has told of them all; an error here means that it has.
        while Instant::now() < until && self.wait_and_listen(until, record).is_ok() {}
        // Nobody else may be there to reap it.
        let _ = process::send_signal(&self.process.pidfd, Signal::SIGKILL);
        let _ = waitid(Id::PIDFd(self.process.pidfd.as_fd()), WaitPidFlag::WEXITED);
        self.flows.settle(record.sink);
        self.failures.settle(record.sink);
        self.failures
    }

    fn wait_and_listen(&mut self, until: Instant, record: &mut Record) -> Result<(), Errno> {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let mut waiting = [PollFd::new(self.channel(), PollFlags::POLLIN)];
        poll(&mut waiting, timeout)?;
        self.listen(record).map(drop)
    }
}

fn wrong_port(host: &str, to: SocketAddr) -> (&'static str, String) {
    let allow = format!("--allow {host}:{}", to.port());
    ("port not in the profile", allow)
}

/// The bare jail's loopback is that of its container, with its sidecars.
fn why_loopback(to: SocketAddr) -> (&'static str, String) {
    let allow = format!(
        "--add-host NAME={} --allow-private NAME:{}",
        to.ip(),
        to.port()
    );
    ("the loopback's services are hosts like any other", allow)
}

/// Why an address without a name is not reached, and what would allow it.
fn why_raw(to: SocketAddr) -> (&'static str, String) {
    let reason = match to.ip() {
        metadata if address::metadata(metadata) => "raw address: the cloud's metadata service",
        never if address::never(never) => "raw address: no host has it",
        own if stands_for_names(own) => "raw address: it stands for a name, and none has it",
        _ => {
            let allow = format!("[net] addresses = [\"{to}\"]");
            return ("raw address: no name stands for it", allow);
        }
    };
    (reason, String::new())
}

/// 198.18.0.0/15, out of which names get their addresses: no profile line is for these.
fn stands_for_names(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if matches!(v4.octets(), [198, 18 | 19, ..]))
}
