//! The network policy as profiles write it.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::time::Duration;

use super::address::network;
use super::tests::load_from;
use super::{AddressRule, HostRule, Net, NetLimits, Overlay, Protocol, ProxyHost, Sourced};

fn net(text: &str) -> Net {
    with(&[("a.toml", text)], &Overlay::default())
}

fn with(files: &[(&str, &str)], overlay: &Overlay) -> Net {
    let profile = load_from(files, overlay).unwrap_or_else(|problems| panic!("{problems}"));
    profile.net
}

fn rules(list: &[Sourced<HostRule>]) -> Vec<String> {
    let shown = |rule: &HostRule| match rule.protocol == Protocol::at(rule.host.port) {
        true => rule.host.to_string(),
        false => format!("{} {:?}", rule.host, rule.protocol),
    };
    list.iter().map(|item| shown(&item.value)).collect()
}

fn reached(list: &[Sourced<AddressRule>]) -> Vec<String> {
    list.iter().map(|item| item.value.to_string()).collect()
}

#[test]
fn the_protocol_is_the_port_s_own_unless_a_line_says_another() {
    let text = "[net]\nallow = ['a.test', 'b.test:80', 'c.test:5432', { host = 'd.test', as = 'tcp' }, \
        { host = 'e.test:8443', as = 'tls' }, { host = 'f.test', as = 'http' }, { host = 'g.test', port = 81, as = 'http', records = true }]\n";
    let net = net(text);
    let expected = [
        "a.test:443",
        "b.test:80",
        "c.test:5432",
        "d.test:443 Tcp",
        "e.test:8443 Tls",
        "f.test:443 Http",
        "g.test:81 Http",
    ];
    assert_eq!(rules(&net.allow), expected);
    let protocols: Vec<Protocol> = net.allow.iter().map(|item| item.value.protocol).collect();
    let (tls, http, tcp) = (Protocol::Tls, Protocol::Http, Protocol::Tcp);
    assert_eq!(protocols, [tls, http, tcp, tcp, tls, http, http]);
    let records: Vec<bool> = net.allow.iter().map(|item| item.value.records).collect();
    assert_eq!(records, [false, false, false, false, false, false, true]);
}

#[test]
fn a_later_line_for_the_same_host_and_port_replaces_the_protocol() {
    let parent = "[net]\nallow = [{ host = 'a.test', as = 'tcp', why = 'p' }, 'b.test']\nprivate = ['db:5432']\n";
    let child =
        "extends = ['p.toml']\n[net]\nallow = ['a.test', { host = 'db:5432', as = 'tls' }]\n";
    let files = [("c.toml", child), ("p.toml", parent)];
    let merged = with(&files, &Overlay::default());
    assert_eq!(
        rules(&merged.allow),
        ["a.test:443", "b.test:443", "db:5432 Tls"]
    );
    assert!(merged.private.is_empty() && merged.allow[0].origin == "c.toml:3");
    let overlay = Overlay {
        allow_private: vec!["db:5432".into()],
        ..Overlay::default()
    };
    let merged = with(&files, &overlay);
    assert_eq!(
        (rules(&merged.private), merged.allow.len()),
        (vec!["db:5432".into()], 2)
    );
}

#[test]
fn a_group_may_hold_ports_protocols_and_reasons_of_its_own() {
    let net = net(
        "[net]\nallow = ['@mongodb-atlas(ab1cd)', '@upstash(mine)', { host = '@supabase(ref)', why = 'mine' }]\n",
    );
    let expected = [
        "*.ab1cd.mongodb.net:27017 Tls",
        "mine.upstash.io:443",
        "mine.upstash.io:6379",
        "ref.supabase.co:443",
        "db.ref.supabase.co:5432",
    ];
    assert_eq!(rules(&net.allow), expected);
    assert!(net.allow[0].value.records && !net.allow[1].value.records);
    assert_eq!(
        net.allow[1].why,
        "one Upstash database: Redis or Vector over HTTPS"
    );
    assert!(net.allow[2].why.starts_with("Redis over TLS"));
    assert_eq!(net.allow[4].why, "mine");
}

