//! The file-descriptor based mount calls (Linux 5.2 and 5.12), which nix does not wrap.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

use super::check;

/// Attributes of a mount, as mount_setattr(2) names them.
pub mod attr {
    pub use libc::{
        MOUNT_ATTR_NODEV as NODEV, MOUNT_ATTR_NOEXEC as NOEXEC, MOUNT_ATTR_NOSUID as NOSUID,
        MOUNT_ATTR_RDONLY as RDONLY,
    };
}

fn c_path(path: &Path) -> Result<CString, Errno> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

/// Clones the mounts at and below `path` as a detached tree (open_tree(2), Linux 5.2, OPEN_TREE_CLONE |
/// AT_RECURSIVE). A symbolic link at the end is not followed. EPERM: no CAP_SYS_ADMIN over the mount namespace.
pub fn clone_tree(path: &Path) -> Result<OwnedFd, Errno> {
    let path = c_path(path)?;
    let flags = libc::OPEN_TREE_CLONE
        | libc::OPEN_TREE_CLOEXEC
        | libc::AT_RECURSIVE as u32
        | libc::AT_SYMLINK_NOFOLLOW as u32;
    // SAFETY: path is NUL-terminated and outlives the call.
    let fd =
        check(unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) })?;
    // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Attaches a detached tree at `target` (move_mount(2), Linux 5.2).
pub fn attach(tree: &impl AsFd, target: &Path) -> Result<(), Errno> {
    let target = c_path(target)?;
    // SAFETY: both strings are NUL-terminated and outlive the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    })?;
    Ok(())
}

fn set_attributes(
    tree: &impl AsFd,
    set: u64,
    user_namespace: Option<&OwnedFd>,
    recursive: bool,
) -> Result<(), Errno> {
    let attributes = libc::mount_attr {
        attr_set: set,
        attr_clr: 0,
        propagation: if recursive { libc::MS_PRIVATE } else { 0 },
        userns_fd: user_namespace.map_or(0, |fd| fd.as_raw_fd() as u64),
    };
    let mut flags = libc::AT_EMPTY_PATH;
    if recursive {
        flags |= libc::AT_RECURSIVE;
    }
    // SAFETY: attributes is a live mount_attr of the size that is given.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &attributes,
            size_of::<libc::mount_attr>(),
        )
    })?;
    Ok(())
}

/// Adds attributes to every mount of a tree (mount_setattr(2), Linux 5.12, AT_RECURSIVE), and takes each out of its
/// peer group: what is mounted in or beneath it reaches no other mount, nor the other way round.
pub fn restrict_tree(tree: &impl AsFd, attributes: u64) -> Result<(), Errno> {
    set_attributes(tree, attributes, None, true)
}

/// Adds attributes to one mount only.
pub fn restrict(mount: &impl AsFd, attributes: u64) -> Result<(), Errno> {
    set_attributes(mount, attributes, None, false)
}

/// Makes ids on a detached mount appear as `user_namespace` maps them (MOUNT_ATTR_IDMAP, Linux 5.12; needs
/// CAP_SYS_ADMIN over the file system). EINVAL: the file system does not support it.
pub fn map_ids(tree: &impl AsFd, user_namespace: &OwnedFd) -> Result<(), Errno> {
    set_attributes(tree, libc::MOUNT_ATTR_IDMAP, Some(user_namespace), false)
}

const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;

/// Makes a new file system as a detached mount (fsopen, fsconfig and fsmount(2), Linux 5.2).
pub fn create(kind: &str, options: &[(&str, &str)], attributes: u64) -> Result<OwnedFd, Errno> {
    let kind = CString::new(kind).map_err(|_| Errno::EINVAL)?;
    // SAFETY: kind is NUL-terminated and outlives the call.
    let context = check(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), 1u32) })?;
    // SAFETY: the kernel just gave us this descriptor.
    let context = unsafe { OwnedFd::from_raw_fd(context as i32) };
    for (key, value) in options {
        let key = CString::new(*key).map_err(|_| Errno::EINVAL)?;
        let value = CString::new(*value).map_err(|_| Errno::EINVAL)?;
        // SAFETY: both strings are NUL-terminated and outlive the call.
        check(unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                context.as_raw_fd(),
                FSCONFIG_SET_STRING,
                key.as_ptr(),
                value.as_ptr(),
                0,
            )
        })?;
    }
    // SAFETY: FSCONFIG_CMD_CREATE takes neither key nor value.
    check(unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            FSCONFIG_CMD_CREATE,
            std::ptr::null::<u8>(),
            std::ptr::null::<u8>(),
            0,
        )
    })?;
    // SAFETY: the context is a live fsopen descriptor.
    let mount = check(unsafe {
        libc::syscall(
            libc::SYS_fsmount,
            context.as_raw_fd(),
            libc::FSMOUNT_CLOEXEC,
            attributes as u32,
        )
    })?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(mount as i32) })
}
