//! What holds for any bytes, checked by other means than the readers' own.

use std::net::{IpAddr, Ipv6Addr};

use flowjail::gateway::{address, dns, front, hello, http, name, upstream};

use super::numbers::Numbers;

/// The host that requests and replies are for.
pub const HOST: &str = "api.example.com";

/// Letters, digits, inner hyphens, dots between; an underscore in front of a label where `service` allows it.
fn is_host(text: &str, service: bool) -> bool {
    let label = |label: &str| {
        let label = label.strip_prefix('_').filter(|_| service).unwrap_or(label);
        !label.is_empty()
            && label.len() < 64
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
    };
    text.len() < 254 && text.split('.').all(label) && text.parse::<IpAddr>().is_err()
}

/// A name is a host name and stands in the bytes; what a beginning says, the whole says.
pub fn hello(bytes: &[u8], numbers: &mut Numbers) -> &'static str {
    let whole = hello::read(bytes);
    for _ in 0..4 {
        let start = &bytes[..numbers.below(bytes.len() + 1)];
        match hello::read(start) {
            hello::Hello::Incomplete => assert!(start.len() < hello::MAX_HELLO),
            hello::Hello::Refused(_) => assert!(matches!(whole, hello::Hello::Refused(_))),
            named => assert_eq!(named, whole),
        }
    }
    match whole {
        hello::Hello::Incomplete => "incomplete",
        hello::Hello::Refused(flaw) => {
            assert!(!flaw.to_string().is_empty());
            "refused"
        }
        hello::Hello::Name(name) => {
            assert!(is_host(&name, false), "{name}");
            let content = unframed(bytes).to_ascii_lowercase();
            assert!(content.windows(name.len()).any(|at| at == name.as_bytes()));
            "named"
        }
    }
}

/// The content of records, one behind the other.
fn unframed(mut bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let [22, 3, _, high, low, rest @ ..] = bytes {
        let length = usize::from(*high) << 8 | usize::from(*low);
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        content.extend(piece);
        bytes = behind;
    }
    content
}

type Fed = (usize, Option<http::HttpFlaw>);

/// Feeds bytes in pieces that end where `ends` says.
fn feed(bytes: &[u8], switch: bool, ends: impl Iterator<Item = usize>) -> Fed {
    let mut requests = http::Requests::new(HOST, 80);
    let mut admitted = 0;
    for end in ends {
        loop {
            assert!(end - admitted < http::MAX_HEAD + bytes.len());
            match requests.admit(&bytes[admitted..end]) {
                Err(flaw) => {
                    assert_eq!(requests.admit(bytes), Err(flaw.clone()));
                    return (admitted, Some(flaw));
                }
                Ok(0) if requests.awaits_switch() => requests.switched(switch),
                Ok(0) => break,
                Ok(more) => admitted += more,
            }
        }
    }
    (admitted, None)
}

/// Every cut lets the same through, and a second reader finds only requests for the host in it.
pub fn http(bytes: &[u8], numbers: &mut Numbers) -> &'static str {
    let switch = numbers.once_in(2);
    let whole = feed(bytes, switch, std::iter::once(bytes.len()));
    for most in [2, 30, 500] {
        let mut ends = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            at = (at + 1 + numbers.below(most)).min(bytes.len());
            ends.push(at);
        }
        // cuts of single bytes take a call each
        if most > 2 || bytes.len() < 4000 {
            assert_eq!(feed(bytes, switch, ends.into_iter()), whole);
        }
    }
    let (admitted, flaw) = whole;
    second_opinion(&bytes[..admitted], switch);
    let status = http::first_status(bytes);
    if let Ok(Some(_)) | Err(_) = http::first_status(&bytes[..numbers.below(bytes.len() + 1)]) {
        assert!(matches!(status, Ok(Some(_)) | Err(_)));
    }
    match flaw {
        None if admitted == bytes.len() => "passed",
        None => "waiting",
        Some(flaw) => {
            assert!(flaw.to_string().is_ascii());
            "refused"
        }
    }
}

