//! One request head: read strictly, so that no server can read it in another way (RFC 9110, RFC 9112).
//!
//! Stricter than the rules where servers are known to differ: no line end but CR LF, no folded headers, no chunk
//! extensions, no repeated lengths, no underscores that gateways turn into hyphens.
#![forbid(unsafe_code)]

use super::{HttpFlaw, MAX_HEADERS};

/// Whom a connection is for.
#[derive(Debug)]
pub(super) struct Authority {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Authority {
    /// Checks that `HOST[:PORT]` means this host; the port may be left out where it is 80.
    fn check(&self, text: &[u8]) -> Result<(), HttpFlaw> {
        let port = format!(":{}", self.port);
        let host = match text.strip_suffix(port.as_bytes()) {
            Some(host) => Some(host),
            None => (self.port == 80).then_some(text),
        };
        match host {
            Some(host) if host.eq_ignore_ascii_case(self.host.as_bytes()) => Ok(()),
            _ => Err(HttpFlaw::wrong_host(text)),
        }
    }
}

/// What follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    None,
    Length(u64),
    Chunked,
    /// The answer decides: a WebSocket, or the next request.
    Upgrade,
}

/// Reads a whole head, its empty line included, and says what follows it.
pub(super) fn read(head: &[u8], authority: &Authority) -> Result<Body, HttpFlaw> {
    let mut lines = lines(head);
    let request = lines.next().unwrap_or_default();
    let (method, modern) = request_line(request, authority)?;
    let mut fields = Fields::default();
    for (count, line) in lines.enumerate() {
        if count == MAX_HEADERS {
            return Err(HttpFlaw::TooManyHeaders);
        }
        let (name, value) = header(line)?;
        fields.note(name, value)?;
    }
    authority.check(fields.host.ok_or(HttpFlaw::NoHost)?)?;
    fields.body(method, modern)
}

/// Checks trailers, their empty line included: nothing that a server might take for a part of the head.
pub(super) fn trailers(bytes: &[u8]) -> Result<(), HttpFlaw> {
    for (count, line) in lines(bytes).enumerate() {
        if count == MAX_HEADERS {
            return Err(HttpFlaw::TooManyHeaders);
        }
        let (name, _) = header(line)?;
        if known(name) != Known::Other {
            return Err(HttpFlaw::Trailer);
        }
    }
    Ok(())
}

/// The lines without their ends. Where the last two bytes are an empty line, it is left out.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    // the scan before has made sure that every CR stands before an LF and every LF behind a CR
    head.split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .take_while(|line| !line.is_empty())
}

/// The method, and whether the version is 1.1.
pub(super) fn request_line<'a>(
    line: &'a [u8],
    authority: &Authority,
) -> Result<(&'a [u8], bool), HttpFlaw> {
    let parts: Vec<&[u8]> = line.splitn(4, |byte| *byte == b' ').collect();
    let [method, target, version] = parts[..] else {
        return Err(HttpFlaw::RequestLine);
    };
    if !is_token(method) || !target.iter().all(u8::is_ascii_graphic) {
        return Err(HttpFlaw::RequestLine);
    }
    let modern = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        _ if version.starts_with(b"HTTP/") => return Err(HttpFlaw::Version),
        _ => return Err(HttpFlaw::RequestLine),
    };
    // servers that take methods in any case exist
    if method.eq_ignore_ascii_case(b"CONNECT") {
        return Err(HttpFlaw::Connect);
    }
    check_target(method, target, authority)?;
    Ok((method, modern))
}

fn check_target(method: &[u8], target: &[u8], authority: &Authority) -> Result<(), HttpFlaw> {
    if target.first() == Some(&b'/') || (target == b"*" && method == b"OPTIONS") {
        return Ok(());
    }
    match target.split_at_checked(7) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"http://") => {
            let end = rest.iter().position(|byte| b"/?#".contains(byte));
            authority.check(&rest[..end.unwrap_or(rest.len())])
        }
        _ => Err(HttpFlaw::Target),
    }
}

