//! The stub's side of DNS: what the jailed program asks, and the replies that it gets.
#![forbid(unsafe_code)]

use std::net::Ipv4Addr;

use super::name;
pub use super::odd::oddities;
pub use super::wire::Service;
use super::wire::{self, HEADER, MAX_TAKEN, Malformed, Reader, kind, rcode};

/// What a datagram may hold without EDNS.
const PLAIN: usize = 512;
/// What it may hold at most: more is cut up on the way (dnsflagday.net/2020).
const LARGEST: usize = 1232;
/// What a message may hold at most, over TCP.
const MESSAGE: usize = 65535;
/// Checking disabled, in the header's fourth byte: copied as RD is.
const CD: u8 = 0x10;
/// Where the question's name stands, as a pointer.
const ASKED: [u8; 2] = [0xc0, 12];

/// What a datagram is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A plain question: one, of class IN.
    Query(Query),
    /// Something else that is answered at once: FORMERR, NOTIMP, REFUSED, or BADVERS.
    Reply(Vec<u8>),
    /// A response, or less than a header: dropped, since answering could go round in circles.
    Nothing,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The number that ties the reply to it.
    pub id: u16,
    /// The name for the record: lower-case, without a last dot, printable; what is not is escaped as in master files
    /// (`\000`).
    pub name: String,
    /// The name where it is a host's or a service's (`_mongodb._tcp.example.com`): lower-case, without a last dot.
    pub host: Option<String>,
    /// The record type that is asked for.
    pub kind: u16,
    /// The largest reply in a datagram, in bytes: 512, or what the question says, at most 1232.
    pub limit: usize,
    /// The question as it came, letters' case and all.
    question: Vec<u8>,
    /// RD and CD.
    flags: [u8; 2],
    /// Whether the question came with EDNS, which the reply then does, too.
    extended: bool,
}

/// Reads what the jailed program sent.
pub fn read(bytes: &[u8]) -> Asked {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return Asked::Nothing;
    };
    if header[2] & wire::QR != 0 {
        return Asked::Nothing;
    }
    if header[2] & 0x78 != 0 {
        return Asked::Reply(bare(header, rcode::NOTIMP));
    }
    let Ok((query, class, version)) = query(header, bytes) else {
        return Asked::Reply(bare(header, rcode::FORMERR));
    };
    if class != wire::IN {
        return Asked::Reply(query.refused());
    }
    if version != 0 {
        return Asked::Reply(query.unsupported());
    }
    Asked::Query(query)
}

/// Cuts a reply that is larger than `limit` to its question and says so (TC), so that it is asked for again by TCP.
pub fn fit(reply: Vec<u8>, limit: usize) -> Vec<u8> {
    if reply.len() <= limit || reply.len() < HEADER {
        return reply;
    }
    let mut reader = Reader::new(&reply, HEADER);
    let end = reader
        .name()
        .and_then(|_| reader.take(4))
        .map_or(HEADER, |_| reader.at());
    // an OPT record is the last one and as short as can be
    let options = reply.len().saturating_sub(OPTIONS.len());
    let extended = options >= end && reply[options..].starts_with(&OPTIONS[..3]) && reply[11] == 1;
    let mut cut = reply[..end].to_vec();
    cut[2] |= wire::TC;
    cut[4..HEADER].fill(0);
    cut[5] = u8::from(end > HEADER);
    if extended {
        cut[11] = 1;
        cut.extend(&reply[options..]);
    }
    cut
}

/// A header alone, for what could not be read further.
fn bare(header: &[u8; HEADER], code: u8) -> Vec<u8> {
    let third = wire::QR | header[2] & (0x78 | wire::RD);
    let fourth = wire::RA | header[3] & CD | code;
    [header[0], header[1], third, fourth, 0, 0, 0, 0, 0, 0, 0, 0].into()
}

/// The question with its class and EDNS version.
fn query(header: &[u8; HEADER], bytes: &[u8]) -> Result<(Query, u16, u8), Malformed> {
    let [.., additional_high, additional_low] = *header;
    if header[4..10] != [0, 1, 0, 0, 0, 0] {
        return Err(Malformed);
    }
    let mut reader = Reader::new(bytes, HEADER);
    let name = reader.name()?;
    // a pointer could only lead into the header, and would lead elsewhere in a reply
    if reader.at() != HEADER + name.length() {
        return Err(Malformed);
    }
    let kind = reader.short()?;
    let class = reader.short()?;
    let question = bytes[HEADER..reader.at()].to_vec();
    let options = options(
        reader,
        u16::from_be_bytes([additional_high, additional_low]),
    )?;
    let (size, version) = options.unwrap_or((0, 0));
    let host = match name.has_dots() {
        true => None,
        false => name::service(&name.joined()),
    };
    let query = Query {
        id: u16::from_be_bytes([header[0], header[1]]),
        name: name.escaped(),
        host,
        kind,
        limit: usize::from(size).clamp(PLAIN, LARGEST),
        question,
        flags: [header[2] & wire::RD, header[3] & CD],
        extended: options.is_some(),
    };
    Ok((query, class, version))
}

