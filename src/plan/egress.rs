//! The part of a network that a running jail can take in place of its own, as it travels from `flowjail reload` to the
//! gateway: read as strictly as a profile is, by the same functions.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::network::MAX_NDOTS;
use super::{AddressLine, HostLine, NetworkPlan};
use crate::profile::{NetLimits, Network, Protocol, address_reached, host_name};

/// Who may be reached, and how it is found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Egress {
    /// Hosts; empty: none.
    pub hosts: Vec<HostLine>,
    /// Addresses without a name.
    pub addresses: Vec<AddressLine>,
    /// Names with an address of their own.
    pub names: BTreeMap<String, IpAddr>,
    /// Names of the host's /etc/hosts.
    pub host_names: BTreeMap<String, Vec<IpAddr>>,
    /// The name servers that are asked.
    pub resolvers: Vec<SocketAddr>,
    /// See [`NetworkPlan::search`].
    pub search: Vec<String>,
    /// See [`NetworkPlan::search`].
    pub ndots: usize,
    /// Limits.
    pub limits: NetLimits,
}

/// What may be reached and what may not be any more, one line each as a person would write it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Lines that are new.
    pub added: Vec<String>,
    /// Lines that are gone.
    pub removed: Vec<String>,
    /// Other keys of `[net]` that say something else.
    pub changed: Vec<String>,
}

impl Egress {
    /// That of a plan.
    pub fn of(plan: &NetworkPlan) -> Egress {
        Egress {
            hosts: plan.hosts.clone(),
            addresses: plan.addresses.clone(),
            names: plan.names.clone(),
            host_names: plan.host_names.clone(),
            resolvers: plan.resolvers.clone(),
            search: plan.search.clone(),
            ndots: plan.ndots,
            limits: plan.limits,
        }
    }

    /// A plan with this in it.
    pub fn instead_in(self, plan: &NetworkPlan) -> NetworkPlan {
        NetworkPlan {
            hosts: self.hosts,
            addresses: self.addresses,
            names: self.names,
            host_names: self.host_names,
            resolvers: self.resolvers,
            search: self.search,
            ndots: self.ndots,
            limits: self.limits,
            ..plan.clone()
        }
    }

    /// Takes out the lines whose port is none of these, and says which: a Landlock domain knows its ports from the start
    /// on.
    pub fn keep_ports(&mut self, known: &[u16]) -> Vec<String> {
        let mut lost = Vec::new();
        self.hosts.retain(|line| {
            let kept = known.contains(&line.port);
            if !kept {
                lost.push(format!("{}:{}", line.pattern, line.port));
            }
            kept
        });
        self.addresses.retain(|line| {
            let kept = known.contains(&line.port);
            if !kept {
                lost.push(address(line));
            }
            kept
        });
        lost
    }

    /// What is different from `earlier`.
    pub fn since(&self, earlier: &Egress) -> Difference {
        let (old, new) = (lines(earlier), lines(self));
        let flag = |name: &str, differs: bool| differs.then(|| name.to_owned());
        let changed = [
            flag("[net.limits]", self.limits != earlier.limits),
            flag("[net] resolver", self.asks() != earlier.asks()),
            flag("/etc/hosts", self.host_names != earlier.host_names),
        ];
        Difference {
            added: new.difference(&old).cloned().collect(),
            removed: old.difference(&new).cloned().collect(),
            changed: changed.into_iter().flatten().collect(),
        }
    }

    /// Whom it asks for names, and how.
    pub fn asks(&self) -> (&[SocketAddr], &[String], usize) {
        (&self.resolvers, &self.search, self.ndots)
    }
}

impl Difference {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Difference::default()
    }
}

fn lines(egress: &Egress) -> BTreeSet<String> {
    let hosts = egress.hosts.iter().map(|line| {
        let protocol = match line.protocol {
            Protocol::Tls => "tls",
            Protocol::Http => "http",
            Protocol::Tcp => "tcp",
        };
        let private = if line.private { ", private" } else { "" };
        let records = if line.records { ", records" } else { "" };
        format!(
            "{}:{} as {protocol}{private}{records}",
            line.pattern, line.port
        )
    });
    let names = egress.names.iter();
    let names = names.map(|(name, address)| format!("{name} = {address}"));
    hosts
        .chain(egress.addresses.iter().map(address))
        .chain(names)
        .collect()
}

fn address(line: &AddressLine) -> String {
    match line.network.address {
        IpAddr::V4(_) => format!("{}:{}", line.network, line.port),
        IpAddr::V6(_) => format!("[{}]:{}", line.network, line.port),
    }
}

/// As it comes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    hosts: Vec<HostLine>,
    addresses: Vec<AddressLine>,
    names: BTreeMap<String, IpAddr>,
    host_names: BTreeMap<String, Vec<IpAddr>>,
    resolvers: Vec<SocketAddr>,
    search: Vec<String>,
    ndots: usize,
    limits: NetLimits,
}

impl TryFrom<Unchecked> for Egress {
    type Error = String;

    fn try_from(read: Unchecked) -> Result<Egress, String> {
        for name in read.names.keys() {
            if !host_name(name, false) {
                return Err(format!("not a host name: {name:?}"));
            }
        }
        if read.resolvers.is_empty() || read.resolvers.iter().any(|server| server.port() == 0) {
            return Err("no name server, or one without a port".into());
        }
        if read.ndots > MAX_NDOTS {
            return Err(format!("ndots of {}", read.ndots));
        }
        if !read.limits.are_sane() {
            return Err("limits that no profile can have".into());
        }
        Ok(Egress {
            hosts: read.hosts,
            addresses: read.addresses,
            names: read.names,
            host_names: read.host_names,
            resolvers: read.resolvers,
            search: read.search,
            ndots: read.ndots,
            limits: read.limits,
        })
    }
}

