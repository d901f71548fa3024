//! `[net]`, checked: who may be reached, what is served, and within which limits.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::leaf::LONGEST_MS;
use super::types::{HostPort, Sourced};

/// `[net]`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Net {
    /// Addresses that are served.
    pub publish: Vec<Sourced<Publish>>,
    /// Hosts that may be reached; groups are expanded to their hosts.
    pub allow: Vec<Sourced<HostRule>>,
    /// Hosts that may be reached and may resolve to private addresses.
    pub private: Vec<Sourced<HostRule>>,
    /// Addresses that may be reached without a name.
    pub addresses: Vec<Sourced<AddressRule>>,
    /// Names with an address of their own, `--add-host`.
    pub hosts: BTreeMap<String, IpAddr>,
    /// The name servers that the gateway asks. Default: those of the host's resolv.conf.
    pub resolvers: Vec<SocketAddr>,
    /// A company's CONNECT proxy, through which everything but private hosts goes. Default: none.
    pub proxy: Option<Proxy>,
    /// Limits of the gateway.
    pub limits: NetLimits,
    /// Whether the workload has a network at all (`net.enabled`, default true). False: an empty network namespace.
    pub enabled: bool,
}

/// A host, or a pattern of hosts, and what is spoken there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRule {
    /// The host and its port.
    pub host: HostPort,
    /// The protocol. Default: tls on port 443, http on port 80, else tcp.
    pub protocol: Protocol,
    /// Whether SRV and TXT queries for names below it are answered, as `mongodb+srv:` needs. Default: no.
    pub records: bool,
}

/// What is read of a connection before it is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// The name in the TLS hello must be the host's; an encrypted hello is refused.
    Tls,
    /// The Host of every request must be the host's.
    Http,
    /// Nothing is read.
    Tcp,
}

/// Addresses that may be reached without a name, at one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRule {
    /// The addresses.
    pub network: Network,
    /// The port.
    pub port: u16,
}

/// An address, or all that begin as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The first address.
    pub address: IpAddr,
    /// How many of its bits count.
    pub prefix: u8,
}

/// An address that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Where visitors come.
    pub address: SocketAddr,
    /// Where they come instead when flowjail runs in a container, whose loopback nobody outside reaches; the variable
    /// PORT names another port there. Default: the same.
    pub in_container: Option<SocketAddr>,
    /// The port in the jail that they are led to. Default: the first published address's own `to`, or its port.
    pub to: Option<u16>,
    /// Who may come. Default: anyone; an empty list admits nobody.
    pub allow_from: Option<Vec<Network>>,
    /// Fronts that must say by the PROXY protocol (v1 or v2) whom they speak for. Default: none.
    pub proxy_from: Vec<Network>,
    /// The name by which a service manager hands its socket over (FileDescriptorName=, systemd.socket(5)); it takes this
    /// entry's place whatever its address. Default: a socket without a name of the profile, by its address.
    pub socket: Option<String>,
    /// Whether its socket has to be handed over (`activation = "require"`). Default: no, the address is opened instead.
    pub must_come: bool,
}

/// An upstream proxy that speaks CONNECT (RFC 9110).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proxy {
    /// Where it is; it may have a private address.
    pub host: ProxyHost,
    /// Its port.
    pub port: u16,
}

/// A proxy's name or address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHost {
    /// A host name.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// `[net.limits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetLimits {
    /// Connections out of the jail at once. Default: 4096.
    pub connections: u32,
    /// Of these, to one host. Default: 2048.
    pub per_host: u32,
    /// Visitors at once. Default: 2048.
    pub visitors: u32,
    /// DNS queries a second for names that have no address yet. Default: 200.
    pub queries: u32,
    /// How long a host may take to answer. Default: 10 seconds.
    pub connect: Duration,
    /// How long a connection may carry nothing. Default: one hour.
    pub idle: Duration,
}

impl Default for NetLimits {
    fn default() -> NetLimits {
        NetLimits {
            connections: 4096,
            per_host: 2048,
            visitors: 2048,
            queries: 200,
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(3600),
        }
    }
}

impl NetLimits {
    /// Whether a profile can say them.
    pub fn are_sane(&self) -> bool {
        let counts = [self.connections, self.per_host, self.visitors, self.queries];
        let times = [self.connect, self.idle].map(|time| time.as_millis());
        counts.iter().all(|count| (1..=MAX_COUNT).contains(count))
            && times
                .iter()
                .all(|ms| (1..=u128::from(LONGEST_MS)).contains(ms))
    }
}

/// The most that a count of `[net.limits]` can be.
pub const MAX_COUNT: u32 = 1_000_000;

impl Protocol {
    /// What is usual at a port.
    pub fn at(port: u16) -> Protocol {
        match port {
            443 => Protocol::Tls,
            80 => Protocol::Http,
            _ => Protocol::Tcp,
        }
    }
}

impl Network {
    /// One address.
    pub fn single(address: IpAddr) -> Network {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Network { address, prefix }
    }

    /// Whether an address is one of these. An IPv4 address inside IPv6 (`::ffff:0:0/96`) counts as IPv4.
    pub fn contains(&self, other: IpAddr) -> bool {
        match (self.address, other.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = u32::from(own) ^ u32::from(other);
                differ.checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = u128::from(own) ^ u128::from(other);
                differ
                    .checked_shr(128 - u32::from(self.prefix))
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }

    /// The same with every bit behind the prefix cleared.
    pub fn without_host_bits(&self) -> Network {
        let address = match self.address {
            IpAddr::V4(own) => {
                let kept = u32::MAX
                    .checked_shl(32 - u32::from(self.prefix))
                    .unwrap_or(0);
                IpAddr::V4((u32::from(own) & kept).into())
            }
            IpAddr::V6(own) => {
                let kept = u128::MAX
                    .checked_shl(128 - u32::from(self.prefix))
                    .unwrap_or(0);
                IpAddr::V6((u128::from(own) & kept).into())
            }
        };
        Network {
            address,
            prefix: self.prefix,
        }
    }

    /// Whether it is one address.
    pub fn is_single(&self) -> bool {
        *self == Network::single(self.address)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_single() {
            true => write!(out, "{}", self.address),
            false => write!(out, "{}/{}", self.address, self.prefix),
        }
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for AddressRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.network.address {
            IpAddr::V4(_) => write!(out, "{}:{}", self.network, self.port),
            IpAddr::V6(_) => write!(out, "[{}]:{}", self.network, self.port),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            ProxyHost::Name(name) => write!(out, "http://{name}:{}", self.port),
            ProxyHost::Address(address) => {
                write!(out, "http://{}", SocketAddr::new(*address, self.port))
            }
        }
    }
}
