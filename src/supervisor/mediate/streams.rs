//! Streams of the bare jail: connected by the supervisor, on a duplicate of its own, and listening where it says.
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::errno::Errno;

use super::connect;
use super::sockets::{Socket, Stream, Told, inode};
use super::{Answer, Call, Mediator, done};
use crate::gateway::doors::Door;
use crate::supervisor::network::Line;
use crate::supervisor::record::Record;
use crate::supervisor::sockaddr::Address;
use crate::sys::notify::{self, Reply};
use crate::sys::socket;

impl Mediator {
    pub(super) fn connect(
        &mut self,
        call: &Call,
        line: Option<&mut Line>,
        record: &mut Record,
    ) -> Result<Answer, Errno> {
        let number = call.socket()?;
        let address = call.address()?;
        match (self.sockets.get(number), address) {
            (
                Some(Socket::Stream(Stream {
                    peer: Some(peer), ..
                })),
                _,
            ) => match std::mem::replace(&mut peer.1, Told::Done) {
                Told::OnItsWay => done(),
                Told::Done => Err(Errno::EISCONN),
            },
            // Nothing to be dissolved.
            (Some(Socket::Stream(_)), Address::Unspecified) => done(),
            (Some(Socket::Stream(own)), Address::Internet(to)) => {
                let own = *own;
                self.connect_stream((number, own), to, line, record)
            }
            (Some(Socket::Datagrams(own)), Address::Unspecified) => {
                own.peer = None;
                done()
            }
            (Some(Socket::Datagrams(own)), Address::Internet(to)) => {
                let line = line.ok_or(Errno::ENETUNREACH)?;
                if !line.may_ask(to, record) {
                    return Err(Errno::ENETUNREACH);
                }
                own.peer = Some(to);
                done()
            }
            (Some(_), _) => Err(Errno::EAFNOSUPPORT),
            // A name service cache, which libc asks first wherever it is.
            (None, Address::Unix(path)) if path.ends_with("/nscd/socket") => Err(Errno::ENOENT),
            (None, Address::Unix(path)) => {
                connect::record_unix(&path, record);
                Err(Errno::ECONNREFUSED)
            }
            (None, Address::Internet(to)) => {
                connect::record_foreign(to, record);
                Err(Errno::EACCES)
            }
            // A visitor's connection, or a listener: it ends by being closed.
            (None, Address::Unspecified) => Err(Errno::EOPNOTSUPP),
            (None, _) => Err(Errno::EAFNOSUPPORT),
        }
    }

    fn connect_stream(
        &mut self,
        (number, own): (u64, Stream),
        asked: SocketAddr,
        line: Option<&mut Line>,
        record: &mut Record,
    ) -> Result<Answer, Errno> {
        let to = SocketAddr::new(asked.ip().to_canonical(), asked.port());
        if asked.is_ipv6() && !own.v6 {
            return Err(Errno::EAFNOSUPPORT);
        }
        let next = match self.own_door(to) {
            Some((door, true)) => (door, None),
            // It would be dropped, and waited for.
            Some((_, false)) => return Err(Errno::ECONNREFUSED),
            None => {
                let line = line.ok_or(Errno::ENETUNREACH)?;
                if !line.may_connect(to, record) {
                    return Err(Errno::ECONNREFUSED);
                }
                let inner = line.inner(to.is_ipv4()).ok_or(Errno::ENETUNREACH)?;
                (inner, Some(line))
            }
        };
        let source = self.source(to.is_ipv4());
        let held = self.sockets.held(number).ok_or(Errno::EINVAL)?;
        if let (_, Some(line)) = &next {
            let source = connect::bind_source(held, own.v6, source)?;
            line.announce(source, to)?;
        }
        let waits = socket::is_blocking(held)?;
        connect::connect(held, own.v6, next.0, waits)?;
        let told = match waits {
            true => Told::Done,
            false => Told::OnItsWay,
        };
        // A duplicate that lived on would hold back the end of the connection.
        self.sockets.let_go(number);
        if let Some(Socket::Stream(own)) = self.sockets.get(number) {
            own.peer = Some((asked, told));
        }
        match told {
            Told::Done => done(),
            // As the kernel has it for who does not wait: connect(2).
            Told::OnItsWay => Err(Errno::EINPROGRESS),
        }
    }

