//! Hellos as clients send them, in every cut, and those that are refused.
#![forbid(unsafe_code)]

use super::{Hello, HelloFlaw, MAX_HELLO, read};

/// What node sent for `servername: "Api.OpenAI.com"`.
const NODE: &str = "\
    160301016f0100016b0303bea3960dc28f2496f6f9429f6243266d9f58da906c8a676e4385284e97fe653a209b5a91194259\
    cca4a673c3d1d86b2939aa14963c30511dd85736ba9a3359f2d20076130213031301c02fc02bc030c02c009ec0270067c028\
    006b00a3009fcca9cca8ccaac0afc0adc0a3c09fc05dc061c057c05300a2c0aec0acc0a2c09ec05cc060c056c052c024006a\
    c0230040c00ac01400390038c009c01300330032009dc0a1c09dc051009cc0a0c09cc050003d003c0035002f00ff010000ac\
    00000013001100000e4170692e4f70656e41492e636f6d000b000403000102000a00160014001d0017001e00190018010001\
    01010201030104002300000016000000170000000d002a0028040305030603080708080809080a080b080408050806040105\
    010601030303010302040205020602002b00050403040303002d00020101003300260024001d002027a50333c4454f5f231e\
    d212647b6b775f06b444b3c294b645c15d84450e153c";

fn node() -> Vec<u8> {
    let digits = NODE.as_bytes().chunks(2);
    let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

fn with_length(bytes: usize, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    [&length[length.len() - bytes..], content].concat()
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &with_length(2, content)].concat()
}

fn entry(name: &[u8]) -> Vec<u8> {
    [&[0][..], &with_length(2, name)].concat()
}

fn sni(name: &[u8]) -> Vec<u8> {
    extension(0, &with_length(2, &entry(name)))
}

fn body(extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend(with_length(1, &[9; 32]));
    body.extend(with_length(2, &[0x13, 1, 0x13, 2]));
    body.extend(with_length(1, &[0]));
    body.extend(with_length(2, &extensions.concat()));
    body
}

fn message(body: &[u8]) -> Vec<u8> {
    [&[1][..], &with_length(3, body)].concat()
}

fn record(content: &[u8]) -> Vec<u8> {
    [&[22, 3, 1][..], &with_length(2, content)].concat()
}

fn records(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(record).collect()
}

fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
    record(&message(&body(extensions)))
}

fn refused(flaw: HelloFlaw) -> Hello {
    Hello::Refused(flaw)
}

#[test]
fn the_name_of_a_real_hello_is_read() {
    assert_eq!(read(&node()), Hello::Name("api.openai.com".into()));
}

#[test]
fn a_hello_is_read_in_every_cut() {
    let whole = node();
    for end in 0..whole.len() {
        assert_eq!(read(&whole[..end]), Hello::Incomplete, "{end} bytes");
    }
    for size in 1..whole.len() {
        let cut = records(&whole[5..], size);
        assert_eq!(read(&cut), Hello::Name("api.openai.com".into()), "{size}");
        assert_eq!(read(&cut[..cut.len() - 1]), Hello::Incomplete, "{size}");
        let with_more = [&cut[..], b"\x17\x03\x03\x00\x01x"].concat();
        assert_eq!(read(&with_more), read(&cut), "{size}");
    }
}

#[test]
fn what_is_no_tls_is_known_at_its_first_bytes() {
    for bytes in [
        b"G".as_slice(),
        b"\x80\x2e\x01\x00\x02",
        b"\x15\x03\x01\x00\x02\x01\x00",
        b"\x17\x03\x03",
        b"\x16\x02",
        b"\x16\x00\x01",
        b"\0",
    ] {
        assert_eq!(read(bytes), refused(HelloFlaw::NotTls), "{bytes:?}");
    }
}

#[test]
fn records_that_no_client_sends_are_malformed() {
    let message = message(&body(&[sni(b"a.example")]));
    let (front, back) = message.split_at(30);
    let alert = b"\x15\x03\x01\x00\x02\x01\x00".to_vec();
    let empty = record(b"");
    let with_more = [&message[..], b"\x01\x00\x00\x00"].concat();
    for bytes in [
        record(&[]),
        [record(front), alert, record(back)].concat(),
        [record(front), empty, record(back)].concat(),
        record(&with_more),
        record(&[2, 0, 0, 2, 3, 3]),
        record(&[0, 0, 0, 0]),
        b"\x16\x03\x01\x40\x01\x01".to_vec(),
        [record(front), b"\x16\x02".to_vec()].concat(),
    ] {
        assert_eq!(read(&bytes), refused(HelloFlaw::Malformed), "{bytes:02x?}");
    }
}

