//! Getting Flowise: the pinned packages from npm, the one native module built, a record of what was installed.
//!
//! ```text
//! lock (embedded) + Tools (node, npm, compiler) -> flowise-V.partial -> npm ci -> native build -> manifest -> rename
//! ```
//! Everything is made in `flowise-V.partial` and becomes `flowise-V` by one rename, so a tree under its final
//! name is a whole one. A run that was cut off anywhere is simply run again: npm's cache keeps what was fetched.
//! No install script of any package runs; the native module's build is the one step that runs package
//! code, and it runs jailed where that can be had. This module prints nothing: it reports [`Fact`]s.
#![forbid(unsafe_code)]

mod child;
mod ensure;
mod error;
mod lock;
mod manifest;
mod modes;
mod native;
mod npm;
mod place;
mod space;
mod tools;
mod walk;

pub use ensure::{Request, Tree, ensure};
pub use error::{Change, Error, Missing};
pub use lock::{DEFAULT_VERSION, Pinned, pinned, versions};
pub use manifest::Manifest;
pub use native::Unjailed;
pub use place::data_root;
pub use space::{Free, Need, free};
pub use tools::{Node, Tools};

use std::path::PathBuf;
use std::time::Duration;

/// What an installation has come to; the command line makes text of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Another flowjail (or the npm that it left behind) holds this tree; this one waits.
    Waiting {
        /// The file that is locked.
        lock: PathBuf,
    },
    /// What an earlier, interrupted run left is being removed.
    Clearing,
    /// npm fetches and unpacks.
    Packages {
        /// Packages that are there.
        have: usize,
        /// Packages of the lock file for this machine.
        of: usize,
        /// Time since npm was started.
        elapsed: Duration,
    },
    /// The native module is being built.
    Building {
        /// Time since the build was started.
        elapsed: Duration,
    },
    /// The build runs without a jail, and why.
    BuildUnjailed(Unjailed),
    /// The manifest is being written.
    Recording,
    /// The tree is complete and under its final name.
    Installed {
        /// Where it is.
        path: PathBuf,
    },
}

/// Receives what an installation has come to. [`Fact::Packages`] and [`Fact::Building`] come several times a
/// second; what to show of them is the receiver's choice.
pub trait Progress {
    /// Takes one fact.
    fn report(&mut self, fact: &Fact);
}
