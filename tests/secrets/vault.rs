//! Files of secrets, and profiles that name them.

use crate::kit::jail;
use crate::kit::scratch::Scratch;
pub use crate::kit::who::Kind;
use crate::kit::who::Who;
use crate::stage::Stage;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

impl Kind {
    /// A stage with more lines of profile.
    pub fn stage(self, who: Who, more: &str) -> Result<Stage, String> {
        match self {
            Kind::Namespaced => Stage::with(who, more),
            Kind::Bare => Stage::bare(who, more),
        }
    }
}

/// A directory of the starter's, with secrets in it.
pub struct Vault {
    scratch: Scratch,
    who: Who,
}

impl Vault {
    /// An empty one.
    pub fn new(who: Who) -> Self {
        let scratch = Scratch::new();
        scratch.dir_of(who, "secrets");
        Self { scratch, who }
    }

    /// A place in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.scratch.at("secrets").join(name)
    }

    /// A file that the starter alone may read.
    pub fn file(&self, name: &str, value: impl AsRef<[u8]>) -> PathBuf {
        self.file_with(name, value, 0o400)
    }

    /// A file of the starter's with this mode.
    pub fn file_with(&self, name: &str, value: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.at(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, value).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        self.give(&path);
        path
    }

    /// Makes a path the starter's.
    pub fn give(&self, path: &Path) {
        if let Some(uid) = self.who.other_uid() {
            chown(path, Some(uid), Some(uid)).expect("chown");
        }
    }

    /// A directory in it, of the starter's.
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(&path).expect("mkdir");
        self.give(&path);
        path
    }
}

/// A value that is nowhere else on this machine.
pub fn value(of: &str) -> String {
    let mut bytes = [0; 12];
    let mut random = fs::File::open("/dev/urandom").expect("urandom");
    std::io::Read::read_exact(&mut random, &mut bytes).expect("random");
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{of}-{digits}")
}

/// `[secrets]` with one line.
pub fn line(name: &str, path: &Path, more: &str) -> String {
    format!("[secrets]\n{name} = {{ file = {path:?}{more} }}\n")
}

/// `flowjail plan` of a stage's profile.
pub fn plan(stage: &Stage, flags: &[&str]) -> Command {
    let mut words = stage.words(flags, &["exit", "0"]);
    words[0] = "plan".to_owned();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    jail::flowjail(stage.who, &words)
}
