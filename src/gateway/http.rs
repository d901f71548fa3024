//! The requests of a plain HTTP/1 connection: every head is checked to be for the one host that it was opened for.
#![forbid(unsafe_code)]

mod flaw;
mod head;
mod status;

use head::{Authority, Body};

pub use flaw::HttpFlaw;
pub use status::first_status;

/// The longest request head, and the longest trailers, in bytes.
/// Servers take 8 to 16 KiB; every connection of a jail may hold as much in the gateway.
pub const MAX_HEAD: usize = 32 * 1024;
/// The most header lines of one head.
pub const MAX_HEADERS: usize = 128;

/// The longest line of a chunk's size: 15 digits and its end.
const MAX_SIZE_LINE: usize = 17;

/// Follows the requests on one connection.
#[derive(Debug)]
pub struct Requests {
    authority: Authority,
    state: State,
    /// Whether a request came before.
    used: bool,
    /// How much of the head at hand was scanned for its end.
    scanned: usize,
    /// Whether its first line was checked.
    line_checked: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Head,
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    AwaitsSwitch,
    Tunnel,
    Refused(HttpFlaw),
}

impl Requests {
    /// A connection to a host (lower-case) and port; requests for anything else on it are refused.
    pub fn new(host: &str, port: u16) -> Requests {
        Requests {
            authority: Authority {
                host: host.to_ascii_lowercase(),
                port,
            },
            state: State::Head,
            used: false,
            scanned: 0,
            line_checked: false,
        }
    }

    /// Says how many of the bytes that wait (and were not sent on yet) may be sent on.
    ///
    /// 0 means that more bytes are needed, or while [`Requests::awaits_switch`] the server's answer. After any other
    /// number ask again with what is left, at once: a flaw behind it is only told then. What is let through does not
    /// depend on how the bytes were cut. A refusal stays. No more than [`MAX_HEAD`] bytes need to wait.
    pub fn admit(&mut self, bytes: &[u8]) -> Result<usize, HttpFlaw> {
        let mut admitted = 0;
        loop {
            match self.step(&bytes[admitted..]) {
                Ok(0) => return Ok(admitted),
                Ok(more) => admitted += more,
                // what lies before the flaw is fine: the next call tells
                Err(_) if admitted > 0 => return Ok(admitted),
                Err(flaw) => {
                    self.state = State::Refused(flaw.clone());
                    return Err(flaw);
                }
            }
        }
    }

    /// Tells what the server answered to an upgrade: `true` for 101, after which everything passes; `false` for
    /// anything else, after which requests go on. Means nothing at other times.
    pub fn switched(&mut self, yes: bool) {
        if self.state == State::AwaitsSwitch {
            self.state = match yes {
                true => State::Tunnel,
                false => State::Head,
            };
        }
    }

    /// Whether an upgrade was let through and the server's answer decides what comes next.
    pub fn awaits_switch(&self) -> bool {
        self.state == State::AwaitsSwitch
    }

    /// Whether the connection is a WebSocket by now.
    pub fn is_tunnel(&self) -> bool {
        self.state == State::Tunnel
    }

