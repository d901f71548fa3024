//! Requests that pass, and every head that two servers could read differently.
#![forbid(unsafe_code)]

use super::{HttpFlaw, MAX_HEAD, MAX_HEADERS, Requests};

const HOST: &str = "api.example.com";

/// Feeds bytes at once; what was let through and how it ended.
fn feed(requests: &mut Requests, bytes: &[u8]) -> (usize, Result<(), HttpFlaw>) {
    let mut at = 0;
    loop {
        match requests.admit(&bytes[at..]) {
            Ok(0) => return (at, Ok(())),
            Ok(more) => at += more,
            Err(flaw) => return (at, Err(flaw)),
        }
    }
}

fn at_port(port: u16, bytes: &str) -> (usize, Result<(), HttpFlaw>) {
    feed(&mut Requests::new(HOST, port), bytes.as_bytes())
}

#[track_caller]
fn passes(bytes: &str) {
    assert_eq!(at_port(80, bytes), (bytes.len(), Ok(())), "{bytes:.90}");
}

#[track_caller]
fn refuses(bytes: &str, flaw: HttpFlaw) {
    assert_eq!(at_port(80, bytes), (0, Err(flaw)), "{bytes:.90}");
}

/// A head with the right host and one more line.
fn with(line: &str) -> String {
    format!("POST /v1 HTTP/1.1\r\nHost: api.example.com\r\n{line}\r\n\r\n")
}

fn wrong(found: &str) -> HttpFlaw {
    let found = found.into();
    HttpFlaw::WrongHost { found }
}

