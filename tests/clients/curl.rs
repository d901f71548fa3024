//! curl: one command line, one process, one jail for each case.

use std::path::Path;

use crate::common::needs;
use crate::scripts::ALLOWED;
use crate::stage::{Stage, text};
use crate::suite::{Grant, How, Run, Suite, Told};

const PROGRAM: &str = "/usr/bin/curl";

/// The system's curl.
pub const CURL: Suite = Suite {
    name: "curl",
    cases: || CASES.iter().map(|(name, _)| (*name).to_owned()).collect(),
    needs: |_| vec![needs::file("curl", Path::new(PROGRAM))],
    run: curl,
};

/// The written-out line of each transfer.
const WRITE: &str = "%{http_code} %{http_version} %{num_connects} %{size_upload} %{exitcode}\\n";

/// Cases, with what they give curl beside its output options; `CA` and `FILE` stand for paths.
const CASES: [(&str, &[&str]); 16] = [
    ("http", &["http://api.test.example/chunked"]),
    (
        "https",
        &["--cacert", "CA", "https://api.test.example/chunked"],
    ),
    (
        "https, with an authority that is unknown",
        &["https://api.test.example/echo"],
    ),
    (
        "https by HTTP/1.1",
        &[
            "--http1.1",
            "--cacert",
            "CA",
            "https://api.test.example/echo",
        ],
    ),
    (
        "https by HTTP/2",
        &["--http2", "--cacert", "CA", "https://api.test.example/echo"],
    ),
    (
        "https by TLS 1.2",
        &[
            "--tls-max",
            "1.2",
            "--cacert",
            "CA",
            "https://api.test.example/echo",
        ],
    ),
    (
        "two URLs on one connection",
        &[
            "http://api.test.example/echo",
            "-o",
            "/dev/null",
            "http://api.test.example/nothing",
        ],
    ),
    (
        "two URLs on one connection, https",
        &[
            "--cacert",
            "CA",
            "https://api.test.example/echo",
            "-o",
            "/dev/null",
            "https://api.test.example/nothing",
        ],
    ),
    ("a redirect", &["-L", "http://api.test.example/redirect"]),
    ("an upload", &["-T", "FILE", "http://api.test.example/sink"]),
    (
        "an upload that waits for 100 Continue",
        &[
            "-H",
            "Expect: 100-continue",
            "-T",
            "FILE",
            "http://api.test.example/sink",
        ],
    ),
    (
        "the name servers' address by hand",
        &[
            "--resolve",
            "api.test.example:80:203.0.113.10",
            "http://api.test.example/echo",
        ],
    ),
    (
        "a name that is not allowed",
        &["http://denied.test.example/echo"],
    ),
    ("IPv6 by name", &["-6", "http://dual.test.example/echo"]),
    ("IPv6 by address", &["-g", "http://[2001:db8::10]/echo"]),
    (
        "a name with an IPv6 address alone",
        &["http://six.test.example/echo"],
    ),
];

fn curl(stage: &Stage, how: How) -> Result<Run, String> {
    CASES
        .iter()
        .map(|(name, arguments)| Ok(((*name).to_owned(), case(stage, how, arguments)?)))
        .collect()
}

fn case(stage: &Stage, how: How, arguments: &[&str]) -> Result<Told, String> {
    let (authority, file) = (stage.authority(), stage.script("node.mjs"));
    let mut all = vec![
        "-q",
        "-sS",
        "--max-time",
        "10",
        "-w",
        WRITE,
        "-o",
        "/dev/null",
    ];
    all.extend(arguments.iter().map(|argument| match *argument {
        "CA" => text(&authority),
        "FILE" => text(&file),
        other => other,
    }));
    let grant = Grant {
        read: &[Path::new("/usr")],
        syscalls: "",
        flags: &ALLOWED,
    };
    let ended = how.finish(stage, &grant, Path::new(PROGRAM), &all)?;
    let lines: Vec<&str> = ended.stdout.lines().collect();
    if lines.is_empty() {
        return Err(format!("{arguments:?}: {}", ended.stderr));
    }
    Ok(Told {
        ok: true,
        detail: lines.join(", "),
    })
}
