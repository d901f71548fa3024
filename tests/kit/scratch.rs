//! Directories of a test's own, outside /tmp (a jail has a /tmp of its own), gone when it ends.

use super::who::{USER_ID, Who};
use crate::common::place::{Owner, Place};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// One directory below /var/tmp that anyone may enter.
pub struct Scratch(Place);

impl Scratch {
    /// A new directory, world-enterable, owned by whoever runs the tests.
    pub fn new() -> Self {
        Self(Place::for_user(USER_ID).expect("a directory below /var/tmp"))
    }

    /// A path inside.
    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A directory inside that belongs to whoever starts the jail.
    pub fn dir_of(&self, who: Who, name: &str) -> PathBuf {
        let path = self.0.dir(name, 0o755, Owner::Tests).expect("mkdir");
        if let Some(uid) = who.other_uid() {
            chown(&path, Some(uid), Some(uid)).expect("chown");
        }
        path
    }

    /// A file inside that anyone may read.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        self.0.file(name, text, 0o644, Owner::Tests).expect("write")
    }

    /// A program inside that anyone may run.
    pub fn program(&self, name: &str, from: &Path) -> PathBuf {
        self.0.program_copy(name, from).expect("copy a program")
    }
}

static SHARED: Mutex<Option<Scratch>> = Mutex::new(None);

/// A directory for what the whole test binary needs, such as the programs that it starts.
pub fn shared<T>(with: impl FnOnce(&Scratch) -> T) -> T {
    let mut slot = SHARED.lock().expect("lock");
    with(slot.get_or_insert_with(Scratch::new))
}

/// Takes the shared directory away. For the end of the test binary: a static is never dropped.
pub fn remove_shared() {
    SHARED.lock().expect("lock").take();
}
