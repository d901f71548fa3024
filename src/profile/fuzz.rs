//! Texts that nobody meant: the reader answers each with a profile or with problems.
#![forbid(unsafe_code)]

use super::tests::load_from;
use super::{Overlay, builtin_names, builtin_text};

/// A fixed sequence of numbers (xorshift), so that a failure can be run again.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

fn mutate(text: &str, numbers: &mut Numbers) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=numbers.below(6) {
        let at = numbers.below(bytes.len());
        let end = (at + numbers.below(40)).min(bytes.len());
        match numbers.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let piece = bytes[at..end].to_vec();
                let to = numbers.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            2 => bytes[at] = b"\"'[]{}=,.#$*~@:\n\\ 0"[numbers.below(19)],
            3 => bytes[at] = numbers.below(256) as u8,
            4 => bytes.truncate(at.max(1)),
            _ => {
                bytes.splice(at..at, "${ü\u{202e}\0".bytes());
            }
        }
        if bytes.is_empty() {
            bytes.push(b'x');
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn no_text_makes_the_reader_panic() {
    let json = r#"{"extends": ["node"], "net": {"allow": ["a.example.com", {"host": "b.example.com", "port": 80, "why": "w"}]},
        "remove": {"files": {"read": ["/lib"]}, "net": {"addresses": ["10.0.0.0/8:1"]}}, "feature": {"x": {"env": {"pass": ["A*"], "set": {"B": "${home}"}}}},
        "resources": {"cpus": 1.5, "memory": "2G"}, "syscalls": {"allow": [{"name": "kill", "when": ["arg0 == SELF"]}]}}"#;
    let mut seeds: Vec<(&str, &str)> = builtin_names()
        .map(|name| ("a.toml", builtin_text(name).unwrap_or_default()))
        .collect();
    let net = r#"
        [net]
        publish = [{ address = "0.0.0.0:80", to = 3000, allow_from = ["10.0.0.0/8"], proxy_from = ["::1"] }]
        allow = ["@azure-openai(mine)", { host = "db.example.com", port = 5432, as = "tcp", records = true, why = "w" }]
        addresses = ["10.1.2.3:5432", { network = "fd00::/8", port = 1 }]
        hosts = { "model" = "192.168.1.5" }
        resolver = ["10.0.0.2", "[::1]:53"]
        proxy = "http://proxy.example.com:3128"
        limits = { connections = 9, per_host = 9, visitors = 9, queries = 9, connect = "1s", idle = "1m" }
    "#;
    seeds.extend([("a.json", json), ("a.toml", net), ("a.toml", net)]);
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    let mut refused = 0;
    for round in 0..600 {
        let (name, text) = seeds[round % seeds.len()];
        let text = mutate(text, &mut numbers);
        let overlay = Overlay {
            allow: vec![mutate("@supabase(x)", &mut numbers)],
            ..Overlay::default()
        };
        if let Err(problems) = load_from(&[(name, &text)], &overlay) {
            refused += 1;
            assert!(problems.to_string().contains("error: "));
        }
    }
    assert!(refused > 100, "only {refused} texts were refused");
}
