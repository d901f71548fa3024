//! The socket of the service manager, and its watchdog.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;
use std::io::Error;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::errno::Errno;

/// A service manager that wants to be told. One datagram holds one or more lines `NAME=value`.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    /// It ends a service of which it hears nothing for so long (`WATCHDOG_USEC`).
    pub watchdog: Option<Duration>,
}

/// A manager that cannot be told.
#[derive(Debug)]
pub struct ManagerError {
    /// What NOTIFY_SOCKET says.
    pub address: String,
    /// Why.
    pub why: Error,
}

impl Manager {
    /// By the variables NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of this environment; none without the first. To be
    /// opened while this process is still in the host's network, where an abstract socket lies.
    pub fn find(env: &BTreeMap<String, String>, own: u32) -> Result<Option<Manager>, ManagerError> {
        let Some(address) = env.get("NOTIFY_SOCKET").filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let failed = |why| ManagerError {
            address: address.clone(),
            why,
        };
        let socket = connect(address).map_err(failed)?;
        let watchdog = watchdog(env, own);
        Ok(Some(Manager { socket, watchdog }))
    }

    /// One of a test's own.
    #[cfg(test)]
    pub fn over(socket: UnixDatagram, watchdog: Option<Duration>) -> Manager {
        socket.set_nonblocking(true).unwrap();
        Manager { socket, watchdog }
    }

    /// Says lines; whether it has room for them. A manager that is behind is not waited for, and one that is gone has
    /// all the room in the world.
    pub fn say(&self, lines: &str) -> bool {
        // By write(2), which the supervisor's filter knows.
        let said = nix::unistd::write(&self.socket, lines.as_bytes());
        !matches!(said, Err(Errno::EAGAIN | Errno::ENOBUFS))
    }
}

fn connect(address: &str) -> Result<UnixDatagram, Error> {
    let socket = UnixDatagram::unbound()?;
    match address.strip_prefix('@') {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None if address.starts_with('/') => socket.connect(address)?,
        None => return Err(Error::other("neither a path nor an abstract name")),
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Of this process alone, where it says of which.
fn watchdog(env: &BTreeMap<String, String>, own: u32) -> Option<Duration> {
    let is_ours = env
        .get("WATCHDOG_PID")
        .is_none_or(|pid| *pid == own.to_string());
    let patience = env.get("WATCHDOG_USEC").filter(|_| is_ours)?;
    let patience = patience.parse().ok().filter(|patience| *patience > 0)?;
    Some(Duration::from_micros(patience))
}

impl AsFd for Manager {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl fmt::Display for ManagerError {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(
            out,
            "the service manager's socket {} (NOTIFY_SOCKET) cannot be reached: {}",
            self.address, self.why
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Manager, watchdog};
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(own).collect()
    }

    #[test]
    fn a_watchdog_for_another_process_is_none_of_ours() {
        let own = env(&[("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "7")]);
        assert_eq!(watchdog(&own, 7), Some(Duration::from_secs(3)));
        assert_eq!(watchdog(&own, 8), None);
        assert_eq!(watchdog(&env(&[("WATCHDOG_USEC", "0")]), 8), None);
        assert_eq!(watchdog(&env(&[("WATCHDOG_USEC", "soon")]), 8), None);
    }

    #[test]
    fn without_the_variable_there_is_no_manager_and_a_wrong_one_is_an_error() {
        assert!(Manager::find(&env(&[]), 1).unwrap().is_none());
        for wrong in [
            "vsock:2:1",
            "relative",
            "/nowhere/at/all",
            "@nobody-listens",
        ] {
            let found = Manager::find(&env(&[("NOTIFY_SOCKET", wrong)]), 1);
            assert!(found.unwrap_err().to_string().contains(wrong));
        }
    }
}
