//! Sockets of the internet families, made in the network namespace that the caller is in.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, bind, listen, setsockopt,
    socket, sockopt,
};

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
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    match at {
        SocketAddr::V4(at) => bind(socket.as_raw_fd(), &SockaddrIn::from(at))?,
        SocketAddr::V6(at) => bind(socket.as_raw_fd(), &SockaddrIn6::from(at))?,
    }
    listen(&socket, Backlog::new(1024)?)?;
    Ok(socket)
}

/// The same, also at an address that only a route makes local.
pub fn listen_at(socket: OwnedFd, at: SocketAddr) -> Result<OwnedFd, Errno> {
    let told = match at {
        SocketAddr::V4(_) => Ok(()),
        // A local route is no local address for IPv6: bind(2) wants to be told (IPV6_FREEBIND, Linux 4.15).
        SocketAddr::V6(_) => socket2::SockRef::from(&socket).set_freebind_v6(true),
    };
    told.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
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

fn bind_to(socket: &impl AsFd, at: SocketAddr) -> Result<(), Errno> {
    match at {
        SocketAddr::V4(at) => bind(socket.as_fd().as_raw_fd(), &SockaddrIn::from(at)),
        SocketAddr::V6(at) => {
            // A local route is no local address for IPv6: bind(2) wants to be told (IPV6_FREEBIND, Linux 4.15).
            let told = socket2::SockRef::from(socket).set_freebind_v6(true);
            told.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
            bind(socket.as_fd().as_raw_fd(), &SockaddrIn6::from(at))
        }
    }
}
