//! The jail's network, as data: who may be reached, by what protocol, and what is served.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use serde::{Deserialize, Serialize};

use super::egress::{UncheckedAddress, UncheckedHost};
use super::place;
use crate::host::Host;
use crate::profile::{
    AddressRule, HostRule, Layer, NetLimits, Network, Probe, Profile, Protocol, Proxy, Publish,
    Sourced,
};

/// What the gateway goes by.
#[derive(Debug, Clone, Serialize)]
pub struct NetworkPlan {
    /// Whether the jail shares the host's network, as the bare jail does: its sockets are the supervisor's work.
    pub shared: bool,
    /// Hosts that may be reached, one line per pattern and port; empty: none.
    pub hosts: Vec<HostLine>,
    /// Addresses that may be reached without a name.
    pub addresses: Vec<AddressLine>,
    /// Names with an address of their own, from the profile.
    pub names: BTreeMap<String, IpAddr>,
    /// Names of the host's /etc/hosts.
    #[serde(skip)]
    pub host_names: BTreeMap<String, Vec<IpAddr>>,
    /// The name servers that the gateway asks, in this order.
    pub resolvers: Vec<SocketAddr>,
    /// Domains in which a name with fewer dots than `ndots` is looked up first, as the host does.
    pub search: Vec<String>,
    /// See `search`.
    pub ndots: usize,
    /// Where the jail's resolver finds the stub: where flowjail's resolv.conf says, and where the host's does, should
    /// the jail see that one.
    #[serde(skip)]
    pub stubs: Vec<SocketAddr>,
    /// The upstream proxy that everything but private hosts goes through.
    pub proxy: Option<Proxy>,
    /// What is served.
    pub publish: Vec<PublishLine>,
    /// How the program at the first of these is asked whether it serves.
    pub ready: Probe,
    /// Limits of the gateway.
    pub limits: NetLimits,
}

/// A host, or a pattern of hosts, at one port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedHost")]
pub struct HostLine {
    /// The name, in which `*` stands for one label or a part of one.
    pub pattern: String,
    /// The port.
    pub port: u16,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Whether it may resolve to a private address.
    pub private: bool,
    /// Whether SRV and TXT queries below it are answered.
    pub records: bool,
    /// The profile line.
    pub origin: String,
}

/// A range of addresses at one port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedAddress")]
pub struct AddressLine {
    /// The range.
    pub network: Network,
    /// The port.
    pub port: u16,
    /// The profile line.
    pub origin: String,
}

impl AddressLine {
    /// Whether it allows this address.
    pub fn names(&self, address: SocketAddr) -> bool {
        self.port == address.port() && self.network.contains(address.ip())
    }
}

/// An address that is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublishLine {
    /// Where visitors come.
    pub address: SocketAddr,
    /// The port in the jail that they are led to.
    pub to: u16,
    /// Who may come; none: anyone.
    pub allow_from: Option<Vec<Network>>,
    /// Fronts that say in a PROXY header whom they speak for.
    pub proxy_from: Vec<Network>,
    /// The name of the socket that takes its place, should one be handed over.
    pub socket: Option<String>,
    /// Whether one has to be.
    pub must_come: bool,
}

impl PublishLine {
    /// Whether somebody from there may come.
    pub fn admits(&self, visitor: IpAddr) -> bool {
        let invited = |guests: &Vec<Network>| guests.iter().any(|guest| guest.contains(visitor));
        self.allow_from.as_ref().is_none_or(invited)
    }
}

/// Where the workload's resolver asks.
const STUB: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, super::DNS));

/// Whether the jail's network is the gateway's: the profile wants it, and the host can give it. (Where it is required and
/// cannot be had, there is no plan.)
pub fn is_own(profile: &Profile, host: &Host) -> bool {
    let off = |layer| profile.layers_off.contains(&layer);
    // The bare jail's network is the host's, and the filter's listener is what holds it.
    let can = match place::is_bare(profile) {
        true => host.listener.is_ok() && !off(Layer::Seccomp),
        false => host.network.is_ok(),
    };
    profile.net.enabled && !off(Layer::Net) && can
}

/// The plan of a profile whose network is on.
pub fn resolve(profile: &Profile, host: &Host) -> Option<NetworkPlan> {
    let net = &profile.net;
    if !is_own(profile, host) {
        return None;
    }
    let publish = net.publish.iter().map(|entry| PublishLine {
        address: entry.value.address,
        to: led_to(profile, &entry.value),
        allow_from: entry.value.allow_from.clone(),
        proxy_from: entry.value.proxy_from.clone(),
        socket: entry.value.socket.clone(),
        must_come: entry.value.must_come,
    });
    let of_host = name_servers(&host.resolv_conf);
    let mut stubs = vec![STUB];
    stubs.extend(of_host.iter().filter(|server| **server != STUB));
    let (search, ndots) = match net.resolvers.is_empty() {
        true => search_list(&host.resolv_conf),
        false => (Vec::new(), 1),
    };
    let resolvers = match net.resolvers.is_empty() {
        true => of_host,
        false => net.resolvers.clone(),
    };
    let allowed = net.allow.iter().map(|entry| line(entry, false));
    let private = net.private.iter().map(|entry| line(entry, true));
    Some(NetworkPlan {
        shared: place::is_bare(profile),
        hosts: allowed.chain(private).collect(),
        addresses: net.addresses.iter().map(address_line).collect(),
        names: net.hosts.clone(),
        host_names: host_names(&host.etc_hosts),
        resolvers,
        search,
        ndots,
        stubs,
        proxy: net.proxy.clone(),
        publish: publish.collect(),
        ready: profile.service.ready.clone().unwrap_or(Probe::None),
        limits: net.limits,
    })
}

