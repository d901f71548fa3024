//! The resolver's side of DNS: one question to the host's nameserver, and its reply.
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::name;
pub use super::wire::Service;
use super::wire::{self, HEADER, MAX_TAKEN, Malformed, Name, Reader, Record, kind, rcode};

/// The most records of a reply that are looked at.
const MAX_RECORDS: u16 = 512;
/// The longest chain of other names (CNAME) that is followed.
const MAX_CHAIN: usize = 16;

/// What a datagram or a message is to the question that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// No reply to it: another id, another question, or no DNS. Keep waiting.
    NotOurs,
    /// Cut off: ask again by TCP.
    Truncated,
    /// The server failed, by its response code. SERVFAIL (2) stands for records that break the format and for chains
    /// of names without an end, too.
    Failed(u8),
    /// There is no such name.
    Unknown,
    /// The answer. Everything is empty where the name has none of the kind.
    Answer {
        /// At most 64 addresses, in the server's order, none twice.
        addresses: Vec<IpAddr>,
        /// At most 64 hosts of the service. Those whose target is no host name are left out.
        services: Vec<Service>,
        /// At most 64 records of texts, each with its time to live in seconds.
        texts: Vec<(Vec<Vec<u8>>, u32)>,
        /// How long all of it may be remembered, in seconds: the least along the chain; 0 where there is nothing.
        ttl: u32,
    },
}

/// Makes the message that asks for one kind of record. Empty where `host` does not fit the format, which no checked
/// name fails to do.
pub fn question(id: u16, host: &str, kind: u16) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend([wire::RD, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    if !wire::put_name(&mut bytes, host) {
        return Vec::new();
    }
    bytes.extend(kind.to_be_bytes());
    bytes.extend(wire::IN.to_be_bytes());
    bytes
}

/// Reads a message as the reply to [`question`] with the same id, host and kind.
///
/// Only records of the asked kind are taken, and only of the name that the chain from the asked one leads to.
pub fn read(bytes: &[u8], id: u16, host: &str, kind: u16) -> Reply {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return Reply::NotOurs;
    };
    let asked = Name::of(host);
    let mut reader = Reader::new(bytes, HEADER);
    let plain = header[2] & (wire::QR | 0x78) == wire::QR && header[4..6] == [0, 1];
    let ours = plain && header[..2] == id.to_be_bytes();
    if !ours || !echoes(&mut reader, &asked, kind).unwrap_or(false) {
        return Reply::NotOurs;
    }
    if header[2] & wire::TC != 0 {
        return Reply::Truncated;
    }
    match header[3] & 0xf {
        rcode::NOERROR => {}
        rcode::NXDOMAIN => return Reply::Unknown,
        code => return Reply::Failed(code),
    }
    let count = u16::from_be_bytes([header[6], header[7]]).min(MAX_RECORDS);
    let records: Result<Vec<Record<'_>>, Malformed> = (0..count).map(|_| reader.record()).collect();
    records
        .and_then(|records| answer(bytes, &records, asked, kind))
        .unwrap_or(Reply::Failed(rcode::SERVFAIL))
}

fn echoes(reader: &mut Reader<'_>, asked: &Name, kind: u16) -> Result<bool, Malformed> {
    let name = reader.name()?;
    Ok(name == *asked && reader.short()? == kind && reader.short()? == wire::IN)
}

fn answer(
    bytes: &[u8],
    records: &[Record<'_>],
    asked: Name,
    kind: u16,
) -> Result<Reply, Malformed> {
    let mut name = asked;
    let mut ttl = u32::MAX;
    for _ in 0..=MAX_CHAIN {
        let found: Vec<&Record<'_>> = of(records, &name, kind).take(MAX_TAKEN).collect();
        let other = of(records, &name, kind::CNAME).next();
        match other {
            Some(other) if found.is_empty() => {
                ttl = ttl.min(seconds(other));
                name = last_name(Reader::new(bytes, other.start), other)?;
            }
            _ => return contents(bytes, &found, kind, ttl),
        }
    }
    Err(Malformed)
}

fn of<'a>(
    records: &'a [Record<'a>],
    name: &Name,
    kind: u16,
) -> impl Iterator<Item = &'a Record<'a>> {
    records.iter().filter(move |record| {
        record.kind == kind && record.class == wire::IN && record.name == *name
    })
}

fn contents(
    bytes: &[u8],
    records: &[&Record<'_>],
    kind: u16,
    chain: u32,
) -> Result<Reply, Malformed> {
    let mut addresses = Vec::new();
    let mut services = Vec::new();
    let mut texts = Vec::new();
    for record in records {
        match kind {
            kind::A | kind::AAAA => {
                let address = address(record)?;
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            kind::SRV => services.extend(service(bytes, record, chain)?),
            kind::TXT => texts.push((strings(record.data)?, chain.min(seconds(record)))),
            _ => {}
        }
    }
    let least = records.iter().map(|record| seconds(record)).min();
    Ok(Reply::Answer {
        addresses,
        services,
        texts,
        ttl: least.map_or(0, |least| least.min(chain)),
    })
}

/// RFC 2181, section 8: a time to live with its first bit set is none.
fn seconds(record: &Record<'_>) -> u32 {
    match record.ttl >> 31 {
        0 => record.ttl,
        _ => 0,
    }
}

fn address(record: &Record<'_>) -> Result<IpAddr, Malformed> {
    let v4 = || <[u8; 4]>::try_from(record.data).map(|bytes| Ipv4Addr::from(bytes).into());
    let v6 = || <[u8; 16]>::try_from(record.data).map(|bytes| Ipv6Addr::from(bytes).into());
    match record.kind {
        kind::A => v4(),
        _ => v6(),
    }
    .map_err(|_| Malformed)
}

fn service(bytes: &[u8], record: &Record<'_>, chain: u32) -> Result<Option<Service>, Malformed> {
    let mut reader = Reader::new(bytes, record.start);
    let [priority, weight, port] = [reader.short()?, reader.short()?, reader.short()?];
    let target = last_name(reader, record)?;
    let target = match target.has_dots() {
        true => None,
        false => name::host(&target.joined()),
    };
    let ttl = chain.min(seconds(record));
    Ok(target.map(|target| Service {
        priority,
        weight,
        port,
        target,
        ttl,
    }))
}

/// The name with which a record's content ends, neither before its last byte nor behind it.
fn last_name(mut reader: Reader<'_>, record: &Record<'_>) -> Result<Name, Malformed> {
    let name = reader.name()?;
    match reader.at() == record.start + record.data.len() {
        true => Ok(name),
        false => Err(Malformed),
    }
}

fn strings(data: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut reader = Reader::new(data, 0);
    let mut strings = Vec::new();
    while reader.at() < data.len() {
        let length = reader.byte()?;
        strings.push(reader.take(usize::from(length))?.to_vec());
    }
    Ok(strings)
}

#[cfg(test)]
mod tests;
