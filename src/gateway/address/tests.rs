//! Every range with its first and last address, and those beside it.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use super::{metadata, never, refused};
use crate::profile::metadata_name;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn ranges_are_refused_from_their_first_address_to_their_last() {
    let table = [
        ("0.0.0.0", "unspecified"),
        ("0.255.255.255", "unspecified"),
        ("10.0.0.0", "private"),
        ("10.255.255.255", "private"),
        ("100.64.0.0", "carrier-grade NAT"),
        ("100.127.255.255", "carrier-grade NAT"),
        ("100.100.100.199", "carrier-grade NAT"),
        ("100.100.100.200", "cloud metadata"),
        ("127.0.0.0", "loopback"),
        ("127.255.255.255", "loopback"),
        ("169.254.0.0", "link-local (metadata)"),
        ("169.254.169.254", "link-local (metadata)"),
        ("169.254.255.255", "link-local (metadata)"),
        ("172.16.0.0", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.0", "protocol assignments"),
        ("192.0.0.192", "cloud metadata"),
        ("192.0.0.255", "protocol assignments"),
        ("192.88.99.0", "6to4 relay"),
        ("192.88.99.255", "6to4 relay"),
        ("192.168.0.0", "private"),
        ("192.168.255.255", "private"),
        ("198.18.0.0", "benchmarking, flowjail's own"),
        ("198.19.255.255", "benchmarking, flowjail's own"),
        ("224.0.0.0", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.0", "reserved"),
        ("255.255.255.254", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("168.63.129.16", "cloud metadata"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::2", "IPv4 inside IPv6 (compatible)"),
        ("::127.0.0.1", "IPv4 inside IPv6 (compatible)"),
        ("::8.8.8.8", "IPv4 inside IPv6 (compatible)"),
        ("::ffff:0.0.0.0", "IPv4 inside IPv6 (mapped)"),
        ("::ffff:8.8.8.8", "IPv4 inside IPv6 (mapped)"),
        ("::ffff:255.255.255.255", "IPv4 inside IPv6 (mapped)"),
        ("::ffff:0:8.8.8.8", "IPv4 inside IPv6 (translated)"),
        ("64:ff9b::", "IPv4 inside IPv6 (NAT64)"),
        ("64:ff9b::ffff:ffff", "IPv4 inside IPv6 (NAT64)"),
        ("64:ff9b:1::", "IPv4 inside IPv6 (local NAT64)"),
        (
            "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
            "IPv4 inside IPv6 (local NAT64)",
        ),
        ("64:ff9b::1:0:0", "not given out"),
        ("64:ff9b:2::", "not given out"),
        ("100::", "discarded"),
        ("2001::", "IPv4 inside IPv6 (Teredo)"),
        (
            "2001:0:ffff:ffff:ffff:ffff:ffff:ffff",
            "IPv4 inside IPv6 (Teredo)",
        ),
        ("2001:1::", "protocol assignments"),
        ("2001:2::1", "benchmarking"),
        (
            "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
            "protocol assignments",
        ),
        ("2002::", "IPv4 inside IPv6 (6to4)"),
        (
            "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "IPv4 inside IPv6 (6to4)",
        ),
        ("3fff::1", "documentation"),
        ("5f00::1", "segment routing"),
        ("4000::", "not given out"),
        ("1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "not given out"),
        ("fc00::", "private"),
        ("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "private"),
        ("fd00:ec2::254", "cloud metadata"),
        ("fe00::", "not given out"),
        ("fe7f:ffff::", "not given out"),
        ("fe80::", "link-local (metadata)"),
        (
            "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "link-local (metadata)",
        ),
        ("fec0::", "site-local"),
        ("feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local"),
        ("ff00::", "multicast"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"),
        ("2600::5efe:10.0.0.1", "IPv4 inside IPv6 (ISATAP)"),
        ("2600::200:5efe:127.0.0.1", "IPv4 inside IPv6 (ISATAP)"),
    ];
    for (address, words) in table {
        assert_eq!(refused(ip(address)), Some(words), "{address}");
    }
}

#[test]
fn addresses_beside_the_ranges_are_public() {
    for address in [
        "1.0.0.0",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.2.1",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.100.1",
        "203.0.113.1",
        "223.255.255.255",
        "2000::",
        "2001:200::",
        "2001:db8::1",
        "2001:4860:4860::8888",
        "2003::",
        "2606:4700::1111",
        "3ffe:ffff::",
        "2600::5efe:8.8.8.8",
    ] {
        assert_eq!(refused(ip(address)), None, "{address}");
        assert!(!never(ip(address)), "{address}");
    }
}

#[test]
fn metadata_is_known_in_every_wrapping() {
    for address in [
        "169.254.0.0",
        "169.254.169.254",
        "169.254.170.2",
        "169.254.255.255",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fd00:c1::a9fe:a9fe",
        "fe80::a9fe:a9fe",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::169.254.169.254",
        "64:ff9b:1:a9fe:a9:fe00::",
        "64:ff9b:1:0:a9:fea9:fe00:0",
        "2002:a9fe:a9fe::1",
        "2001:0:a9fe:a9fe::",
        "2001::5601:5601",
        "2600::5efe:169.254.169.254",
        "fd12::5efe:169.254.169.254",
        "::ffff:168.63.129.16",
    ] {
        assert!(metadata(ip(address)), "{address}");
        assert!(never(ip(address)), "{address}");
        assert!(refused(ip(address)).is_some(), "{address}");
    }
    for address in ["10.0.0.1", "127.0.0.1", "::1", "8.8.8.8", "fd12::1"] {
        assert!(!metadata(ip(address)), "{address}");
        assert!(!never(ip(address)), "{address}");
    }
}

#[test]
fn some_addresses_are_not_even_private() {
    for address in [
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "240.0.0.1",
        "::ffff:0.0.0.0",
        "64:ff9b::224.0.0.1",
    ] {
        assert!(never(ip(address)), "{address}");
        assert!(!metadata(ip(address)), "{address}");
    }
    for address in ["192.168.1.5", "100.64.0.1", "fc00::1", "::ffff:10.0.0.1"] {
        assert!(!never(ip(address)), "{address}");
    }
}

#[test]
fn metadata_services_are_known_by_name() {
    for name in [
        "metadata.google.internal",
        "x.metadata.google.internal",
        "metadata.goog",
        "metadata",
        "instance-data",
        "instance-data.ec2.internal",
        "instance-data.us-west-2.compute.internal",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
        "api.metadata.cloud.ibm.com",
    ] {
        assert!(metadata_name(name), "{name}");
    }
    for name in [
        "metadata.example.com",
        "xmetadata.google.internal",
        "google.internal",
        "instance-data.example.com",
        "db.internal",
        "",
    ] {
        assert!(!metadata_name(name), "{name}");
    }
}
