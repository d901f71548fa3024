//! Datagram sockets of the bare jail: each is one end of a pair whose other end is the name server's, so that they reach
//! nobody else, whatever address stands where. What is sent goes on; what is received is made to look as if it came from
//! whom it was asked of.
#![forbid(unsafe_code)]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::errno::Errno;

use super::sockets::{Datagrams, Socket};
use super::{Answer, Call, Mediator, go_on};
use crate::supervisor::network::Line;
use crate::supervisor::record::Record;
use crate::supervisor::sockaddr::{self, Address};
use crate::sys::notify::Reply;
use crate::sys::socket;

impl Mediator {
    /// A pair does not look at addresses. To whom a datagram goes is noted: the answer comes from there.
    pub(super) fn send(
        &mut self,
        call: &Call,
        line: Option<&mut Line>,
        record: &mut Record,
    ) -> Result<Answer, Errno> {
        let number = call.socket()?;
        let [.., at, length] = call.notice.args;
        if let Some(Socket::Datagrams(own)) = self.sockets.get(number)
            && let Address::Internet(to) = call.address_at(at, length)?
        {
            let line = line.ok_or(Errno::ENETUNREACH)?;
            if !line.may_ask(to, record) {
                return Err(Errno::EPERM);
            }
            own.peer = Some(to);
        }
        go_on()
    }

    /// recvfrom(2) with room for an address.
    pub(super) fn receive(&mut self, call: &Call, line: Option<&Line>) -> Result<Answer, Errno> {
        let number = call.socket()?;
        let [_, place, length, flags, name, name_length] = call.notice.args;
        let Some(sender) = self.sender(number, line) else {
            return go_on();
        };
        let mut room = [0; 4];
        call.read(name_length, &mut room)?;
        let into = Into {
            parts: vec![(place, length)],
            name,
            name_room: u32::from_ne_bytes(room),
        };
        match self.take(number, call, flags as i32, &into, &sender)? {
            None => go_on(),
            Some(taken) => {
                call.write(name_length, &taken.name_length.to_ne_bytes())?;
                Ok(Answer::Reply(Reply::Value(taken.length)))
            }
        }
    }

    /// recvmsg(2), and the first of recvmmsg(2): those who want more ask again.
    pub(super) fn receive_message(
        &mut self,
        call: &Call,
        line: Option<&Line>,
    ) -> Result<Answer, Errno> {
        let number = call.socket()?;
        let Some(sender) = self.sender(number, line) else {
            return go_on();
        };
        let many = call.name == "recvmmsg";
        let flags = call.numbers()[if many { 3 } else { 2 }];
        let at = call.notice.args[1];
        let (header, into) = Header::read(call, at)?;
        let Some(taken) = self.take(number, call, flags, &into, &sender)? else {
            return go_on();
        };
        header.write(call, at, &taken)?;
        if many {
            call.write(
                at.wrapping_add(Header::SIZE as u64),
                &(taken.length as u32).to_ne_bytes(),
            )?;
        }
        Ok(Answer::Reply(Reply::Value(if many {
            1
        } else {
            taken.length
        })))
    }

    /// Whom the answers on a datagram socket come from; `None` for another socket.
    fn sender(&mut self, number: u64, line: Option<&Line>) -> Option<Vec<u8>> {
        let Some(Socket::Datagrams(own)) = self.sockets.get(number) else {
            return None;
        };
        let server = own.peer.or_else(|| line?.server())?;
        Some(sockaddr::write(server, own.v6))
    }

