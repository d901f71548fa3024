//! A service manager: the socket that it listens on, and what it has heard, each with the sender's pid.

use std::io::IoSliceMut;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};

use crate::kit::scratch::Scratch;

/// The socket.
pub struct Manager {
    socket: UnixDatagram,
    /// What NOTIFY_SOCKET says.
    pub address: String,
    heard: Vec<(String, i32)>,
}

impl Manager {
    /// At a path, where anyone may write.
    pub fn at_a_path(scratch: &Scratch) -> Manager {
        use std::os::unix::fs::PermissionsExt;
        let path: PathBuf = scratch.at("notify");
        let socket = UnixDatagram::bind(&path).expect("bind");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).expect("chmod");
        Manager::over(socket, path.display().to_string())
    }

    /// In the abstract namespace.
    pub fn in_the_abstract() -> Manager {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("flowjail-test-{}-{serial}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name");
        let socket = UnixDatagram::bind_addr(&address).expect("bind");
        Manager::over(socket, format!("@{name}"))
    }

    fn over(socket: UnixDatagram, address: String) -> Manager {
        setsockopt(&socket, sockopt::PassCred, &true).expect("SO_PASSCRED");
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a timeout");
        Manager {
            socket,
            address,
            heard: Vec::new(),
        }
    }

    /// Takes the next message, where one is there.
    fn hear(&mut self) {
        let mut room = [0u8; 4096];
        let mut credentials = nix::cmsg_space!(nix::sys::socket::UnixCredentials);
        let mut slices = [IoSliceMut::new(&mut room)];
        let taken = recvmsg::<()>(
            self.socket.as_raw_fd(),
            &mut slices,
            Some(&mut credentials),
            MsgFlags::empty(),
        );
        let Ok(taken) = taken else { return };
        let sender = taken
            .cmsgs()
            .expect("control messages")
            .find_map(|one| match one {
                ControlMessageOwned::ScmCredentials(sender) => Some(sender.pid()),
                _ => None,
            });
        let length = taken.bytes;
        let text = String::from_utf8_lossy(&room[..length]).into_owned();
        self.heard.push((text, sender.unwrap_or(0)));
    }

    /// Waits until a line was said that begins so, after `from` messages; the message's index.
    pub fn await_line(&mut self, from: usize, line: &str) -> Result<usize, String> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let said = |(text, _): &(String, i32)| text.lines().any(|one| one.starts_with(line));
            if let Some(at) = self.heard.iter().skip(from).position(said) {
                return Ok(from + at);
            }
            if Instant::now() >= until {
                return Err(format!("`{line}` was not said: {:?}", self.heard));
            }
            self.hear();
        }
    }

    /// Everything that was said until now.
    pub fn heard(&mut self) -> &[(String, i32)] {
        let before = self.heard.len() + 1;
        while self.heard.len() < before {
            let now = self.heard.len();
            self.hear();
            if self.heard.len() == now {
                break;
            }
        }
        &self.heard
    }
}