    /// The next piece of what this state waits for.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, HttpFlaw> {
        match self.state {
            _ if bytes.is_empty() && !matches!(self.state, State::Refused(_)) => Ok(0),
            State::Head => self.head(bytes),
            State::Body(left) => Ok(self.count_down(bytes, left, State::Body, State::Head)),
            State::ChunkSize => self.chunk_size(bytes),
            State::ChunkData(left) => {
                Ok(self.count_down(bytes, left, State::ChunkData, State::ChunkEnd))
            }
            State::ChunkEnd => self.chunk_end(bytes),
            State::Trailers => self.trailers(bytes),
            State::AwaitsSwitch => Ok(0),
            State::Tunnel => Ok(bytes.len()),
            State::Refused(ref flaw) => Err(flaw.clone()),
        }
    }

    fn head(&mut self, bytes: &[u8]) -> Result<usize, HttpFlaw> {
        // servers skip different numbers of empty lines before a request
        if bytes.starts_with(b"\r\n") {
            return Err(HttpFlaw::RequestLine);
        }
        self.first_line(bytes)?;
        let Some(end) = self.section(bytes)? else {
            return Ok(0);
        };
        let body = head::read(&bytes[..end], &self.authority)?;
        self.state = match body {
            Body::None => State::Head,
            Body::Length(left) => State::Body(left),
            Body::Chunked => State::ChunkSize,
            Body::Upgrade if self.used => return Err(HttpFlaw::LateUpgrade),
            Body::Upgrade => State::AwaitsSwitch,
        };
        self.used = true;
        self.line_checked = false;
        Ok(end)
    }

    /// Checks the request line as soon as it is there: who speaks something else need not wait for a refusal.
    fn first_line(&mut self, bytes: &[u8]) -> Result<(), HttpFlaw> {
        let seen = &bytes[..bytes.len().min(MAX_HEAD)];
        let fresh = self.scanned.min(seen.len());
        let end = seen[fresh..].iter().position(|byte| *byte == b'\n');
        if let Some(end) = end.filter(|_| !self.line_checked) {
            let line = &seen[..=fresh + end];
            scan(line, self.scanned)?;
            head::request_line(&line[..line.len() - 2], &self.authority)?;
            self.line_checked = true;
        }
        Ok(())
    }

    /// Where the lines up to the next empty one end; `None` where more is needed.
    fn section(&mut self, bytes: &[u8]) -> Result<Option<usize>, HttpFlaw> {
        let seen = &bytes[..bytes.len().min(MAX_HEAD)];
        match scan(seen, self.scanned)? {
            Some(end) => {
                self.scanned = 0;
                Ok(Some(end))
            }
            None if bytes.len() >= MAX_HEAD => Err(HttpFlaw::TooLong),
            None => {
                self.scanned = seen.len();
                Ok(None)
            }
        }
    }

    /// Bytes that are counted and not looked at.
    fn count_down(
        &mut self,
        bytes: &[u8],
        left: u64,
        more: fn(u64) -> State,
        done: State,
    ) -> usize {
        let there = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let taken = there.min(left);
        self.state = match left - taken {
            0 => done,
            left => more(left),
        };
        usize::try_from(taken).unwrap_or(bytes.len())
    }

    fn chunk_size(&mut self, bytes: &[u8]) -> Result<usize, HttpFlaw> {
        let seen = &bytes[..bytes.len().min(MAX_SIZE_LINE)];
        let digits = seen.iter().take_while(|byte| byte.is_ascii_hexdigit());
        let digits = digits.count();
        match &seen[digits..] {
            [] | [b'\r'] if seen.len() < MAX_SIZE_LINE => return Ok(0),
            [b'\r', b'\n', ..] if digits > 0 => {}
            _ => return Err(HttpFlaw::Chunk),
        }
        let value = |digit: &u8| char::from(*digit).to_digit(16).unwrap_or_default();
        let size = seen[..digits]
            .iter()
            .fold(0, |sum, digit| sum << 4 | u64::from(value(digit)));
        self.state = match size {
            0 => State::Trailers,
            size => State::ChunkData(size),
        };
        Ok(digits + 2)
    }

    fn chunk_end(&mut self, bytes: &[u8]) -> Result<usize, HttpFlaw> {
        match bytes {
            b"\r" => Ok(0),
            [b'\r', b'\n', ..] => {
                self.state = State::ChunkSize;
                Ok(2)
            }
            _ => Err(HttpFlaw::Chunk),
        }
    }

    fn trailers(&mut self, bytes: &[u8]) -> Result<usize, HttpFlaw> {
        let end = match bytes {
            [b'\r', b'\n', ..] => 2,
            _ => match self.section(bytes)? {
                Some(end) => end,
                None => return Ok(0),
            },
        };
        head::trailers(&bytes[..end])?;
        self.scanned = 0;
        self.state = State::Head;
        Ok(end)
    }
}

/// Looks for the first empty line from a place on, and for bytes that no head may hold.
fn scan(bytes: &[u8], from: usize) -> Result<Option<usize>, HttpFlaw> {
    // a line end that was half there is looked at again
    for at in from.saturating_sub(1).min(bytes.len())..bytes.len() {
        match bytes[at] {
            b'\n' if at == 0 || bytes[at - 1] != b'\r' => return Err(HttpFlaw::LineEnd),
            b'\n' if bytes[..at].ends_with(b"\r\n\r") => return Ok(Some(at + 1)),
            b'\r' if bytes.get(at + 1).is_some_and(|next| *next != b'\n') => {
                return Err(HttpFlaw::LineEnd);
            }
            b'\n' | b'\r' | b'\t' => {}
            byte if byte.is_ascii_control() => return Err(HttpFlaw::Control),
            _ => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
