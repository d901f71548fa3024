//! Reaching a host: resolved, screened, dialled, the first connection that comes about taken.
#![forbid(unsafe_code)]

use std::io::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::http::first_status;
use super::live::Open;
use super::policy;
use super::reason::Reason;
use super::serve::Gateway;
use super::stream::{send_all, settle};
use crate::plan::HostLine;
use crate::profile::{Proxy, ProxyHost};

/// How long one address has before the next is tried beside it (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// A connection to a host that the profile names. A name of the profile itself or of a private host never goes
/// through the upstream proxy.
pub async fn host(
    gateway: &Gateway,
    host: &str,
    line: &HostLine,
    open: &Open,
) -> Result<TcpStream, Reason> {
    let plan = gateway.plan();
    let pinned = plan.names.get(host).copied();
    if let Some(proxy) = &plan.proxy
        && pinned.is_none()
        && !line.private
    {
        return through_proxy(gateway, proxy, (host, line.port), open).await;
    }
    let found = match pinned {
        Some(address) => vec![address],
        None => gateway.resolver().addresses(host).await?,
    };
    let screened = policy::screen(line, pinned.is_some(), &found);
    if let Err(Reason::PrivateAddress(address, _) | Reason::NeverAddress(address, _)) = &screened {
        *open.address.borrow_mut() = address.to_string();
    }
    let stream = race(gateway, &screened?, line.port).await?;
    note_peer(&stream, open);
    Ok(stream)
}

/// A connection to an address that the profile names.
pub async fn address(
    gateway: &Gateway,
    address: SocketAddr,
    open: &Open,
) -> Result<TcpStream, Reason> {
    let ip = address.ip().to_canonical();
    *open.address.borrow_mut() = ip.to_string();
    policy::screen_address(
        &gateway.plan().addresses,
        SocketAddr::new(ip, address.port()),
    )?;
    race(gateway, &[ip], address.port()).await
}

fn note_peer(stream: &TcpStream, open: &Open) {
    if let Ok(peer) = stream.peer_addr() {
        *open.address.borrow_mut() = peer.ip().to_string();
    }
}

/// The first address that answers, the next one tried whenever one has failed or [`STAGGER`] is over.
async fn race(gateway: &Gateway, found: &[IpAddr], port: u16) -> Result<TcpStream, Reason> {
    let deadline = Instant::now() + gateway.plan().limits.connect;
    let mut waiting = interleave(found).into_iter();
    let mut running = JoinSet::new();
    let mut last = Reason::NoAddress;
    loop {
        let next = waiting.next();
        let more = next.is_some();
        if let Some(address) = next {
            running.spawn_local(connect(SocketAddr::new(address, port)));
        }
        if running.is_empty() {
            return Err(last);
        }
        let until = if more {
            (Instant::now() + STAGGER).min(deadline)
        } else {
            deadline
        };
        match timeout_at(until, running.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => last = failure(&error),
            Ok(_) => {}
            Err(_) if Instant::now() >= deadline => return Err(Reason::ConnectTimeout),
            Err(_) => {}
        }
    }
}

fn failure(error: &Error) -> Reason {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => Reason::NoDescriptors,
        Some(libc::ETIMEDOUT) => Reason::ConnectTimeout,
        Some(number) => {
            Reason::Unreachable(nix::errno::Errno::from_raw(number).desc().to_lowercase())
        }
        None => Reason::Unreachable(error.to_string()),
    }
}

/// IPv6 and IPv4 in turn, each in the order in which it came (RFC 8305, section 4).
fn interleave(found: &[IpAddr]) -> Vec<IpAddr> {
    let of = |v6: bool| found.iter().filter(move |address| address.is_ipv6() == v6);
    let (mut v6, mut v4) = (of(true), of(false));
    let mut all = Vec::new();
    loop {
        match (v6.next(), v4.next()) {
            (None, None) => return all,
            (one, other) => all.extend(one.into_iter().chain(other).copied()),
        }
    }
}

async fn connect(to: SocketAddr) -> Result<TcpStream, Error> {
    let socket = match to {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    settle(&socket);
    socket.connect(to).await
}

/// A tunnel by the upstream proxy (RFC 9110, section 9.3.6). It resolves the name, and its addresses are its own to
/// screen.
async fn through_proxy(
    gateway: &Gateway,
    proxy: &Proxy,
    (host, port): (&str, u16),
    open: &Open,
) -> Result<TcpStream, Reason> {
    let found = match &proxy.host {
        ProxyHost::Address(address) => vec![*address],
        ProxyHost::Name(name) => match gateway.plan().names.get(name) {
            Some(address) => vec![*address],
            None => gateway.resolver().addresses(name).await?,
        },
    };
    let stream = race(gateway, &found, proxy.port).await?;
    note_peer(&stream, open);
    let tunnel = timeout(
        gateway.plan().limits.connect,
        ask_for_tunnel(&stream, host, port),
    );
    tunnel.await.map_err(|_| Reason::ConnectTimeout)??;
    Ok(stream)
}

/// The longest head of a proxy's answer.
const MAX_ANSWER: usize = 16 << 10;

/// Nothing but the head of the answer is taken: a host that speaks first is heard by the jail.
async fn ask_for_tunnel(stream: &TcpStream, host: &str, port: u16) -> Result<(), Reason> {
    let request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
    let ignored = std::cell::Cell::new(0);
    let sent = send_all(stream, request.as_bytes(), &ignored).await;
    sent.map_err(|_| Reason::ProxyStatus(0))?;
    let mut answer = Vec::new();
    loop {
        let mut one = [0u8; 1];
        stream
            .readable()
            .await
            .map_err(|_| Reason::ProxyStatus(0))?;
        match stream.try_read(&mut one) {
            Ok(1) => answer.push(one[0]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            _ => return Err(Reason::ProxyStatus(0)),
        }
        if answer.ends_with(b"\r\n\r\n") {
            break;
        }
        if answer.len() >= MAX_ANSWER {
            return Err(Reason::ProxyStatus(0));
        }
    }
    match first_status(&answer) {
        Ok(Some(200..=299)) => Ok(()),
        Ok(Some(status)) => Err(Reason::ProxyStatus(status)),
        _ => Err(Reason::ProxyStatus(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::interleave;
    use std::net::IpAddr;

    #[test]
    fn the_families_take_turns_and_ipv6_begins() {
        let parse = |text: &&str| text.parse::<IpAddr>().unwrap();
        let found: Vec<IpAddr> = ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
            .iter()
            .map(parse)
            .collect();
        let turned: Vec<String> = interleave(&found).iter().map(IpAddr::to_string).collect();
        assert_eq!(turned, ["2001:db8::1", "192.0.2.1", "192.0.2.2"]);
    }
}
