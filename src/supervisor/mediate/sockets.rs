//! Sockets that the supervisor has made for the bare jail, by the kernel's number for each: the only ones there that
//! connect or listen.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::stat::fstat;

use crate::sys::proc::Proc;

/// One of them.
#[derive(Debug, Clone, Copy)]
pub enum Socket {
    /// A stream.
    Stream(Stream),
    /// Datagrams: one end of a pair, whose other end is the name server's.
    Datagrams(Datagrams),
    /// The kernel's own, about addresses and routes.
    Netlink,
}

/// How far a stream has come.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    /// IPv6 or IPv4.
    pub v6: bool,
    /// The address that its program wants for it.
    pub bound: Option<SocketAddr>,
    /// Whom it is connected to, as far as its program knows.
    pub peer: Option<(SocketAddr, Told)>,
}

/// What its program has been told of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// That it is made.
    Done,
    /// That it is on its way: the next connect(2) says that it is made.
    OnItsWay,
}

/// What a datagram socket pretends.
#[derive(Debug, Clone, Copy)]
pub struct Datagrams {
    /// IPv6 or IPv4.
    pub v6: bool,
    /// Its own address.
    pub own: Option<SocketAddr>,
    /// Whom it speaks to.
    pub peer: Option<SocketAddr>,
}

/// All of them.
pub struct Sockets {
    known: BTreeMap<u64, Socket>,
    /// Duplicates of streams that are not connected yet, by which they will be.
    held: BTreeMap<u64, OwnedFd>,
    /// Duplicates of datagram sockets, by which is taken what comes.
    ears: BTreeMap<u64, OwnedFd>,
    /// Processes whose threads have called: their open files are looked at.
    processes: BTreeSet<u32>,
    /// Threads whose processes are among them.
    threads: BTreeSet<u32>,
    /// How many may be known before it is looked which are open still.
    room: usize,
    /// Until when nobody looks again, since it came to little.
    rests: Option<Instant>,
}

/// Duplicates of each sort that are held at once, and sockets that are known. A jail that needs more waits for its own to be closed.
const MOST_HELD: usize = 512;
const MOST_KNOWN: usize = 16 << 10;
/// So many are known before anybody looks.
const FIRST_ROOM: usize = 1024;
/// Looking takes a while where much is open: not for every socket of a jail that closes few.
const REST: Duration = Duration::from_millis(50);

impl Sockets {
    /// None yet.
    pub fn new() -> Sockets {
        Sockets {
            known: BTreeMap::new(),
            held: BTreeMap::new(),
            ears: BTreeMap::new(),
            processes: BTreeSet::new(),
            threads: BTreeSet::new(),
            room: FIRST_ROOM,
            rests: None,
        }
    }

    /// Makes room for one more. EMFILE: none can be had before the jail closes some of these.
    pub fn make_room(&mut self, proc: &Proc, datagrams: bool) -> Result<(), Errno> {
        let rests = self.rests.is_some_and(|until| Instant::now() < until);
        if (self.is_full(datagrams) || self.known.len() >= self.room) && !rests {
            let begun = Instant::now();
            self.forget_closed(proc);
            self.room = (2 * self.known.len()).clamp(FIRST_ROOM, MOST_KNOWN);
            let in_vain = self.held.len().max(self.ears.len()) > MOST_HELD * 7 / 8;
            let rest = REST.max(10 * begun.elapsed());
            self.rests = in_vain.then(|| Instant::now() + rest);
        }
        match self.is_full(datagrams) {
            true => Err(Errno::EMFILE),
            false => Ok(()),
        }
    }

    fn is_full(&self, datagrams: bool) -> bool {
        let held = match datagrams {
            true => &self.ears,
            false => &self.held,
        };
        held.len() >= MOST_HELD || self.known.len() >= MOST_KNOWN
    }

    /// Nobody tells the supervisor that a socket was closed: it looks which are open still. One that it does not find,
    /// as one on its way to another process, can be connected by nobody from then on.
    fn forget_closed(&mut self, proc: &Proc) {
        // A number that is a process's still.
        self.processes
            .retain(|process| proc.process_of(*process) == Some(*process));
        self.threads.clear();
        let open: BTreeSet<u64> = self
            .processes
            .iter()
            .flat_map(|process| proc.sockets(*process).unwrap_or_default())
            .collect();
        self.known.retain(|inode, _| open.contains(inode));
        self.held.retain(|inode, _| open.contains(inode));
        self.ears.retain(|inode, _| open.contains(inode));
    }

    /// A thread has called: its process may have sockets, of its own or by inheritance.
    pub fn meet(&mut self, thread: u32, proc: &Proc) {
        if self.threads.insert(thread) {
            self.processes.extend(proc.process_of(thread));
        }
    }

    /// Notes a socket that is about to be given, and a duplicate of it.
    pub fn note(&mut self, given: &OwnedFd, socket: Socket) -> Result<(), Errno> {
        let number = inode(given)?;
        let held = given.try_clone().map_err(|_| Errno::ENFILE)?;
        match socket {
            Socket::Datagrams(_) => self.ears.insert(number, held),
            Socket::Stream(_) | Socket::Netlink => self.held.insert(number, held),
        };
        self.known.insert(number, socket);
        Ok(())
    }

    /// The socket of a number.
    pub fn get(&mut self, number: u64) -> Option<&mut Socket> {
        self.known.get_mut(&number)
    }

    /// Its duplicate.
    pub fn held(&self, number: u64) -> Option<&OwnedFd> {
        self.held.get(&number).or_else(|| self.ears.get(&number))
    }

    /// Lets the duplicate go.
    pub fn let_go(&mut self, number: u64) {
        self.held.remove(&number);
    }

    /// Forgets a socket.
    pub fn forget(&mut self, number: u64) {
        self.known.remove(&number);
        self.held.remove(&number);
        self.ears.remove(&number);
    }
}

/// The kernel's number of a socket.
pub fn inode(socket: &impl AsFd) -> Result<u64, Errno> {
    fstat(socket).map(|fact| fact.st_ino)
}