/// A [`HostLine`] as it comes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UncheckedHost {
    pattern: String,
    port: u16,
    protocol: Protocol,
    private: bool,
    records: bool,
    origin: String,
}

impl TryFrom<UncheckedHost> for HostLine {
    type Error = String;

    fn try_from(read: UncheckedHost) -> Result<HostLine, String> {
        if !host_name(&read.pattern, true) || read.port == 0 {
            return Err(format!(
                "not a host and a port: {:?}:{}",
                read.pattern, read.port
            ));
        }
        Ok(HostLine {
            pattern: read.pattern,
            port: read.port,
            protocol: read.protocol,
            private: read.private,
            records: read.records,
            origin: read.origin,
        })
    }
}

/// An [`AddressLine`] as it comes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UncheckedAddress {
    network: String,
    port: u16,
    origin: String,
}

impl TryFrom<UncheckedAddress> for AddressLine {
    type Error = String;

    fn try_from(read: UncheckedAddress) -> Result<AddressLine, String> {
        let network: Option<Network> = address_reached(&read.network);
        match network.filter(|_| read.port != 0) {
            Some(network) => Ok(AddressLine {
                network,
                port: read.port,
                origin: read.origin,
            }),
            None => Err(format!(
                "not a network and a port: {:?} {}",
                read.network, read.port
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Egress;
    use crate::plan::{AddressLine, HostLine};
    use crate::profile::{NetLimits, Network, Protocol};
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    fn host(pattern: &str, port: u16, protocol: Protocol) -> HostLine {
        HostLine {
            pattern: pattern.into(),
            port,
            protocol,
            private: false,
            records: false,
            origin: "a.toml:1".into(),
        }
    }

    fn egress() -> Egress {
        Egress {
            hosts: vec![
                host("a.test", 443, Protocol::Tls),
                host("*.b.test", 5432, Protocol::Tcp),
            ],
            addresses: vec![AddressLine {
                network: Network::single("10.0.0.1".parse().unwrap()),
                port: 80,
                origin: String::new(),
            }],
            names: BTreeMap::from([("a.test".into(), "192.0.2.1".parse().unwrap())]),
            host_names: BTreeMap::new(),
            resolvers: vec!["127.0.0.1:53".parse().unwrap()],
            search: Vec::new(),
            ndots: 1,
            limits: NetLimits::default(),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = serde_json::to_string(&egress()).unwrap();
        assert_eq!(serde_json::from_str::<Egress>(&text).unwrap(), egress());
    }

    #[test]
    fn what_no_profile_can_say_is_refused() {
        let wrong: [(&str, Value); 14] = [
            ("/hosts/0/pattern", json!("a.**.test")),
            ("/hosts/0/pattern", json!("A.test")),
            ("/hosts/0/pattern", json!("a.test\0.b.test")),
            ("/hosts/0/pattern", json!("169.254.169.254")),
            ("/hosts/0/pattern", json!("metadata.google.internal")),
            ("/hosts/0/port", json!(0)),
            ("/hosts/0/port", json!(65536)),
            ("/hosts/0/protocol", json!("udp")),
            ("/addresses/0/network", json!("0.0.0.0/0")),
            ("/addresses/0/network", json!("10.0.0.1/8")),
            ("/names", json!({ "*.test": "192.0.2.1" })),
            ("/resolvers", json!([])),
            ("/limits/connections", json!(0)),
            ("/limits/idle", json!({ "secs": 0, "nanos": 0 })),
        ];
        for (at, value) in wrong {
            let mut whole = serde_json::to_value(egress()).unwrap();
            *whole.pointer_mut(at).unwrap() = value.clone();
            let read = serde_json::from_value::<Egress>(whole);
            assert!(read.is_err(), "{at} {value}");
        }
        for at in ["", "/hosts/0", "/addresses/0", "/limits"] {
            let mut whole = serde_json::to_value(egress()).unwrap();
            let object = whole.pointer_mut(at).unwrap().as_object_mut().unwrap();
            object.insert("more".into(), json!(1));
            assert!(serde_json::from_value::<Egress>(whole).is_err(), "{at}");
        }
    }

    #[test]
    fn a_line_that_speaks_another_protocol_is_gone_and_new() {
        let (earlier, mut now) = (egress(), egress());
        now.hosts[0].protocol = Protocol::Tcp;
        now.hosts[1].origin = "b.toml:9".into();
        let found = now.since(&earlier);
        assert_eq!(found.added, ["a.test:443 as tcp"]);
        assert_eq!(found.removed, ["a.test:443 as tls"]);
        assert!(found.changed.is_empty());
        assert!(earlier.since(&egress()).is_empty());
    }

    #[test]
    fn ports_that_a_domain_lacks_are_taken_out_and_named() {
        let mut some = egress();
        assert_eq!(
            some.keep_ports(&[443, 53]),
            ["*.b.test:5432", "10.0.0.1:80"]
        );
        assert_eq!((some.hosts.len(), some.addresses.len()), (1, 0));
        let mut all = egress();
        assert!(all.keep_ports(&[80, 443, 5432]).is_empty());
        assert_eq!(all, egress());
    }
}
