//! The two ways to start flowjail: as root, and as a user without any privilege.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A uid that no account has, so that nothing depends on a line in /etc/passwd.
const PLAIN_UID: u32 = 61_017;

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
        (self == Self::Ordinary && am_root()).then_some(PLAIN_UID)
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

/// Whether the tests themselves run as root.
pub fn am_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The first executable of that name on the PATH.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok())
}
