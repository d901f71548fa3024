//! Questions as resolvers send them, and replies that a second reader of DNS understands.
#![forbid(unsafe_code)]

use std::net::Ipv4Addr;

use simple_dns::rdata::RData;
use simple_dns::{Packet, PacketFlag, RCODE};

use super::{Asked, Query, Service, fit, read};
use crate::gateway::wire::kind;

/// A query with RD: one question and what stands behind it.
fn asks(name: &[u8], kind: u16, class: u16, behind: &[u8]) -> Vec<u8> {
    let additional = u8::from(!behind.is_empty());
    let mut bytes = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, additional];
    bytes.extend(name);
    bytes.extend(kind.to_be_bytes());
    bytes.extend(class.to_be_bytes());
    bytes.extend(behind);
    bytes
}

const NAME: &[u8] = b"\x03aPi\x07Example\x03com\0";

fn options(size: u16, version: u8) -> Vec<u8> {
    let [high, low] = size.to_be_bytes();
    vec![0, 0, 41, high, low, 0, version, 0, 0, 0, 0]
}

fn query(bytes: &[u8]) -> Query {
    match read(bytes) {
        Asked::Query(query) => query,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn replies(bytes: &[u8], code: RCODE) {
    let Asked::Reply(reply) = read(bytes) else {
        panic!("no reply");
    };
    let packet = Packet::parse(&reply).unwrap();
    assert_eq!(packet.id(), 0xabcd);
    assert_eq!(packet.rcode(), code);
    assert!(packet.has_flags(PacketFlag::RESPONSE));
}

#[test]
fn a_question_is_read() {
    let query = query(&asks(NAME, kind::A, 1, b""));
    assert_eq!(query.id, 0xabcd);
    assert_eq!(query.name, "api.example.com");
    assert_eq!(query.host.as_deref(), Some("api.example.com"));
    assert_eq!((query.kind, query.limit), (kind::A, 512));
}

#[test]
fn names_are_any_bytes_and_hosts_are_not() {
    for (wire, name, host) in [
        (&b"\0"[..], ".", None),
        (b"\x01a\0", "a", Some("a")),
        (
            b"\x08_mongodb\x04_TCP\x01a\0",
            "_mongodb._tcp.a",
            Some("_mongodb._tcp.a"),
        ),
        (b"\x03a.b\x01c\0", "a\\.b.c", None),
        (b"\x03a\0b\x01c\0", "a\\000b.c", None),
        (b"\x03\xffA\\\x01c\0", "\\255a\\\\.c", None),
        (b"\x04a b\"\0", "a\\032b\\\"", None),
        (b"\x03a_b\x01c\0", "a_b.c", None),
        (b"\x01a\x011\0", "a.1", None),
    ] {
        let query = query(&asks(wire, kind::A, 1, b""));
        assert_eq!(query.name, name);
        assert_eq!(query.host.as_deref(), host);
        let reply = query.unknown();
        assert_eq!(reply[12..12 + wire.len()], *wire);
        assert!(Packet::parse(&reply).is_ok());
    }
}

#[test]
fn what_cannot_be_answered_is_dropped() {
    let fine = asks(NAME, kind::A, 1, b"");
    for end in 0..12 {
        assert_eq!(read(&fine[..end]), Asked::Nothing);
    }
    let mut response = fine;
    response[2] |= 0x80;
    assert_eq!(read(&response), Asked::Nothing);
}

#[test]
fn what_is_no_plain_question_is_answered_at_once() {
    let fine = asks(NAME, kind::A, 1, b"");
    for end in 12..fine.len() {
        replies(&fine[..end], RCODE::FormatError);
    }
    for opcode in [1, 2, 4, 5, 15] {
        let mut other = fine.clone();
        other[2] |= opcode << 3;
        let Asked::Reply(reply) = read(&other) else {
            panic!("{opcode}");
        };
        assert_eq!(reply[2..4], [0x81 | opcode << 3, 0x84]);
    }
    for at in [4, 5, 6, 7, 8, 9, 10, 11] {
        let mut other = fine.clone();
        other[at] += 2;
        replies(&other, RCODE::FormatError);
    }
    for class in [0, 2, 3, 4, 254, 255, 0x8001] {
        let Asked::Reply(reply) = read(&asks(NAME, kind::A, class, b"")) else {
            panic!("{class}");
        };
        assert_eq!(reply[3] & 0xf, 5, "{class}");
    }
    let long = b"\x3f".repeat(64).repeat(4);
    for name in [
        &b"\xc0\x0c"[..],
        b"\x01a\xc0\x0c",
        b"\xc0\x02",
        b"\x40a\0",
        b"\x80a\0",
        &[&long[..], b"\0"].concat(),
    ] {
        replies(&asks(name, kind::A, 1, b""), RCODE::FormatError);
    }
}

#[test]
fn edns_says_how_much_a_datagram_holds() {
    for (size, limit) in [
        (0, 512),
        (511, 512),
        (600, 600),
        (1232, 1232),
        (65535, 1232),
    ] {
        let query = query(&asks(NAME, kind::A, 1, &options(size, 0)));
        assert_eq!(query.limit, limit);
        let reply = query.nothing();
        assert_eq!(reply[11], 1);
        assert!(reply.ends_with(&options(1232, 0)));
        assert!(Packet::parse(&reply).unwrap().opt().is_some());
    }
    let Asked::Reply(reply) = read(&asks(NAME, kind::A, 1, &options(1232, 1))) else {
        panic!("no reply");
    };
    // response code 16: 1 in the record above 0 in the header
    assert!(reply.ends_with(&[0, 0, 41, 4, 208, 1, 0, 0, 0, 0, 0]));
    assert_eq!(reply[3] & 0xf, 0);
    let twice = [options(1232, 0), options(1232, 0)].concat();
    let mut twice = asks(NAME, kind::A, 1, &twice);
    twice[11] = 2;
    replies(&twice, RCODE::FormatError);
    replies(
        &asks(NAME, kind::A, 1, &options(1232, 0)[..9]),
        RCODE::FormatError,
    );
}

#[test]
fn replies_bring_the_question_back_as_it_came() {
    let asked = asks(NAME, kind::A, 1, b"");
    let query = query(&asked);
    let reply = query.address(Ipv4Addr::new(198, 18, 0, 7), 60);
    assert_eq!(reply[..4], [0xab, 0xcd, 0x81, 0x80]);
    assert_eq!(reply[12..asked.len()], asked[12..]);
    let packet = Packet::parse(&reply).unwrap();
    assert!(!packet.has_flags(PacketFlag::AUTHORITATIVE_ANSWER));
    let [answer] = &packet.answers[..] else {
        panic!("{packet:?}");
    };
    assert_eq!(answer.name.to_string(), "aPi.Example.com");
    assert_eq!(answer.ttl, 60);
    let RData::A(a) = &answer.rdata else {
        panic!("{answer:?}");
    };
    assert_eq!(Ipv4Addr::from(a.address), Ipv4Addr::new(198, 18, 0, 7));
    for (reply, code) in [
        (query.nothing(), RCODE::NoError),
        (query.unknown(), RCODE::NameError),
        (query.failed(), RCODE::ServerFailure),
        (query.refused(), RCODE::Refused),
    ] {
        let packet = Packet::parse(&reply).unwrap();
        assert_eq!(packet.rcode(), code);
        assert!(packet.answers.is_empty() && packet.questions.len() == 1);
    }
    let mut quiet = asked;
    quiet[2] = 0;
    quiet[3] = 0x10;
    let Asked::Query(quiet) = read(&quiet) else {
        panic!("no query");
    };
    assert_eq!(quiet.nothing()[2..4], [0x80, 0x90]);
}

fn service(target: &str) -> Service {
    Service {
        priority: 1,
        weight: 2,
        port: 27017,
        target: target.into(),
        ttl: 30,
    }
}

#[test]
fn services_and_texts_are_told() {
    let query = query(&asks(NAME, kind::SRV, 1, b""));
    let none = ["", "a..b", &"a".repeat(64)].map(service);
    let some = ["a.example.com", "b.example.com"].map(service);
    let reply = query.services(&[&none[..], &some].concat());
    let packet = Packet::parse(&reply).unwrap();
    let targets: Vec<String> = packet
        .answers
        .iter()
        .map(|answer| match &answer.rdata {
            RData::SRV(srv) if srv.port == 27017 && srv.weight == 2 => srv.target.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(targets, ["a.example.com", "b.example.com"]);

    let texts = [
        (vec![b"authSource=admin".to_vec(), b"x".to_vec()], 60),
        (vec![], 60),
        (vec![vec![b'x'; 256]], 60),
    ];
    let reply = query.texts(&texts);
    assert_eq!(Packet::parse(&reply).unwrap().answers.len(), 2);
    assert!(reply.ends_with(&[0, 16, 0, 1, 0, 0, 0, 60, 0, 1, 0]));
}

#[test]
fn too_much_is_cut_and_says_so() {
    let many = vec![(vec![vec![b'x'; 255]; 255], 60); 100];
    for behind in [&b""[..], &options(600, 0)] {
        let query = query(&asks(NAME, kind::TXT, 1, behind));
        let reply = query.texts(&many);
        assert!(reply.len() <= 65535);
        assert!(
            Packet::parse(&reply)
                .unwrap()
                .has_flags(PacketFlag::TRUNCATION)
        );
        let small = fit(reply.clone(), query.limit);
        assert!(small.len() <= query.limit);
        let packet = Packet::parse(&small).unwrap();
        assert!(packet.has_flags(PacketFlag::TRUNCATION | PacketFlag::RESPONSE));
        assert_eq!((packet.questions.len(), packet.answers.len()), (1, 0));
        assert_eq!(packet.opt().is_some(), !behind.is_empty());
        assert_eq!(fit(reply.clone(), reply.len()), reply);
    }
}
