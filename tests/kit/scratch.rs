//! Directories of a test's own, outside /tmp (a jail has a /tmp of its own), gone when it ends.

use super::who::Who;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// One directory below /var/tmp that anyone may enter.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new directory, world-enterable, owned by whoever runs the tests.
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = format!(
            "/var/tmp/flowjail-test-{}-{serial}-{name}",
            std::process::id()
        );
        fs::create_dir(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
        Self(path.into())
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path inside.
    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A directory inside that belongs to whoever starts the jail.
    pub fn dir_of(&self, who: Who, name: &str) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(&path).expect("mkdir");
        if let Some(uid) = who.other_uid() {
            chown(&path, Some(uid), Some(uid)).expect("chown");
        }
        path
    }

    /// A file inside that anyone may read.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.at(name);
        fs::write(&path, text).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("chmod");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::env::var_os("FLOWJAIL_TEST_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
