//! Headers of both versions, whole, in pieces, and wrong.
#![forbid(unsafe_code)]

use super::{Front, FrontFlaw, MAX_HEADER, MAX_LINE, SIGNATURE, read};

fn visitor(source: &str, length: usize) -> Front {
    Front::Visitor {
        source: Some(source.parse().unwrap()),
        length,
    }
}

fn binary(command: u8, transport: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap();
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([command, transport]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(body);
    bytes
}

const V4: [u8; 12] = [203, 0, 113, 7, 192, 0, 2, 1, 0x12, 0x34, 0, 80];

#[test]
fn a_line_names_the_visitor() {
    let line = b"PROXY TCP4 203.0.113.7 192.0.2.1 56324 443\r\nGET / HTTP/1.1\r\n";
    assert_eq!(read(line), visitor("203.0.113.7:56324", 44));
    let line = b"PROXY TCP6 2001:db8::7 2001:db8::1 4000 443\r\n";
    assert_eq!(read(line), visitor("[2001:db8::7]:4000", line.len()));
    let line = b"PROXY TCP6 ::ffff:203.0.113.7 ::1 0 65535\r\n";
    assert_eq!(read(line), visitor("203.0.113.7:0", line.len()));
    for line in [b"PROXY UNKNOWN\r\n".as_slice(), b"PROXY UNKNOWN a b\r\n"] {
        let length = line.len();
        let source = None;
        assert_eq!(read(line), Front::Visitor { source, length });
    }
}

#[test]
fn a_line_that_bends_the_rules_is_refused() {
    for (line, flaw) in [
        ("GET / HTTP/1.1\r\n", FrontFlaw::NotProxy),
        ("proxy TCP4 ", FrontFlaw::NotProxy),
        ("PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n", FrontFlaw::Transport),
        ("PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n", FrontFlaw::Transport),
        ("PROXY \r\n", FrontFlaw::Transport),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", FrontFlaw::Malformed),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n", FrontFlaw::Malformed),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n", FrontFlaw::Malformed),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n", FrontFlaw::Malformed),
        (
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
            FrontFlaw::Malformed,
        ),
        ("PROXY TCP4 1.2.3.04 1.2.3.4 1 1\r\n", FrontFlaw::Malformed),
        ("PROXY TCP4 ::1 ::1 1 1\r\n", FrontFlaw::Malformed),
        ("PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n", FrontFlaw::Malformed),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n\r\n", FrontFlaw::Malformed),
    ] {
        assert_eq!(read(line.as_bytes()), Front::Refused(flaw), "{line:?}");
    }
    let long = format!("PROXY UNKNOWN {}", "x".repeat(MAX_LINE));
    assert_eq!(read(long.as_bytes()), Front::Refused(FrontFlaw::TooLong));
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_LINE - 16));
    assert!(matches!(
        read(longest.as_bytes()),
        Front::Visitor {
            length: MAX_LINE,
            ..
        }
    ));
}

#[test]
fn the_binary_header_names_the_visitor() {
    let mut with_extras = V4.to_vec();
    with_extras.extend([4, 0, 3, 1, 2, 3]);
    let bytes = binary(0x21, 0x11, &with_extras);
    assert_eq!(read(&bytes), visitor("203.0.113.7:4660", 34));
    let mut v6 = [0; 36];
    v6[..2].copy_from_slice(&[0x20, 1]);
    v6[15] = 9;
    v6[33] = 5;
    assert_eq!(read(&binary(0x21, 0x21, &v6)), visitor("[2001::9]:5", 52));
    for bytes in [
        binary(0x20, 0, b""),
        binary(0x20, 0x31, b"abc"),
        binary(0x21, 0, b"xyz"),
    ] {
        let length = bytes.len();
        let source = None;
        assert_eq!(read(&bytes), Front::Visitor { source, length });
    }
}

#[test]
fn a_binary_header_that_bends_the_rules_is_refused() {
    let long = vec![0; MAX_HEADER - 15];
    for (bytes, flaw) in [
        (binary(0x11, 0x11, &V4), FrontFlaw::Malformed),
        (binary(0x22, 0x11, &V4), FrontFlaw::Malformed),
        (binary(0x21, 0x12, &V4), FrontFlaw::Transport),
        (binary(0x21, 0x22, &[0; 36]), FrontFlaw::Transport),
        (binary(0x21, 0x31, &[0; 216]), FrontFlaw::Transport),
        (binary(0x21, 0x41, &V4), FrontFlaw::Transport),
        (binary(0x21, 0x11, &V4[..11]), FrontFlaw::Malformed),
        (binary(0x21, 0x21, &V4), FrontFlaw::Malformed),
        (binary(0x21, 0x11, &long), FrontFlaw::TooLong),
        (b"\r\n\r\n\0\r\nQUIT\r".to_vec(), FrontFlaw::NotProxy),
    ] {
        assert_eq!(read(&bytes), Front::Refused(flaw), "{bytes:?}");
    }
}

#[test]
fn pieces_are_waited_for() {
    for whole in [
        b"PROXY TCP4 203.0.113.7 192.0.2.1 56324 443\r\n".to_vec(),
        binary(0x21, 0x11, &V4),
    ] {
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), Front::Incomplete, "{end}");
        }
        assert_ne!(read(&whole), Front::Incomplete);
    }
}
