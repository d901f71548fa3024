//! `[service]`: what a service manager is told.
#![forbid(unsafe_code)]

use std::time::Duration;

use super::leaf;
use super::reader::Node;
use super::report::{Flaw, Report};

/// When the program counts as ready, and as well.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// From its start on; nobody asks.
    None,
    /// When it takes a connection at the first published port.
    Tcp,
    /// When it answers a GET of this path there with 2xx.
    Http(String),
}

/// `[service]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// `ready = "/path"`, `"tcp"` or `"none"`. Default: none.
    pub ready: Option<Probe>,
    /// For how long the service manager is asked for patience while the program is not ready. Default: 10 minutes.
    pub start_limit: Option<Duration>,
}

/// Patience with a program that starts: Flowise moves its database to a new version then.
pub const START_LIMIT: Duration = Duration::from_secs(600);

/// Reads `[service]`.
pub fn read(node: &Node<'_>, report: &mut Report) -> Service {
    let fields = node.table(&["ready", "start_limit"], report);
    let ready = fields.get("ready").and_then(|node| {
        let text = node.text(report)?;
        report.keep(&node.place(), probe(&text))
    });
    let start_limit = fields.get("start_limit").and_then(|node| {
        let text = node.text(report)?;
        report.keep(&node.place(), leaf::duration(&text))
    });
    Service { ready, start_limit }
}

/// A path goes into a request line as it stands.
fn probe(text: &str) -> Result<Probe, Flaw> {
    let plain = |byte: u8| byte.is_ascii_graphic();
    match text {
        "none" => Ok(Probe::None),
        "tcp" => Ok(Probe::Tcp),
        path if path.starts_with('/') && path.len() <= 1024 && path.bytes().all(plain) => {
            Ok(Probe::Http(path.into()))
        }
        _ => Err(Flaw::new(
            "not a way to find out whether the program is ready",
            "write the path that answers, as in \"/api/v1/ping\", or \"tcp\" or \"none\"",
        )),
    }
}

impl Service {
    /// Puts what a later file says over this.
    pub fn absorb(&mut self, later: Service) {
        if later.ready.is_some() {
            self.ready = later.ready;
        }
        if later.start_limit.is_some() {
            self.start_limit = later.start_limit;
        }
    }
}
