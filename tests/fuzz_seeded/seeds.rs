//! Inputs that look right, and what is done to them so that they do not.

use super::numbers::Numbers;
use super::properties::HOST;

const NAMES: [&[u8]; 9] = [
    b"api.example.com",
    b"API.Example.com",
    b"evil.example",
    b"a.example.",
    b"127.0.0.1",
    b"a..b",
    b"a\0.example",
    b"",
    b"xn--bcher-kva.example",
];

fn with_length(bytes: usize, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    [&length[length.len() - bytes..], content].concat()
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &with_length(2, content)].concat()
}

/// A TLS hello, sometimes in several records.
pub fn hello(numbers: &mut Numbers) -> Vec<u8> {
    let name = match numbers.below(3) {
        0 => numbers.one(&NAMES).to_vec(),
        _ => NAMES[numbers.below(2)].to_vec(),
    };
    let entry = [&[0][..], &with_length(2, &name)].concat();
    let mut extensions = vec![
        extension(0, &with_length(2, &entry)),
        extension(16, b"\x00\x0c\x02h2\x08http/1.1"),
        extension(43, b"\x04\x03\x04\x03\x03"),
    ];
    for _ in 0..numbers.below(3) {
        let kind = *numbers.one(&[10, 13, 21, 23, 51, 0, 0xfe0d, 0xffce, 0x0a0a]);
        let length = numbers.below(60);
        extensions.push(extension(kind, &numbers.bytes(length)));
    }
    if numbers.once_in(200) {
        let length = numbers.below(40000);
        extensions.push(extension(21, &vec![0; length]));
    }
    let at = numbers.below(extensions.len());
    extensions.swap(0, at);
    let mut body = vec![3, 3];
    body.extend(numbers.bytes(32));
    body.extend(with_length(1, &[9; 32]));
    body.extend(with_length(2, &[0x13, 1, 0x13, 2]));
    body.extend(with_length(1, &[0]));
    body.extend(with_length(2, &extensions.concat()));
    let message = [&[1][..], &with_length(3, &body)].concat();
    let size = match numbers.below(3) {
        0 => 1 + numbers.below(200),
        _ => 1 << 14,
    };
    let record = |piece: &[u8]| [&[22, 3, 1][..], &with_length(2, piece)].concat();
    message.chunks(size).flat_map(record).collect()
}

const FINE_LINES: [&str; 8] = [
    "Accept: */*",
    "X-Empty:",
    "X: \u{fc}\t\"",
    "Expect: 100-continue",
    "Connection: close",
    "Connection: keep-alive, Upgrade",
    "Trailer: X-Sum",
    "HTTP2-Settings: AA",
];
const LINES: [&str; 26] = [
    "Host: api.example.com",
    "host: API.example.com:80",
    "Host: evil.example",
    "Host : api.example.com",
    "Content-Length: 5",
    "Content-Length: 0",
    "content-length: 18446744073709551617",
    "Content-Length: 5, 5",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer_Encoding: chunked",
    "Connection: keep-alive, Upgrade",
    "Connection: close",
    "Upgrade: websocket",
    "Upgrade: h2c",
    "Expect: 100-continue",
    "Accept: */*",
    " folded",
    "X-Empty:",
    "X: \u{fc}",
    "X\r: y",
    "Trailer: X-Sum",
    "Content-Length:\t5 ",
    "Connection: Host",
    "",
    "X: y\nHost: evil.example",
];

/// One request or several.
pub fn http(numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = String::new();
    for _ in 0..=numbers.below(4) {
        let targets = [
            "/",
            "/a?b#c",
            "http://api.example.com/",
            "http://evil.example/",
            "*",
            "//x",
        ];
        let target = match numbers.below(8) {
            0 => numbers.one(&targets),
            _ => "/v1/chat",
        };
        let method = *numbers.one(&["GET", "POST", "OPTIONS", "PUT"]);
        let version = if numbers.once_in(8) { "1.0" } else { "1.1" };
        bytes += &format!("{method} {target} HTTP/{version}\r\nHost: {HOST}\r\n");
        for _ in 0..numbers.below(3) {
            bytes += match numbers.below(5) {
                0 => *numbers.one(&LINES),
                _ => *numbers.one(&FINE_LINES),
            };
            bytes += "\r\n";
        }
        let chunks = "5\r\nhello\r\nA\r\n0123456789\r\n0\r\n";
        bytes += &match numbers.below(4) {
            0 => "Content-Length: 5\r\n\r\nhello".to_string(),
            1 => format!("Transfer-Encoding: chunked\r\n\r\n{chunks}\r\n"),
            2 if numbers.once_in(2) => {
                format!("Transfer-Encoding: chunked\r\n\r\n{chunks}X-Sum: 1\r\n\r\n")
            }
            _ => "\r\n".to_string(),
        };
    }
    if numbers.once_in(20) {
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        bytes = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{upgrade}{bytes}");
    }
    if numbers.once_in(20) {
        bytes = format!("HTTP/1.1 101 Switching Protocols\r\n{bytes}");
    }
    if numbers.once_in(500) {
        let long = "x".repeat(numbers.below(70000));
        bytes = bytes.replacen("Host", &format!("X: {long}\r\nHost"), 1);
    }
    bytes.into_bytes()
}

fn wire(name: &[u8]) -> Vec<u8> {
    let label = |label: &[u8]| with_length(1, label);
    let labels = name
        .split(|byte| *byte == b'.')
        .filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> = labels.flat_map(label).collect();
    bytes.push(0);
    bytes
}

