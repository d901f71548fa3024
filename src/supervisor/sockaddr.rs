//! `struct sockaddr` as bytes, read and written.
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What the bytes of an address are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// AF_INET or AF_INET6.
    Internet(SocketAddr),
    /// AF_UNIX: a path; `@` stands before an abstract name.
    Unix(String),
    /// AF_NETLINK: the port id and the multicast groups.
    Netlink(u32, u32),
    /// AF_UNSPEC.
    Unspecified,
    /// Of another family.
    Other,
    /// Too short for its family.
    Short,
}

/// The longest that is looked at: `struct sockaddr_un`.
pub const LONGEST: usize = 110;

/// Reads one.
pub fn read(bytes: &[u8]) -> Address {
    let Some(family) = bytes.first_chunk() else {
        return Address::Short;
    };
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_UNSPEC => Address::Unspecified,
        libc::AF_UNIX => Address::Unix(unix(&bytes[2..])),
        libc::AF_NETLINK => netlink(bytes).unwrap_or(Address::Short),
        libc::AF_INET | libc::AF_INET6 => internet(bytes).map_or(Address::Short, Address::Internet),
        _ => Address::Other,
    }
}

/// The internet address in the bytes of a `struct sockaddr`; `None` for other families.
pub fn internet(bytes: &[u8]) -> Option<SocketAddr> {
    let family = i32::from(u16::from_ne_bytes(*bytes.first_chunk()?));
    let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
    match family {
        libc::AF_INET => {
            // The kernel wants the whole of it.
            let address: [u8; 4] = *bytes.get(4..16)?.first_chunk()?;
            Some(SocketAddr::from((address, port)))
        }
        libc::AF_INET6 => {
            let address: [u8; 16] = *bytes.get(8..24)?.first_chunk()?;
            Some(SocketAddr::from((address, port)))
        }
        _ => None,
    }
}

fn unix(name: &[u8]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match name.split_first() {
        None => String::new(),
        Some((0, name)) => format!("@{}", text(name)),
        Some(_) => text(name.split(|byte| *byte == 0).next().unwrap_or_default()),
    }
}

fn netlink(bytes: &[u8]) -> Option<Address> {
    let word = |at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    Some(Address::Netlink(word(4)?, word(8)?))
}

/// An address as a socket of one family shows it: IPv6's show IPv4 addresses as mapped ones.
pub fn write(address: SocketAddr, v6: bool) -> Vec<u8> {
    let port = address.port().to_be_bytes();
    let (family, rest) = match (v6, address.ip()) {
        (false, IpAddr::V4(v4)) => (libc::AF_INET, [&v4.octets()[..], &[0; 8]].concat()),
        (_, ip) => (
            libc::AF_INET6,
            [&[0; 4], &mapped(ip).octets()[..], &[0; 4]].concat(),
        ),
    };
    [&(family as u16).to_ne_bytes()[..], &port, &rest].concat()
}

/// An address as IPv6 has it.
pub fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, internet, read, write};
    use std::net::SocketAddr;

    #[test]
    fn addresses_are_read_from_their_bytes_and_nothing_else_is() {
        let v4 = [2, 0, 1, 187, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(internet(&v4).unwrap().to_string(), "192.0.2.1:443");
        let mut v6 = vec![10, 0, 0, 53, 9, 9, 9, 9];
        v6.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(internet(&v6).unwrap().to_string(), "[2001:db8::1]:53");
        for short in [&v4[..15], &v6[..20], &[1, 0, 47], &[]] {
            assert_eq!(internet(short), None, "{short:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let v4: SocketAddr = "192.0.2.1:443".parse().unwrap();
        let v6: SocketAddr = "[2001:db8::1]:53".parse().unwrap();
        let there = |address, family| internet(&write(address, family)).unwrap();
        assert_eq!((there(v4, false), there(v6, true)), (v4, v6));
        assert_eq!(there(v4, true).to_string(), "[::ffff:192.0.2.1]:443");
        assert_eq!((write(v4, false).len(), write(v4, true).len()), (16, 28));
    }

    #[test]
    fn unix_names_and_others_are_told_apart() {
        let unix = |name: &[u8]| read(&[&[1, 0], name].concat());
        assert_eq!(unix(b"/run/x\0y"), Address::Unix("/run/x".into()));
        assert_eq!(unix(b"\0x"), Address::Unix("@x".into()));
        assert_eq!(unix(b""), Address::Unix(String::new()));
        assert_eq!(read(&[0, 0]), Address::Unspecified);
        assert_eq!(
            read(&[16, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0]),
            Address::Netlink(7, 1)
        );
        assert_eq!(read(&[40, 0, 1, 1]), Address::Other);
        for odd in [&[][..], &[2], &[2, 0, 1, 1], &[16, 0, 0]] {
            assert_eq!(read(odd), Address::Short, "{odd:?}");
        }
    }
}
