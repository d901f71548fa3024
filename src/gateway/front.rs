//! The PROXY protocol, versions 1 and 2, as a trusted front sends it before the visitor's own bytes.
//!
//! The specification is HAProxy's `proxy-protocol.txt`.
#![forbid(unsafe_code)]

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The longest header of version 1, its line end included.
pub const MAX_LINE: usize = 107;
/// The longest header of version 2 that is read, in bytes. The protocol would allow 65551.
pub const MAX_HEADER: usize = 4096;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What the first bytes of a connection from the front say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Front {
    /// More bytes are needed.
    Incomplete,
    /// The header is whole.
    Visitor {
        /// Where the visitor comes from; `None` where the front speaks for itself (LOCAL) or does not know (UNKNOWN).
        /// An IPv4 address inside IPv6 is given as the IPv4 address that it is.
        source: Option<SocketAddr>,
        /// How many bytes the header has. What follows is the visitor's.
        length: usize,
    },
    /// No header that is taken.
    Refused(FrontFlaw),
}

/// Why a header was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrontFlaw {
    /// The bytes are neither version's.
    NotProxy,
    /// A header that breaks its own rules.
    Malformed,
    /// A header longer than its limit.
    TooLong,
    /// A transport other than TCP over IPv4 or IPv6.
    Transport,
}

impl fmt::Display for FrontFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotProxy => "no PROXY protocol header",
            Self::Malformed => "a malformed PROXY protocol header",
            Self::TooLong => "a PROXY protocol header that is too long",
            Self::Transport => "a PROXY protocol header for something other than TCP",
        })
    }
}

impl std::error::Error for FrontFlaw {}

/// Reads the header from everything that the front sent so far.
pub fn read(bytes: &[u8]) -> Front {
    let read = if bytes.first() == SIGNATURE.first() {
        binary(bytes)
    } else {
        line(bytes)
    };
    match read {
        Ok(Some((source, length))) => Front::Visitor { source, length },
        Ok(None) => Front::Incomplete,
        Err(flaw) => Front::Refused(flaw),
    }
}

/// A source and the header's length, or `None` where more bytes are needed.
type Read = Result<Option<(Option<SocketAddr>, usize)>, FrontFlaw>;

/// Whether as much of `bytes` as there is begins like `expected`.
fn begins(bytes: &[u8], expected: &[u8]) -> bool {
    bytes.iter().zip(expected).all(|(a, b)| a == b)
}

fn line(bytes: &[u8]) -> Read {
    if !begins(bytes, b"PROXY ") {
        return Err(FrontFlaw::NotProxy);
    }
    let seen = &bytes[..bytes.len().min(MAX_LINE)];
    let Some(end) = seen.windows(2).position(|two| two == b"\r\n") else {
        return match bytes.len() < MAX_LINE {
            true => Ok(None),
            false => Err(FrontFlaw::TooLong),
        };
    };
    let text = std::str::from_utf8(&seen[..end]).map_err(|_| FrontFlaw::Malformed)?;
    let source = fields(text)?;
    Ok(Some((source, end + 2)))
}

fn fields(text: &str) -> Result<Option<SocketAddr>, FrontFlaw> {
    let mut fields = text.split(' ').skip(1);
    let family = fields.next().unwrap_or_default();
    match family {
        // the rest of the line means nothing
        "UNKNOWN" => return Ok(None),
        "TCP4" | "TCP6" => {}
        _ => return Err(FrontFlaw::Transport),
    }
    let rest: Vec<&str> = fields.collect();
    let [source, destination, from, to] = rest[..] else {
        return Err(FrontFlaw::Malformed);
    };
    let address = |text: &str| {
        let address: IpAddr = text.parse().map_err(|_| FrontFlaw::Malformed)?;
        match address.is_ipv4() == (family == "TCP4") {
            true => Ok(address),
            false => Err(FrontFlaw::Malformed),
        }
    };
    address(destination)?;
    port(to)?;
    let address = address(source)?.to_canonical();
    Ok(Some(SocketAddr::new(address, port(from)?)))
}

fn port(text: &str) -> Result<u16, FrontFlaw> {
    let port: u16 = text.parse().map_err(|_| FrontFlaw::Malformed)?;
    // no sign and no zeros in front
    match port.to_string() == text {
        true => Ok(port),
        false => Err(FrontFlaw::Malformed),
    }
}

fn binary(bytes: &[u8]) -> Read {
    if !begins(bytes, SIGNATURE) {
        return Err(FrontFlaw::NotProxy);
    }
    let Some(&[command, transport, high, low]) =
        bytes.get(12..).and_then(|rest| rest.first_chunk::<4>())
    else {
        return Ok(None);
    };
    let local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(FrontFlaw::Malformed),
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let needed = match transport {
        _ if local => 0,
        0x00 => 0,
        0x11 => 12,
        0x21 => 36,
        _ => return Err(FrontFlaw::Transport),
    };
    if length < needed {
        return Err(FrontFlaw::Malformed);
    }
    if 16 + length > MAX_HEADER {
        return Err(FrontFlaw::TooLong);
    }
    match bytes.get(16..16 + length) {
        Some(body) => Ok(Some((source(body, needed), 16 + length))),
        None => Ok(None),
    }
}

/// The source in a body of addresses and ports: source, destination, source's port, destination's.
fn source(body: &[u8], needed: usize) -> Option<SocketAddr> {
    let (address, at) = match needed {
        12 => (IpAddr::from(*body.first_chunk::<4>()?), 8),
        36 => (IpAddr::from(*body.first_chunk::<16>()?), 32),
        _ => return None,
    };
    let port = u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?]);
    Some(SocketAddr::new(address.to_canonical(), port))
}

#[cfg(test)]
mod tests;
