//! What stands in for the world's servers: the mock LLM and tiktoken.pages.dev, each ended with its value.

use super::server::{free_port, node_script};
use super::world;
use crate::common::needs::{self, Need};
use crate::kit::scratch::Scratch;
use crate::kit::{self, who::on_path};
use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The host that Flowise 3.1 gets its tokens' tables from.
pub const TIKTOKEN_HOST: &str = "tiktoken.pages.dev";

/// A server that is ended with the value.
struct Running(Child);

impl Running {
    fn start(command: &mut Command, at: (&str, u16)) -> Result<Self, String> {
        let child = command.spawn().map_err(|e| e.to_string())?;
        let running = Self(child);
        kit::wait_for(Duration::from_secs(20), || TcpStream::connect(at).ok())
            .ok_or_else(|| format!("nobody listens at {at:?}"))?;
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The mock LLM: on every address of a world of the tests' own, else on loopback.
pub struct Mock {
    _running: Running,
    /// Where it listens.
    pub port: u16,
}

impl Mock {
    /// Starts it on a free port.
    pub fn start() -> Result<Self, String> {
        let port = free_port();
        let host = if world::is_own() {
            "0.0.0.0"
        } else {
            "127.0.0.1"
        };
        let mut command = node_script("mock-llm.mjs");
        command
            .args([&port.to_string(), host])
            .stdout(Stdio::null());
        let running = Running::start(&mut command, ("127.0.0.1", port))?;
        Ok(Self {
            _running: running,
            port,
        })
    }
}

/// tiktoken.pages.dev with the certificate of a test CA.
pub struct Tiktoken {
    _running: Running,
    /// The CA's certificate, for whoever is to believe it.
    pub ca: PathBuf,
    log: PathBuf,
}

impl Tiktoken {
    /// Starts it with the tables of that installation.
    pub fn start(scratch: &Scratch, install: &Path) -> Result<Self, String> {
        let ca = certificates(scratch)?;
        let log = scratch.at("tiktoken.log");
        let said = File::create(&log).map_err(|e| e.to_string())?;
        let mut command = node_script("tiktoken.mjs");
        command
            .args([world::TIKTOKEN, "443"])
            .arg(scratch.at("tiktoken.pem"))
            .arg(scratch.at("tiktoken.key"))
            .arg(install.join("node_modules/js-tiktoken/dist/ranks"))
            .stdout(said);
        let running = Running::start(&mut command, (world::TIKTOKEN, 443))?;
        Ok(Self {
            _running: running,
            ca,
            log,
        })
    }

    /// The paths that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// What making certificates takes.
pub fn need() -> Need {
    needs::program("openssl")
}

/// ca.pem, and tiktoken.pem with its key, signed by it.
fn certificates(scratch: &Scratch) -> Result<PathBuf, String> {
    let openssl = on_path("openssl").ok_or("`openssl` on the PATH")?;
    let make = |name: &str, words: &[&str]| -> Result<PathBuf, String> {
        let made = scratch.at(&format!("{name}.pem"));
        let done = Command::new(&openssl)
            .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(' '))
            .arg("-keyout")
            .arg(scratch.at(&format!("{name}.key")))
            .arg("-out")
            .arg(&made)
            .args(words)
            .output()
            .map_err(|e| e.to_string())?;
        kit::ensure(done.status.success(), || {
            String::from_utf8_lossy(&done.stderr).into_owned()
        })?;
        Ok(made)
    };
    let ca = make("ca", &["-subj", "/CN=a CA of the tests"])?;
    let (pem, key) = (ca.to_string_lossy(), scratch.at("ca.key"));
    let alternative = format!("subjectAltName=DNS:{TIKTOKEN_HOST}");
    let leaf = [
        "-subj",
        "/CN=tiktoken",
        "-CA",
        &pem,
        "-CAkey",
        &key.to_string_lossy(),
        "-addext",
        &alternative,
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ];
    make("tiktoken", &leaf)?;
    Ok(ca)
}
