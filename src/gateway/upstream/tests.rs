//! Replies of nameservers: answers, chains, and what is none.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use super::{Reply, Service, question, read};
use crate::gateway::wire::{kind, put_name};

const HOST: &str = "api.example.com";

/// The reply to a question about [`HOST`], with answers.
fn reply(kind: u16, answers: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = question(7, HOST, kind);
    bytes[2] |= 0x80;
    bytes[7] = u8::try_from(answers.len()).unwrap();
    bytes.extend(answers.concat());
    bytes
}

fn wire(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    assert!(put_name(&mut bytes, name));
    bytes
}

fn record(name: &str, kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = wire(name);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    bytes.extend(ttl.to_be_bytes());
    bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend(data);
    bytes
}

fn cname(name: &str, other: &str, ttl: u32) -> Vec<u8> {
    record(name, kind::CNAME, ttl, &wire(other))
}

fn a(name: &str, last: u8) -> Vec<u8> {
    record(name, kind::A, 60, &[203, 0, 113, last])
}

fn addresses(found: &[&str], ttl: u32) -> Reply {
    let parse = |text: &&str| text.parse::<IpAddr>().unwrap();
    Reply::Answer {
        addresses: found.iter().map(parse).collect(),
        services: Vec::new(),
        texts: Vec::new(),
        ttl,
    }
}

fn reads(bytes: &[u8]) -> Reply {
    read(bytes, 7, HOST, kind::A)
}

#[test]
fn a_question_is_made_as_a_second_reader_expects() {
    let bytes = question(0x1234, HOST, kind::AAAA);
    let packet = simple_dns::Packet::parse(&bytes).unwrap();
    assert_eq!(packet.id(), 0x1234);
    assert!(packet.has_flags(simple_dns::PacketFlag::RECURSION_DESIRED));
    assert_eq!(packet.questions[0].qname.to_string(), HOST);
    assert_eq!(question(1, "a..b", kind::A), Vec::<u8>::new());
    assert_eq!(question(1, "", kind::A), Vec::<u8>::new());
}

#[test]
fn addresses_are_taken_from_the_end_of_the_chain() {
    let plain = reply(kind::A, &[a(HOST, 1), a(HOST, 2), a(HOST, 1)]);
    assert_eq!(
        reads(&plain),
        addresses(&["203.0.113.1", "203.0.113.2"], 60)
    );
    let mut of_class_chaos = a("c.example.net", 66);
    let class = wire("c.example.net").len() + 3;
    of_class_chaos[class] = 3;
    let chain = [
        a("c.example.net", 3),
        a(HOST.trim_start_matches("api."), 66),
        cname("B.example.net", "C.example.net", 20),
        cname("API.example.COM", "b.example.net", 90),
        record("c.example.net", kind::AAAA, 1, &[0; 16]),
        a("evil.example", 66),
        of_class_chaos,
    ];
    assert_eq!(
        reads(&reply(kind::A, &chain)),
        addresses(&["203.0.113.3"], 20)
    );
    let v6 = reply(kind::AAAA, &[record(HOST, kind::AAAA, 5, &[0x20; 16])]);
    let found = read(&v6, 7, HOST, kind::AAAA);
    assert_eq!(
        found,
        addresses(&["2020:2020:2020:2020:2020:2020:2020:2020"], 5)
    );
}

#[test]
fn pointers_are_followed_backwards_only() {
    let mut short = record("x", kind::A, 60, &[203, 0, 113, 1]);
    short.splice(..3, [0xc0, 12]);
    let fine = reply(kind::A, &[short.clone()]);
    assert_eq!(reads(&fine), addresses(&["203.0.113.1"], 60));
    let at = u8::try_from(question(7, HOST, kind::A).len()).unwrap();
    for target in [at, at + 1, at + 2, 0xff] {
        short[1] = target;
        let looped = reply(kind::A, &[short.clone()]);
        assert_eq!(reads(&looped), Reply::Failed(2), "{target}");
    }
}

#[test]
fn what_does_not_answer_the_question_is_not_ours() {
    let fine = reply(kind::A, &[a(HOST, 1)]);
    for end in 0..question(7, HOST, kind::A).len() {
        assert_eq!(reads(&fine[..end]), Reply::NotOurs);
    }
    assert_eq!(read(&fine, 8, HOST, kind::A), Reply::NotOurs);
    assert_eq!(read(&fine, 7, "api.example.org", kind::A), Reply::NotOurs);
    assert_eq!(read(&fine, 7, HOST, kind::AAAA), Reply::NotOurs);
    for (at, value) in [(2, 0x01), (2, 0x89), (5, 0), (5, 2), (4, 1), (32, 3)] {
        let mut other = fine.clone();
        assert_ne!(other[at], value);
        other[at] = value;
        assert_eq!(reads(&other), Reply::NotOurs, "{at}");
    }
    let mut upper = fine;
    upper[13] = b'A';
    assert_eq!(reads(&upper), addresses(&["203.0.113.1"], 60));
}

