//! What a path is on this host: its symbolic links, where it really lies, whose it is.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::Metadata;
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

/// Looks paths up, link by link, and at each directory on the way once.
pub fn look_at(paths: impl Iterator<Item = PathBuf>) -> BTreeMap<PathBuf, PathFact> {
    let mut seen = Seen::default();
    paths
        .map(|path| {
            let fact = seen.look(&path);
            (path, fact)
        })
        .collect()
}

/// What stands at each path, as far as that was looked at.
#[derive(Default)]
struct Seen(BTreeMap<OsString, Result<Metadata, Errno>>);

impl Seen {
    fn at(&mut self, here: &Path) -> &Result<Metadata, Errno> {
        self.0.entry(here.into()).or_insert_with(|| {
            std::fs::symlink_metadata(here)
                .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
        })
    }

    fn look(&mut self, path: &Path) -> PathFact {
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
                self.up(&mut fact);
                continue;
            }
            // In a sticky directory nobody but root replaces what root owns; each part's owner has its own turn.
            let others_replace = fact.mode & 0o022 != 0 && fact.mode & 0o1000 == 0;
            if fact.uid != 0 || others_replace {
                fact.ancestors_are_roots = false;
            }
            let here = fact.real.join(&part);
            let Some((is_link, uid)) = self.note(&mut fact, &here) else {
                rest.iter().rev().for_each(|part| fact.real.push(part));
                return fact;
            };
            if is_link {
                let target = std::fs::read_link(&here).unwrap_or_default();
                fact.ancestors_are_roots &= uid == 0;
                fact.links.push((here, target.clone()));
                if fact.links.len() > MAX_LINKS {
                    fact.kind = PathKind::Missing(Errno::ELOOP);
                    return fact;
                }
                if target.is_absolute() {
                    fact.real = PathBuf::from("/");
                }
                self.up(&mut fact);
                rest.extend(parts(&target));
            }
        }
        fact
    }

    /// To the directory above, and what that is.
    fn up(&mut self, fact: &mut PathFact) {
        fact.real.pop();
        let above = if fact.real.as_os_str().is_empty() {
            PathBuf::from("/")
        } else {
            fact.real.clone()
        };
        self.note(fact, &above);
    }

    /// Notes what stands there; whether it is a symbolic link, and whose.
    fn note(&mut self, fact: &mut PathFact, here: &Path) -> Option<(bool, u32)> {
        fact.real = here.to_owned();
        match self.at(here) {
            Ok(metadata) => {
                (fact.uid, fact.gid, fact.mode) =
                    (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777);
                fact.inode = (metadata.dev(), metadata.ino());
                fact.kind = kind_of(metadata);
                Some((metadata.is_symlink(), metadata.uid()))
            }
            Err(errno) => {
                fact.kind = PathKind::Missing(*errno);
                None
            }
        }
    }
}

fn parts(path: &Path) -> Vec<PathBuf> {
    let named = |part: Component| match part {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        _ => None,
    };
    path.components().rev().filter_map(named).collect()
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