/// Reads what was let through with another crate.
fn second_opinion(mut rest: &[u8], switch: bool) {
    while !rest.is_empty() {
        let mut headers = [httparse::EMPTY_HEADER; http::MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let head = request.parse(rest).expect("a head that was let through");
        let httparse::Status::Complete(end) = head else {
            panic!("half a head");
        };
        let all = |wanted: &str| {
            let found = |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case(wanted);
            let found: Vec<&[u8]> = request
                .headers
                .iter()
                .filter(found)
                .map(|h| h.value)
                .collect();
            found
        };
        let [host] = all("host")[..] else {
            panic!("{} hosts", all("host").len());
        };
        let host = host.to_ascii_lowercase();
        assert!(host == HOST.as_bytes() || host == format!("{HOST}:80").as_bytes());
        if switch && !all("upgrade").is_empty() {
            return;
        }
        rest = &rest[end..];
        rest = match (&all("content-length")[..], &all("transfer-encoding")[..]) {
            ([], []) => rest,
            ([length], []) => {
                let length = std::str::from_utf8(length).unwrap().parse::<u64>().unwrap();
                &rest[usize::try_from(length).unwrap().min(rest.len())..]
            }
            ([], [b"chunked"]) => behind_chunks(rest),
            other => panic!("{other:?}"),
        };
    }
}

fn behind_chunks(mut rest: &[u8]) -> &[u8] {
    loop {
        if rest.is_empty() {
            return rest;
        }
        let size = httparse::parse_chunk_size(rest).expect("a chunk that was let through");
        let httparse::Status::Complete((line, size)) = size else {
            panic!("half a chunk's size");
        };
        rest = &rest[line..];
        if size == 0 {
            break;
        }
        let size = usize::try_from(size).unwrap();
        match rest.get(size..) {
            Some(behind) if behind.len() >= 2 => {
                assert_eq!(&behind[..2], b"\r\n");
                rest = &behind[2..];
            }
            Some([]) | None => return &[],
            Some(odd) => panic!("{odd:?} behind a chunk"),
        }
    }
    let mut headers = [httparse::EMPTY_HEADER; http::MAX_HEADERS];
    match httparse::parse_headers(rest, &mut headers) {
        Ok(httparse::Status::Complete((end, _))) => &rest[end..],
        _ if rest.is_empty() => rest,
        other => panic!("{other:?}"),
    }
}

/// Replies bring the id and the question back, fit, and are understood by a second reader.
pub fn dns(bytes: &[u8], _: &mut Numbers) -> &'static str {
    let query = match dns::read(bytes) {
        dns::Asked::Nothing => return "nothing",
        dns::Asked::Reply(reply) => {
            assert!(reply[..2] == bytes[..2] && reply[2] & 0x80 != 0);
            return "refused";
        }
        dns::Asked::Query(query) => query,
    };
    assert!(query.name.bytes().all(|byte| byte.is_ascii_graphic()));
    dns::oddities(&query.name);
    if let Some(host) = &query.host {
        assert!(is_host(host, true), "{host}");
        assert_eq!(name::service(host.as_bytes()).as_ref(), Some(host));
        assert_eq!(&query.name, host);
    }
    let service = dns::Service {
        priority: 1,
        weight: 1,
        port: 1,
        target: "a.example".into(),
        ttl: 1,
    };
    let text = (vec![vec![b'x'; 255]; 3], 1);
    for reply in [
        query.address([198, 18, 0, 1].into(), 60),
        query.nothing(),
        query.unknown(),
        query.failed(),
        query.refused(),
        query.services(&[service.clone(), service]),
        query.texts(&[text.clone(), text]),
    ] {
        let small = dns::fit(reply.clone(), query.limit);
        assert!(small.len() <= query.limit);
        for reply in [reply, small] {
            let end = reply.len().min(bytes.len()).min(16);
            assert!(reply[..2] == bytes[..2] && reply[12..end] == bytes[12..end]);
            if simple_dns::QTYPE::try_from(query.kind).is_ok() {
                let packet = simple_dns::Packet::parse(&reply).expect("a reply of ours");
                assert_eq!((packet.id(), packet.questions.len()), (query.id, 1));
            }
        }
    }
    "query"
}

/// What is taken is of the right kind and number, and is what a second reader finds.
pub fn upstream(bytes: &[u8], _: &mut Numbers) -> &'static str {
    let mut said = "not ours";
    for kind in [1, 28, 33, 16] {
        match upstream::read(bytes, 7, HOST, kind) {
            upstream::Reply::NotOurs => {}
            upstream::Reply::Failed(2) if bytes[3] & 0xf == 0 => {
                // the other crate does not mind bytes behind an address, a name, a service or a text
                let strict = kind == 33 || kind == 16 || may_be_longer(bytes, kind);
                assert!(strict || second_answer(bytes, kind).is_none());
                said = "failed";
            }
            upstream::Reply::Answer {
                addresses,
                services,
                texts,
                ..
            } => {
                assert!(addresses.len().max(services.len()).max(texts.len()) <= 64);
                assert!(addresses.iter().all(|found| found.is_ipv4() == (kind == 1)));
                assert!(services.iter().all(|found| is_host(&found.target, false)));
                assert!(kind == 33 || services.is_empty());
                assert!(kind == 16 || texts.is_empty());
                if let Some(expected) = second_answer(bytes, kind) {
                    assert_eq!(addresses, expected);
                }
                said = match addresses.len() + services.len() + texts.len() {
                    0 => "empty",
                    _ => "answer",
                };
            }
            _ => said = "failed",
        }
    }
    said
}