#[test]
fn addresses_are_reached_by_network_and_port() {
    let parent = "[net]\naddresses = ['10.1.2.3:5432', { network = '10.0.0.0/8', port = 80, why = 'w' }, '[fd00::/8]:5432', '[::1]:1', \
        { network = 'fd00::1', port = 2 }, '[::ffff:10.0.0.0/104]:3', '10.1.2.3/32:4']\n";
    let expected = [
        "10.1.2.3:5432",
        "10.0.0.0/8:80",
        "[fd00::/8]:5432",
        "[::1]:1",
        "[fd00::1]:2",
        "10.0.0.0/8:3",
        "10.1.2.3:4",
    ];
    assert_eq!(reached(&net(parent).addresses), expected);
    let child = "extends = ['p.toml']\n[remove.net]\naddresses = ['10.1.2.3/32:5432', '[fd00::/8]:5432']\n\
        [net]\naddresses = [{ network = '10.0.0.0/8:80', why = 'new' }, '10.9.9.9:9']\n";
    let merged = with(
        &[("c.toml", child), ("p.toml", parent)],
        &Overlay::default(),
    );
    assert_eq!(merged.addresses.len(), 6);
    assert_eq!(
        (
            merged.addresses[0].why.as_str(),
            merged.addresses[5].value.port
        ),
        ("new", 9)
    );
}

#[test]
fn a_network_holds_its_addresses_and_v4_written_as_v6() {
    let table = [
        ("10.0.0.0/8", "10.255.0.1", true),
        ("10.0.0.0/8", "11.0.0.0", false),
        ("10.0.0.0/8", "::ffff:10.1.2.3", true),
        ("10.0.0.0/8", "::10.1.2.3", false),
        ("::ffff:10.0.0.0/104", "10.1.2.3", true),
        ("10.1.2.3", "10.1.2.3", true),
        ("10.1.2.3", "10.1.2.2", false),
        ("0.0.0.0/0", "255.255.255.255", true),
        ("0.0.0.0/0", "::1", false),
        ("::/0", "fd00::1", true),
        ("::/0", "10.0.0.1", false),
        ("fd00::/8", "fdff::1", true),
        ("fd00::/8", "fe00::", false),
        ("::1", "::1", true),
    ];
    for (within_text, address, within) in table {
        let parsed = network(within_text).unwrap();
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(parsed.contains(address), within, "{within_text} {address}");
    }
    for text in ["10.0.0.0/8", "fd00::/8", "0.0.0.0/0", "10.1.2.3", "::1"] {
        assert_eq!(network(text).unwrap().to_string(), text);
    }
    for text in [
        "",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10.0.0.0/8/8",
        "10.0.0.0/256",
        "10.0.0/8",
        "::/129",
        "[::1]",
    ] {
        assert!(network(text).is_err(), "{text}");
    }
}

#[test]
fn a_published_address_says_where_it_leads_and_who_is_let_in() {
    let text = "[net]\npublish = ['127.0.0.1:1', { address = '0.0.0.0:80', to = 3000, allow_from = ['10.0.0.0/8'], proxy_from = ['10.0.0.5'] }, \
        { address = '[::]:81', allow_from = [] }]\n";
    let published = net(text).publish;
    assert_eq!(
        (published[0].value.to, &published[0].value.allow_from),
        (None, &None)
    );
    let front = &published[1].value;
    assert_eq!((front.to, front.address.port()), (Some(3000), 80));
    assert_eq!(front.allow_from, Some(vec![network("10.0.0.0/8").unwrap()]));
    assert_eq!(front.proxy_from, [network("10.0.0.5").unwrap()]);
    assert_eq!(
        published[2].value.allow_from,
        Some(Vec::new()),
        "nobody, not anyone"
    );
    let overlay = Overlay {
        publish: vec!["127.0.0.1:4000".into(), "[::1]:4000".into()],
        ..Overlay::default()
    };
    let published = with(&[("a.toml", text)], &overlay).publish;
    assert_eq!(
        (published.len(), published[1].origin.as_str()),
        (2, "--publish [::1]:4000")
    );
}