    /// Takes a datagram on the supervisor's own duplicate, and writes it where the caller wants it, with the address of
    /// whom it asked. `None`: nothing is there, and the call is to wait as the kernel has it; what it finds then has the
    /// address in its place, and a length of 0 beside it.
    fn take(
        &mut self,
        number: u64,
        call: &Call,
        flags: i32,
        into: &Into,
        sender: &[u8],
    ) -> Result<Option<Taken>, Errno> {
        let held = self.sockets.held(number).ok_or(Errno::EBADF)?;
        let name = &sender[..sender.len().min(into.name_room as usize)];
        let lengths = into.parts.iter().map(|(_, length)| *length);
        let size = lengths.fold(0, u64::saturating_add);
        let mut bytes = vec![0; size.min(MAX_DATAGRAM) as usize];
        let whole = match socket::take_record(held, &mut bytes, flags & libc::MSG_PEEK != 0) {
            Err(Errno::EAGAIN) if flags & libc::MSG_DONTWAIT == 0 && socket::is_blocking(held)? => {
                if into.name != 0 {
                    // A caller without room there is told so by the kernel.
                    let _ = call.write(into.name, name);
                }
                return Ok(None);
            }
            taken => taken?,
        };
        let mut rest = &bytes[..whole.min(bytes.len())];
        for (place, length) in &into.parts {
            let (part, more) = rest.split_at(rest.len().min(*length as usize));
            call.write(*place, part)?;
            rest = more;
        }
        if into.name != 0 {
            call.write(into.name, name)?;
        }
        let cut = whole > bytes.len();
        let told = if flags & libc::MSG_TRUNC != 0 {
            whole
        } else {
            whole.min(bytes.len())
        };
        Ok(Some(Taken {
            length: told as i64,
            name_length: if into.name == 0 {
                0
            } else {
                sender.len() as u32
            },
            cut,
        }))
    }
}

/// Where a datagram goes.
struct Into {
    /// Places and lengths.
    parts: Vec<(u64, u64)>,
    /// Where the sender's address goes; 0: nowhere.
    name: u64,
    name_room: u32,
}

/// What came of it.
struct Taken {
    length: i64,
    name_length: u32,
    cut: bool,
}

/// Longer ones are no DNS.
const MAX_DATAGRAM: u64 = 65_536;
/// More parts than any resolver has.
const MAX_PARTS: u64 = 16;

/// `struct msghdr`.
struct Header([u8; Header::SIZE]);

impl Header {
    const SIZE: usize = 56;

    fn read(call: &Call, at: u64) -> Result<(Header, Into), Errno> {
        let mut header = Header([0; Header::SIZE]);
        call.read(at, &mut header.0)?;
        let [name, parts, count] = [0, 16, 24].map(|at| header.word(at));
        if count > MAX_PARTS {
            return Err(Errno::EMSGSIZE);
        }
        let mut all = Vec::new();
        for index in 0..count {
            let mut part = [0; 16];
            call.read(parts.wrapping_add(index * 16), &mut part)?;
            let word = |at: usize| {
                part[at..]
                    .first_chunk()
                    .map_or(0, |word| u64::from_ne_bytes(*word))
            };
            all.push((word(0), word(8)));
        }
        let into = Into {
            parts: all,
            name,
            name_room: header.word(8) as u32,
        };
        Ok((header, into))
    }

    fn word(&self, at: usize) -> u64 {
        self.0[at..]
            .first_chunk()
            .map_or(0, |word| u64::from_ne_bytes(*word))
    }

    /// What the kernel leaves in it: the name's length, no control messages, and whether something was cut.
    fn write(&self, call: &Call, at: u64, taken: &Taken) -> Result<(), Errno> {
        let flags = if taken.cut { libc::MSG_TRUNC } else { 0 };
        call.write(at.wrapping_add(8), &taken.name_length.to_ne_bytes())?;
        call.write(at.wrapping_add(40), &0u64.to_ne_bytes())?;
        call.write(at.wrapping_add(48), &flags.to_ne_bytes())
    }
}

impl Datagrams {
    /// The address that it says it has: a port of its own, once it speaks to somebody.
    pub fn name(&self, number: u64) -> SocketAddr {
        let any = |port| match self.v6 {
            true => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
            false => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        };
        let port = (32768 + number % 28000) as u16;
        match (self.own, self.peer) {
            (Some(own), _) if own.port() != 0 => own,
            (_, Some(peer)) if peer.is_ipv4() => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            (_, Some(_)) => SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
            (Some(own), None) => SocketAddr::new(own.ip(), port),
            (None, None) => any(0),
        }
    }
}
