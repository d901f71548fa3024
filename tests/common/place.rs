//! Folders of a test's own, outside /tmp: a private /tmp would hide marks there, and a pass mean nothing.
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A folder that everyone may pass through; removed with the value.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    user: u32,
}

impl Place {
    /// A new, empty folder, mode 0755.
    pub fn new() -> std::io::Result<Self> {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("flowjail-test-{}-{number}", std::process::id());
        let path = Path::new("/var/tmp").join(name);
        fs::create_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        // No account has it, and it is not 65534, as which every id shows that is not mapped.
        let user = 20_000 + (std::process::id() * 31 + number) % 40_000;
        Ok(Self { path, user })
    }

    /// The same, for this ordinary user.
    pub fn for_user(user: u32) -> std::io::Result<Self> {
        let mut place = Self::new()?;
        place.user = user;
        Ok(place)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The ordinary user of this place, where the tests run as root.
    pub fn user(&self) -> u32 {
        self.user
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes a folder in it, with this mode whatever the umask is.
    pub fn dir(&self, name: &str, mode: u32, owner: Owner) -> std::io::Result<PathBuf> {
        let path = self.join(name);
        fs::create_dir_all(&path)?;
        self.settle(&path, mode, owner)?;
        Ok(path)
    }

    /// Makes a file in it, with this mode whatever the umask is.
    pub fn file(
        &self,
        name: &str,
        text: &str,
        mode: u32,
        owner: Owner,
    ) -> std::io::Result<PathBuf> {
        let path = self.join(name);
        fs::write(&path, text)?;
        self.settle(&path, mode, owner)?;
        Ok(path)
    }

    /// Puts a program into it: linked where it can be, since a debug build is large, copied otherwise.
    pub fn program(&self, name: &str, from: &Path) -> std::io::Result<PathBuf> {
        let path = self.join(name);
        if fs::hard_link(from, &path).is_err() {
            self.program_copy(name, from)?;
        }
        Ok(path)
    }

    /// A copy of a program, with a mode and owner of its own. Another process writes it: a descriptor
    /// here could be inherited by a fork of another thread, and the program were "text file busy".
    pub fn program_copy(&self, name: &str, from: &Path) -> std::io::Result<PathBuf> {
        let path = self.join(name);
        let status = Command::new("cp").arg(from).arg(&path).status()?;
        if !status.success() {
            return Err(std::io::Error::other(format!(
                "cp to {}: {status}",
                path.display()
            )));
        }
        self.settle(&path, 0o755, Owner::Tests)?;
        Ok(path)
    }

    fn settle(&self, path: &Path, mode: u32, owner: Owner) -> std::io::Result<()> {
        if owner == Owner::User && super::needs::is_root() {
            chown(path, Some(self.user), Some(self.user))?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Whose a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Of those who run the tests.
    Tests,
    /// Of the ordinary user; the same when the tests do not run as root.
    User,
}
