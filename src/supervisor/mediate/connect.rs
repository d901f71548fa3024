//! Connecting the bare jail's sockets, and the record of those that are not.
#![forbid(unsafe_code)]

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::errno::Errno;

use crate::supervisor::record::Record;
use crate::supervisor::sockaddr::mapped;
use crate::sys::socket;

/// Patience with the loopback, which answers at once unless a listener's queue is full. All of the jail's calls wait as
/// long.
const PATIENCE: Duration = Duration::from_millis(100);

/// Binds a socket to a loopback address, any port, and says which. One that was bound by an earlier try stays.
pub fn bind_source(own: &OwnedFd, v6: bool, source: IpAddr) -> Result<SocketAddr, Errno> {
    match socket::bind_to(own, of_family(SocketAddr::new(source, 0), v6)) {
        Ok(()) | Err(Errno::EINVAL) => {}
        Err(errno) => return Err(errno),
    }
    let bound = socket::own_name(own)?;
    if bound.port() == 0 {
        return Err(Errno::EADDRNOTAVAIL);
    }
    Ok(SocketAddr::new(bound.ip().to_canonical(), bound.port()))
}

/// Connects a socket to an address of this host's. `waits`: the caller would have waited; for one that would not it may
/// be on its way still. ETIMEDOUT: nobody takes it in time, and it is given up.
pub fn connect(own: &OwnedFd, v6: bool, to: SocketAddr, waits: bool) -> Result<(), Errno> {
    let connected = socket::connect_within(own, of_family(to, v6), PATIENCE, waits);
    match connected {
        Err(Errno::EINPROGRESS) => Ok(()),
        Err(Errno::ETIMEDOUT) => {
            // ENOTCONN: it was not on its way any more.
            let _ = socket::give_up(own);
            connected
        }
        connected => connected,
    }
}

fn of_family(address: SocketAddr, v6: bool) -> SocketAddr {
    match v6 {
        true => SocketAddr::new(mapped(address.ip()).into(), address.port()),
        false => address,
    }
}

/// A unix socket of the host's.
pub fn record_unix(path: &str, record: &mut Record) {
    let reason = "unix sockets lead out of the jail";
    record.refuse(format!("unix:{path}"), None, reason, String::new());
}

/// A connect by a socket that has another use: it accepted a visitor, listens, or came from outside.
pub fn record_foreign(to: SocketAddr, record: &mut Record) {
    let reason = "this socket serves visitors, and makes no connections";
    record.refuse(String::new(), Some(to), reason, String::new());
}
