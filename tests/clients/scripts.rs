//! Suites that are one script in one process: node's and Python's.

use std::path::Path;

use crate::common::needs::{self, Need};
use crate::ingress::flowise;
use crate::servers;
use crate::stage::{Stage, text};
use crate::suite::{Grant, How, Run, Suite, THE_END, read};
use crate::trees;

/// node waits by another call.
const EPOLL_WAIT: &str =
    r#"{ name = "epoll_wait", arch = "x86_64", why = "Python's select.epoll" }"#;
/// The packages that Flowise itself has: nothing more is downloaded.
pub const FLOWISE: &str = "3.1.4";
const PYTHON3: &str = "/usr/bin/python3";

/// A node program: node's own clients and those of Flowise's packages.
pub const NODE: Suite = Suite {
    name: "node",
    cases: || names(include_str!("node.mjs"), "test('"),
    needs: |case| {
        let mut needed = vec![flowise()];
        needed.extend(server_of(case));
        needed
    },
    run: node,
};

/// The edges of HTTP/1.1.
pub const HTTP: Suite = Suite {
    name: "http",
    cases: || names(include_str!("http.mjs"), "test('"),
    needs: |_| Vec::new(),
    run: http,
};

/// A Python program, and what it asks of the kernel's sockets.
pub const PYTHON: Suite = Suite {
    name: "python",
    cases: || names(include_str!("python.py"), "@test(\""),
    needs: |_| vec![needs::file("python3", Path::new(PYTHON3))],
    run: python,
};

/// What every client may reach.
pub const ALLOWED: [&str; 38] = [
    "--allow",
    "api.test.example:80",
    "--allow",
    "api.test.example:443",
    "--allow",
    "api.test.example:8090",
    "--allow",
    "api.test.example:8092",
    "--allow",
    "api.test.example:8099",
    "--allow",
    "dual.test.example:80",
    "--allow",
    "dual.test.example:443",
    "--allow",
    "six.test.example:80",
    "--allow",
    "six.test.example:443",
    "--allow",
    "six.test.example:8090",
    "--allow",
    "*.wild.test.example:80",
    "--allow",
    "*.wild.test.example:443",
    "--allow",
    "gone.test.example:80",
    "--allow",
    "file.test.example:80",
    "--allow",
    "static.test.example:80",
    "--allow",
    "inside.test.example:6379",
    "--allow-private",
    "db.test.example:5432",
    "--allow-private",
    "cache.test.example:6379",
    "--add-host",
    "static.test.example=203.0.113.10",
];

/// The database that a case speaks to.
fn server_of(case: &str) -> Option<Need> {
    match case.split(':').next()? {
        "pg" => Some(servers::postgres()),
        "redis" | "ioredis" => Some(servers::redis()),
        _ => None,
    }
}

/// The names behind `start` at the begin of a line, and the end.
pub fn names(script: &str, start: &str) -> Vec<String> {
    let quote = start.chars().last().unwrap_or('"');
    let plain = |line: &str| {
        let name = line.strip_prefix(start)?.split(quote).next()?;
        Some(name.to_owned())
    };
    let last = std::iter::once(THE_END.to_owned());
    script.lines().filter_map(plain).chain(last).collect()
}

fn node(stage: &Stage, how: How) -> Result<Run, String> {
    let modules = trees::tree(FLOWISE)?.join("node_modules");
    let script = stage.script("node.mjs");
    let grant = Grant {
        read: &[&modules],
        syscalls: "",
        flags: &ALLOWED,
    };
    read(&how.finish(stage, &grant, &stage.node, &[text(&script), text(&modules)])?)
}

fn http(stage: &Stage, how: How) -> Result<Run, String> {
    let grant = Grant {
        flags: &ALLOWED,
        ..Grant::default()
    };
    let script = stage.script("http.mjs");
    read(&how.finish(stage, &grant, &stage.node, &[text(&script)])?)
}

fn python(stage: &Stage, how: How) -> Result<Run, String> {
    let script = stage.script("python.py");
    let grant = Grant {
        read: &[Path::new("/usr")],
        syscalls: EPOLL_WAIT,
        flags: &ALLOWED,
    };
    read(&how.finish(
        stage,
        &grant,
        Path::new(PYTHON3),
        &[text(&script), text(&stage.authority())],
    )?)
}
