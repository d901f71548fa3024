//! Sockets of the internet families, made in the network namespace that the caller is in.

use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, NetlinkAddr, Shutdown, SockFlag, SockProtocol, SockType,
    SockaddrStorage, accept4, bind, connect, getpeername, getsockname, getsockopt, listen, recv,
    setsockopt, shutdown, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::check;

/// An unbound stream socket (socket(2)), which belongs to this network namespace wherever it is used.
pub fn stream(v6: bool) -> Result<OwnedFd, Errno> {
    make(v6, SockType::Stream)
}

/// Datagrams at an address.
pub fn datagrams(at: SocketAddr) -> Result<OwnedFd, Errno> {
    let made = make(at.is_ipv6(), SockType::Datagram)?;
    bind_to(&made, at)?;
    Ok(made)
}

/// Makes `socket` listen at an address of this host (bind(2), listen(2)). EADDRNOTAVAIL: it has none such.
pub fn listen_here(socket: OwnedFd, at: SocketAddr) -> Result<OwnedFd, Errno> {
    bind_here(&socket, at)?;
    listen(&socket, Backlog::new(1024)?)?;
    Ok(socket)
}

/// Binds `socket` to an address of this host, also one that a listener before it has just left (SO_REUSEADDR).
pub fn bind_here(socket: &impl AsFd, at: SocketAddr) -> Result<(), Errno> {
    let socket = socket.as_fd();
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(at))
}

/// Binds `socket` so that nobody else can bind there before it listens, unless connections of an earlier listener are
/// in their last minute (TIME_WAIT): then as [`bind_here`]. What it accepts lets a next one bind. EADDRNOTAVAIL: this host
/// has no such address.
pub fn bind_alone(socket: &impl AsFd, at: SocketAddr) -> Result<(), Errno> {
    match bind(socket.as_fd().as_raw_fd(), &SockaddrStorage::from(at)) {
        Err(Errno::EADDRINUSE) => bind_here(socket, at),
        bound => bound,
    }?;
    setsockopt(&socket.as_fd(), sockopt::ReuseAddr, &true)
}

/// The same, also at an address that only a route makes local.
pub fn listen_at(socket: OwnedFd, at: SocketAddr) -> Result<OwnedFd, Errno> {
    allow_routed(&socket, at)?;
    listen_here(socket, at)
}

/// Gives the connection that `socket` is about to make a source address, also one that only a route makes local. The
/// port is chosen by connect(2) (IP_BIND_ADDRESS_NO_PORT, Linux 4.2), so that none is held per address.
pub fn speak_as(socket: &impl AsFd, source: IpAddr) -> Result<(), Errno> {
    let on: libc::c_int = 1;
    // SAFETY: on lives across the call, and its size is given.
    check(unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    })?;
    bind_to(socket, SocketAddr::new(source, 0))
}

/// The kernel's own about addresses, links and routes (rtnetlink(7)).
pub fn route() -> Result<OwnedFd, Errno> {
    socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        SockProtocol::NetlinkRoute,
    )
}

/// Gives it the address that its user asks for (netlink(7)).
pub fn bind_route(made: &OwnedFd, port: u32, groups: u32) -> Result<(), Errno> {
    bind(made.as_raw_fd(), &NetlinkAddr::new(port, groups))
}