#[test]
fn name_servers_the_proxy_and_limits_are_replaced_and_taken_away() {
    let parent = "[net]\nresolver = ['10.0.0.2', '[::1]:5353', '::2']\nproxy = 'http://Proxy.corp:3128/'\n\
        [net.limits]\nconnections = 10\nconnect = '500ms'\nidle = '2h'\n";
    let first = net(parent);
    let servers: Vec<String> = first.resolvers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["10.0.0.2:53", "[::1]:5353", "[::2]:53"]);
    let proxy = first.proxy.unwrap();
    assert_eq!(proxy.host, ProxyHost::Name("proxy.corp".into()));
    assert_eq!(proxy.port, 3128);
    let expected = NetLimits {
        connections: 10,
        connect: Duration::from_millis(500),
        idle: Duration::from_secs(7200),
        ..NetLimits::default()
    };
    assert_eq!(first.limits, expected);
    let child = "extends = ['p.toml']\n[remove.net]\nresolver = '[::1]:5353'\nproxy = 'http://proxy.corp:3128'\nlimits = ['idle']\n\
        [net.limits]\nconnections = 20\n";
    let merged = with(
        &[("c.toml", child), ("p.toml", parent)],
        &Overlay::default(),
    );
    assert_eq!((merged.resolvers.len(), merged.proxy), (2, None));
    assert_eq!(
        (merged.limits.connections, merged.limits.idle),
        (20, Duration::from_secs(3600))
    );
    let child =
        "extends = ['p.toml']\n[net]\nresolver = '10.0.0.9'\nproxy = 'http://[fd00::1]:1'\n";
    let merged = with(
        &[("c.toml", child), ("p.toml", parent)],
        &Overlay::default(),
    );
    assert_eq!(merged.resolvers, ["10.0.0.9:53".parse().unwrap()]);
    assert_eq!(merged.proxy.unwrap().to_string(), "http://[fd00::1]:1");
}

#[test]
fn what_is_not_said_has_its_default() {
    let net = net("about = 'x'\n");
    assert!(
        net.enabled && net.publish.is_empty() && net.allow.is_empty() && net.addresses.is_empty()
    );
    assert!(net.resolvers.is_empty() && net.proxy.is_none());
    let limits = net.limits;
    assert_eq!(
        (limits.connections, limits.per_host, limits.visitors),
        (4096, 2048, 2048)
    );
    let times = (
        limits.connect.as_secs(),
        limits.idle.as_secs(),
        limits.queries,
    );
    assert_eq!(times, (10, 3600, 200));
}

#[test]
fn a_published_address_may_name_its_socket_and_say_that_it_has_to_come() {
    let line = |more: &str| {
        format!("[net]\npublish = [{{ address = '127.0.0.1:1'{more} }}, '127.0.0.1:2']\n")
    };
    let first = |more: &str| {
        let publish = net(&line(more)).publish;
        (publish[0].value.socket.clone(), publish[0].value.must_come)
    };
    assert_eq!(first(""), (None, false));
    assert_eq!(first(", socket = 'web'"), (Some("web".into()), false));
    let required = ", socket = 'flowise.socket', activation = 'require'";
    assert_eq!(first(required), (Some("flowise.socket".into()), true));
    assert_eq!(first(", activation = 'prefer'"), (None, false));
    for wrong in [
        ", socket = ''",
        ", socket = 'a:b'",
        ", socket = 'a b'",
        ", socket = 'unknown'",
        ", socket = 1",
        ", activation = 'always'",
        ", activation = true",
        ", socket = 'web' }, { address = '127.0.0.1:3', socket = 'web'",
    ] {
        let files = [("a.toml", line(wrong))];
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        assert!(load_from(&files, &Overlay::default()).is_err(), "{wrong}");
    }
}

#[test]
fn what_a_service_manager_says_never_passes() {
    for name in ["LISTEN_FDS", "LISTEN_*", "NOTIFY_SOCKET", "WATCHDOG_USEC"] {
        let text = format!("[env]\npass = ['{name}']\n");
        let problems = load_from(&[("a.toml", text.as_str())], &Overlay::default());
        let told = problems.err().map(|problems| problems.to_string());
        let told = told.unwrap_or_default();
        assert!(
            told.contains("between the service manager"),
            "{name}: {told}"
        );
    }
    // By the start of a name, too.
    assert!(super::never_passed("LISTEN_FDNAMES") && super::never_passed("WATCHDOG_PID"));
    assert!(!super::never_passed("LISTENER"));
}
