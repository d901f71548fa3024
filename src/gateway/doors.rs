//! What the gateway listens on in the host's network, opened before the launch: with the starter's rights, and with an
//! error that the starter sees.
#![forbid(unsafe_code)]

use std::fmt;
use std::io::{Error, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::socket::sockopt;

use super::handed::{self, Passed};
use crate::plan::{NetworkPlan, PublishLine, are_one};
use crate::sys::socket;

/// The listeners.
pub struct Doors {
    /// What is served.
    pub published: Vec<Door>,
    /// Where the bare jail's connections are taken, on the loopback: its supervisor makes them.
    pub inner: Vec<TcpListener>,
    /// For `flowjail net`.
    pub control: Option<UnixListener>,
    /// The name by which `flowjail net` finds this jail.
    pub name: String,
    /// How many descriptors the gateway may have (RLIMIT_NOFILE).
    pub descriptors: u64,
}

/// A listener, and the line that says who may come by it.
pub struct Door {
    /// The socket.
    pub listener: TcpListener,
    /// Its line; the address is the socket's own.
    pub line: PublishLine,
    /// Whether it was listened on before flowjail started, so that visitors may be why it did.
    pub handed_over: bool,
}

/// A published address that cannot be served.
#[derive(Debug)]
pub struct DoorError {
    /// Which.
    pub what: String,
    /// Why.
    pub why: Error,
    /// What would mend it.
    pub hint: Option<String>,
}

/// Opens every door. `passed`: sockets that the starter handed over, which take the places of addresses.
pub fn open(plan: &NetworkPlan, name: &str, passed: Vec<Passed>) -> Result<Doors, DoorError> {
    let mut lines = plan.publish.clone();
    let mut published = handed::take(&mut lines, passed)?;
    // A bare jail's program has one listener for both families; where they are two lines it is IPv6's.
    let pair = |line: &PublishLine| {
        let other = |other: &&PublishLine| are_one(&line.address, &other.address);
        plan.shared && plan.publish.iter().any(|line| other(&line))
    };
    let all = lines
        .into_iter()
        .filter(|line| line.address.is_ipv6() || !pair(line));
    for line in all.collect::<Vec<_>>() {
        let listener = publish(&line, plan.shared, pair(&line))?;
        published.push(Door {
            listener,
            line,
            handed_over: false,
        });
    }
    let inner = if plan.shared { inner()? } else { Vec::new() };
    let (control, name) = control(&plain(name));
    let limit = getrlimit(Resource::RLIMIT_NOFILE);
    Ok(Doors {
        published,
        inner,
        control,
        name,
        // The launch raises the soft limit to the hard one.
        descriptors: limit.map_or(1024, |(_, hard)| hard),
    })
}

/// IPv4's, and IPv6's where there is one.
fn inner() -> Result<Vec<TcpListener>, DoorError> {
    let listen = |at: &str| {
        let at: SocketAddr = at.parse().map_err(Error::other)?;
        let made = socket::stream(at.is_ipv6())?;
        Ok(TcpListener::from(socket::listen_here(made, at)?))
    };
    let v4 = listen("127.0.0.1:0").map_err(|why: Error| DoorError {
        what: "the gateway's own port on the loopback".into(),
        why,
        hint: None,
    })?;
    Ok([v4].into_iter().chain(listen("[::1]:0").ok()).collect())
}

/// The bare jail's own listener is for its program, which listens when it is ready: until then visitors are refused.
fn publish(line: &PublishLine, shared: bool, both: bool) -> Result<TcpListener, DoorError> {
    let address = line.address;
    let listening = socket::stream(address.is_ipv6())
        .and_then(|made| {
            if address.is_ipv6() && !both {
                // IPv4 is served where the profile says so, not by way of IPv6.
                nix::sys::socket::setsockopt(&made, sockopt::Ipv6V6Only, &true)?;
            }
            if shared {
                socket::bind_alone(&made, address)?;
                return Ok(made);
            }
            socket::listen_here(made, address)
        })
        .map_err(Error::from);
    listening.map(TcpListener::from).map_err(|why| {
        let hint = match why.kind() {
            ErrorKind::AddrInUse => {
                Some("another program serves there: end it, or choose another port with --publish ADDR:PORT".to_owned())
            }
            ErrorKind::AddrNotAvailable => {
                Some("this host does not have that address".to_owned())
            }
            ErrorKind::PermissionDenied => {
                Some("ports below 1024 take a start as root, or a socket that systemd hands over".to_owned())
            }
            _ => None,
        };
        DoorError { what: format!("serving {address}"), why, hint }
    })
}

/// How many jails of one name may run beside each other and be found.
const MAX_SAME_NAME: u32 = 64;

/// A socket in the abstract namespace: it ends with its process, however that ends, nothing has to be removed by
/// processes that may not, and the jail cannot see it from its own network namespace. A jail that finds its name taken
/// gets a number behind it.
fn control(name: &str) -> (Option<UnixListener>, String) {
    let numbered = (2..MAX_SAME_NAME).map(|number| format!("{name}-{number}"));
    for name in [name.to_owned()].into_iter().chain(numbered) {
        let bound = UnixAddr::from_abstract_name(control_name(&name))
            .and_then(|address| UnixListener::bind_addr(&address));
        match bound {
            Ok(listener) if listener.set_nonblocking(true).is_ok() => {
                return (Some(listener), name);
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            _ => break,
        }
    }
    (None, name.to_owned())
}

/// A name without what would make it hard to find again, and short enough for an address.
pub fn plain(name: &str) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let letters = name.chars().map(|c| if fine(c) { c } else { '-' });
    letters.take(64).collect()
}

/// The abstract name of a jail's control socket.
pub fn control_name(jail: &str) -> String {
    format!("{CONTROL}{jail}")
}

/// What every such name starts with.
pub const CONTROL: &str = "flowjail/net/";

impl fmt::Display for DoorError {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self.why.raw_os_error().map(Errno::from_raw) {
            Some(errno) => write!(out, "{}: {} ({errno:?})", self.what, errno.desc()),
            None => write!(out, "{}: {}", self.what, self.why),
        }
    }
}