#[test]
fn failures_are_told_apart() {
    let mut bytes = reply(kind::A, &[a(HOST, 1)]);
    for (code, expected) in [
        (3, Reply::Unknown),
        (2, Reply::Failed(2)),
        (5, Reply::Failed(5)),
        (15, Reply::Failed(15)),
    ] {
        bytes[3] = code;
        assert_eq!(reads(&bytes), expected);
    }
    bytes[2] |= 2;
    assert_eq!(reads(&bytes), Reply::Truncated);
    assert_eq!(reads(&reply(kind::A, &[])), addresses(&[], 0));
    let mut cut = reply(kind::A, &[a(HOST, 1)]);
    cut.pop();
    assert_eq!(reads(&cut), Reply::Failed(2));
    let short = reply(kind::A, &[record(HOST, kind::A, 60, &[1, 2, 3])]);
    assert_eq!(reads(&short), Reply::Failed(2));
}

#[test]
fn a_name_outside_its_record_is_not_read() {
    let mut empty = cname(HOST, "x", 1);
    empty.truncate(empty.len() - 3);
    let end = empty.len();
    empty[end - 2..].fill(0);
    let bytes = reply(kind::A, &[empty, a("b.example", 66)]);
    assert_eq!(reads(&bytes), Reply::Failed(2));
    let longer = record(HOST, kind::CNAME, 1, b"\x01b\0\0");
    let bytes = reply(kind::A, &[longer, a("b", 66)]);
    assert_eq!(reads(&bytes), Reply::Failed(2));
}

#[test]
fn chains_end() {
    let looped = [cname(HOST, "b.example", 1), cname("b.example", HOST, 1)];
    assert_eq!(reads(&reply(kind::A, &looped)), Reply::Failed(2));
    let itself = [cname(HOST, HOST, 1)];
    assert_eq!(reads(&reply(kind::A, &itself)), Reply::Failed(2));
    for (length, expected) in [
        (16, addresses(&["203.0.113.9"], 60)),
        (17, Reply::Failed(2)),
    ] {
        let name = |at: u32| match at {
            0 => HOST.to_string(),
            at => format!("n{at}.example"),
        };
        let mut chain: Vec<Vec<u8>> = (0..length)
            .map(|at| cname(&name(at), &name(at + 1), 900))
            .collect();
        chain.push(a(&name(length), 9));
        assert_eq!(reads(&reply(kind::A, &chain)), expected);
    }
    let nowhere = reply(kind::A, &[cname(HOST, "b.example", 30)]);
    assert_eq!(reads(&nowhere), addresses(&[], 0));
}

#[test]
fn no_more_than_64_addresses_are_taken() {
    let many: Vec<Vec<u8>> = (0..200).map(|last| a(HOST, last)).collect();
    let Reply::Answer { addresses, .. } = reads(&reply(kind::A, &many)) else {
        panic!("no answer");
    };
    assert_eq!(addresses.len(), 64);
}

#[test]
fn a_time_to_live_beyond_31_bits_is_none() {
    let bytes = reply(
        kind::A,
        &[record(HOST, kind::A, 1 << 31, &[203, 0, 113, 1])],
    );
    assert_eq!(reads(&bytes), addresses(&["203.0.113.1"], 0));
}

#[test]
fn services_and_texts_are_read() {
    let srv = |target: &[u8]| {
        record(
            HOST,
            kind::SRV,
            30,
            &[&[0, 1, 0, 2, 0x69, 0x89][..], target].concat(),
        )
    };
    let bytes = reply(
        kind::SRV,
        &[
            srv(&wire("S1.Example.net")),
            srv(b"\0"),
            srv(b"\x03a.b\0"),
            srv(b"\x02a_\0"),
        ],
    );
    let Reply::Answer { services, ttl, .. } = read(&bytes, 7, HOST, kind::SRV) else {
        panic!("no answer");
    };
    let expected = Service {
        priority: 1,
        weight: 2,
        port: 27017,
        target: "s1.example.net".into(),
        ttl: 30,
    };
    assert_eq!((services, ttl), (vec![expected], 30));
    let longer = reply(kind::SRV, &[srv(b"\x01a\0\0")]);
    assert_eq!(read(&longer, 7, HOST, kind::SRV), Reply::Failed(2));

    let bytes = reply(
        kind::TXT,
        &[record(HOST, kind::TXT, 9, b"\x03a=b\x00\x01c")],
    );
    let Reply::Answer { texts, .. } = read(&bytes, 7, HOST, kind::TXT) else {
        panic!("no answer");
    };
    let strings = vec![b"a=b".to_vec(), Vec::new(), b"c".to_vec()];
    assert_eq!(texts, [(strings, 9)]);
    let cut = reply(kind::TXT, &[record(HOST, kind::TXT, 9, b"\x04a=b")]);
    assert_eq!(read(&cut, 7, HOST, kind::TXT), Reply::Failed(2));
}
