//! Connections of the bare jail: its supervisor has made them, and said before from where they come and whom they are
//! for. Whoever else finds the way to the gateway's own port is turned away.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use super::outward::{self, Target};
use super::policy;
use super::reload::line_of;
use super::serve::{Gateway, next};
use super::stream::reset;
use super::stub;

/// Announced, and not here yet.
#[derive(Debug, Default)]
pub struct Coming(RefCell<BTreeMap<SocketAddr, (SocketAddr, Instant)>>);

/// How many may be on their way.
const MOST: usize = 4096;
/// A connection comes within microseconds, or has failed.
const STALE: Duration = Duration::from_secs(5);

impl Coming {
    /// A connection from `source` is about to come for `to`.
    pub fn announce(&self, source: SocketAddr, to: SocketAddr, now: Instant) {
        let mut all = self.0.borrow_mut();
        if all.len() >= MOST {
            all.retain(|_, (_, since)| now.saturating_duration_since(*since) < STALE);
        }
        if all.len() < MOST {
            all.insert(source, (to, now));
        }
    }

    /// Whom a connection from `source` is for. One that comes late is not the one that was announced.
    fn take(&self, source: SocketAddr) -> Option<SocketAddr> {
        let (to, since) = self.0.borrow_mut().remove(&source)?;
        (since.elapsed() < STALE).then_some(to)
    }
}

/// What the supervisor writes behind [`COMING`](super::word::beside::COMING).
pub fn written(source: SocketAddr, to: SocketAddr) -> String {
    format!("{source} {to}")
}

/// The same read again.
pub fn read(record: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (source, to) = str::from_utf8(record).ok()?.split_once(' ')?;
    Some((source.parse().ok()?, to.parse().ok()?))
}

/// Accepts for ever.
pub async fn accept(gateway: Rc<Gateway>, listener: TcpListener) {
    loop {
        let (stream, from) = next(&listener).await;
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let announced = gateway.coming.take(from).or_else(|| {
            // The word of it is in the channel, behind others.
            gateway.catch_up();
            gateway.coming.take(from)
        });
        match announced {
            Some(to) => lead(&gateway, stream, to),
            None => reset(&stream),
        }
    }
}

fn lead(gateway: &Rc<Gateway>, stream: TcpStream, to: SocketAddr) {
    if gateway.plan().stubs.contains(&to) {
        spawn_local(stub::stream(Rc::clone(gateway), stream));
        return;
    }
    match target(gateway, to) {
        Some(target) => outward::serve(gateway, stream, &Rc::new(target)),
        None => reset(&stream),
    }
}

/// What an address stands for here: the supervisor's opinion is not asked.
fn target(gateway: &Gateway, to: SocketAddr) -> Option<Target> {
    let named = match to.ip() {
        IpAddr::V4(v4) => gateway.names.borrow().host_of(v4).cloned(),
        IpAddr::V6(_) => None,
    };
    let plan = gateway.plan();
    match named {
        Some(host) => {
            let line = line_of(&plan, &host, to.port())?;
            Some(Target::Host(host, line))
        }
        None => match policy::host_of_file(&plan, to) {
            Some((host, line)) => Some(Target::Host(host.to_owned(), line.clone())),
            None => policy::screen_address(&plan.addresses, to)
                .is_ok()
                .then_some(Target::Address(to)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Coming, MOST, STALE, read, written};
    use std::net::SocketAddr;
    use std::time::Instant;

    #[test]
    fn what_is_announced_comes_once() {
        let [source, to] = ["127.0.0.1:40000", "198.18.0.1:443"].map(|text| text.parse().unwrap());
        let coming = Coming::default();
        coming.announce(source, to, Instant::now());
        assert_eq!((coming.take(to), coming.take(source)), (None, Some(to)));
        assert_eq!(coming.take(source), None);
    }

    #[test]
    fn what_never_came_makes_room_after_a_while() {
        let to: SocketAddr = "198.18.0.1:443".parse().unwrap();
        let (coming, then) = (Coming::default(), Instant::now());
        let source = |port| SocketAddr::from(([127, 0, 0, 1], port));
        (0..=MOST as u16).for_each(|port| coming.announce(source(port), to, then));
        assert_eq!(coming.take(source(MOST as u16)), None);
        coming.announce(source(MOST as u16), to, then + STALE);
        assert_eq!(coming.take(source(MOST as u16)), Some(to));
    }

    #[test]
    fn an_announcement_is_read_as_it_was_written() {
        let both: [SocketAddr; 2] =
            ["[::1]:4", "[2001:db8::1]:5"].map(|text| text.parse().unwrap());
        let text = written(both[0], both[1]);
        assert_eq!(read(text.as_bytes()), Some((both[0], both[1])));
        for odd in ["", "127.0.0.1:1", "127.0.0.1:1 x", "a b"] {
            assert_eq!(read(odd.as_bytes()), None, "{odd}");
        }
    }
}
