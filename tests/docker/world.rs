//! What a container can reach: two servers with a name each in one network, and what lies beyond it. Nothing of it
//! is outside of the engine's own network namespace.

use super::container::Container;
use super::engine::{self, METADATA, WORLD, ask};
use crate::kit::scratch::Scratch;
use crate::kit::{self};
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

/// The network of all containers, with Docker's own name server in it.
pub const NETWORK: &str = "flowjail-test";
/// The server that the jails may talk to: the mock LLM.
pub const LLM: &str = "llm.test";
/// One that they may not.
pub const OTHER: &str = "other.test";
/// The port of both.
pub const PORT: u16 = 8080;

/// The world; it ends with the value.
pub struct World {
    /// The address of `llm.test`.
    pub llm: String,
    /// The address of `other.test`.
    pub other: String,
    log: PathBuf,
    _outside: Child,
    /// A second container, which the tests use as the neighbour that attacks or is attacked.
    pub neighbour: Container,
    _servers: [Container; 1],
}

impl World {
    /// Starts it in the network that the engine and the tests share.
    pub fn start(scratch: &Scratch) -> Result<Self, String> {
        let log = scratch.at("outside.log");
        fs::write(&log, "").map_err(|e| e.to_string())?;
        let outside = outside(&log)?;
        ask(["network", "create", "--driver", "bridge", NETWORK])?;
        let (llm, neighbour) = (server(LLM)?, server(OTHER)?);
        for each in [&llm, &neighbour] {
            each.says("mock-llm on", 1)?;
        }
        Ok(Self {
            llm: llm.address(NETWORK)?,
            other: neighbour.address(NETWORK)?,
            log,
            _outside: outside,
            neighbour,
            _servers: [llm],
        })
    }

    /// Whether a line with that text arrives beyond the networks, soon or already.
    pub fn arrived(&self, text: &str) -> bool {
        let there = || fs::read_to_string(&self.log).is_ok_and(|log| log.contains(text));
        kit::wait_for(Duration::from_secs(2), || there().then_some(())).is_some()
    }
}

fn outside(log: &Path) -> Result<Child, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/docker/outside.mjs");
    let child = engine::bound("node")
        .arg(script)
        .args([METADATA, WORLD])
        .arg(log)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|e| e.to_string())?;
    let up = || TcpStream::connect((WORLD, 7000)).ok();
    kit::wait_for(Duration::from_secs(20), up).ok_or("nobody listens beyond the network")?;
    Ok(child)
}

/// The mock LLM answers every path of every port that it is given, so both are one.
fn server(alias: &str) -> Result<Container, String> {
    let port = PORT.to_string();
    Container::start(
        &[
            "--network",
            NETWORK,
            "--network-alias",
            alias,
            "--user",
            "1001:1001",
        ],
        &["node", "/tests/mock-llm.mjs", &port, "0.0.0.0"],
    )
}