/// The next visitor of a listener, and where from (accept4(2)); it never waits. EAGAIN: there is none.
pub fn next_visitor(listener: &impl AsFd) -> Result<(OwnedFd, SocketAddr), Errno> {
    // The listener itself may be one whose calls wait: nobody else takes what poll(2) has seen.
    let mut waiting = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    if poll(&mut waiting, PollTimeout::ZERO)? == 0 {
        return Err(Errno::EAGAIN);
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let number = accept4(listener.as_fd().as_raw_fd(), flags)?;
    // SAFETY: the kernel has just put this descriptor into this process's table for us alone.
    let visitor = unsafe { OwnedFd::from_raw_fd(number) };
    let name: SockaddrStorage = getpeername(visitor.as_raw_fd())?;
    Ok((visitor, address_in(&name)?))
}

/// Its connection is reset once it is closed (socket(7) SO_LINGER of 0).
pub fn reset_at_close(socket: &impl AsFd) {
    // One that is not reset is closed.
    let _ = socket2::SockRef::from(&socket.as_fd()).set_linger(Some(Duration::ZERO));
}

/// Makes a socket that is bound listen (listen(2)), with a queue of this length.
pub fn listen_now(socket: &impl AsFd, queue: i32) -> Result<(), Errno> {
    listen(&socket, Backlog::new(queue.clamp(1, 4096))?)
}

/// The address that a socket has (getsockname(2)).
pub fn own_name(socket: &OwnedFd) -> Result<SocketAddr, Errno> {
    address_in(&getsockname(socket.as_raw_fd())?)
}

fn address_in(name: &SockaddrStorage) -> Result<SocketAddr, Errno> {
    let v4 = name
        .as_sockaddr_in()
        .map(|v4| SocketAddr::from(SocketAddrV4::from(*v4)));
    let v6 = || {
        name.as_sockaddr_in6()
            .map(|v6| SocketAddr::from(SocketAddrV6::from(*v6)))
    };
    v4.or_else(v6).ok_or(Errno::EAFNOSUPPORT)
}

/// Whether a descriptor that the caller of this process left open is a unix socket, connected, that cannot be sent
/// elsewhere: a stream, or a row of records (unix(7)).
pub fn is_tied(number: i32) -> bool {
    let option = |option| {
        let mut value: libc::c_int = 0;
        let mut length = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: value and length live across the call, and the length is the value's.
        let answer = unsafe {
            libc::getsockopt(
                number,
                libc::SOL_SOCKET,
                option,
                (&raw mut value).cast(),
                &raw mut length,
            )
        };
        (answer == 0).then_some(value)
    };
    let rows = [Some(libc::SOCK_STREAM), Some(libc::SOCK_SEQPACKET)];
    option(libc::SO_DOMAIN) == Some(libc::AF_UNIX)
        && rows.contains(&option(libc::SO_TYPE))
        && option(libc::SO_ACCEPTCONN) == Some(0)
}

/// Whether calls on it wait (fcntl(2) F_GETFL).
pub fn is_blocking(socket: &impl AsFd) -> Result<bool, Errno> {
    let flags = OFlag::from_bits_retain(fcntl(socket.as_fd(), FcntlArg::F_GETFL)?);
    Ok(!flags.contains(OFlag::O_NONBLOCK))
}

/// Makes calls on it wait, or not (fcntl(2) F_SETFL); so it is for everyone who has the same open socket.
pub fn set_blocking(socket: &impl AsFd, blocking: bool) -> Result<(), Errno> {
    let flags = OFlag::from_bits_retain(fcntl(socket.as_fd(), FcntlArg::F_GETFL)?);
    let flags = match blocking {
        true => flags - OFlag::O_NONBLOCK,
        false => flags | OFlag::O_NONBLOCK,
    };
    fcntl(socket.as_fd(), FcntlArg::F_SETFL(flags)).map(drop)
}

/// Connects a socket and, where `waits` is said, waits for what comes of it (connect(2)). ETIMEDOUT: nothing, in that time.
/// EINPROGRESS: nothing yet, and nobody waits. Whether calls on the socket wait is for others to change meanwhile
/// (O_NONBLOCK): its time to send (SO_SNDTIMEO, socket(7)) is set for as long.
pub fn connect_within(
    socket: &OwnedFd,
    to: SocketAddr,
    patience: Duration,
    waits: bool,
) -> Result<(), Errno> {
    let within = |time: Duration| {
        let time = TimeVal::microseconds(i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
        setsockopt(socket, sockopt::SendTimeout, &time)
    };
    within(patience)?;
    let connected = match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
        Err(Errno::EINPROGRESS | Errno::EINTR) if waits => await_connection(socket, patience),
        begun => begun,
    };
    within(Duration::ZERO)?;
    connected
}

fn await_connection(socket: &OwnedFd, patience: Duration) -> Result<(), Errno> {
    let mut waiting = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
    match poll(&mut waiting, patience) {
        Ok(0) => Err(Errno::ETIMEDOUT),
        Ok(_) => match getsockopt(socket, sockopt::SocketError)? {
            0 => Ok(()),
            errno => Err(Errno::from_raw(errno)),
        },
        Err(errno) => Err(errno),
    }
}

/// Takes one record without waiting, or looks at it, and says how long it is, also where it is longer than `into` (recv(2)
/// MSG_TRUNC, unix(7)).
pub fn take_record(socket: &OwnedFd, into: &mut [u8], look: bool) -> Result<usize, Errno> {
    let mut flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
    if look {
        flags |= MsgFlags::MSG_PEEK;
    }
    recv(socket.as_raw_fd(), into, flags)
}

/// Gives a connection up that is on its way (shutdown(2)).
pub fn give_up(socket: &OwnedFd) -> Result<(), Errno> {
    shutdown(socket.as_raw_fd(), Shutdown::Both)
}

fn make(v6: bool, kind: SockType) -> Result<OwnedFd, Errno> {
    let family = if v6 {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    };
    socket(
        family,
        kind,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )
}

/// Binds to an address, also one that only a route makes local.
pub fn bind_to(socket: &impl AsFd, at: SocketAddr) -> Result<(), Errno> {
    allow_routed(socket, at)?;
    bind(socket.as_fd().as_raw_fd(), &SockaddrStorage::from(at))
}

/// A local route is no local address for IPv6: bind(2) wants to be told (IPV6_FREEBIND, Linux 4.15).
fn allow_routed(socket: &impl AsFd, at: SocketAddr) -> Result<(), Errno> {
    match at {
        SocketAddr::V4(_) => Ok(()),
        SocketAddr::V6(_) => socket2::SockRef::from(&socket.as_fd())
            .set_freebind_v6(true)
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))),
    }
}