/// The datagram size and the version of the OPT record among the additional ones, if there is one; two are malformed.
fn options(mut reader: Reader<'_>, count: u16) -> Result<Option<(u16, u8)>, Malformed> {
    let mut found = None;
    for _ in 0..count {
        let record = reader.record()?;
        if record.kind != kind::OPT {
            continue;
        }
        let version = record.ttl.to_be_bytes()[1];
        if record.name != wire::Name::default() || found.replace((record.class, version)).is_some()
        {
            return Err(Malformed);
        }
    }
    Ok(found)
}

/// The OPT record of a reply: name, type, datagram size, response code's upper part, version, flags, no content.
const OPTIONS: [u8; 11] = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];

impl Query {
    /// NOERROR and one address, to be remembered for `ttl` seconds.
    pub fn address(&self, address: Ipv4Addr, ttl: u32) -> Vec<u8> {
        let record = record(kind::A, ttl, &address.octets());
        self.reply(rcode::NOERROR, record.as_slice())
    }

    /// NOERROR and no record: the name is there, but has none of the kind.
    pub fn nothing(&self) -> Vec<u8> {
        self.reply(rcode::NOERROR, &[])
    }

    /// NXDOMAIN: there is no such name.
    pub fn unknown(&self) -> Vec<u8> {
        self.reply(rcode::NXDOMAIN, &[])
    }

    /// SERVFAIL: it could not be found out.
    pub fn failed(&self) -> Vec<u8> {
        self.reply(rcode::SERVFAIL, &[])
    }

    /// REFUSED: not asked here.
    pub fn refused(&self) -> Vec<u8> {
        self.reply(rcode::REFUSED, &[])
    }

    /// NOERROR and the hosts of a service, at most 64. Those whose target does not fit the format are left out.
    pub fn services(&self, services: &[Service]) -> Vec<u8> {
        let content = |service: &Service| {
            let numbers = [service.priority, service.weight, service.port];
            let mut data = numbers.map(u16::to_be_bytes).concat();
            wire::put_name(&mut data, &service.target).then_some(data)
        };
        let records = services
            .iter()
            .filter_map(|service| record(kind::SRV, service.ttl, &content(service)?));
        self.reply(rcode::NOERROR, &records.take(MAX_TAKEN).collect::<Vec<_>>())
    }

    /// NOERROR and records of texts with their times to live in seconds, at most 64. Records with a text of more than
    /// 255 bytes are left out.
    pub fn texts(&self, texts: &[(Vec<Vec<u8>>, u32)]) -> Vec<u8> {
        let content = |strings: &[Vec<u8>]| {
            let mut data = Vec::new();
            for string in strings {
                data.push(u8::try_from(string.len()).ok()?);
                data.extend(string);
            }
            if data.is_empty() {
                data.push(0);
            }
            Some(data)
        };
        let records = texts
            .iter()
            .filter_map(|(strings, ttl)| record(kind::TXT, *ttl, &content(strings)?));
        self.reply(rcode::NOERROR, &records.take(MAX_TAKEN).collect::<Vec<_>>())
    }

    /// BADVERS (16): a version of EDNS that nobody speaks yet.
    fn unsupported(&self) -> Vec<u8> {
        let mut reply = self.reply(rcode::NOERROR, &[]);
        let upper = reply.len() - OPTIONS.len() + 5;
        reply[upper] = 1;
        reply
    }

    /// The question back, with a response code and as many records as one message holds.
    fn reply(&self, code: u8, records: &[Vec<u8>]) -> Vec<u8> {
        let [rd, cd] = self.flags;
        let mut reply = self.id.to_be_bytes().to_vec();
        reply.extend([wire::QR | rd, wire::RA | cd | code, 0, 1, 0, 0, 0, 0, 0]);
        reply.push(u8::from(self.extended));
        reply.extend(&self.question);
        for record in records {
            if reply.len() + record.len() + OPTIONS.len() > MESSAGE {
                reply[2] |= wire::TC;
                break;
            }
            reply[7] += 1;
            reply.extend(record);
        }
        if self.extended {
            reply.extend(OPTIONS);
        }
        reply
    }
}

/// A record of the name that was asked for; `None` where its content is too long for one.
fn record(kind: u16, ttl: u32, data: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(data.len()).ok()?;
    let mut record = ASKED.to_vec();
    record.extend(kind.to_be_bytes());
    record.extend(wire::IN.to_be_bytes());
    record.extend(ttl.to_be_bytes());
    record.extend(length.to_be_bytes());
    record.extend(data);
    Some(record)
}

#[cfg(test)]
mod tests;
