//! Modes of an installed tree: everyone may read it, nobody but its owner write it.
//!
//! `up` started as root runs Flowise under another uid, and a login's umask may be 077.
#![forbid(unsafe_code)]

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::error::Error;

/// Sets `a+rX,go-w` on `tree` and all below it; links are left alone.
pub fn open_for_reading(tree: &Path) -> Result<(), Error> {
    walk(tree).map_err(|source| Error::io("set the modes of", tree, source))
}

fn walk(directory: &Path) -> io::Result<()> {
    set(
        directory,
        fs::symlink_metadata(directory)?.permissions().mode(),
        0o555,
    )?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path())?;
        } else if kind.is_file() {
            let mode = entry.metadata()?.permissions().mode();
            set(
                &entry.path(),
                mode,
                if mode & 0o111 == 0 { 0o444 } else { 0o555 },
            )?;
        }
    }
    Ok(())
}

fn set(path: &Path, mode: u32, wanted: u32) -> io::Result<()> {
    let better = (mode | wanted) & !0o7022;
    if better == mode {
        Ok(())
    } else {
        fs::set_permissions(path, Permissions::from_mode(better))
    }
}
