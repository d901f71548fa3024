//! The jail's own root, built of detached trees.
#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, umount2};
use nix::sys::stat::Mode;

use super::{ids, io_errno};
use crate::plan::{IdPlan, Mount, Tree};
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
    std::fs::write("/proc/sys/vm/memfd_noexec", "2").map_err(|error| io_errno(&error))
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

/// Puts one part in place; binds take the next of `trees`.
pub fn put(part: &Mount, trees: &mut impl Iterator<Item = OwnedFd>) -> Result<(), Errno> {
    let target = inside(part.at());
    if let Some(parent) = target.parent() {
        directory(parent)?;
    }
    match part {
        Mount::Directory { .. } => directory(&target),
        Mount::Link { target: text, .. } => {
            std::os::unix::fs::symlink(text, &target).map_err(|error| io_errno(&error))
        }
        Mount::Text { text, .. } => std::fs::write(&target, text).map_err(|error| io_errno(&error)),
        Mount::Bind(tree) => {
            mount_point(&target, tree.directory)?;
            mount::attach(&trees.next().ok_or(Errno::EBADF)?, &target)
        }
        Mount::Tmp { size, .. } => {
            directory(&target)?;
            let options = [("size", size.0.to_string()), ("mode", "1777".to_owned())];
            let options: Vec<(&str, &str)> = options
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            mount::attach(
                &mount::create("tmpfs", &options, attr::NOEXEC | attr::NOSUID | attr::NODEV)?,
                &target,
            )
        }
        Mount::Proc { .. } => {
            directory(&target)?;
            let attributes = attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC;
            mount::attach(
                &mount::create("proc", &[("hidepid", "invisible")], attributes)?,
                &target,
            )
        }
    }
}

fn inside(at: &Path) -> PathBuf {
    Path::new(BASE).join(at.strip_prefix("/").unwrap_or(at))
}

fn directory(path: &Path) -> Result<(), Errno> {
    std::fs::create_dir_all(path).map_err(|error| io_errno(&error))
}

fn mount_point(path: &Path, is_directory: bool) -> Result<(), Errno> {
    if is_directory {
        return directory(path);
    }
    match File::options().write(true).create_new(true).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(io_errno(&error)),
        _ => Ok(()),
    }
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
