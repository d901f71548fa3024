//! Host names: read once to plain letters, digits, hyphens and dots, and never looked at again as bytes.
#![forbid(unsafe_code)]

/// The longest host name, in characters (RFC 1035: 255 bytes on the wire).
pub const MAX_NAME: usize = 253;
/// The longest label.
pub const MAX_LABEL: usize = 63;

/// Reads a host name as it is compared and dialled: lower-case labels of letters, digits and inner hyphens, and no
/// last dot. `None` for anything else, among it what may be read as an address (a last label of digits, or `0x...`).
pub fn host(bytes: &[u8]) -> Option<String> {
    read(bytes, is_label)
}

/// Reads a host name as [`host`] does, whose labels may also start with an underscore (`_mongodb._tcp.example.com`).
pub fn service(bytes: &[u8]) -> Option<String> {
    read(bytes, |label| {
        is_label(label.strip_prefix(b"_").unwrap_or(label))
    })
}

fn read(bytes: &[u8], fine: fn(&[u8]) -> bool) -> Option<String> {
    if bytes.len() > MAX_NAME || !bytes.split(|byte| *byte == b'.').all(fine) {
        return None;
    }
    let last = bytes.rsplit(|byte| *byte == b'.').next()?;
    if is_number(last) {
        return None;
    }
    let name = std::str::from_utf8(bytes).ok()?;
    Some(name.to_ascii_lowercase())
}

fn is_label(label: &[u8]) -> bool {
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let hyphen = |byte: Option<&u8>| byte == Some(&b'-');
    (1..=MAX_LABEL).contains(&label.len())
        && label.iter().all(inner)
        && !hyphen(label.first())
        && !hyphen(label.last())
}

/// A last label that inet_aton(3), and browsers after it, take for a part of an IPv4 address.
fn is_number(label: &[u8]) -> bool {
    match label {
        [b'0', b'x' | b'X', rest @ ..] => rest.iter().all(u8::is_ascii_hexdigit),
        _ => label.iter().all(u8::is_ascii_digit),
    }
}

#[cfg(test)]
mod tests {
    use super::{host, service};

    #[test]
    fn host_names_are_read_to_lower_case() {
        assert_eq!(host(b"API.Example.Com").as_deref(), Some("api.example.com"));
        for fine in ["a", "a-b.c", "1.example", "xn--bcher-kva.example", "0xg"] {
            assert_eq!(host(fine.as_bytes()).as_deref(), Some(fine));
        }
        let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
        assert_eq!(longest.len(), 253);
        assert_eq!(host(longest.as_bytes()), Some(longest));
    }

    #[test]
    fn anything_else_is_no_host_name() {
        let long_label = "a".repeat(64);
        let long = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(62));
        let no: [&[u8]; 22] = [
            b"",
            b".",
            b"a.",
            b".a",
            b"a..b",
            b"-a.b",
            b"a-.b",
            b"a.b-",
            b"a_b.c",
            b"_a.b",
            b"a b",
            b"a\0.b",
            b"a\0",
            b"b\xc3\xbccher.de",
            b"127.0.0.1",
            b"example.1",
            b"0x7f000001",
            b"a.0X7",
            b"[::1]",
            b"a:80",
            long_label.as_bytes(),
            long.as_bytes(),
        ];
        for bytes in no {
            assert_eq!(host(bytes), None, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn services_have_underscores_in_front() {
        let fine = b"_MongoDB._tcp.example.com";
        assert_eq!(service(fine).as_deref(), Some("_mongodb._tcp.example.com"));
        for no in [b"a_b.c".as_slice(), b"_.c", b"__a.c", b"_-a.c"] {
            assert_eq!(service(no), None);
        }
    }
}
