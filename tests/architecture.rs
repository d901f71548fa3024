//! The architecture as absences: which room may know which, and what none of them does. Changing a table here
//! is the review of a change in the design.

use std::fs;
use std::path::{Path, PathBuf};

/// What each room of the library may import from its neighbours.
const MAY_IMPORT: [(&str, &[&str]); 16] = [
    ("sys", &[]),
    ("syscalls", &[]),
    ("profile", &["syscalls"]),
    ("filter", &["syscalls"]),
    ("host", &["profile", "sys"]),
    ("plan", &["profile", "host", "filter", "syscalls"]),
    ("layers", &["plan", "sys"]),
    (
        "launch",
        &["plan", "profile", "layers", "filter", "gateway", "sys"],
    ),
    ("events", &[]),
    ("service", &["plan"]),
    (
        "supervisor",
        &[
            "plan", "launch", "layers", "events", "gateway", "service", "sys", "syscalls",
        ],
    ),
    ("gateway", &["plan", "profile", "events", "sys"]),
    ("install", &[]),
    (
        "cli",
        &[
            "profile",
            "host",
            "plan",
            "launch",
            "gateway",
            "supervisor",
            "service",
            "events",
            "install",
            "sys",
        ],
    ),
    ("main.rs", &[]),
    ("lib.rs", &[]),
];

/// What pure rooms never name: the file system, the environment, the clock, processes, the network.
const IMPURE: [&str; 8] = [
    "std::fs",
    "env::var",
    "env::current",
    "std::process",
    "std::net::Tcp",
    "SystemTime",
    "Instant::now",
    "File::open",
];

/// Rooms and files that are pure; `profile/load.rs` alone reads profile files.
const PURE: [&str; 21] = [
    "syscalls",
    "profile",
    "filter",
    "plan",
    "supervisor/decide.rs",
    "supervisor/sockaddr.rs",
    "gateway/address.rs",
    "gateway/dns.rs",
    "gateway/front.rs",
    "gateway/hello.rs",
    "gateway/http.rs",
    "gateway/http/flaw.rs",
    "gateway/http/head.rs",
    "gateway/http/status.rs",
    "gateway/name.rs",
    "gateway/odd.rs",
    "gateway/pattern.rs",
    "gateway/policy.rs",
    "gateway/reason.rs",
    "gateway/upstream.rs",
    "gateway/wire.rs",
];
const READS_FILES: &str = "profile/load.rs";

fn sources(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

/// Every file below src with its path from there and its code: comments left out, and unit tests behind them.
fn code() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let all = sources(&root);
    assert!(
        all.len() > 60,
        "only {} files: the walk went wrong",
        all.len()
    );
    let relative = |path: &Path| {
        path.strip_prefix(&root)
            .unwrap()
            .to_string_lossy()
            .into_owned()
    };
    let is_test = |name: &str| name.contains("tests") || name.ends_with("fuzz.rs");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let text = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        (relative(&path), lines.collect::<Vec<_>>().join("\n"))
    };
    all.into_iter()
        .map(read)
        .filter(|(name, _)| !is_test(name))
        .collect()
}

fn room(name: &str) -> &str {
    name.split('/').next().unwrap_or_default()
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for (name, text) in code() {
        let own = room(&name);
        let row = MAY_IMPORT.iter().find(|(room, _)| *room == own);
        let (_, allowed) = row.unwrap_or_else(|| panic!("{own} is not in the table"));
        for used in text.split("crate::").skip(1) {
            let used: String = used
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if used != own && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{name} uses crate::{used}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn pure_rooms_touch_no_file_no_environment_and_no_clock() {
    let pure = |name: &str| {
        name != READS_FILES
            && PURE
                .iter()
                .any(|room| name == *room || name.starts_with(&format!("{room}/")))
    };
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (name, text) in code().into_iter().filter(|(name, _)| pure(name)) {
        seen += 1;
        wrong.extend(
            IMPURE
                .iter()
                .filter(|word| text.contains(**word))
                .map(|word| format!("{name}: {word}")),
        );
    }
    assert!(seen > 30, "only {seen} pure files");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn unsafe_stands_in_sys_alone_and_every_other_file_forbids_it() {
    for (name, text) in code() {
        if room(&name) == "sys" || name == "lib.rs" || name == "main.rs" {
            continue;
        }
        assert!(
            text.contains("#![forbid(unsafe_code)]"),
            "{name} does not forbid unsafe code"
        );
    }
}

#[test]
fn nothing_below_cli_prints() {
    let words = ["println!", "print!(", "dbg!", "io::stdout", "io::stderr"];
    for (name, text) in code().into_iter().filter(|(name, _)| room(name) != "cli") {
        assert!(
            !words.iter().any(|word| text.contains(word)),
            "{name} prints"
        );
    }
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let manifest =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let from = manifest.split("[dependencies]").nth(1).unwrap();
    let lines = from
        .lines()
        .take_while(|line| !line.starts_with("[lib]"))
        .filter(|line| line.contains(" = "));
    let bare: Vec<&str> = lines.filter(|line| !line.contains("# ")).collect();
    assert_eq!(bare, Vec::<&str>::new());
}
