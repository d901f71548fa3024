//! One connection: its options, its end, and bytes that are looked at before they go on.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;

use super::reason::Reason;

/// Why a connection is reset instead of ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// One side broke off: the other one learns it the same way.
    Broken,
    /// It is not to go on.
    Because(Reason),
}

/// Options of every connection: small pieces go at once, dead peers are noticed within minutes (keep-alive), and urgent
/// bytes are bytes like any other, in their place (SO_OOBINLINE).
pub fn settle(socket: &impl AsFd) {
    let socket = socket2::SockRef::from(socket);
    let alive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(60));
    // None of these fails on a TCP socket that is there, and one that is gone needs none.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&alive);
    let _ = socket.set_out_of_band_inline(true);
}

/// The close to come is a reset (SO_LINGER of 0), not an orderly end.
pub fn reset(stream: &TcpStream) {
    // A socket that is gone has no end to come.
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Most bytes that are taken at once where they are looked at.
const CHUNK: usize = 16 << 10;

/// Appends what has come; false: nothing more will. Memory is taken only once something is there.
pub async fn read_more(from: &TcpStream, bytes: &mut Vec<u8>) -> bool {
    let before = bytes.len();
    loop {
        if from.readable().await.is_err() {
            return false;
        }
        bytes.resize(before + CHUNK, 0);
        let read = from.try_read(&mut bytes[before..]);
        bytes.truncate(before + read.as_ref().map_or(0, |length| *length));
        match read {
            Ok(length) => return length > 0,
            // Nothing is kept while nothing is there.
            Err(error) if error.kind() == ErrorKind::WouldBlock => bytes.shrink_to(before),
            Err(_) => return false,
        }
    }
}

/// Sends bytes that were held back for their check.
pub async fn send_all(to: &TcpStream, bytes: &[u8], carried: &Cell<u64>) -> Result<(), Halt> {
    let mut sent = 0;
    while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
        let written = to.async_io(Interest::WRITABLE, || to.try_write(rest)).await;
        let written = written.map_err(|_| Halt::Broken)?;
        sent += written;
        carried.set(carried.get() + written as u64);
    }
    Ok(())
}
