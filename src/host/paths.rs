//! What a path is on this host: its symbolic links, where it really lies, whose it is.
#![forbid(unsafe_code)]

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;

/// A path as it was when flowjail looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathFact {
    /// Symbolic links met on the way, with their targets.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// The path without symbolic links.
    pub real: PathBuf,
    /// What lies there.
    pub kind: PathKind,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
    /// Device and inode, to know it again.
    pub inode: (u64, u64),
    /// Whether root alone can rename or replace any part of the path.
    pub ancestors_are_roots: bool,
}

/// The kinds of files that matter to a jail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A device, socket or FIFO.
    Special,
    /// Nothing is there, or it cannot be looked at.
    Missing(Errno),
}

const MAX_LINKS: usize = 40;

/// Looks a path up, link by link.
pub fn look(path: &Path) -> PathFact {
    let mut fact = PathFact {
        links: Vec::new(),
        real: PathBuf::from("/"),
        kind: PathKind::Directory,
        uid: 0,
        gid: 0,
        mode: 0o755,
        inode: (0, 0),
        ancestors_are_roots: true,
    };
    let mut rest: Vec<PathBuf> = parts(path);
    while let Some(part) = rest.pop() {
        if part.as_os_str() == ".." {
            up(&mut fact);
            continue;
        }
        // In a sticky directory nobody but root replaces what root owns; each part's owner has its own turn.
        let others_replace = fact.mode & 0o022 != 0 && fact.mode & 0o1000 == 0;
        if fact.uid != 0 || others_replace {
            fact.ancestors_are_roots = false;
        }
        let here = fact.real.join(&part);
        let Some(metadata) = note(&mut fact, &here) else {
            rest.iter().rev().for_each(|part| fact.real.push(part));
            return fact;
        };
        if metadata.is_symlink() {
            let target = std::fs::read_link(&here).unwrap_or_default();
            fact.ancestors_are_roots &= metadata.uid() == 0;
            fact.links.push((here, target.clone()));
            if fact.links.len() > MAX_LINKS {
                fact.kind = PathKind::Missing(Errno::ELOOP);
                return fact;
            }
            if target.is_absolute() {
                fact.real = PathBuf::from("/");
            }
            up(&mut fact);
            rest.extend(parts(&target));
        }
    }
    fact
}

/// To the directory above, and what that is.
fn up(fact: &mut PathFact) {
    fact.real.pop();
    let above = if fact.real.as_os_str().is_empty() {
        PathBuf::from("/")
    } else {
        fact.real.clone()
    };
    note(fact, &above);
}

fn parts(path: &Path) -> Vec<PathBuf> {
    let named = |part: Component| match part {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        _ => None,
    };
    path.components().rev().filter_map(named).collect()
}

fn note(fact: &mut PathFact, here: &Path) -> Option<std::fs::Metadata> {
    fact.real = here.to_owned();
    match std::fs::symlink_metadata(here) {
        Ok(metadata) => {
            (fact.uid, fact.gid, fact.mode) =
                (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777);
            fact.inode = (metadata.dev(), metadata.ino());
            fact.kind = kind_of(&metadata);
            Some(metadata)
        }
        Err(error) => {
            fact.kind = PathKind::Missing(Errno::from_raw(error.raw_os_error().unwrap_or(0)));
            None
        }
    }
}

fn kind_of(metadata: &std::fs::Metadata) -> PathKind {
    let kind = metadata.file_type();
    if kind.is_dir() {
        PathKind::Directory
    } else if kind.is_file() {
        PathKind::File
    } else if kind.is_char_device() || kind.is_block_device() || kind.is_fifo() || kind.is_socket()
    {
        PathKind::Special
    } else {
        PathKind::File
    }
}
