//! The kernels that people run, and one without Landlock.

use std::path::{Path, PathBuf};

use super::packages;

/// A kernel to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Debian 12's: Linux 6.1.
    Bookworm,
    /// Debian 12's backport: Linux 6.12.
    BookwormBackports,
    /// Debian 13's backport: Linux 7.
    TrixieBackports,
    /// User-mode Linux of Debian 12: Linux 6.1, built without Landlock.
    UserMode,
}

impl Kernel {
    /// All of them, the oldest first.
    pub const ALL: [Self; 4] = [
        Self::UserMode,
        Self::Bookworm,
        Self::BookwormBackports,
        Self::TrixieBackports,
    ];

    /// For test names and golden files. Fixed here, and nothing is decided by it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "linux-6.1",
            Self::BookwormBackports => "linux-6.12",
            Self::TrixieBackports => "linux-7",
            Self::UserMode => "uml-6.1",
        }
    }

    /// Whether it is a process of this machine's, and no virtual machine.
    pub fn is_user_mode(self) -> bool {
        self == Self::UserMode
    }

    fn suite(self) -> Option<&'static str> {
        match self {
            Self::Bookworm => Some("bookworm"),
            Self::BookwormBackports => Some("bookworm-backports"),
            Self::TrixieBackports => Some("trixie-backports"),
            Self::UserMode => None,
        }
    }

    /// Gets it, and says where the file to boot is: the program itself, for user-mode Linux.
    pub fn image(self) -> Result<PathBuf, String> {
        match self.suite() {
            // Older packages put it into /boot, newer ones beside the modules.
            Some(_) => first_below(&self.tree()?.join("boot"), "vmlinuz-")
                .or_else(|_| first_below(&self.modules()?, "vmlinuz")),
            None => super::find("linux.uml").ok_or_else(|| "linux.uml is not in PATH".to_owned()),
        }
    }

    /// Gets it, and says where its modules lie (`/lib/modules/RELEASE`, unpacked). User-mode Linux has none to give.
    pub fn modules(self) -> Result<PathBuf, String> {
        let tree = self.tree()?;
        let either = ["lib/modules", "usr/lib/modules"].map(|place| tree.join(place));
        let mut found = either
            .iter()
            .filter_map(|place| first_below(place, "").ok());
        found
            .next()
            .ok_or_else(|| format!("no modules in {}", tree.display()))
    }

    fn tree(self) -> Result<PathBuf, String> {
        let suite = self
            .suite()
            .ok_or("user-mode Linux is no package of the bed's")?;
        let thing = format!("kernel/{suite}");
        packages::get(&[&thing])?;
        Ok(packages::cache()?.join(thing))
    }
}

fn first_below(place: &Path, begins: &str) -> Result<PathBuf, String> {
    let entries = place
        .read_dir()
        .map_err(|error| format!("{}: {error}", place.display()))?;
    let mut names: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(begins))
        })
        .collect();
    names.sort();
    names
        .into_iter()
        .next()
        .ok_or_else(|| format!("no {begins}* in {}", place.display()))
}