/// A question as a resolver sends it.
pub fn dns(numbers: &mut Numbers) -> Vec<u8> {
    let [high, low] = *numbers.one(&[[1, 0], [0, 0], [1, 0x20], [0x81, 0x80], [0x28, 0]]);
    let options = numbers.once_in(2);
    let mut bytes = numbers.bytes(2);
    bytes.extend([high, low, 0, 1, 0, 0, 0, 0, 0, u8::from(options)]);
    let odd = numbers.once_in(4);
    let length = numbers.below(20);
    let label = numbers.bytes(length);
    let name = if odd { &label } else { *numbers.one(&NAMES) };
    bytes.extend(wire(name));
    bytes.extend([0, *numbers.one(&[1, 28, 5, 33, 16, 65, 255, 12])]);
    bytes.extend([0, *numbers.one(&[1, 1, 1, 1, 3, 255])]);
    if options {
        let size = numbers.bytes(2);
        bytes.extend([0, 0, 41, size[0], size[1], 0, 0, 0, 0, 0, 0]);
    }
    bytes
}

/// A reply of a nameserver about [`HOST`].
pub fn upstream(numbers: &mut Numbers) -> Vec<u8> {
    let kind = *numbers.one(&[1, 1, 28, 33, 16]);
    let count = numbers.below(7);
    let mut bytes = vec![0, 7, 0x81, 0x80, 0, 1, 0, count as u8, 0, 0, 0, 0];
    bytes.extend(wire(HOST.as_bytes()));
    bytes.extend([0, kind, 0, 1]);
    let names = [HOST, "b.example.net", "C.example.net", "d.example"];
    let mut owner = 0;
    for _ in 0..count {
        let other = numbers.once_in(3);
        let name = match numbers.below(3) {
            0 if owner == 0 => vec![0xc0, 12],
            _ => wire(names[owner].as_bytes()),
        };
        bytes.extend(name);
        let data = match kind {
            _ if other => {
                owner = numbers.below(names.len());
                wire(names[owner].as_bytes())
            }
            1 => vec![203, 0, 113, numbers.below(8) as u8],
            28 => numbers.bytes(16),
            33 => [&[0, 1, 0, 2, 1, 187][..], &wire(b"s.example")].concat(),
            _ => b"\x03a=b\x02cd".to_vec(),
        };
        bytes.extend([0, if other { 5 } else { kind }, 0, 1, 0, 0, 0, 60]);
        bytes.extend(with_length(2, &data));
    }
    bytes
}

/// A PROXY protocol header of either version.
pub fn front(numbers: &mut Numbers) -> Vec<u8> {
    let lines = [
        "PROXY TCP4 203.0.113.7 192.0.2.1 56324 443\r\nGET",
        "PROXY TCP6 2001:db8::7 ::ffff:1.2.3.4 0 65535\r\n",
        "PROXY TCP6 ::ffff:203.0.113.7 ::1 1 2\r\n",
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN a b\r\n",
    ];
    if numbers.once_in(2) {
        return numbers.one(&lines).as_bytes().to_vec();
    }
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.push(*numbers.one(&[0x20, 0x21, 0x21, 0x21]));
    bytes.push(*numbers.one(&[0, 0x11, 0x21, 0x12, 0x31]));
    let length = *numbers.one(&[12, 36, 40, 216, 0, 4080, 4081]);
    bytes.extend(with_length(2, &numbers.bytes(length)));
    bytes.extend(b"GET");
    bytes
}

/// Sixteen bytes of an address, often one with an IPv4 address inside.
pub fn address(numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = numbers.bytes(16);
    let prefixes: [&[u8]; 8] = [
        &[0; 12],
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
        &[0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0, 0x64, 0xff, 0x9b, 0, 1],
        &[0x20, 2],
        &[0x20, 1, 0, 0],
        &[0x26, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x5e, 0xfe],
        &[0x20],
    ];
    let prefix = *numbers.one(&prefixes);
    bytes[..prefix.len()].copy_from_slice(prefix);
    if numbers.once_in(3) {
        bytes[12..].copy_from_slice(&[169, 254, 169, 254]);
    }
    bytes
}

/// Changes an input in up to five places, or not at all.
pub fn mutate(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    for _ in 0..numbers.below(6).saturating_sub(1) {
        if bytes.is_empty() {
            bytes.push(0);
        }
        let at = numbers.below(bytes.len());
        let end = (at + numbers.below(30)).min(bytes.len());
        match numbers.below(9) {
            0 => bytes[at] ^= 1 << numbers.below(8),
            1 => bytes[at] = numbers.below(256) as u8,
            2 => bytes[at] = *numbers.one(b"\0\r\n :.,/@\t\xff\xc0\x7f\x0105aA-_;"),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                let to = numbers.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            5 => bytes.truncate(at),
            6 => {
                let count = numbers.below(4);
                let piece = numbers.bytes(count);
                bytes.splice(at..at, piece);
            }
            7 => bytes[at] = bytes[at].wrapping_add(*numbers.one(&[1, 255, 2, 128])),
            _ => {
                let pieces: [&[u8]; 8] = [
                    b"\r\n",
                    b"\r\n\r\n",
                    b"\n\n",
                    b"\xc0\x0c",
                    b"\0\0",
                    b"\x16\x03\x01\0\x01",
                    b"Host: x\r\n",
                    b"0\r\n\r\n",
                ];
                let piece = numbers.one(&pieces).to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
}
