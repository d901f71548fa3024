//! The DNS wire format, as much of it as a stub and its resolver need (RFC 1035, RFC 2782, RFC 6891).
//!
//! Reading: a name has at most 255 bytes, a pointer in it leads strictly backwards, so every name ends.
#![forbid(unsafe_code)]

/// Record types by number.
pub mod kind {
    /// An IPv4 address.
    pub const A: u16 = 1;
    /// Another name of the same.
    pub const CNAME: u16 = 5;
    /// Texts.
    pub const TXT: u16 = 16;
    /// An IPv6 address.
    pub const AAAA: u16 = 28;
    /// A service's hosts and ports.
    pub const SRV: u16 = 33;
    /// EDNS: what the sender can do.
    pub const OPT: u16 = 41;
}

/// Response codes.
pub mod rcode {
    /// No error.
    pub const NOERROR: u8 = 0;
    /// The query cannot be read.
    pub const FORMERR: u8 = 1;
    /// The server failed.
    pub const SERVFAIL: u8 = 2;
    /// There is no such name.
    pub const NXDOMAIN: u8 = 3;
    /// Not this kind of query.
    pub const NOTIMP: u8 = 4;
    /// Not for you.
    pub const REFUSED: u8 = 5;
}

/// The class of everything on the Internet.
pub const IN: u16 = 1;
/// A message's header.
pub const HEADER: usize = 12;
/// A response, in the header's third byte.
pub const QR: u8 = 0x80;
/// Truncated, in the third byte.
pub const TC: u8 = 0x02;
/// Recursion desired, in the third byte.
pub const RD: u8 = 0x01;
/// Recursion available, in the fourth byte.
pub const RA: u8 = 0x80;

/// The most texts of one record and records of one answer that are taken or made.
pub const MAX_TAKEN: usize = 64;

/// One host of a service (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Lower ones are tried first.
    pub priority: u16,
    /// The share among those of one priority.
    pub weight: u16,
    /// Where it listens.
    pub port: u16,
    /// The host's name, lower-case, without a last dot.
    pub target: String,
    /// How long this may be remembered, in seconds.
    pub ttl: u32,
}

/// Bytes that break the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// A place in a message.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads a message from a byte on.
    pub fn new(bytes: &'a [u8], at: usize) -> Reader<'a> {
        Reader { bytes, at }
    }

    /// How many bytes lie before this place.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(length).ok_or(Malformed)?;
        let taken = self.bytes.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(taken)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    /// The next two bytes.
    pub fn short(&mut self) -> Result<u16, Malformed> {
        let taken = self.take(2)?;
        Ok(u16::from_be_bytes([taken[0], taken[1]]))
    }

    /// The next four bytes.
    pub fn long(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from(self.short()?) << 16 | u32::from(self.short()?))
    }

    /// The next name, its pointers followed.
    pub fn name(&mut self) -> Result<Name, Malformed> {
        let mut name = Name::default();
        let mut length = 1;
        // where the labels at hand start: a pointer in them leads before it
        let mut start = self.at;
        let mut here = *self;
        let mut behind = None;
        loop {
            let count = here.byte()?;
            match count {
                0 => break,
                1..=63 => {
                    let label = here.take(usize::from(count))?;
                    length += 1 + label.len();
                    if length > 255 {
                        return Err(Malformed);
                    }
                    name.0.push(label.to_vec());
                }
                0xc0.. => {
                    let target = usize::from(count & 0x3f) << 8 | usize::from(here.byte()?);
                    behind.get_or_insert(here.at);
                    if target >= start {
                        return Err(Malformed);
                    }
                    start = target;
                    here.at = target;
                }
                _ => return Err(Malformed),
            }
        }
        self.at = behind.unwrap_or(here.at);
        Ok(name)
    }

    /// The next record.
    pub fn record(&mut self) -> Result<Record<'a>, Malformed> {
        let name = self.name()?;
        let kind = self.short()?;
        let class = self.short()?;
        let ttl = self.long()?;
        let length = usize::from(self.short()?);
        let start = self.at;
        let data = self.take(length)?;
        Ok(Record {
            name,
            kind,
            class,
            ttl,
            data,
            start,
        })
    }
}

/// One resource record.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// Whose it is.
    pub name: Name,
    /// Its type.
    pub kind: u16,
    /// Its class, or what OPT puts there.
    pub class: u16,
    /// How long it may be remembered, or what OPT puts there.
    pub ttl: u32,
    /// Its content.
    pub data: &'a [u8],
    /// Where the content lies in the message, for the pointers in it.
    pub start: usize,
}

/// A name as labels of any bytes, the case kept. Equal names differ at most in their case.
#[derive(Debug, Clone, Default)]
pub struct Name(Vec<Vec<u8>>);

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        let same = |(a, b): (&Vec<u8>, &Vec<u8>)| a.eq_ignore_ascii_case(b);
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}

impl Eq for Name {}

impl Name {
    /// The name of a host, given as text.
    pub fn of(host: &str) -> Name {
        Name(host.split('.').map(|label| label.into()).collect())
    }

    /// The labels with dots between, as they are: not for names that were not checked.
    pub fn joined(&self) -> Vec<u8> {
        self.0.join(&b'.')
    }

    /// How many bytes it has on the wire, uncompressed.
    pub fn length(&self) -> usize {
        self.0.iter().map(|label| label.len() + 1).sum::<usize>() + 1
    }

    /// Whether a label holds a dot, which the joined name would hide.
    pub fn has_dots(&self) -> bool {
        self.0.iter().any(|label| label.contains(&b'.'))
    }

    /// Text for the record, lower-case: as in master files, what does not print is `\` and three decimal digits.
    pub fn escaped(&self) -> String {
        if self.0.is_empty() {
            return ".".into();
        }
        let escape = |byte: &u8| match byte.to_ascii_lowercase() {
            byte @ (b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$') => {
                format!("\\{}", char::from(byte))
            }
            byte if byte.is_ascii_graphic() => char::from(byte).to_string(),
            byte => format!("\\{byte:03}"),
        };
        let labels: Vec<String> = self
            .0
            .iter()
            .map(|label| label.iter().map(escape).collect())
            .collect();
        labels.join(".")
    }
}

/// Writes a host name, uncompressed. `false`, and nothing written, where it does not fit the format.
pub fn put_name(into: &mut Vec<u8>, host: &str) -> bool {
    let fine = |label: &str| (1..=63).contains(&label.len());
    if host.len() > 253 || !host.split('.').all(fine) {
        return false;
    }
    for label in host.split('.') {
        into.push(u8::try_from(label.len()).unwrap_or(63));
        into.extend(label.as_bytes());
    }
    into.push(0);
    true
}
