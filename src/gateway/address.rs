//! Addresses that no name may lead to.
//!
//! Decided on the address that is dialled, also where an IPv4 address is wrapped in an IPv6 one. Ranges: IANA's
//! special-purpose registries (RFC 6890). Documentation ranges stay public: nobody routes them.
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const METADATA: &str = "cloud metadata";
const LINK_LOCAL: &str = "link-local (metadata)";

/// Network, length of its prefix, and what it is. The first that fits names the address.
const V4: [(Ipv4Addr, u32, &str); 16] = [
    (Ipv4Addr::new(168, 63, 129, 16), 32, METADATA),
    (Ipv4Addr::new(100, 100, 100, 200), 32, METADATA),
    (Ipv4Addr::new(192, 0, 0, 192), 32, METADATA),
    (Ipv4Addr::new(0, 0, 0, 0), 8, "unspecified"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "carrier-grade NAT"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, LINK_LOCAL),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "protocol assignments"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "6to4 relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (
        Ipv4Addr::new(198, 18, 0, 0),
        15,
        "benchmarking, flowjail's own",
    ),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(255, 255, 255, 255), 32, "broadcast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

const V6: [([u16; 8], u32, &str); 22] = [
    ([0; 8], 128, "unspecified"),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback"),
    (
        [0, 0, 0, 0, 0, 0xffff, 0, 0],
        96,
        "IPv4 inside IPv6 (mapped)",
    ),
    (
        [0, 0, 0, 0, 0xffff, 0, 0, 0],
        96,
        "IPv4 inside IPv6 (translated)",
    ),
    ([0; 8], 96, "IPv4 inside IPv6 (compatible)"),
    (
        [0x64, 0xff9b, 0, 0, 0, 0, 0, 0],
        96,
        "IPv4 inside IPv6 (NAT64)",
    ),
    (
        [0x64, 0xff9b, 1, 0, 0, 0, 0, 0],
        48,
        "IPv4 inside IPv6 (local NAT64)",
    ),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "discarded"),
    (
        [0x2001, 0, 0, 0, 0, 0, 0, 0],
        32,
        "IPv4 inside IPv6 (Teredo)",
    ),
    ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, "benchmarking"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "protocol assignments"),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "IPv4 inside IPv6 (6to4)"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation"),
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, "segment routing"),
    // instance metadata: Amazon, Google, Oracle, Scaleway
    ([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32, METADATA),
    ([0xfd20, 0xce, 0, 0, 0, 0, 0, 0], 32, METADATA),
    ([0xfd00, 0xc1, 0, 0, 0, 0, 0, 0], 32, METADATA),
    ([0xfd00, 0x42, 0, 0, 0, 0, 0, 0], 32, METADATA),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "private"),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, LINK_LOCAL),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "site-local"),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast"),
];

/// Names the range that keeps an address from being dialled; `None` for a public one.
///
/// An IPv6 address that holds an IPv4 address is refused whatever it holds, where its range says that it does
/// (mapped, compatible, translated, NAT64, 6to4, Teredo); one that may hold one (ISATAP) where that is refused.
/// IPv6 outside 2000::/3 is refused altogether: nothing else is given out.
pub fn refused(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => range_v4(v4),
        IpAddr::V6(v6) => range_v6(v6).or_else(|| {
            isatap(v6)
                .and_then(range_v4)
                .map(|_| "IPv4 inside IPv6 (ISATAP)")
        }),
    }
}

/// Whether an address, or an IPv4 address inside it, is where a cloud answers with credentials: link-local and the
/// few fixed ones.
pub fn metadata(address: IpAddr) -> bool {
    any(address, |words| words == METADATA || words == LINK_LOCAL)
}

/// Whether not even a host that the profile names as private may resolve to an address: metadata, unspecified,
/// multicast, reserved and broadcast, also inside IPv6.
pub fn never(address: IpAddr) -> bool {
    const NEVER: [&str; 4] = ["unspecified", "multicast", "reserved", "broadcast"];
    metadata(address) || any(address, |words| NEVER.contains(&words))
}

fn range_v4(address: Ipv4Addr) -> Option<&'static str> {
    let bits = u32::from(address);
    V4.into_iter()
        .find(|(network, length, _)| (bits ^ u32::from(*network)) >> (32 - length) == 0)
        .map(|(_, _, words)| words)
}

fn range_v6(address: Ipv6Addr) -> Option<&'static str> {
    let bits = u128::from(address);
    let within = |network: [u16; 8], length: u32| {
        (bits ^ u128::from(Ipv6Addr::from(network))) >> (128 - length) == 0
    };
    V6.into_iter()
        .find(|(network, length, _)| within(*network, *length))
        .map(|(_, _, words)| words)
        .or_else(|| (bits >> 125 != 1).then_some("not given out"))
}

/// Whether the range of an address, or of one inside it, has certain words.
fn any(address: IpAddr, wanted: impl Fn(&str) -> bool) -> bool {
    match address {
        IpAddr::V4(v4) => range_v4(v4).is_some_and(wanted),
        IpAddr::V6(v6) => {
            range_v6(v6).is_some_and(&wanted)
                || inside(v6)
                    .into_iter()
                    .flatten()
                    .filter_map(range_v4)
                    .any(wanted)
        }
    }
}

/// The IPv4 addresses that an IPv6 address holds, by each way of holding one.
fn inside(address: Ipv6Addr) -> [Option<Ipv4Addr>; 3] {
    let bytes = address.octets();
    let from = |at: [usize; 4]| Some(Ipv4Addr::from(at.map(|at| bytes[at])));
    let last = from([12, 13, 14, 15]);
    match address.segments() {
        // `::` and `::1` are no IPv4 addresses
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None; 3],
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _] | [0, 0, 0, 0, 0xffff, 0, _, _] => [last, None, None],
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => [last, None, None],
        // RFC 6052: behind a prefix of 48, 64 or 96 bits, around byte 8
        [0x64, 0xff9b, 1, ..] => [from([6, 7, 9, 10]), from([9, 10, 11, 12]), last],
        [0x2002, ..] => [from([2, 3, 4, 5]), isatap(address), None],
        [0x2001, 0, ..] => {
            let client = last.map(|v4| Ipv4Addr::from(!u32::from(v4)));
            [from([4, 5, 6, 7]), client, None]
        }
        _ => [isatap(address), None, None],
    }
}

/// The IPv4 address in an interface identifier as ISATAP makes it (RFC 5214).
fn isatap(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.octets() {
        [.., 0 | 2, 0, 0x5e, 0xfe, a, b, c, d] => Some(Ipv4Addr::new(a, b, c, d)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
