//! When the program counts as ready.
#![forbid(unsafe_code)]

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::profile::{Probe, Profile, START_LIMIT};

/// What a service manager is told about the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// How the program is asked.
    pub probe: Probe,
    /// For how long the manager is asked for patience.
    pub limit: Duration,
}

/// As the profile has it.
pub fn resolve(profile: &Profile) -> Readiness {
    Readiness {
        probe: profile.service.ready.clone().unwrap_or(Probe::None),
        limit: profile.service.start_limit.unwrap_or(START_LIMIT),
    }
}

impl Readiness {
    /// Whether the program is asked at all.
    pub fn is_asked(&self) -> bool {
        self.probe != Probe::None
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match &self.probe {
            Probe::None => out.write_str("nobody asks"),
            Probe::Tcp => out.write_str("a connection to its port"),
            Probe::Http(path) => write!(out, "GET {path}"),
        }
    }
}
