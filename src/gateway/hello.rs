//! The name in a TLS ClientHello.
//!
//! Read from the records as they come, so that the connection can be handed on untouched (RFC 8446, RFC 6066).
#![forbid(unsafe_code)]

use std::fmt;

use super::name;

/// The most that a client may send up to the end of its hello, in bytes. Hellos with post-quantum key shares have
/// about 2000.
pub const MAX_HELLO: usize = 32 * 1024;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// The longest record (RFC 8446, section 5.1).
const MAX_RECORD: usize = 1 << 14;
const SERVER_NAME: u16 = 0;
/// Extensions that hide the name: encrypted_client_hello and its drafts, encrypted_server_name.
const HIDING: [u16; 8] = [
    0xfe0d, 0xfe0c, 0xfe0b, 0xfe0a, 0xfe09, 0xfe08, 0xff02, 0xffce,
];

/// What the first bytes of a connection say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hello {
    /// More bytes are needed.
    Incomplete,
    /// The hello is whole and names this host: lower-case, checked to be a host name.
    Name(String),
    /// No hello that is let through.
    Refused(HelloFlaw),
}

/// Why a hello was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelloFlaw {
    /// The first bytes are no TLS handshake.
    NotTls,
    /// The hello is longer than [`MAX_HELLO`].
    TooLong,
    /// The hello breaks the protocol's own rules.
    Malformed,
    /// The hello names no host.
    NoName,
    /// What it names is not one host name.
    BadName,
    /// The name is hidden (ECH, or ESNI before it).
    Encrypted,
    /// An extension stands there twice.
    Duplicate,
}

impl fmt::Display for HelloFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotTls => "no TLS handshake",
            Self::TooLong => "a TLS hello that is too long",
            Self::Malformed => "a malformed TLS hello",
            Self::NoName => "a TLS hello without a host name (SNI)",
            Self::BadName => "a TLS hello whose host name (SNI) is none",
            Self::Encrypted => "a TLS hello that hides its host name (ECH)",
            Self::Duplicate => "a TLS hello with an extension twice",
        })
    }
}

impl std::error::Error for HelloFlaw {}

/// Reads the hello from everything that the client sent so far.
///
/// The answer follows from the bytes up to the hello's end: with more of them a name or a refusal stays, and how
/// they were cut on the way makes no difference. No more than [`MAX_HELLO`] bytes are looked at.
pub fn read(bytes: &[u8]) -> Hello {
    let seen = &bytes[..bytes.len().min(MAX_HELLO)];
    match message(seen).and_then(|whole| whole.map(|body| server_name(&body)).transpose()) {
        Ok(Some(name)) => Hello::Name(name),
        Ok(None) if bytes.len() >= MAX_HELLO => Hello::Refused(HelloFlaw::TooLong),
        Ok(None) => Hello::Incomplete,
        Err(flaw) => Hello::Refused(flaw),
    }
}

/// The hello's body, out of one or more records; `None` where more is needed.
fn message(bytes: &[u8]) -> Result<Option<Vec<u8>>, HelloFlaw> {
    // lengths first: nothing is copied before all of it is there
    let mut head: Vec<u8> = Vec::with_capacity(4);
    let mut pieces = Vec::new();
    let mut promised = 0;
    let mut rest = bytes;
    while let Some((length, piece, behind)) = record(rest, pieces.is_empty())? {
        promised += length;
        head.extend(piece.iter().take(4 - head.len()));
        pieces.push(piece);
        if head.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Err(HelloFlaw::Malformed);
        }
        if let [_, high, middle, low] = head[..] {
            let needed =
                4 + usize::from(high) * 65536 + usize::from(middle) * 256 + usize::from(low);
            if needed > MAX_HELLO {
                return Err(HelloFlaw::TooLong);
            }
            // a client waits for its answer: nothing stands behind a hello in the same record
            if promised > needed {
                return Err(HelloFlaw::Malformed);
            }
            if promised == needed && piece.len() == length {
                return Ok(Some(pieces.concat().split_off(4)));
            }
        }
        if piece.len() < length {
            return Ok(None);
        }
        rest = behind;
    }
    Ok(None)
}

