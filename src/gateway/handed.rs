//! Sockets that a service manager hands over, each in the place of a published address.
#![forbid(unsafe_code)]

use std::io::Error;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use nix::sys::socket::{AddressFamily, SockType, SockaddrLike, SockaddrStorage};
use nix::sys::socket::{getsockname, getsockopt, sockopt};

use super::doors::{Door, DoorError};
use crate::plan::PublishLine;

/// A socket of the starter's.
pub struct Passed {
    /// The socket.
    pub socket: OwnedFd,
    /// Its name, where it has one (LISTEN_FDNAMES).
    pub name: Option<String>,
}

/// Takes the lines out of `lines` whose sockets have come. One that is named goes with the line of that name, whatever its
/// address; others with the line of their address, and a single one with a single line.
pub fn take(lines: &mut Vec<PublishLine>, passed: Vec<Passed>) -> Result<Vec<Door>, DoorError> {
    let only = passed.len() == 1 && lines.len() == 1;
    let mut names: Vec<String> = Vec::new();
    let mut doors = Vec::new();
    for Passed { socket, name } in passed {
        let (listener, address) = adopt(socket, name.as_deref())?;
        let name = name.as_deref();
        let Some(index) = position(lines, name, address, only) else {
            return Err(stranger(name, address, &names, &doors));
        };
        let line = PublishLine {
            address,
            ..lines.remove(index)
        };
        names.extend(line.socket.clone());
        doors.push(Door {
            listener,
            line,
            handed_over: true,
        });
    }
    match lines.iter().find(|line| line.must_come) {
        Some(line) => Err(missing(line)),
        None => Ok(doors),
    }
}

/// The line of a socket. A line with a name is no other named socket's.
fn position(
    lines: &[PublishLine],
    name: Option<&str>,
    address: SocketAddr,
    only: bool,
) -> Option<usize> {
    let by_name = |line: &PublishLine| name.is_some() && line.socket.as_deref() == name;
    let by_address = |line: &PublishLine| {
        let free = name.is_none() || line.socket.is_none();
        let both_any = line.address.ip().is_unspecified() && address.ip().is_unspecified();
        let same_ip = line.address.ip() == address.ip() || both_any;
        free && (only || same_ip && line.address.port() == address.port())
    };
    let named = lines.iter().position(by_name);
    named.or_else(|| lines.iter().position(by_address))
}

fn stranger(
    name: Option<&str>,
    address: SocketAddr,
    taken: &[String],
    doors: &[Door],
) -> DoorError {
    let what = shown(name, &format!(" for {address}"));
    if doors.iter().any(|door| door.line.address == address) {
        return DoorError {
            what,
            why: Error::other("another of this address has come before"),
            hint: Some("write each address in one ListenStream= of one .socket unit".into()),
        };
    }
    if let Some(name) = name.filter(|name| taken.iter().any(|other| other == name)) {
        return DoorError {
            what,
            why: Error::other(format!("another of the name `{name}` has come before")),
            hint: Some(
                "give each .socket unit a FileDescriptorName= of its own, and one ListenStream="
                    .into(),
            ),
        };
    }
    let (why, socket) = match name {
        Some(name) => (
            "no published address has its name, or is like it",
            format!(", socket = \"{name}\""),
        ),
        None => ("no published address is like it", String::new()),
    };
    DoorError {
        what,
        why: Error::other(why),
        hint: Some(format!(
            "write publish = [{{ address = \"{address}\"{socket} }}] under [net]: who may come, and the port they are led to, stand there"
        )),
    }
}

fn missing(line: &PublishLine) -> DoorError {
    let (what, hint) = match &line.socket {
        Some(name) => (
            format!("the socket `{name}` for {}", line.address),
            format!("write FileDescriptorName={name} in the .socket unit, and Requires= and After= that unit in the .service; or leave activation = \"require\" out"),
        ),
        None => (
            format!("the socket for {}", line.address),
            "start the .socket unit, with that address as ListenStream=; or leave activation = \"require\" out".into(),
        ),
    };
    DoorError {
        what,
        why: Error::other("it was not handed over (LISTEN_FDS), and has to be"),
        hint: Some(hint),
    }
}

fn shown(name: Option<&str>, more: &str) -> String {
    match name {
        Some(name) => format!("the socket `{name}` that was handed over (LISTEN_FDS){more}"),
        None => format!("the socket that was handed over (LISTEN_FDS){more}"),
    }
}

/// One that listens for TCP, and nothing else.
fn adopt(passed: OwnedFd, name: Option<&str>) -> Result<(TcpListener, SocketAddr), DoorError> {
    let found = flaw(&passed);
    let listener = TcpListener::from(passed);
    let address = listener.local_addr();
    let made_ready = listener.set_nonblocking(true);
    let (why, hint) = match (found, address) {
        (None, Ok(address)) if made_ready.is_ok() => return Ok((listener, address)),
        (Some(found), _) => found,
        (None, _) => ("a socket of another family", STREAM),
    };
    Err(DoorError {
        what: shown(name, ""),
        why: Error::other(format!("not a listening TCP socket, but {why}")),
        hint: Some(hint.into()),
    })
}

const STREAM: &str = "in the .socket unit: ListenStream=ADDR:PORT";

/// What a socket is instead, and what would mend that.
fn flaw(socket: &OwnedFd) -> Option<(&'static str, &'static str)> {
    use std::os::fd::AsRawFd;
    let name: Option<SockaddrStorage> = getsockname(socket.as_raw_fd()).ok();
    let unix = name.and_then(|name| name.family()) == Some(AddressFamily::Unix);
    let kind = getsockopt(socket, sockopt::SockType);
    match (kind, getsockopt(socket, sockopt::AcceptConn)) {
        (Err(_), _) => Some(("no socket at all", STREAM)),
        _ if unix => Some(("a unix socket", STREAM)),
        (Ok(SockType::Datagram), _) => Some(("a datagram socket", STREAM)),
        (Ok(SockType::Stream), Ok(true)) => None,
        (Ok(SockType::Stream), _) => Some((
            "one that does not listen",
            "in the .socket unit: Accept=no, which is the default",
        )),
        _ => Some(("a socket of another kind", STREAM)),
    }
}
