//! The place where all of it happens: a network namespace with a few addresses, and a mount namespace in which
//! /etc/resolv.conf and /etc/hosts are the test's own.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use crate::common::needs::{self, Need};
use crate::kit::scratch::Scratch;
use crate::servers::{self, Servers};
use crate::trees;

/// The addresses of the namespace, all of them on its loopback.
const ADDRESSES: [&str; 5] = [
    "203.0.113.10/32",
    "203.0.113.11/32",
    "203.0.113.53/32",
    "10.20.30.40/32",
    "2001:db8::10/128",
];
const RESOLV_CONF: &str = "nameserver 203.0.113.53\noptions timeout:1 attempts:2\n";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n203.0.113.11 file.test.example\n";
const INSIDE: &str = "FLOWJAIL_TEST_STAGE";

/// What the suites find.
pub struct Stage {
    servers: Servers, // the first to go
    /// Scripts, certificates and the data of the servers.
    pub scratch: Scratch,
    /// node, as an ordinary user can run it.
    pub node: PathBuf,
}

/// The stage, or why there is none; `None` where its needs are not met or nothing is run.
pub type Set = Option<Arc<Result<Stage, String>>>;

/// Runs this binary again in namespaces of its own, and returns how that ended; `None` where that was done already or
/// cannot be.
pub fn enter() -> Option<ExitCode> {
    let met = needs().iter().all(|need| need.missing.is_none());
    if std::env::var_os(INSIDE).is_some() || !met {
        return None;
    }
    let own = std::env::current_exe().expect("the path of this binary");
    let status = Command::new("unshare")
        .args(["-n", "-m", "--propagation", "private", "--"])
        .arg(own)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .status()
        .expect("unshare");
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Some(ExitCode::from(code as u8))
}

/// What every suite needs.
pub fn needs() -> Vec<Need> {
    let node = trees::node();
    let mut needs = vec![needs::root()];
    needs.extend(["unshare", "ip", "mount", "setpriv", "openssl"].map(needs::program));
    let why = node.as_ref().err().map_or("", |why| why);
    needs.push(needs::condition("node", node.is_ok(), why));
    needs
}

/// Starts the servers.
pub fn set() -> Set {
    let only_listed = std::env::args().any(|argument| argument == "--list");
    let inside = std::env::var_os(INSIDE).is_some();
    (inside && !only_listed).then(|| Arc::new(Stage::new()))
}

impl Stage {
    fn new() -> Result<Stage, String> {
        let scratch = Scratch::new();
        network()?;
        put(
            &scratch.file("resolv.conf", RESOLV_CONF),
            "/etc/resolv.conf",
        )?;
        put(&scratch.file("hosts", HOSTS), "/etc/hosts")?;
        scripts(&scratch)?;
        certificates(&scratch)?;
        let node = trees::node()?;
        let servers = servers::start(&scratch, &node)?;
        Ok(Stage {
            scratch,
            node,
            servers,
        })
    }

    /// A script of `tests/clients`, where an ordinary user can read it.
    pub fn script(&self, name: &str) -> PathBuf {
        self.scratch.at("scripts").join(name)
    }

    /// The certificate of the authority that signed the servers'.
    pub fn authority(&self) -> PathBuf {
        self.scratch.at("ca.pem")
    }

    /// An error when one of the servers has ended.
    pub fn check(&self) -> Result<(), String> {
        self.servers.check()
    }
}

fn network() -> Result<(), String> {
    call("ip", &["link", "set", "lo", "up"])?;
    for address in ADDRESSES {
        call("ip", &["address", "add", address, "dev", "lo"])?;
    }
    Ok(())
}

fn put(file: &Path, over: &str) -> Result<(), String> {
    call("mount", &["--bind", text(file), over])
}

fn scripts(scratch: &Scratch) -> Result<(), String> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let to = scratch.at("scripts");
    let copy = || -> std::io::Result<()> {
        fs::create_dir(&to)?;
        for entry in fs::read_dir(from)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default();
            if path.extension().is_some_and(|end| end != "rs") {
                fs::copy(&path, to.join(name))?;
            }
        }
        Ok(())
    };
    copy().map_err(|error| format!("copying the scripts: {error}"))
}

/// An authority, and what it signs for the names that the servers have.
fn certificates(scratch: &Scratch) -> Result<(), String> {
    const NAMES: &str = "basicConstraints=CA:FALSE\nsubjectAltName=DNS:api.test.example,\
        DNS:dual.test.example,DNS:six.test.example,IP:2001:db8::10\n";
    const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    scratch.file("names.cnf", NAMES);
    let openssl = |words: &str| {
        let mut command = Command::new("openssl");
        command.args(words.split_whitespace());
        finish(command.current_dir(scratch.at("")))
    };
    openssl(&format!(
        "req {KEY} -x509 -days 2 -subj /CN=authority -keyout ca.key -out ca.pem"
    ))?;
    openssl(&format!(
        "req {KEY} -subj /CN=api.test.example -keyout server.key -out server.csr"
    ))?;
    openssl(
        "x509 -req -days 2 -extfile names.cnf -in server.csr -out server.pem \
         -CA ca.pem -CAkey ca.key -CAcreateserial",
    )
}

/// A path as an argument: the tests' own are plain.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

fn call(program: &str, arguments: &[&str]) -> Result<(), String> {
    finish(Command::new(program).args(arguments))
}

fn finish(command: &mut Command) -> Result<(), String> {
    let told = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let why = || format!("{command:?}: {}", String::from_utf8_lossy(&told.stderr));
    told.status.success().then_some(()).ok_or_else(why)
}
