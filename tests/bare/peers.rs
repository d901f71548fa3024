//! Datagram sockets that are not the supervisor's work: unix ones, and those that were open at the start.

use crate::case::like;
use crate::common::start;
use crate::kit::scratch::Scratch;
use crate::kit::{Check, ensure};
use crate::program;
use crate::run::{How, Session, command, profile};
use crate::world::World;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Stdio;
use std::time::Duration;

const SETTLED: Duration = Duration::from_millis(300);
/// A profile whose programs may have children gets wide rules for them.
const CHILDREN: &str = "[syscalls]\nallow = [\"@children\"]\n";

/// An act at a unix socket of datagrams.
pub struct Act {
    pub sentence: &'static str,
    words: &'static [&'static str],
    children: bool,
    abstract_name: bool,
    free: &'static str,
}

const fn act(
    sentence: &'static str,
    words: &'static [&'static str],
    [children, abstract_name]: [bool; 2],
    free: &'static str,
) -> Act {
    Act {
        sentence,
        words,
        children,
        abstract_name,
        free,
    }
}

const BY_NAME: &str = "socket ok | sendto ok | sendmsg ok";

/// All of them.
pub const ACTS: [Act; 7] = [
    act(
        "a datagram to a socket file reaches nobody",
        &["local", "datagram"],
        [false, false],
        BY_NAME,
    ),
    act(
        "a datagram to an abstract socket reaches nobody",
        &["local", "datagram"],
        [false, true],
        BY_NAME,
    ),
    act(
        "a datagram by one of a pair to a socket file reaches nobody",
        &["local", "pair"],
        [false, false],
        BY_NAME,
    ),
    act(
        "a datagram by one of a pair to a socket file reaches nobody, with the calls of children",
        &["local", "pair"],
        [true, false],
        BY_NAME,
    ),
    act(
        "a datagram by one of a pair to an abstract socket reaches nobody, with the calls of children",
        &["local", "pair"],
        [true, true],
        BY_NAME,
    ),
    act(
        "an internet datagram socket reaches no socket file",
        &["odd-local", "internet"],
        [false, false],
        "",
    ),
    act(
        "a stream of a pair reaches no socket file",
        &["odd-local", "pair"],
        [false, false],
        "",
    ),
];

impl Act {
    /// It reaches the listener without a jail, if it can at all, and not from one.
    pub fn show(&self, world: &World, how: How) -> Check {
        let place = Scratch::new();
        let path = place.at("datagrams.sock");
        let name = format!("flowjail-test-{}", path.display()).replace('/', "-");
        let words = |error: std::io::Error| error.to_string();
        let listener = if self.abstract_name {
            let at = SocketAddr::from_abstract_name(&name).map_err(words)?;
            UnixDatagram::bind_addr(&at).map_err(words)?
        } else {
            let listener = UnixDatagram::bind(&path).map_err(words)?;
            let everyone = std::fs::Permissions::from_mode(0o666);
            std::fs::set_permissions(&path, everyone).map_err(words)?;
            listener
        };
        listener.set_nonblocking(true).map_err(words)?;
        let target = match self.abstract_name {
            true => format!("@{name}"),
            false => path.display().to_string(),
        };
        let run = self.run(world, how, &target)?.finish()?;
        std::thread::sleep(SETTLED);
        let mut heard = 0;
        while listener.recv(&mut [0; 16]).is_ok() {
            heard += 1;
        }
        match how {
            How::Free if self.free.is_empty() => Ok(()),
            How::Free => ensure(heard == 2 && run.said == self.free, || {
                format!("heard {heard} datagrams: {run:#?}")
            }),
            How::Jailed(_) => ensure(heard == 0, || format!("heard {heard} datagrams: {run:#?}")),
        }
    }

    fn run<'w>(&self, world: &'w World, how: How, target: &str) -> Result<Session<'w>, String> {
        let scratch = Scratch::new();
        let more = if self.children { CHILDREN } else { "" };
        let profile = profile(&scratch, "", "", more);
        let actor = program::actor()?.display().to_string();
        let words = [&[actor.as_str()], self.words, &[target]].concat();
        let (command, events) = command(&scratch, how, &profile, &[], &words);
        Session::start_command(world, scratch, command, events)
    }
}

/// Descriptor 0 is a datagram socket: it reaches somebody without a jail. A jail does not start with it, or keeps it
/// from the program.
pub fn a_socket_that_was_open(world: &World, how: How) -> Check {
    let words = |error: std::io::Error| error.to_string();
    let scratch = Scratch::new();
    let profile = profile(&scratch, "", "", "");
    let actor = program::actor()?.display().to_string();
    let act = [actor.as_str(), "descriptor-0", "203.0.113.11", "443"];
    let (mut command, _) = command(&scratch, how, &profile, &[], &act);
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(words)?;
    command.stdin(Stdio::from(OwnedFd::from(socket)));
    let before = world.arrivals()?.len();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(words)?;
    drop(command);
    let ended = start::collect(child, Duration::from_secs(30)).map_err(words)?;
    std::thread::sleep(SETTLED);
    let arrivals = world.arrivals()?.split_off(before);
    let heard = arrivals.iter().any(|line| line["server"] == "quic");
    let said = ended.stdout.replace('\n', " | ");
    match how {
        How::Free => ensure(
            heard && like("sendto ok | sendmsg ok | connect ok | send ok | *", &said),
            || format!("{ended:?} {arrivals:?}"),
        ),
        How::Jailed(_) => {
            let refused = ended.status.and_then(|status| status.code()) == Some(125)
                && ended.stderr.contains("descriptor");
            ensure(
                !heard && (refused || like("sendto refused | *", &said) && !said.contains("ok")),
                || format!("heard {heard}: {ended:?} {arrivals:?}"),
            )
        }
    }
}
