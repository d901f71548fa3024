//! Every broken profile and flag has its exact text; nothing that a path can lead to hangs or crashes the reader.
//!
//! `UPDATE_GOLDEN=1` writes the texts anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flowjail::profile::{Overlay, Problems, load};

const GOLDEN: &str = "tests/golden/problems";

fn problems(name: &str, overlay: &Overlay) -> Problems {
    match load(name, overlay) {
        Ok(_) => panic!("{name} {overlay:?} has no problem"),
        Err(problems) => problems,
    }
}

/// Compares with the golden text, or writes it; what differs is returned.
fn compare(golden: &Path, found: &str) -> Option<String> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(golden, found).unwrap();
    }
    let expected = fs::read_to_string(golden).unwrap_or_default();
    (expected != found).then(|| format!("{}:\n{found}\nexpected:\n{expected}", golden.display()))
}

fn broken_profiles() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(GOLDEN)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|end| end == "toml" || end == "json")
        })
        .collect();
    all.sort();
    all
}

#[test]
fn every_broken_profile_has_its_exact_text() {
    let profiles = broken_profiles();
    assert!(profiles.len() >= 30, "only {}", profiles.len());
    let wrong: Vec<String> = profiles
        .iter()
        .filter_map(|path| {
            let found = problems(path.to_str().unwrap(), &Overlay::default()).to_string();
            compare(&path.with_extension("txt"), &found)
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Golden name and flags, as `--flag=value` words.
const FLAGS: [(&str, &[&str]); 7] = [
    ("flag-set-relative", &["--set=data=srv"]),
    (
        "flag-allow",
        &["--allow=api_x.example.com", "--allow=@supabase"],
    ),
    ("flag-allow-private", &["--allow-private=ollama:port"]),
    (
        "flag-add-host",
        &[
            "--add-host=ollama",
            "--add-host=ollama=here",
            "--add-host==127.0.0.1",
        ],
    ),
    (
        "flag-publish",
        &[
            "--publish=127.0.0.1",
            "--publish=:3000",
            "--publish=0.0.0.0:65536",
        ],
    ),
    ("flag-with", &["--with=browser"]),
    (
        "flag-set",
        &[
            "--set=dat=/srv",
            "--set=data",
            "--set=data=srv",
            "--set=DATA=/x",
            "--set=data=${dta}",
        ],
    ),
];

fn overlay(flags: &[&str]) -> Overlay {
    let mut overlay = Overlay::default();
    for flag in flags {
        let (name, value) = flag.split_once('=').unwrap();
        let list = match name {
            "--allow" => &mut overlay.allow,
            "--allow-private" => &mut overlay.allow_private,
            "--add-host" => &mut overlay.add_host,
            "--publish" => &mut overlay.publish,
            "--with" => &mut overlay.features,
            "--set" => &mut overlay.set,
            _ => panic!("{name}"),
        };
        list.push(value.to_owned());
    }
    overlay
}

#[test]
fn every_broken_flag_and_name_has_its_exact_text() {
    let mut cases: Vec<(&str, &str, Overlay)> = FLAGS
        .iter()
        .map(|(golden, flags)| (*golden, "flowise", overlay(flags)))
        .collect();
    for (golden, profile) in [
        ("name-misspelt", "flowsie"),
        ("name-unknown", "x"),
        ("name-empty", ""),
    ] {
        cases.push((golden, profile, Overlay::default()));
    }
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(golden, profile, overlay)| {
            let golden = Path::new(GOLDEN).join(golden).with_extension("txt");
            compare(&golden, &problems(profile, overlay).to_string())
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A directory of this test's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("flowjail-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How long this thread was on a processor (/proc/PID/schedstat, its first number, in nanoseconds).
fn worked() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// The problem's text, which must take no more than a moment of work (three seconds on a machine that is busy): time on the processor, whatever else the machine does.
fn refused_fast(path: &Path) -> String {
    let start = worked();
    let text = problems(path.to_str().unwrap(), &Overlay::default()).to_string();
    let took = worked() - start;
    assert!(
        took < Duration::from_secs(3),
        "{}: {took:?}",
        path.display()
    );
    text
}

#[test]
fn what_is_no_profile_is_refused_fast() {
    let scratch = Scratch::new("odd");
    let fifo = scratch.0.join("fifo.toml");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let socket = scratch.0.join("socket.toml");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let directory = scratch.0.join("directory.toml");
    fs::create_dir(&directory).unwrap();
    let endless = scratch.0.join("loop.toml");
    std::os::unix::fs::symlink("loop.toml", &endless).unwrap();
    for (path, expected) in [
        (fifo, "is a FIFO, not a file"),
        (socket, "is a socket, not a file"),
        (directory, "is a directory, not a file"),
        (PathBuf::from("/dev/./null"), "is a device, not a file"),
        (PathBuf::from("/dev/./zero"), "is a device, not a file"),
        (endless, "cannot be read"),
        (scratch.0.join("absent.toml"), "no such file"),
        (
            scratch.file("binary.toml", &[0x7f, b'E', b'L', b'F', 0, 0xff, 0xfe]),
            "line 1 is not UTF-8",
        ),
        (
            scratch.file("nul.toml", b"jail = \"auto\"\n\0\0\0"),
            "error: profile",
        ),
        (
            scratch.file("large.toml", &vec![b'#'; 10 << 20]),
            "is too large for a profile (10485760 bytes)",
        ),
    ] {
        let text = refused_fast(&path);
        assert!(text.contains(expected), "{}: {text}", path.display());
    }
}

#[test]
fn what_is_nested_or_repeated_without_end_is_refused_fast() {
    let scratch = Scratch::new("deep");
    let most = 1 << 18;
    let fill = |head: &str, piece: &str| {
        let mut text = head.to_owned();
        while text.len() + piece.len() < most {
            text.push_str(piece);
        }
        text
    };
    for (name, text) in [
        ("lists.toml", fill("x = ", "[")),
        ("tables.toml", fill("x = ", "{a=")),
        ("keys.toml", fill("a", ".a")),
        ("header.toml", format!("[{}]", fill("a", ".a"))),
        ("headers.toml", fill("", "[[a.b]]\n")),
        ("same.toml", fill("", "a=1\n")),
        ("quotes.toml", fill("x = ", "\"")),
        ("errors.toml", fill("", "=\n")),
        ("lists.json", fill("", "[")),
        (
            "closed.json",
            format!("{}{}", "[".repeat(most / 2 - 1), "]".repeat(most / 2 - 1)),
        ),
        ("tables.json", fill("", "{\"a\":")),
        ("same.json", format!("{}\"a\":1}}", fill("{", "\"a\":1,"))),
        (
            "read.json",
            format!(
                "{{\"files\":{{\"read\":[{}\"x\"]}}}}",
                fill("", "\"x\",").split_off(100)
            ),
        ),
    ] {
        refused_fast(&scratch.file(name, text.as_bytes()));
    }
}

#[test]
fn many_lines_are_no_way_to_keep_the_reader_busy() {
    let scratch = Scratch::new("many");
    let hosts: String = (0..9_000)
        .map(|n| format!("\"h{n}.example.com\","))
        .collect();
    let rules: String = (0..30_000).map(|_| "\"read\",").collect();
    let paths: String = (0..20_000).map(|n| format!("\"/p/{n}\",")).collect();
    for (name, text) in [
        ("hosts.toml", format!("[net]\nallow = [{hosts} \"a_b\"]\n")),
        (
            "rules.toml",
            format!("[syscalls]\nallow = [{rules} \"a_b\"]\n"),
        ),
        ("paths.toml", format!("[files]\nread = [{paths} \"a\"]\n")),
        (
            "remove.toml",
            format!("[remove]\nfiles.read = [{paths} \"a\"]\n"),
        ),
    ] {
        refused_fast(&scratch.file(name, text.as_bytes()));
    }
}
