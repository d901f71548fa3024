//! Jails that run, found by the control sockets of their gateways.
#![forbid(unsafe_code)]

use std::io::{Error, Read, Write};
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::Uid;

use crate::events::phrase::tame;
use crate::gateway::doors::{CONTROL, control_name, plain};

/// Who may look into a jail and change its rules.
pub const WHO: &str = "only the user who started a jail, and root, may look into it";

/// The name that is meant; none: the only one that runs. An error comes with a hint.
pub fn which(asked: Option<&str>) -> Result<String, (String, String)> {
    let unreadable = |error| {
        (
            "looking for jails in /proc/self/net/unix failed".to_owned(),
            error,
        )
    };
    let mut running = all().map_err(unreadable)?;
    let listed = || match running.is_empty() {
        true => "no jail with a network of its own runs in this network namespace".to_owned(),
        false => format!("these run: {}", running.join(", ")),
    };
    match asked {
        Some(name) if running.iter().any(|other| other == name) => Ok(name.to_owned()),
        Some(name) => Err((format!("no jail `{}` runs here", tame(name)), listed())),
        None if running.len() == 1 => Ok(running.remove(0)),
        None if running.is_empty() => Err(("no jail runs here".into(), listed())),
        None => Err(("more than one jail runs here".into(), listed())),
    }
}

/// The names of all control sockets in this network namespace, as /proc/self/net/unix lists them: `@` for the NUL in front.
fn all() -> Result<Vec<String>, String> {
    let table = std::fs::read("/proc/self/net/unix").map_err(|error| error.to_string())?;
    let table = String::from_utf8_lossy(&table);
    let mark = format!("@{CONTROL}");
    let names = table.lines().filter_map(|line| {
        let path = line.split_whitespace().nth(7)?;
        path.strip_prefix(&mark).map(str::to_owned)
    });
    // Anybody may give a socket any name: one that no jail has is none.
    let mut all: Vec<String> = names.filter(|name| plain(name) == *name).collect();
    all.sort();
    all.dedup();
    Ok(all)
}

/// How long a gateway may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest document that is read: some thousand connections.
const LONGEST: u64 = 16 << 20;

/// Connects to the gateway of a jail, and says whose it is. Anybody can give a socket such a name: one that is not of this
/// user or root is believed by root alone.
fn connect(name: &str) -> Result<(UnixStream, Uid), String> {
    let address = SocketAddr::from_abstract_name(control_name(name)).map_err(plainly)?;
    let stream = UnixStream::connect_addr(&address).map_err(plainly)?;
    let peer = getsockopt(&stream, sockopt::PeerCredentials).map_err(|errno| errno.to_string())?;
    let (own, owner) = (nix::unistd::geteuid(), Uid::from_raw(peer.uid()));
    if owner != own && !owner.is_root() && !own.is_root() {
        return Err(format!("its control socket belongs to uid {owner}"));
    }
    Ok((stream, owner))
}

/// Who started a jail.
pub fn starter(name: &str) -> Result<Uid, String> {
    connect(name).map(|(_, owner)| owner)
}

/// Asks the gateway of a jail; nothing at all asks for its state. What it answers. Root asks as the user who started the
/// jail, whose namespace knows no root.
pub fn ask(name: &str, request: &[u8]) -> Result<String, String> {
    let (mut stream, owner) = connect(name)?;
    if owner != nix::unistd::geteuid() && !owner.is_root() {
        nix::unistd::setresuid(owner, owner, owner).map_err(|errno| errno.to_string())?;
        stream = connect(name)?.0;
    }
    stream.set_read_timeout(Some(PATIENCE)).map_err(plainly)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(plainly)?;
    let asked = stream
        .write_all(request)
        .and_then(|()| stream.shutdown(Shutdown::Write));
    let mut text = String::new();
    let read = (&stream).take(LONGEST).read_to_string(&mut text);
    match (asked, read) {
        (Ok(()), Ok(1..)) => Ok(text),
        (Ok(()), Ok(0)) => Err("it does not answer".into()),
        // A gateway that answers nobody but others breaks off.
        (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
    }
}

fn plainly(error: Error) -> String {
    error.to_string()
}
