//! Addresses without a name. A port is allowed for another host, so that no port rule decides.
use crate::act::{Act, Seen, refused};

const SECRET: &str = "ok 200 SECRET-CREDENTIALS";

pub fn acts() -> Vec<Act> {
    [spellings(), mapped(), families(), inner(), loopback()].concat()
}

/// Refused in a jail that may reach another host at port 80.
fn raw(sentence: &'static str) -> Act {
    refused(sentence)
        .with("--allow api.world.test:80")
        .answers(["ECONNREFUSED", "ENETUNREACH", "EACCES"])
}

fn spelled(sentence: &'static str, arguments: &'static str) -> Act {
    raw(sentence)
        .run(arguments)
        .because("raw address: the cloud's metadata service")
        .bare(SECRET)
}

fn spellings() -> Vec<Act> {
    vec![
        spelled(
            "connects to the metadata service by its address",
            "http 169.254.169.254 80",
        ),
        spelled(
            "spells the metadata service's address as one number",
            "http 2852039166 80",
        ),
        spelled(
            "spells the metadata service's address in octal",
            "http 0251.0376.0251.0376 80",
        ),
        spelled(
            "spells the metadata service's address in hex",
            "http 0xa9.0xfe.0xa9.0xfe 80",
        ),
        spelled(
            "spells the metadata service's address as one hex number",
            "http 0xA9FEA9FE 80",
        ),
        spelled(
            "spells the metadata service's address in three parts",
            "http 169.254.43518 80",
        ),
        spelled(
            "spells the metadata service's address in mixed bases",
            "http 0xa9.254.0251.254 80",
        ),
    ]
}

fn mapped() -> Vec<Act> {
    vec![
        spelled(
            "spells the metadata service's address mapped into IPv6",
            "http ::ffff:169.254.169.254 80",
        ),
        spelled(
            "connects to the metadata service by a mapped address, past getaddrinfo",
            "ask-address AF_INET6 ::ffff:a9fe:a9fe 80",
        ),
    ]
}

fn families() -> Vec<Act> {
    let public = |sentence, arguments| {
        raw(sentence)
            .run(arguments)
            .because("raw address: no name stands for it")
            .bare("ok 200")
    };
    let wrapped = |sentence, arguments| {
        raw(sentence)
            .run(arguments)
            .because("raw address")
            .bare(SECRET)
    };
    vec![
        public("connects to a public IPv4 address", "http 203.0.113.11 80"),
        public(
            "connects to the address of an allowed host",
            "http 203.0.113.10 80",
        ),
        public("connects to a public IPv6 address", "http 2001:db8::10 80"),
        public(
            "connects to a public address mapped into IPv6",
            "ask-address AF_INET6 ::ffff:203.0.113.11 80",
        ),
        wrapped(
            "connects to the metadata service through NAT64",
            "http 64:ff9b::a9fe:a9fe 80",
        ),
        wrapped(
            "connects to the metadata service through 6to4",
            "http 2002:a9fe:a9fe:: 80",
        ),
    ]
}

fn inner() -> Vec<Act> {
    vec![
        raw("connects to a private address")
            .run("http 10.20.30.40 80")
            .because("raw address")
            .bare("ok 200"),
        raw("connects to an address that may stand for a name, before one was asked for")
            .run("http 198.18.7.7 80")
            .because("raw address")
            .bare("ok 200"),
        raw("connects to a private IPv6 address")
            .run("http fd00::10 80")
            .because("raw address")
            .bare("ok 200"),
    ]
}

fn loopback() -> Vec<Act> {
    let service = |sentence, arguments| {
        raw(sentence)
            .run(arguments)
            .unseen()
            .in_bare(
                &["ECONNREFUSED"],
                Seen::Because("the loopback's services are hosts like any other"),
                "the loopback is the host's there: whom it would have reached is told",
            )
            .bare("ok 200")
    };
    vec![
        service(
            "connects to a service on the host's loopback",
            "http 127.0.0.1 9000",
        ),
        service(
            "connects to a service on the host's loopback, its port allowed",
            "http 127.0.0.1 9000 /",
        )
        .with("--allow api.world.test:9000"),
        service(
            "connects to a service on the host's IPv6 loopback",
            "http ::1 80",
        ),
        service(
            "connects to the host's loopback by another of its addresses",
            "http 127.0.0.1 80",
        ),
        service(
            "connects to the host's loopback by the unspecified address",
            "ask-address AF_INET 0.0.0.0 80",
        )
        .in_bare(
            &["ECONNREFUSED"],
            Seen::Because("raw address: no host has it"),
            "the loopback is the host's there, and this is no spelling of the jail's own",
        ),
    ]
}
