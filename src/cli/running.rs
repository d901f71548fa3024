//! Jails that run, found by the control sockets of their gateways.
#![forbid(unsafe_code)]

use std::io::{Error, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, getsockopt, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::unistd::Uid;

use crate::events::phrase::tame;
use crate::gateway::doors::{CONTROL, control_name, plain};

/// What mends an error of [`starter`] or [`ask`].
pub fn hint(error: &str) -> &'static str {
    match error {
        SILENT => "its gateway hangs or is stopped (SIGSTOP): let it go on, or restart the jail",
        _ => "only the user who started a jail, and root, may look into it",
    }
}

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

/// How long a gateway may take, from the connect to the last byte.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest document that is read: some thousand connections.
const LONGEST: usize = 16 << 20;

/// Connects to the gateway of a jail, and says whose it is. Anybody can give a socket such a name: one that is not of this
/// user or root is believed by root alone.
fn connect(name: &str) -> Result<(UnixStream, Uid), String> {
    let (stream, flags) = (SockType::Stream, SockFlag::SOCK_CLOEXEC);
    let socket = socket(AddressFamily::Unix, stream, flags, None).map_err(plainly)?;
    // Of a connect, too: one that nobody accepts waits in a full queue.
    let patience = TimeVal::seconds(PATIENCE.as_secs() as i64);
    setsockopt(&socket, sockopt::SendTimeout, &patience).map_err(plainly)?;
    let address = UnixAddr::new_abstract(control_name(name).as_bytes()).map_err(plainly)?;
    nix::sys::socket::connect(socket.as_raw_fd(), &address).map_err(plainly)?;
    let peer = getsockopt(&socket, sockopt::PeerCredentials).map_err(plainly)?;
    let (own, owner) = (nix::unistd::geteuid(), Uid::from_raw(peer.uid()));
    if owner != own && !owner.is_root() && !own.is_root() {
        return Err(of_another(owner));
    }
    Ok((UnixStream::from(socket), owner))
}

/// Who started a jail.
pub fn starter(name: &str) -> Result<Uid, String> {
    connect(name).map(|(_, owner)| owner)
}

/// Asks the gateway of a jail; nothing at all asks for its state. What it answers. Root asks for that as the user who
/// started the jail, whose namespace knows no root; what root has to say is for its own jails alone.
pub fn ask(name: &str, request: &[u8]) -> Result<String, String> {
    let until = Instant::now() + PATIENCE;
    let (mut stream, owner) = connect(name)?;
    if owner != nix::unistd::geteuid() && !owner.is_root() {
        if !request.is_empty() {
            return Err(of_another(owner));
        }
        nix::unistd::setresuid(owner, owner, owner).map_err(plainly)?;
        stream = connect(name)?.0;
    }
    match exchange(&stream, request, until) {
        Ok(text) if text.is_empty() => Err("it does not answer".into()),
        Ok(text) => String::from_utf8(text).map_err(|_| "its answer is no text".into()),
        Err(error) => Err(match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
            Errno::EAGAIN => SILENT.into(),
            // A gateway that answers nobody but others breaks off.
            Errno::EPIPE | Errno::ECONNRESET => "it has broken off".into(),
            _ => error.to_string(),
        }),
    }
}

/// What a name that somebody else's socket has comes to.
fn of_another(owner: Uid) -> String {
    format!("its control socket belongs to uid {owner}")
}

/// What a gateway that hangs comes to.
const SILENT: &str = "it has not answered within 30 s";

/// Says it all, and reads all that comes, in the time that there is.
fn exchange(mut stream: &UnixStream, request: &[u8], until: Instant) -> Result<Vec<u8>, Error> {
    let left = || match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(Error::from_raw_os_error(libc::EAGAIN)),
        left => Ok(Some(left)),
    };
    let mut rest = request;
    while !rest.is_empty() {
        stream.set_write_timeout(left()?)?;
        rest = &rest[stream.write(rest)?..];
    }
    stream.shutdown(Shutdown::Write)?;
    let (mut text, mut room) = (Vec::new(), vec![0; 1 << 16]);
    while text.len() < LONGEST {
        stream.set_read_timeout(left()?)?;
        match stream.read(&mut room)? {
            0 => break,
            length => text.extend_from_slice(&room[..length]),
        }
    }
    Ok(text)
}

fn plainly(errno: Errno) -> String {
    match errno {
        Errno::EAGAIN => SILENT.into(),
        errno => errno.desc().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::exchange;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, Instant};

    /// What comes of an exchange with such a peer; it ends with its thread.
    fn with(peer: fn(UnixStream), patience: Duration) -> Result<Vec<u8>, Option<i32>> {
        let (near, far) = UnixStream::pair().unwrap();
        let other = std::thread::spawn(move || peer(far));
        let found = exchange(&near, b"request", Instant::now() + patience);
        drop(near);
        other.join().unwrap();
        found.map_err(|error| error.raw_os_error())
    }

    #[test]
    fn a_gateway_that_answers_is_heard_to_its_end() {
        let answers = |mut far: UnixStream| {
            let mut asked = Vec::new();
            far.read_to_end(&mut asked).unwrap();
            far.write_all(&asked).unwrap();
        };
        let patience = Duration::from_secs(60);
        assert_eq!(with(answers, patience), Ok(b"request".to_vec()));
    }

    #[test]
    fn one_that_only_ever_begins_to_answer_is_left() {
        // Each byte comes in time, and there is always another.
        let drips = |mut far: UnixStream| {
            while far.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        let found = with(drips, Duration::from_millis(300));
        assert_eq!(found, Err(Some(libc::EAGAIN)));
    }
}