/// Whether something looks like a CNAME, or like an address record of another length than an address has.
fn may_be_longer(bytes: &[u8], kind: u16) -> bool {
    let length = if kind == 1 { 4 } else { 16 };
    let [high, low] = kind.to_be_bytes();
    let address = |at: &[u8]| at[..4] == [high, low, 0, 1] && at[8..] != [0, length];
    bytes.windows(10).any(address) || bytes.windows(4).any(|at| at == [0, 5, 0, 1])
}

/// The addresses that another crate finds; `None` where it cannot read the message.
fn second_answer(bytes: &[u8], kind: u16) -> Option<Vec<IpAddr>> {
    use simple_dns::rdata::RData;
    let packet = simple_dns::Packet::parse(bytes).ok()?;
    let ours = |record: &&simple_dns::ResourceRecord<'_>| {
        record.class == simple_dns::CLASS::IN && !record.cache_flush
    };
    let records: Vec<_> = packet.answers.iter().filter(ours).collect();
    let mut name = packet.questions.first()?.qname.clone();
    for _ in 0..17 {
        let mut found = Vec::new();
        let mut there = false;
        let mut other = None;
        for record in records.iter().filter(|record| record.name == name) {
            there |= u16::from(record.rdata.type_code()) == kind;
            match &record.rdata {
                RData::A(a) if kind == 1 => found.push(IpAddr::from(a.address.to_be_bytes())),
                RData::AAAA(a) if kind == 28 => found.push(Ipv6Addr::from(a.address).into()),
                RData::CNAME(cname) => other = other.or(Some(cname.0.clone())),
                _ => {}
            }
        }
        match other {
            Some(other) if !there => name = other,
            _ => {
                found.truncate(64);
                let mut once = Vec::new();
                for address in found {
                    if !once.contains(&address) {
                        once.push(address);
                    }
                }
                return Some(once);
            }
        }
    }
    None
}

/// What a beginning says, the whole says, and the header is within its limits.
pub fn front(bytes: &[u8], numbers: &mut Numbers) -> &'static str {
    let whole = front::read(bytes);
    for _ in 0..4 {
        let start = &bytes[..numbers.below(bytes.len() + 1)];
        match front::read(start) {
            front::Front::Incomplete => assert!(start.len() < front::MAX_HEADER),
            front::Front::Refused(_) => assert!(matches!(whole, front::Front::Refused(_))),
            visitor => assert_eq!(visitor, whole),
        }
    }
    match whole {
        front::Front::Incomplete => "incomplete",
        front::Front::Refused(_) => "refused",
        front::Front::Visitor { source, length } => {
            let text = bytes[0] == b'P';
            let most = if text {
                front::MAX_LINE
            } else {
                front::MAX_HEADER
            };
            assert!(length <= most && length <= bytes.len());
            let mapped = |address: IpAddr| address.to_canonical() != address;
            assert!(source.is_none_or(|source| !mapped(source.ip())));
            "visitor"
        }
    }
}

/// What may never be dialled is refused, and IPv6 is public within 2000::/3 alone.
pub fn address(bytes: &[u8], _: &mut Numbers) -> &'static str {
    let mut octets = [0; 16];
    let length = bytes.len().min(16);
    octets[..length].copy_from_slice(&bytes[..length]);
    let v4 = <[u8; 4]>::try_from(&octets[12..]).unwrap();
    for address in [IpAddr::from(octets), IpAddr::from(v4)] {
        let refused = address::refused(address).is_some();
        assert!(refused || !address::never(address));
        assert!(address::never(address) || !address::metadata(address));
        assert!(refused || address.is_ipv4() || octets[0] >> 5 == 1);
        let special = address.is_loopback() || address.is_unspecified() || address.is_multicast();
        assert!(refused || !special);
    }
    match address::refused(IpAddr::from(octets)) {
        Some(_) => "refused",
        None => "public",
    }
}
