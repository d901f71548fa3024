//! Why a connection, a name or a visitor was refused, in plain words, and what would allow it.
#![forbid(unsafe_code)]

use std::fmt;
use std::net::IpAddr;

use super::front::FrontFlaw;
use super::hello::HelloFlaw;
use super::http::HttpFlaw;
use crate::events::Verdict;

/// Why something was not let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// No line of the profile names the host.
    NotInProfile,
    /// A line named it when the connection was made, and none does any more.
    Withdrawn,
    /// The name is none that a host can have.
    NoHostName,
    /// The cloud's metadata service, by name.
    MetadataName,
    /// A wildcard was asked for more names than it may stand for, or too fast.
    TooManyNames,
    /// More queries in a second than the profile allows.
    TooManyQueries,
    /// The gateway has as many connections as it may have.
    TooMany,
    /// This host has.
    TooManyOfHost,
    /// The gateway is out of descriptors.
    NoDescriptors,
    /// Nothing can listen in the host's place: the workload has taken its port on all addresses.
    NoListener,
    /// The TLS hello cannot be read, or hides its name.
    Hello(HelloFlaw),
    /// The TLS hello names another host.
    WrongName(String),
    /// A request that is no plain HTTP for this host.
    Http(HttpFlaw),
    /// Nothing that says who is meant came in time.
    NoHead,
    /// Every address that the name has is one that no public name may have.
    PrivateAddress(IpAddr, &'static str),
    /// An address that not even a host named private may have.
    NeverAddress(IpAddr, &'static str),
    /// The name servers say that the name has no address.
    NoAddress,
    /// The name servers do not answer.
    ResolverSilent,
    /// A name server failed, with this code.
    ResolverFailed(u8),
    /// The host cannot be reached: the kernel's words.
    Unreachable(String),
    /// The host did not answer in time.
    ConnectTimeout,
    /// The upstream proxy answered with this status; 0: with nothing that is HTTP.
    ProxyStatus(u16),
    /// Nothing passed for as long as the profile allows.
    Idle,
    /// The visitor's address is not in `allow_from`.
    NotInvited,
    /// A front did not say whom it speaks for.
    Front(FrontFlaw),
    /// The jail's program does not listen, or not yet.
    NotListening,
}

impl Reason {
    /// The profile line that would let a visitor in.
    pub fn invitation(from: IpAddr) -> String {
        format!("[net] publish: allow_from = [\"{from}\"]")
    }

    /// Whether the profile, or the world, stood in the way.
    pub fn verdict(&self) -> Verdict {
        match self {
            Reason::NoAddress
            | Reason::ResolverSilent
            | Reason::ResolverFailed(_)
            | Reason::Unreachable(_)
            | Reason::ConnectTimeout
            | Reason::ProxyStatus(_)
            | Reason::Idle
            | Reason::NoDescriptors
            | Reason::NoListener
            | Reason::NotListening => Verdict::Failed,
            _ => Verdict::Refused,
        }
    }

    /// The flag or profile line that would allow it; empty where nothing should.
    pub fn allow(&self, host: &str, port: u16) -> String {
        match self {
            Reason::NotInProfile | Reason::Withdrawn => {
                format!("--allow {}", with_port(host, port))
            }
            Reason::PrivateAddress(..) => format!("--allow-private {}", with_port(host, port)),
            Reason::TooMany => "[net.limits] connections".into(),
            Reason::TooManyOfHost => "[net.limits] per_host".into(),
            Reason::TooManyQueries => "[net.limits] queries".into(),
            Reason::Hello(HelloFlaw::NotTls)
            | Reason::Http(HttpFlaw::RequestLine | HttpFlaw::Version) => {
                format!("[net] allow = [{{ host = \"{host}\", port = {port}, as = \"tcp\" }}]")
            }
            _ => String::new(),
        }
    }
}

/// As `--allow` takes it: without the port where that is the default.
fn with_port(host: &str, port: u16) -> String {
    match port {
        0 | 443 => host.to_owned(),
        port => format!("{host}:{port}"),
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let text = match self {
            Reason::NotInProfile => "not in the profile",
            Reason::Withdrawn => "not in the profile any more",
            Reason::NoHostName => "no host name",
            Reason::MetadataName => "the cloud's metadata service",
            Reason::TooManyNames => "too many names of one pattern",
            Reason::TooManyQueries => "too many queries",
            Reason::TooMany => "too many connections",
            Reason::TooManyOfHost => "too many connections to this host",
            Reason::NoDescriptors => "the gateway is out of descriptors",
            Reason::NoListener => "the program itself listens on this port of every address",
            Reason::Hello(flaw) => return write!(out, "{flaw}"),
            Reason::WrongName(found) => {
                return write!(out, "wrong name in the TLS hello: {found}");
            }
            Reason::Http(flaw) => return write!(out, "{flaw}"),
            Reason::NoHead => "said nothing in time that names its host",
            Reason::PrivateAddress(address, range) => {
                return write!(out, "resolves to a private address: {address} ({range})");
            }
            Reason::NeverAddress(address, range) => {
                return write!(
                    out,
                    "resolves to {address} ({range}), which no profile line allows"
                );
            }
            Reason::NoAddress => "the name servers know no address",
            Reason::ResolverSilent => "the name servers do not answer",
            Reason::ResolverFailed(code) => {
                return write!(out, "a name server failed (code {code})");
            }
            Reason::Unreachable(why) => return write!(out, "cannot be reached: {why}"),
            Reason::ConnectTimeout => "no answer in time",
            Reason::ProxyStatus(0) => "the upstream proxy does not speak HTTP",
            Reason::ProxyStatus(status) => {
                return write!(out, "the upstream proxy refused (status {status})");
            }
            Reason::Idle => "idle for too long",
            Reason::NotInvited => "not in allow_from",
            Reason::Front(flaw) => return write!(out, "{flaw}"),
            Reason::NotListening => "the program does not listen (yet)",
        };
        out.write_str(text)
    }
}
