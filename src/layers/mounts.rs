//! The jail's own root, built of detached trees.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, umount2};
use nix::sys::stat::{Mode, SFlag, mknod};

use super::ids;
use crate::plan::{IdPlan, Mount, Tree};
use crate::sys::errno_of;
use crate::sys::mount::{self, attr};

/// Where the new root is built, over whatever the host has there; the sources are open by then.
const BASE: &str = "/tmp";

/// No mount event leaves this mount namespace or enters it.
pub fn keep_private() -> Result<(), Errno> {
    nix::mount::mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )
}

/// Executable memfds are refused in this pid namespace (`vm.memfd_noexec=2`, Linux 6.3). Works for the host's
/// root only, before it becomes someone else.
pub fn memfd_noexec() -> Result<(), Errno> {
    std::fs::write("/proc/sys/vm/memfd_noexec", "2").map_err(|error| errno_of(&error))
}

/// Clones every tree of the plan, in order, restricted but not yet attached.
pub fn open_trees(mounts: &[Mount], ids: &IdPlan) -> Result<Vec<OwnedFd>, Errno> {
    let trees = mounts.iter().filter_map(|mount| match mount {
        Mount::Bind(tree) => Some(tree),
        _ => None,
    });
    trees.map(|tree| open_tree(tree, ids)).collect()
}

fn open_tree(tree: &Tree, ids: &IdPlan) -> Result<OwnedFd, Errno> {
    let opened = mount::clone_tree(&tree.source)?;
    let stat = nix::sys::stat::fstat(&opened)?;
    if tree
        .inode
        .is_some_and(|seen| seen != (stat.st_dev, stat.st_ino))
    {
        // Someone has put another file in its place since the plan was made.
        return Err(Errno::ESTALE);
    }
    if let Some(on_disk) = tree.owned_by_root {
        mount::map_ids(&opened, &ids::mapping(ids, on_disk)?)?;
    }
    let attributes = match (tree.writable, tree.device) {
        (true, _) => attr::NOEXEC | attr::NOSUID | attr::NODEV,
        (false, true) => attr::NOEXEC | attr::NOSUID,
        (false, false) => attr::RDONLY | attr::NOSUID | attr::NODEV,
    };
    let attributes = if tree.code {
        attributes
    } else {
        attributes | attr::NOEXEC
    };
    mount::restrict_tree(&opened, attributes)?;
    Ok(opened)
}

/// The empty root: a small tmpfs.
pub fn new_root() -> Result<(), Errno> {
    let root = mount::create(
        "tmpfs",
        &[("size", "4M"), ("mode", "755")],
        attr::NOSUID | attr::NODEV | attr::NOEXEC,
    )?;
    mount::attach(&root, Path::new(BASE))
}

/// A root that is being built.
pub struct Building {
    /// What the binds to come are made of, in order.
    trees: std::vec::IntoIter<OwnedFd>,
    /// Directories that are there and that nothing was mounted over.
    made: BTreeSet<PathBuf>,
}

impl Building {
    /// Of these trees.
    pub fn of(trees: Vec<OwnedFd>) -> Building {
        Building {
            trees: trees.into_iter(),
            made: BTreeSet::new(),
        }
    }

    fn directory(&mut self, path: &Path) -> Result<(), Errno> {
        if !self.made.contains(path) {
            std::fs::create_dir_all(path).map_err(|error| errno_of(&error))?;
            self.made.insert(path.to_owned());
        }
        Ok(())
    }

    fn mount_point(&mut self, path: &Path, is_directory: bool) -> Result<(), Errno> {
        if is_directory {
            return self.directory(path);
        }
        match mknod(path, SFlag::S_IFREG, Mode::from_bits_truncate(0o644), 0) {
            Err(Errno::EEXIST) => Ok(()),
            made => made,
        }
    }

    fn attach(&mut self, tree: &OwnedFd, target: &Path) -> Result<(), Errno> {
        self.made.retain(|path| !path.starts_with(target));
        mount::attach(tree, target)
    }
}

/// Puts one part in place; binds take the next tree.
pub fn put(part: &Mount, root: &mut Building) -> Result<(), Errno> {
    let target = inside(part.at());
    if let Some(parent) = target.parent() {
        root.directory(parent)?;
    }
    match part {
        Mount::Directory { .. } => root.directory(&target),
        Mount::Link { target: text, .. } => {
            std::os::unix::fs::symlink(text, &target).map_err(|error| errno_of(&error))
        }
        Mount::Text { text, .. } => std::fs::write(&target, text).map_err(|error| errno_of(&error)),
        Mount::Bind(tree) => {
            root.mount_point(&target, tree.directory)?;
            let tree = root.trees.next().ok_or(Errno::EBADF)?;
            root.attach(&tree, &target)
        }
        Mount::Tmp { size, .. } => {
            root.directory(&target)?;
            let options = [("size", size.0.to_string()), ("mode", "1777".to_owned())];
            let options: Vec<(&str, &str)> = options
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            root.attach(
                &mount::create("tmpfs", &options, attr::NOEXEC | attr::NOSUID | attr::NODEV)?,
                &target,
            )
        }
        Mount::Proc { .. } => {
            root.directory(&target)?;
            let attributes = attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC;
            root.attach(
                &mount::create("proc", &[("hidepid", "invisible")], attributes)?,
                &target,
            )
        }
    }
}

fn inside(at: &Path) -> PathBuf {
    Path::new(BASE).join(at.strip_prefix("/").unwrap_or(at))
}

/// Makes the new root the root (pivot_root(2)), detaches the old one with all that hangs on it, and makes the
/// new one's own tmpfs read-only.
pub fn enter_root() -> Result<(), Errno> {
    nix::unistd::chdir(BASE)?;
    nix::unistd::pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    nix::unistd::chdir("/")?;
    let root = open(
        "/",
        OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    mount::restrict(&root, attr::RDONLY)
}