/// A record's promised length, as much of its content as there is, and what follows it.
type Record<'a> = (usize, &'a [u8], &'a [u8]);

fn record(bytes: &[u8], first: bool) -> Result<Option<Record<'_>>, HelloFlaw> {
    let flaw = match first {
        true => HelloFlaw::NotTls,
        false => HelloFlaw::Malformed,
    };
    if bytes.first().is_some_and(|kind| *kind != HANDSHAKE)
        || bytes.get(1).is_some_and(|major| *major != 3)
    {
        return Err(flaw);
    }
    let Some((&[_, _, _, high, low], content)) = bytes.split_first_chunk::<5>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length == 0 || length > MAX_RECORD {
        return Err(HelloFlaw::Malformed);
    }
    let (piece, behind) = content.split_at(length.min(content.len()));
    Ok(Some((length, piece, behind)))
}

/// Bytes that are taken from the front, each time with the length in front of them.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], HelloFlaw> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(HelloFlaw::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self, bytes: usize) -> Result<usize, HelloFlaw> {
        let taken = self.take(bytes)?;
        Ok(taken
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    }

    /// A vector whose length is a number of `bytes` bytes.
    fn vector(&mut self, bytes: usize) -> Result<&'a [u8], HelloFlaw> {
        let length = self.number(bytes)?;
        self.take(length)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn server_name(body: &[u8]) -> Result<String, HelloFlaw> {
    let mut fields = Fields(body);
    let version = fields.take(2)?;
    fields.take(32)?;
    let session = fields.vector(1)?;
    let ciphers = fields.vector(2)?;
    let compressions = fields.vector(1)?;
    let odd = version[0] != 3
        || session.len() > 32
        || ciphers.is_empty()
        || ciphers.len() % 2 != 0
        || compressions.is_empty();
    if odd {
        return Err(HelloFlaw::Malformed);
    }
    if fields.is_empty() {
        return Err(HelloFlaw::NoName);
    }
    let extensions = fields.vector(2)?;
    if !fields.is_empty() {
        return Err(HelloFlaw::Malformed);
    }
    named(extensions)
}

fn named(extensions: &[u8]) -> Result<String, HelloFlaw> {
    let mut fields = Fields(extensions);
    let mut kinds = Vec::new();
    let mut names = None;
    while !fields.is_empty() {
        let kind = fields.take(2)?;
        let kind = u16::from_be_bytes([kind[0], kind[1]]);
        let content = fields.vector(2)?;
        kinds.push(kind);
        if kind == SERVER_NAME {
            names = Some(content);
        }
    }
    kinds.sort_unstable();
    if kinds.windows(2).any(|two| two[0] == two[1]) {
        return Err(HelloFlaw::Duplicate);
    }
    if kinds.iter().any(|kind| HIDING.contains(kind)) {
        return Err(HelloFlaw::Encrypted);
    }
    one_name(names.ok_or(HelloFlaw::NoName)?)
}

/// The one host name in the extension: a list of one entry of the kind host_name (0), and nothing else.
fn one_name(content: &[u8]) -> Result<String, HelloFlaw> {
    let mut fields = Fields(content);
    let list = fields.vector(2).map_err(|_| HelloFlaw::BadName)?;
    let mut entries = Fields(list);
    let kind = entries.number(1).map_err(|_| HelloFlaw::BadName)?;
    let host = entries.vector(2).map_err(|_| HelloFlaw::BadName)?;
    if kind != 0 || !entries.is_empty() || !fields.is_empty() {
        return Err(HelloFlaw::BadName);
    }
    name::host(host).ok_or(HelloFlaw::BadName)
}

#[cfg(test)]
mod tests;