/// The port that the program listens on: where the first published address leads.
pub fn inner_port(profile: &Profile) -> Option<u16> {
    let first = &profile.net.publish.first()?.value;
    Some(first.to.unwrap_or(first.address.port()))
}

/// The jail's port that visitors of a published address are led to.
pub fn led_to(profile: &Profile, publish: &Publish) -> u16 {
    let own = publish.to.or_else(|| inner_port(profile));
    own.unwrap_or(publish.address.port())
}

/// The address that the program is told to listen on. In a network of its own that is the loopback, of both
/// families where both are served.
pub fn inner_address(profile: &Profile, host: &Host) -> Option<IpAddr> {
    let mut served = profile.net.publish.iter();
    let first = served.clone().next()?.value.address;
    let shared = !is_own(profile, host);
    let v6 = served.any(|entry| entry.value.address.is_ipv6());
    Some(match (shared, v6) {
        (true, _) => first.ip(),
        (false, true) => IpAddr::from([0u16; 8]),
        (false, false) => IpAddr::from([127, 0, 0, 1]),
    })
}

fn line(entry: &Sourced<HostRule>, private: bool) -> HostLine {
    HostLine {
        pattern: entry.value.host.host.clone(),
        port: entry.value.host.port,
        protocol: entry.value.protocol,
        private,
        records: entry.value.records,
        origin: entry.origin.clone(),
    }
}

fn address_line(entry: &Sourced<AddressRule>) -> AddressLine {
    AddressLine {
        network: entry.value.network,
        port: entry.value.port,
        origin: entry.origin.clone(),
    }
}

/// `nameserver` lines of resolv.conf(5); the C library asks three at most.
fn name_servers(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let named = words.next() == Some("nameserver");
        let address: IpAddr = words.next().filter(|_| named)?.parse().ok()?;
        Some(SocketAddr::new(address, 53))
    };
    let found: Vec<SocketAddr> = text.lines().filter_map(address).take(3).collect();
    match found.is_empty() {
        // As resolv.conf(5) has it.
        true => vec![SocketAddr::from(([127, 0, 0, 1], 53))],
        false => found,
    }
}

/// `search`, or `domain`, and `options ndots:` of resolv.conf(5); the last of each counts.
fn search_list(text: &str) -> (Vec<String>, usize) {
    let (mut search, mut ndots) = (Vec::new(), 1);
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("search" | "domain") => {
                let domain = |word: &str| word.trim_end_matches('.').to_ascii_lowercase();
                search = words
                    .map(domain)
                    .filter(|domain| !domain.is_empty())
                    .collect();
            }
            Some("options") => {
                let said = words.filter_map(|word| word.strip_prefix("ndots:")?.parse().ok());
                ndots = said.fold(ndots, |_, last: usize| last.min(MAX_NDOTS));
            }
            _ => {}
        }
    }
    (search, ndots)
}

/// As the C library has it.
pub const MAX_NDOTS: usize = 15;

/// hosts(5): an address, a name, more names.
fn host_names(text: &str) -> BTreeMap<String, Vec<IpAddr>> {
    let mut all: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse().ok()) else {
            continue;
        };
        for name in words {
            all.entry(name.to_ascii_lowercase())
                .or_default()
                .push(address);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{host_names, name_servers, search_list};
    use std::net::IpAddr;

    #[test]
    fn name_servers_are_the_first_three_and_the_local_one_where_none_is_named() {
        let text = "# comment\nsearch x\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\nnameserver ::1\noptions\n";
        let found: Vec<String> = name_servers(text).iter().map(|a| a.to_string()).collect();
        assert_eq!(found, ["10.0.0.1:53", "[::1]:53"]);
        assert_eq!(name_servers("")[0].to_string(), "127.0.0.1:53");
    }

    #[test]
    fn the_last_search_list_and_the_last_ndots_count() {
        let text = "domain a.test\nsearch Ns.svc.local. svc.local\noptions timeout:1 ndots:5\n";
        let (search, ndots) = search_list(text);
        assert_eq!(
            (search.join(" ").as_str(), ndots),
            ("ns.svc.local svc.local", 5)
        );
        assert_eq!(search_list("options ndots:99 x"), (Vec::new(), 15));
        assert_eq!(search_list(""), (Vec::new(), 1));
    }

    #[test]
    fn names_of_the_hosts_file_are_lower_case_and_keep_every_address() {
        let all = host_names("127.0.0.1 localhost a\n::1 A # b\nnonsense c\n");
        let of = |name: &str| all.get(name).cloned().unwrap_or_default();
        let [v4, v6]: [IpAddr; 2] = ["127.0.0.1", "::1"].map(|text| text.parse().unwrap());
        assert_eq!((of("a"), of("b"), of("c")), (vec![v4, v6], vec![], vec![]));
    }
}
