//! Addresses in a profile: networks, name servers, the upstream proxy.
#![forbid(unsafe_code)]

use std::net::{IpAddr, SocketAddr};

use super::host::{parse_name, parse_port};
use super::net::{AddressRule, Network, Proxy, ProxyHost};
use super::report::Flaw;

/// Reads `10.0.0.0/8` or a single address.
pub fn network(text: &str) -> Result<Network, Flaw> {
    let example = "write an address, or a network as in 10.0.0.0/8 or fd00::/8";
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address
        .parse()
        .map_err(|_| Flaw::new("not an address", example).at(address))?;
    let whole = Network::single(address);
    let Some(written) = prefix else {
        return Ok(unmapped(whole));
    };
    let digits = !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_digit());
    let prefix = written
        .parse()
        .ok()
        .filter(|bits| digits && *bits <= whole.prefix);
    let Some(prefix) = prefix else {
        let message = format!("not a number of bits from 0 to {}", whole.prefix);
        return Err(Flaw::new(message, example).at(written));
    };
    let network = Network { address, prefix };
    let clean = network.without_host_bits();
    if clean != network {
        let hint = format!("write {clean}, or the one address without `/{prefix}`");
        return Err(Flaw::new("bits behind the prefix are set", hint));
    }
    Ok(unmapped(network))
}

/// A network of IPv4 addresses that is written as IPv6, as IPv4: addresses are compared as such.
fn unmapped(network: Network) -> Network {
    let prefix = network.prefix.checked_sub(96);
    match (network.address.to_canonical(), prefix) {
        (address @ IpAddr::V4(_), Some(prefix)) if network.address.is_ipv6() => {
            Network { address, prefix }
        }
        _ => network,
    }
}

/// Reads a network that is connected to: not all there are, and no name.
pub fn reached(text: &str) -> Result<Network, Flaw> {
    if parse_name(text, true).is_ok() {
        let hint = "names stand in allow, or in private where their addresses are private";
        return Err(Flaw::new("a name, not an address", hint).at(text));
    }
    let network = network(text)?;
    if network.prefix == 0 {
        let hint = "name the network that is meant, as in 10.0.0.0/8";
        return Err(Flaw::new("every address there is", hint).at(text));
    }
    Ok(network)
}

/// A network that may be connected to, as [`reached`] reads it.
pub fn address_reached(text: &str) -> Option<Network> {
    reached(text).ok()
}

/// Reads `ADDR:PORT` or `NETWORK:PORT`, IPv6 in brackets.
pub fn rule(text: &str) -> Result<AddressRule, Flaw> {
    let example = "write ADDRESS:PORT or NETWORK:PORT, as in 10.1.2.3:5432 or [fd00::/8]:5432";
    let parts = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:"),
        None if text.matches(':').count() == 1 => text.split_once(':'),
        None => None,
    };
    let (address, port) = parts.ok_or_else(|| Flaw::new("no port", example))?;
    Ok(AddressRule {
        network: reached(address)?,
        port: parse_port(port).map_err(|flaw| flaw.at(format!(":{port}")))?,
    })
}

/// Reads a name server: an address, with a port where it is not 53.
pub fn resolver(text: &str) -> Result<SocketAddr, Flaw> {
    let example = "write an address, as in 10.0.0.2, 10.0.0.2:5353 or [fd00::2]:53";
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, 53));
    }
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() > 0 => Ok(address),
        _ => Err(Flaw::new("not a name server's address", example)),
    }
}

/// Reads `http://HOST:PORT`.
pub fn proxy(text: &str) -> Result<Proxy, Flaw> {
    let example = "write http://HOST:PORT, as in http://proxy.example.com:3128";
    let Some(rest) = text.strip_prefix("http://") else {
        let message = match text.split_once("://") {
            Some(_) => "not a proxy that is spoken to over plain http",
            None => "no http:// in front",
        };
        return Err(Flaw::new(message, example));
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains('@') {
        let hint = "a proxy that wants a password is not supported: it would stand in the profile";
        return Err(Flaw::new("credentials in a profile", hint));
    }
    if rest.contains(['/', '?', '#']) {
        return Err(Flaw::new("a proxy has no path", example));
    }
    if let Ok(address) = rest.parse::<SocketAddr>() {
        return Ok(Proxy {
            host: ProxyHost::Address(address.ip()),
            port: parse_port(&address.port().to_string())?,
        });
    }
    let (name, port) = rest
        .rsplit_once(':')
        .ok_or_else(|| Flaw::new("a proxy without a port", example))?;
    Ok(Proxy {
        port: parse_port(port)?,
        host: ProxyHost::Name(parse_name(name, false)?),
    })
}

#[cfg(test)]
mod tests {
    use super::{network, proxy, resolver, rule};

    #[test]
    fn networks_are_read_and_hold_what_they_say() {
        let inside = [
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1/32", "192.0.2.2", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::1", "fd00::2", false),
        ];
        for (text, address, expected) in inside {
            let network = network(text).unwrap();
            assert_eq!(
                network.contains(address.parse().unwrap()),
                expected,
                "{text} {address}"
            );
        }
        for wrong in [
            "",
            "x",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.1/8",
            "fd00::1/8",
            "::1%lo",
        ] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn address_rules_resolvers_and_proxies_are_read_as_they_are_written() {
        for text in [
            "10.1.2.3:5432",
            "10.0.0.0/8:5432",
            "[fd00::/8]:5432",
            "[fd00::1]:80",
        ] {
            assert_eq!(rule(text).unwrap().to_string(), text);
        }
        for wrong in [
            "10.1.2.3",
            "fd00::1:80",
            "10.0.0.0/8",
            "host:80",
            "10.1.2.3:0",
            "[fd00::1]",
        ] {
            assert!(rule(wrong).is_err(), "{wrong}");
        }
        let resolvers = ["10.0.0.2", "10.0.0.2:5353", "[::1]:53", "::1"];
        let read: Vec<String> = resolvers
            .iter()
            .map(|text| resolver(text).unwrap().to_string())
            .collect();
        assert_eq!(
            read,
            ["10.0.0.2:53", "10.0.0.2:5353", "[::1]:53", "[::1]:53"]
        );
        for text in [
            "http://proxy.corp.test:3128",
            "http://10.0.0.1:3128",
            "http://[fd00::1]:1",
        ] {
            assert_eq!(proxy(text).unwrap().to_string(), text);
        }
        for wrong in [
            "proxy:3128",
            "https://p.test:1",
            "http://p.test",
            "http://u:p@p.test:1",
            "http://p.test:1/x",
            "http://p.test:0",
        ] {
            assert!(proxy(wrong).is_err(), "{wrong}");
        }
    }
}