#[test]
fn requests_follow_one_another() {
    passes("GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    passes("GET / HTTP/1.0\r\nHost: API.Example.com:80\r\n\r\n");
    passes(&with("Accept: */*\r\nX-Text: b\u{fc}cher\t\"\r\nX-Empty:"));
    passes(&format!(
        "{}hello{}",
        with("Content-Length: 5"),
        with("A: b")
    ));
    passes(&format!("{}{}", with("Content-Length: 0"), with("A: b")));
    let chunks = "5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n";
    let chunked = with("Transfer-Encoding: chunked");
    passes(&format!("{chunked}{chunks}\r\n{}", with("A: b")));
    passes(&format!(
        "{chunked}{chunks}X-Sum: 1\r\nY: \r\n\r\n{chunked}0\r\n\r\n"
    ));
    passes(&format!(
        "{}hello",
        with("Expect: 100-continue\r\nContent-Length: 5")
    ));
}

#[test]
fn every_head_must_name_the_host() {
    let first = with("Content-Length: 2") + "ab";
    let bytes = format!("{first}GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    let expected = (first.len(), Err(wrong("evil.example")));
    assert_eq!(at_port(80, &bytes), expected);

    refuses("GET / HTTP/1.1\r\nA: b\r\n\r\n", HttpFlaw::NoHost);
    refuses("GET / HTTP/1.0\r\n\r\n", HttpFlaw::NoHost);
    refuses(&with("host: api.example.com"), HttpFlaw::ManyHosts);
    for host in [
        "evil.example",
        "api.example.com.",
        "api.example.com:81",
        "api.example.com:080",
        "api.example.com:",
        "api.example.com:80:80",
        "api.example.com, evil.example",
        "evil@api.example.com",
        "xapi.example.com",
        "",
    ] {
        refuses(
            &format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            wrong(host),
        );
    }
    let long = format!("GET / HTTP/1.1\r\nHost: {}\u{fc}\r\n\r\n", "x".repeat(300));
    refuses(&long, wrong(&"x".repeat(100)));
    refuses(
        "GET / HTTP/1.1\r\nHost: \u{fc}\r\n\r\n",
        wrong("\\xc3\\xbc"),
    );
}

#[test]
fn the_port_is_left_out_for_80_alone() {
    let head = |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let named = head("api.example.com:8080");
    assert_eq!(at_port(8080, &named), (named.len(), Ok(())));
    let bare = (0, Err(wrong("api.example.com")));
    assert_eq!(at_port(8080, &head("api.example.com")), bare);
}

#[test]
fn targets_stay_on_the_host() {
    let to = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    for target in [
        "/",
        "/a?b=http://evil.example",
        "//evil.example/",
        "http://api.example.com",
        "HTTP://Api.Example.com:80/a?b",
        "http://api.example.com?b",
    ] {
        passes(&to(target));
    }
    passes(&to("*").replace("GET", "OPTIONS"));
    refuses(&to("http://evil.example/"), wrong("evil.example"));
    refuses(
        &to("http://api.example.com@evil.example/"),
        wrong("api.example.com@evil.example"),
    );
    refuses(
        &to("http://api.example.com\\@evil/"),
        wrong("api.example.com\\\\@evil"),
    );
    for target in ["*", "https://api.example.com/", "api.example.com:80", "a"] {
        refuses(&to(target), HttpFlaw::Target);
    }
    refuses(
        &to("api.example.com:80").replace("GET", "CONNECT"),
        HttpFlaw::Connect,
    );
    refuses(&to("/").replace("GET", "connect"), HttpFlaw::Connect);
}

#[test]
fn request_lines_are_strict_and_refused_at_once() {
    for line in [
        "\r\n",
        "GET /\r\n",
        "GET  / HTTP/1.1\r\n",
        "GET / HTTP/1.1 \r\n",
        " GET / HTTP/1.1\r\n",
        "GET /a b HTTP/1.1\r\n",
        "GET / http/1.1\r\n",
        "G{T / HTTP/1.1\r\n",
        "GET /\u{fc} HTTP/1.1\r\n",
        "EHLO example.com\r\n",
    ] {
        refuses(line, HttpFlaw::RequestLine);
    }
    for version in ["2.0", "1.2", "0.9", "1.10", "1"] {
        refuses(&format!("GET / HTTP/{version}\r\n"), HttpFlaw::Version);
    }
    refuses("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HttpFlaw::Version);
    refuses("\u{16}\u{3}\u{1}", HttpFlaw::Control);
    refuses("GET\0", HttpFlaw::Control);
}

#[test]
fn lines_end_in_cr_lf_and_nothing_else() {
    for bytes in [
        "GET / HTTP/1.1\nHost: api.example.com\n\n",
        "GET / HTTP/1.1\r\nHost: api.example.com\n\r\n",
        "GET / HTTP/1.1\r\nHost: api.example.com\r\n\n",
        "GET / HTTP/1.1\r\nHost: api.example.com\rX: y\r\n\r\n",
        "GET / HTTP/1.1\r\r\n",
    ] {
        refuses(bytes, HttpFlaw::LineEnd);
    }
    for odd in ['\0', '\u{b}', '\u{7f}', '\u{1b}'] {
        refuses(&with(&format!("X: a{odd}b")), HttpFlaw::Control);
    }
}

#[test]
fn header_lines_are_strict() {
    for line in [
        "Host : evil.example",
        "X",
        ": x",
        "X Y: z",
        "X\u{fc}: y",
        "Content_Length: 5",
        "transfer_encoding: chunked",
    ] {
        refuses(&with(line), HttpFlaw::HeaderLine);
    }
    for line in ["X: a\r\n b", "X: a\r\n\tb", "X: a\r\n "] {
        refuses(&with(line), HttpFlaw::Folded);
    }
    let first = "GET / HTTP/1.1\r\n Host: api.example.com\r\n\r\n";
    refuses(first, HttpFlaw::Folded);
}

#[test]
fn lengths_have_one_meaning() {
    for value in [
        "",
        "+5",
        "-1",
        "0x5",
        "5,5",
        "5 5",
        "05",
        "5a",
        "1e3",
        "9223372036854775808",
        "18446744073709551621",
    ] {
        refuses(&with(&format!("Content-Length: {value}")), HttpFlaw::Length);
    }
    for lines in [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\ncontent-length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Connection: close, Content-Length",
        "Connection: Host",
        "Connection: transfer-encoding",
    ] {
        refuses(&with(lines), HttpFlaw::Ambiguous);
    }
    for value in [
        "",
        "identity",
        "Chunked",
        "gzip, chunked",
        "chunked, chunked",
        "chunked;q=1",
        "xchunked",
        "\"chunked\"",
        "chunked,",
    ] {
        refuses(
            &with(&format!("Transfer-Encoding: {value}")),
            HttpFlaw::Coding,
        );
    }
    let old = with("Transfer-Encoding: chunked").replace("HTTP/1.1", "HTTP/1.0");
    refuses(&old, HttpFlaw::Coding);
}

#[test]
fn chunks_are_followed_to_their_end() {
    let head = with("Transfer-Encoding: chunked");
    for (chunks, flaw) in [
        ("x\r\n", HttpFlaw::Chunk),
        ("\r\n", HttpFlaw::Chunk),
        (" 5\r\n", HttpFlaw::Chunk),
        ("5 \r\n", HttpFlaw::Chunk),
        ("5;a=b\r\n", HttpFlaw::Chunk),
        ("5\n", HttpFlaw::Chunk),
        ("0x5\r\n", HttpFlaw::Chunk),
        ("-1\r\n", HttpFlaw::Chunk),
        ("1234567890abcdef\r\n", HttpFlaw::Chunk),
        ("0\r\nHost: evil.example\r\n\r\n", HttpFlaw::Trailer),
        ("0\r\nContent-Length: 5\r\n\r\n", HttpFlaw::Trailer),
        ("0\r\nA: b\n\r\n", HttpFlaw::LineEnd),
        ("0\r\n A: b\r\n\r\n", HttpFlaw::Folded),
    ] {
        let fine = chunks.find("\r\n").filter(|_| chunks.starts_with("0\r"));
        let fine = head.len() + fine.map_or(0, |end| end + 2);
        let found = at_port(80, &format!("{head}{chunks}"));
        assert_eq!(found, (fine, Err(flaw)), "{chunks:?}");
    }
    let behind = head.len() + "5\r\nhello".len();
    let found = at_port(80, &format!("{head}5\r\nhello!\r\n"));
    assert_eq!(found, (behind, Err(HttpFlaw::Chunk)));
}

#[test]
fn heads_have_limits() {
    let fill = |count: usize| with(&vec!["A: b"; count].join("\r\n"));
    passes(&fill(MAX_HEADERS - 1));
    refuses(&fill(MAX_HEADERS), HttpFlaw::TooManyHeaders);
    let empty = with("A: ").len();
    let most = with(&format!("A: {}", "x".repeat(MAX_HEAD - empty)));
    assert_eq!(most.len(), MAX_HEAD);
    passes(&most);
    let more = with(&format!("A: {}", "x".repeat(MAX_HEAD - empty + 1)));
    refuses(&more, HttpFlaw::TooLong);
    refuses(&most.replace("\r\n", "xx"), HttpFlaw::TooLong);
}

#[test]
fn a_websocket_waits_for_the_answer() {
    let head = with("Connection: keep-alive, Upgrade\r\nUpgrade: websocket").replace("POST", "GET");
    for yes in [true, false] {
        let mut requests = Requests::new(HOST, 80);
        assert_eq!(requests.admit(head.as_bytes()), Ok(head.len()));
        assert!(requests.awaits_switch());
        assert_eq!(requests.admit(b"\x82\x01x"), Ok(0));
        requests.switched(yes);
        assert_eq!(requests.is_tunnel(), yes);
        let next = requests.admit(b"\x82\x01x");
        assert_eq!(next.is_ok(), yes, "{next:?}");
    }
    let mut requests = Requests::new(HOST, 80);
    requests.switched(true);
    assert!(!requests.is_tunnel());
    let plain = with("A: b");
    assert_eq!(requests.admit(plain.as_bytes()), Ok(plain.len()));
    let late = requests.admit(head.as_bytes());
    assert_eq!(late, Err(HttpFlaw::LateUpgrade));
    assert_eq!(requests.admit(plain.as_bytes()), late);
}

#[test]
fn other_upgrades_are_refused() {
    for lines in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA",
        "Connection: Upgrade\r\nUpgrade: websocket, h2c",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c",
        "Connection: Upgrade\r\nUpgrade: TLS/1.0",
        "Connection: keep-alive\r\nUpgrade: websocket",
        "Upgrade: websocket",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5",
    ] {
        refuses(&with(lines).replace("POST", "GET"), HttpFlaw::Upgrade);
    }
    refuses(
        &with("Connection: Upgrade\r\nUpgrade: websocket"),
        HttpFlaw::Upgrade,
    );
    passes(&with("Connection: upgrade"));
}

#[test]
fn every_cut_gives_the_same() {
    let fine = format!(
        "{}3\r\nabc\r\n0\r\nX: y\r\n\r\n{}hello{}",
        with("Transfer-Encoding: chunked"),
        with("Content-Length: 5"),
        with("A: b")
    );
    for bytes in [
        fine.clone(),
        fine.clone() + "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        fine + "GET /\r\n",
    ] {
        let whole = at_port(80, &bytes);
        for size in 1..60 {
            let mut requests = Requests::new(HOST, 80);
            let mut admitted = 0;
            let mut end = Ok(());
            for upto in (0..bytes.len())
                .step_by(size)
                .map(|at| (at + size).min(bytes.len()))
            {
                let (more, ended) = feed(&mut requests, &bytes.as_bytes()[admitted..upto]);
                admitted += more;
                end = ended;
            }
            assert_eq!((admitted, end), whole, "{size}");
        }
    }
}