#[test]
fn a_long_hello_is_refused_and_a_full_one_is_not() {
    let filled =
        |filler: usize| message(&body(&[sni(b"a.example"), extension(21, &vec![0; filler])]));
    let overhead = filled(0).len();
    // as many bytes as may be sent, the headers of two records among them
    let most = filled(MAX_HELLO - overhead - 2 * 5);
    let bytes = records(&most, 1 << 14);
    assert_eq!(bytes.len(), MAX_HELLO);
    assert_eq!(read(&bytes), Hello::Name("a.example".into()));
    assert_eq!(read(&bytes[..MAX_HELLO - 1]), Hello::Incomplete);

    let more = records(&filled(MAX_HELLO - overhead - 9), 1 << 14);
    assert_eq!(read(&more), refused(HelloFlaw::TooLong));
    assert_eq!(read(&more[..MAX_HELLO]), refused(HelloFlaw::TooLong));
    let announced = record(&[1, 0xff, 0xff, 0xff]);
    assert_eq!(read(&announced), refused(HelloFlaw::TooLong));
    let drops = records(&most, 1);
    assert_eq!(read(&drops), refused(HelloFlaw::TooLong));
}

#[test]
fn a_hello_without_a_name_is_refused() {
    let other = extension(10, &[0, 2, 0, 29]);
    assert_eq!(read(&hello(&[other])), refused(HelloFlaw::NoName));
    assert_eq!(read(&hello(&[])), refused(HelloFlaw::NoName));
    let body = body(&[]);
    let bare = record(&message(&body[..body.len() - 2]));
    assert_eq!(read(&bare), refused(HelloFlaw::NoName));
}

#[test]
fn a_name_that_is_no_host_name_is_refused() {
    let long = "a.".repeat(127) + "a";
    for name in [
        b"".as_slice(),
        b"a.example.",
        b"a..example",
        b".example",
        b"a.example\0",
        b"a.example\0.evil.example",
        b"a_b.example",
        b"-a.example",
        b"b\xc3\xbccher.example",
        b"127.0.0.1",
        b"::1",
        b"a example",
        b"*.example",
        long.as_bytes(),
    ] {
        let found = read(&hello(&[sni(name)]));
        assert_eq!(
            found,
            refused(HelloFlaw::BadName),
            "{}",
            name.escape_ascii()
        );
    }
    let (one, two) = (entry(b"a.example"), entry(b"b.example"));
    let other_kind = [&[1][..], &with_length(2, b"a.example")].concat();
    for list in [
        with_length(2, &[one.clone(), two].concat()),
        with_length(2, &[one.clone(), other_kind.clone()].concat()),
        with_length(2, &other_kind),
        with_length(2, b""),
        [with_length(2, &one), vec![0]].concat(),
        with_length(2, &one[..one.len() - 1]),
        b"".to_vec(),
        b"\0".to_vec(),
    ] {
        let found = read(&hello(&[extension(0, &list)]));
        assert_eq!(found, refused(HelloFlaw::BadName), "{list:?}");
    }
}

#[test]
fn a_hidden_name_is_refused() {
    for kind in [0xfe0d, 0xffce, 0xfe08] {
        let bytes = hello(&[sni(b"a.example"), extension(kind, &[0; 8])]);
        assert_eq!(read(&bytes), refused(HelloFlaw::Encrypted), "{kind:#x}");
    }
}

#[test]
fn an_extension_twice_is_refused() {
    let name = sni(b"a.example");
    let twice = hello(&[name.clone(), sni(b"b.example")]);
    assert_eq!(read(&twice), refused(HelloFlaw::Duplicate));
    let other = extension(23, b"");
    let apart = hello(&[other.clone(), name, other]);
    assert_eq!(read(&apart), refused(HelloFlaw::Duplicate));
}

#[test]
fn a_body_that_does_not_add_up_is_malformed() {
    let fine = body(&[sni(b"a.example")]);
    let lengths = [34, 67, 68, 73, 75, 76];
    for end in (1..fine.len()).filter(|end| *end != 75) {
        let bytes = record(&message(&fine[..end]));
        assert_eq!(read(&bytes), refused(HelloFlaw::Malformed), "{end}");
    }
    for at in lengths {
        let mut odd = fine.clone();
        odd[at] ^= 0x81;
        let bytes = record(&message(&odd));
        assert!(matches!(read(&bytes), Hello::Refused(_)), "{at}");
    }
    let longer = [&fine[..], b"x"].concat();
    let mut old = fine;
    old[0] = 2;
    for body in [longer, old] {
        let found = read(&record(&message(&body)));
        assert_eq!(found, refused(HelloFlaw::Malformed));
    }
}