    /// The program's own published address, by the loopback, and whether it may visit itself.
    fn own_door(&self, to: SocketAddr) -> Option<(SocketAddr, bool)> {
        let own = to.ip().is_loopback() || to.ip().is_unspecified();
        let mut led = self
            .doors
            .iter()
            .filter(|door| own && door.line.to == to.port());
        let line = &led.next()?.line;
        let address = line.address;
        let loopback = match address {
            SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
        };
        let invited = line.admits(loopback);
        Some(match address.ip().is_unspecified() {
            true => (SocketAddr::new(loopback, address.port()), invited),
            false => (address, invited),
        })
    }

    /// An address of the loopback for the next connection: one alone has too few ports, since each is kept for a while
    /// after its connection has ended.
    fn source(&mut self, v4: bool) -> IpAddr {
        self.sources = self.sources.wrapping_add(1);
        let [high, low] = self.sources.to_be_bytes();
        match v4 {
            true => IpAddr::from([127, 77, high, low.clamp(1, 254)]),
            false => IpAddr::from(Ipv6Addr::LOCALHOST),
        }
    }

    /// Addresses are the supervisor's to give: it notes what the program wants, where it may have it.
    pub(super) fn bind(&mut self, call: &Call) -> Result<Answer, Errno> {
        let number = call.socket()?;
        let address = call.address()?;
        match (self.sockets.get(number), address) {
            (Some(Socket::Stream(own)), Address::Internet(at)) => {
                let led = |door: &Door| door.line.to == at.port();
                if own.bound.is_some() || own.peer.is_some() {
                    return Err(Errno::EINVAL);
                }
                if at.port() != 0 && !self.doors.iter().any(led) {
                    return Ok(Answer::Refuse);
                }
                own.bound = Some(at);
                done()
            }
            (Some(Socket::Datagrams(own)), Address::Internet(at)) => {
                own.own = Some(at);
                done()
            }
            (Some(Socket::Netlink), Address::Netlink(port, groups)) => {
                let held = self.sockets.held(number).ok_or(Errno::EINVAL)?;
                socket::bind_route(held, port, groups)?;
                self.sockets.let_go(number);
                done()
            }
            (Some(_), _) => Err(Errno::EINVAL),
            (None, _) => Ok(Answer::Refuse),
        }
    }

    /// Where a published address says who may come, the supervisor lets visitors in, and turns others away.
    pub(super) fn accept(&mut self, call: &Call, record: &mut Record) -> Result<Answer, Errno> {
        let number = call.socket()?;
        let flags = match call.name {
            "accept4" => call.numbers()[3],
            _ => 0,
        };
        let is_it = |door: &&Door| inode(&door.listener) == Ok(number);
        let door = self.doors.iter().find(is_it).ok_or(Errno::EINVAL)?;
        let (visitor, from) = loop {
            // A program that would wait is told to come again: nobody waits here.
            let (visitor, from) = socket::next_visitor(&door.listener)?;
            let ip = from.ip().to_canonical();
            if door.line.admits(ip) {
                break (visitor, from);
            }
            socket::reset_at_close(&visitor);
            record.uninvited(ip, door.line.address);
        };
        if call.notice.args[1] != 0 {
            call.write_name(from, from.is_ipv6())?;
        }
        socket::set_blocking(&visitor, flags & libc::SOCK_NONBLOCK == 0)?;
        let close_on_exec = flags & libc::SOCK_CLOEXEC != 0;
        notify::answer_with(call.listener, call.notice.id, &visitor, close_on_exec)?;
        Ok(Answer::Given)
    }

    /// The program gets the listener that was opened for it before it ran.
    pub(super) fn listen(&mut self, call: &Call) -> Result<Answer, Errno> {
        let number = call.socket()?;
        let [descriptor, queue, ..] = call.numbers();
        let is_door = |door: &&Door| inode(&door.listener) == Ok(number);
        if let Some(door) = self.doors.iter().find(is_door) {
            socket::listen_now(&door.listener, queue)?;
            return done();
        }
        let bound = match self.sockets.get(number) {
            Some(Socket::Stream(Stream { bound, .. })) => bound.map(|at| at.port()),
            _ => None,
        };
        let door = self.doors.iter().find(|door| Some(door.line.to) == bound);
        let (Some(door), Some(held)) = (door, self.sockets.held(number)) else {
            return Ok(Answer::Refuse);
        };
        socket::set_blocking(&door.listener, socket::is_blocking(held)?)?;
        socket::listen_now(&door.listener, queue)?;
        let (listener, id) = (call.listener, call.notice.id);
        notify::replace(
            listener,
            id,
            &door.listener,
            descriptor.cast_unsigned(),
            true,
        )?;
        self.sockets.forget(number);
        self.listens = true;
        Ok(Answer::Reply(Reply::Done))
    }
}
