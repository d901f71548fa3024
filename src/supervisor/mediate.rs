//! The bare jail's calls that its supervisor carries out, or looks at first. Its network is the host's, so that none of
//! these is ever let go on with an address in it: the caller's other threads could change the address, or put another
//! socket in the descriptor's place, after anybody had looked. What is decided on is copied, and carried out on sockets
//! that are the supervisor's own.
//!
//! Calls go on where registers alone decide, and where what the kernel does with them is harmless whatever stands in
//! memory: a datagram socket of the jail is one end of a pair and reaches the name server alone.
#![forbid(unsafe_code)]

mod call;
mod change;
mod connect;
mod datagrams;
mod sockets;
mod streams;

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::errno::Errno;

use super::network::Line;
use super::record::Record;
use crate::gateway::doors::Door;
use crate::plan::CHANGES;
use crate::sys::notify::{self, Reply};
use crate::sys::{channel, socket};
use sockets::{Datagrams, Socket, Sockets, Stream, inode};

pub use call::Call;

/// What a call gets.
pub enum Answer {
    /// This.
    Reply(Reply),
    /// It has been given a descriptor already.
    Given,
    /// EACCES, and a record of the call.
    Refuse,
}

/// The supervisor's hands.
pub struct Mediator {
    sockets: Sockets,
    doors: Vec<Door>,
    sources: u16,
    written: Vec<PathBuf>,
    listens: bool,
}

impl Mediator {
    /// `doors`: what is published; `written`: the directories that the jail writes.
    pub fn new(doors: Vec<Door>, written: Vec<PathBuf>) -> Mediator {
        Mediator {
            sockets: Sockets::new(),
            doors,
            sources: 0,
            written,
            listens: false,
        }
    }

    /// Whether the program listens where it is published. One that was handed over takes connections before that.
    pub fn listens(&self) -> bool {
        self.listens
    }

    /// Answers one call. An error is what the call returns.
    pub fn answer(&mut self, call: &Call, line: Option<&mut Line>, record: &mut Record) -> Answer {
        self.sockets.meet(call.notice.thread, call.proc);
        let answered = match call.name {
            "socket" => self.socket(call, line),
            "socketpair" => pair(call),
            "connect" => self.connect(call, line, record),
            "bind" => self.bind(call),
            "listen" => self.listen(call),
            "accept" | "accept4" => self.accept(call, record),
            "getsockname" => self.own_name(call),
            "getpeername" => self.peer_name(call),
            "sendto" => self.send(call, line, record),
            "recvfrom" => self.receive(call, line.as_deref()),
            "recvmsg" | "recvmmsg" => self.receive_message(call, line.as_deref()),
            "setsockopt" => self.set_option(call),
            changes if CHANGES.contains(&changes) => change::answer(call, &self.written),
            _ => Ok(Answer::Refuse),
        };
        answered.unwrap_or_else(|errno| Answer::Reply(Reply::Errno(errno as i32)))
    }

    fn socket(&mut self, call: &Call, line: Option<&mut Line>) -> Result<Answer, Errno> {
        let [family, kind, ..] = call.numbers();
        let flags = kind & !0xf;
        if flags & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) != 0 {
            return Err(Errno::EINVAL);
        }
        let v6 = family == libc::AF_INET6;
        match (family, kind & 0xf) {
            (libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_SEQPACKET) => go_on(),
            (libc::AF_INET | libc::AF_INET6, libc::SOCK_STREAM) => {
                self.sockets.make_room(call.proc, false)?;
                let noted = Socket::Stream(Stream {
                    v6,
                    bound: None,
                    peer: None,
                });
                self.give(call, &socket::stream(v6)?, flags, noted)
            }
            (libc::AF_INET | libc::AF_INET6, libc::SOCK_DGRAM) => {
                // Without a gateway there is nobody to speak to.
                let line = line.ok_or(Errno::EAFNOSUPPORT)?;
                self.sockets.make_room(call.proc, true)?;
                let (made, stub) = channel::pair()?;
                line.hand_over_pair(&stub)?;
                let noted = Socket::Datagrams(Datagrams {
                    v6,
                    own: None,
                    peer: None,
                });
                self.give(call, &made, flags, noted)
            }
            (libc::AF_NETLINK, libc::SOCK_RAW) => {
                self.sockets.make_room(call.proc, false)?;
                self.give(call, &socket::route()?, flags, Socket::Netlink)
            }
            _ => Ok(Answer::Refuse),
        }
    }

    /// Gives the caller a socket as it asked for it.
    fn give(
        &mut self,
        call: &Call,
        made: &OwnedFd,
        flags: i32,
        noted: Socket,
    ) -> Result<Answer, Errno> {
        socket::set_blocking(made, flags & libc::SOCK_NONBLOCK == 0)?;
        self.sockets.note(made, noted)?;
        let close_on_exec = flags & libc::SOCK_CLOEXEC != 0;
        match notify::answer_with(call.listener, call.notice.id, made, close_on_exec) {
            Ok(()) => Ok(Answer::Given),
            Err(errno) => {
                self.sockets.forget(inode(made)?);
                Err(errno)
            }
        }
    }

    fn own_name(&mut self, call: &Call) -> Result<Answer, Errno> {
        let number = call.socket()?;
        match self.sockets.get(number) {
            Some(Socket::Stream(Stream {
                v6,
                bound: Some(at),
                peer: None,
            })) => call.write_name(*at, *v6),
            Some(Socket::Datagrams(own)) => call.write_name(own.name(number), own.v6),
            _ => go_on(),
        }
    }

    fn peer_name(&mut self, call: &Call) -> Result<Answer, Errno> {
        let number = call.socket()?;
        match self.sockets.get(number) {
            Some(Socket::Stream(Stream {
                v6,
                peer: Some((to, _)),
                ..
            })) => call.write_name(*to, *v6),
            Some(Socket::Datagrams(own)) => {
                let (peer, v6) = (own.peer.ok_or(Errno::ENOTCONN)?, own.v6);
                call.write_name(peer, v6)
            }
            _ => go_on(),
        }
    }

    /// Options of the internet protocols mean nothing to a pair. SO_LINGER has no effect here: it could make whoever
    /// closes a socket last wait, and that may be the supervisor.
    fn set_option(&mut self, call: &Call) -> Result<Answer, Errno> {
        let [_, level, option, ..] = call.numbers();
        let number = call.socket()?;
        match self.sockets.get(number) {
            _ if (level, option) == (libc::SOL_SOCKET, libc::SO_LINGER) => done(),
            Some(Socket::Datagrams(_)) => done(),
            _ => go_on(),
        }
    }
}

fn done() -> Result<Answer, Errno> {
    Ok(Answer::Reply(Reply::Done))
}

fn go_on() -> Result<Answer, Errno> {
    Ok(Answer::Reply(Reply::Continue))
}

/// Ends of a pair reach each other alone; as datagrams they could be sent elsewhere.
fn pair(call: &Call) -> Result<Answer, Errno> {
    let [family, kind, ..] = call.numbers();
    let kind = kind & 0xf;
    match family == libc::AF_UNIX && [libc::SOCK_STREAM, libc::SOCK_SEQPACKET].contains(&kind) {
        true => go_on(),
        false => Ok(Answer::Refuse),
    }
}
