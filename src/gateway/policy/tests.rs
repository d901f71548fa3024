//! Tables of what is decided.

use super::{Answer, advice, decide, line_of_records, lines_of, screen};
use crate::gateway::reason::Reason;
use crate::plan::{HostLine, NetworkPlan};
use crate::profile::{NetLimits, Protocol};

fn line(pattern: &str, port: u16) -> HostLine {
    HostLine {
        pattern: pattern.into(),
        port,
        protocol: Protocol::at(port),
        private: false,
        records: false,
        origin: format!("test: {pattern}"),
    }
}

fn private(pattern: &str, port: u16) -> HostLine {
    HostLine {
        private: true,
        ..line(pattern, port)
    }
}

fn plan(hosts: Vec<HostLine>) -> NetworkPlan {
    NetworkPlan {
        shared: false,
        hosts,
        addresses: Vec::new(),
        names: [("model".to_owned(), "127.0.0.1".parse().unwrap())].into(),
        host_names: [("db.local".to_owned(), vec!["10.0.0.5".parse().unwrap()])].into(),
        resolvers: Vec::new(),
        search: Vec::new(),
        ndots: 1,
        stubs: Vec::new(),
        proxy: None,
        ready: crate::profile::Probe::None,
        publish: Vec::new(),
        limits: NetLimits::default(),
    }
}

fn unknown(reason: Reason) -> Answer<'static> {
    Answer::Unknown(reason)
}

#[test]
fn a_name_is_answered_only_where_a_line_names_it() {
    let some = plan(vec![line("api.test", 443), line("*.wild.test", 8443)]);
    let stands = |host: &str| matches!(decide(&some, Some(host)), Answer::StandIn(_));
    for host in ["api.test", "a.wild.test", "xn--p1ai.wild.test"] {
        assert!(stands(host), "{host}");
    }
    for host in [
        "api.test.evil.test",
        "xapi.test",
        "test",
        "a.b.wild.test",
        "wild.test",
    ] {
        let answer = decide(&some, Some(host));
        assert_eq!(answer, unknown(Reason::NotInProfile), "{host}");
    }
    assert_eq!(decide(&some, None), unknown(Reason::NoHostName));
    assert_eq!(decide(&some, Some("localhost")), Answer::Own);
}

#[test]
fn an_empty_list_denies_all_and_no_list_names_the_metadata_service() {
    let none = plan(Vec::new());
    assert_eq!(
        decide(&none, Some("api.test")),
        unknown(Reason::NotInProfile)
    );
    let careless = plan(vec![line("*.google.internal", 80)]);
    let asked = decide(&careless, Some("metadata.google.internal"));
    assert_eq!(asked, unknown(Reason::MetadataName));
}

#[test]
fn a_line_without_a_star_wins_at_its_port_and_leaves_the_others_alone() {
    let both = plan(vec![
        line("*.api.test", 443),
        private("x.api.test", 443),
        line("*.api.test", 80),
    ]);
    let found: Vec<(u16, bool)> = lines_of(&both, "x.api.test")
        .iter()
        .map(|line| (line.port, line.private))
        .collect();
    assert_eq!(found, [(80, false), (443, true)]);
}

#[test]
fn what_would_allow_a_name_depends_on_the_address_that_the_host_knows() {
    let none = plan(Vec::new());
    let advise = |host: &str| advice(&none, host, &Reason::NotInProfile);
    assert_eq!(advise("api.test"), "--allow api.test");
    assert_eq!(advise("model"), "--allow-private model");
    assert_eq!(advise("db.local"), "--allow-private db.local");
    assert_eq!(advice(&none, "metadata", &Reason::MetadataName), "");
}

#[test]
fn addresses_are_screened_by_what_they_are_and_not_by_what_they_are_called() {
    let judge = |line: &HostLine, pinned: bool, found: &[&str]| {
        let found: Vec<_> = found.iter().map(|text| text.parse().unwrap()).collect();
        screen(line, pinned, &found).map(|fine| fine.len())
    };
    let (public, private) = (line("a.test", 443), private("a.test", 443));
    assert_eq!(
        judge(&public, false, &["203.0.113.1", "2001:db8::1"]),
        Ok(2)
    );
    // A name that has both is reached by its public address alone.
    assert_eq!(judge(&public, false, &["127.0.0.1", "203.0.113.1"]), Ok(1));
    for address in ["10.0.0.1", "127.0.0.1", "::1", "fd00::1"] {
        let refused = judge(&public, false, &[address]);
        assert!(
            matches!(refused, Err(Reason::PrivateAddress(..))),
            "{address}"
        );
    }
    for embedded in ["::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"] {
        assert!(judge(&public, false, &[embedded]).is_err(), "{embedded}");
    }
    assert_eq!(judge(&private, false, &["10.0.0.1", "127.0.0.1"]), Ok(2));
    // Not even a private host may become the metadata service by what a name server says.
    let never = judge(&private, false, &["169.254.169.254"]);
    assert!(matches!(never, Err(Reason::NeverAddress(..))));
    assert_eq!(judge(&private, true, &["169.254.169.254"]), Ok(1));
    assert_eq!(judge(&public, false, &[]), Err(Reason::NoAddress));
}

#[test]
fn records_are_answered_for_a_host_that_says_so_and_for_its_services() {
    let atlas = HostLine {
        records: true,
        ..line("*.ab1cd.mongodb.test", 27017)
    };
    let some = plan(vec![atlas, line("other.test", 443)]);
    let answered = |name: &str| line_of_records(&some, name).is_some();
    for name in ["c.ab1cd.mongodb.test", "_mongodb._tcp.c.ab1cd.mongodb.test"] {
        assert!(answered(name), "{name}");
    }
    for name in [
        "other.test",
        "_x._y._z.c.ab1cd.mongodb.test",
        "data.c.ab1cd.mongodb.test",
        "_mongodb._tcp.other.test",
        "ab1cd.mongodb.test",
    ] {
        assert!(!answered(name), "{name}");
    }
}
