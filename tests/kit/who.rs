//! The two ways to start flowjail: as root, and as a user without any privilege; and the two kinds of jail.

use crate::common::needs::is_root;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The plain uid that root's tests take for an ordinary user; outside of what the denied acts use.
pub const USER_ID: u32 = 64_321;

/// Who starts the program under test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// uid 0 with whatever the test itself has.
    Root,
    /// A uid without privilege: the tester's own, or a plain one where the tester is root.
    Ordinary,
}

impl Who {
    /// The word for test names.
    pub fn word(self) -> &'static str {
        match self {
            Self::Root => "as root",
            Self::Ordinary => "as an ordinary user",
        }
    }

    /// The uid to switch to, where that is another than the tester's.
    pub fn other_uid(self) -> Option<u32> {
        (self == Self::Ordinary && is_root()).then_some(USER_ID)
    }

    /// A command that starts with a clean environment: HOME, PATH and nothing else.
    pub fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", "/nonexistent")
            .env("LANG", "C.UTF-8")
            .current_dir("/");
        if let Some(uid) = self.other_uid() {
            command.uid(uid).gid(uid);
        }
        command
    }
}

/// The kinds of jail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// With namespaces.
    Namespaced,
    /// Without any.
    Bare,
}

impl Kind {
    /// The word for test names, as profiles have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Namespaced => "namespaced",
            Self::Bare => "bare",
        }
    }
}

/// The first executable of that name on the PATH.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok())
}