/// A header's name and its value without the space around it.
fn header(line: &[u8]) -> Result<(&[u8], &[u8]), HttpFlaw> {
    if line.first().is_some_and(|byte| b" \t".contains(byte)) {
        return Err(HttpFlaw::Folded);
    }
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = line.split_at(colon.ok_or(HttpFlaw::HeaderLine)?);
    match is_token(name) {
        true => Ok((name, trim(&value[1..]))),
        false => Err(HttpFlaw::HeaderLine),
    }
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn is_token(name: &[u8]) -> bool {
    let fine = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(fine)
}

/// The headers that say where a request goes and where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Host,
    Length,
    Coding,
    Upgrade,
    Connection,
    /// One of these with an underscore for the hyphen.
    Disguised,
    Other,
}

fn known(name: &[u8]) -> Known {
    let name = name.to_ascii_lowercase();
    match name.as_slice() {
        b"host" => Known::Host,
        b"content-length" => Known::Length,
        b"transfer-encoding" => Known::Coding,
        b"upgrade" => Known::Upgrade,
        b"connection" => Known::Connection,
        b"content_length" | b"transfer_encoding" => Known::Disguised,
        _ => Known::Other,
    }
}

#[derive(Debug, Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    chunked: bool,
    upgrade: Option<&'a [u8]>,
    /// Whether `Connection` names `upgrade`.
    switches: bool,
}

impl<'a> Fields<'a> {
    fn note(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), HttpFlaw> {
        match known(name) {
            Known::Host if self.host.replace(value).is_some() => Err(HttpFlaw::ManyHosts),
            Known::Length if self.length.replace(length(value)?).is_some() => {
                Err(HttpFlaw::Ambiguous)
            }
            Known::Coding if self.chunked => Err(HttpFlaw::Ambiguous),
            Known::Coding if value != b"chunked" => Err(HttpFlaw::Coding),
            Known::Coding => {
                self.chunked = true;
                Ok(())
            }
            Known::Upgrade if self.upgrade.replace(value).is_some() => Err(HttpFlaw::Upgrade),
            Known::Connection => self.connection(value),
            Known::Disguised => Err(HttpFlaw::HeaderLine),
            Known::Host | Known::Length | Known::Upgrade | Known::Other => Ok(()),
        }
    }

    /// A connection option takes the header of its name away at the next hop: never the ones that everything here
    /// stands on.
    fn connection(&mut self, value: &[u8]) -> Result<(), HttpFlaw> {
        for option in value.split(|byte| *byte == b',').map(trim) {
            match known(option) {
                // some servers trim more than space, and see another option
                _ if !option.is_empty() && !is_token(option) => return Err(HttpFlaw::HeaderLine),
                Known::Upgrade => self.switches = true,
                Known::Other => {}
                _ => return Err(HttpFlaw::Ambiguous),
            }
        }
        Ok(())
    }

    fn body(&self, method: &[u8], modern: bool) -> Result<Body, HttpFlaw> {
        if self.chunked && self.length.is_some() {
            return Err(HttpFlaw::Ambiguous);
        }
        if self.chunked && !modern {
            return Err(HttpFlaw::Coding);
        }
        if let Some(protocol) = self.upgrade {
            let plain = method == b"GET" && modern && !self.chunked && self.length.is_none();
            return match self.switches && plain && protocol.eq_ignore_ascii_case(b"websocket") {
                true => Ok(Body::Upgrade),
                false => Err(HttpFlaw::Upgrade),
            };
        }
        Ok(match self.length {
            _ if self.chunked => Body::Chunked,
            Some(length) if length > 0 => Body::Length(length),
            _ => Body::None,
        })
    }
}

/// Digits alone, no zero in front (some read it as octal), and no more than a signed number holds.
fn length(value: &[u8]) -> Result<u64, HttpFlaw> {
    let plain = !value.is_empty() && value.len() <= 18 && value.iter().all(u8::is_ascii_digit);
    if !plain || (value.len() > 1 && value[0] == b'0') {
        return Err(HttpFlaw::Length);
    }
    let sum = |sum: u64, digit: &u8| sum * 10 + u64::from(digit - b'0');
    Ok(value.iter().fold(0, sum))
}
