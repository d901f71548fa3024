//! What a path is on this host: its symbolic links, where it really lies, whose it is.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
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
    /// Users other than root who can rename or replace a part of the path; [`ANYONE`] where everyone can.
    pub replaceable_by: BTreeSet<u32>,
    /// Users other than root who own a symbolic link on the way.
    pub link_owners: BTreeSet<u32>,
    /// Whether members of a group other than root's can.
    pub group_replaceable: bool,
    /// The last directory on the way that is there.
    pub above: PathBuf,
    /// Directories on the way that not everyone may pass.
    pub closed: Vec<Closed>,
}

/// A directory that only some may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Where.
    pub at: PathBuf,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

impl Closed {
    /// Whether these ids may pass.
    pub fn lets_pass(&self, uid: u32, gid: u32) -> bool {
        let bits = match (self.uid == uid, self.gid == gid) {
            (true, _) => self.mode >> 6,
            (_, true) => self.mode >> 3,
            _ => self.mode,
        };
        bits & 1 == 1
    }
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

/// In [`PathFact::replaceable_by`]: a directory on the way is open to all.
pub const ANYONE: u32 = u32::MAX;

const MAX_LINKS: usize = 40;

/// Looks a path up, link by link.
pub fn look(path: &Path) -> PathFact {
    look_on(path, &mut Seen::default())
}

/// Looks paths up, at each directory on the way once.
pub fn look_at(paths: impl Iterator<Item = PathBuf>) -> BTreeMap<PathBuf, PathFact> {
    let mut seen = Seen::default();
    paths
        .map(|path| {
            let fact = look_on(&path, &mut seen);
            (path, fact)
        })
        .collect()
}

/// What stands at each path, as far as that was looked at.
#[derive(Default)]
struct Seen(BTreeMap<PathBuf, Result<Metadata, Errno>>);

impl Seen {
    fn at(&mut self, here: &Path) -> &Result<Metadata, Errno> {
        self.0.entry(here.to_owned()).or_insert_with(|| {
            std::fs::symlink_metadata(here)
                .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
        })
    }
}

fn look_on(path: &Path, seen: &mut Seen) -> PathFact {
    let mut fact = PathFact {
        links: Vec::new(),
        real: PathBuf::from("/"),
        kind: PathKind::Directory,
        uid: 0,
        gid: 0,
        mode: 0o755,
        inode: (0, 0),
        replaceable_by: BTreeSet::new(),
        link_owners: BTreeSet::new(),
        group_replaceable: false,
        above: PathBuf::from("/"),
        closed: Vec::new(),
    };
    let mut rest: Vec<PathBuf> = parts(path);
    while let Some(part) = rest.pop() {
        if part.as_os_str() == ".." {
            up(&mut fact, seen);
            continue;
        }
        note_replacers(&mut fact);
        let here = fact.real.join(&part);
        let Some(link) = note(&mut fact, &here, seen) else {
            rest.iter().rev().for_each(|part| fact.real.push(part));
            return fact;
        };
        if link.is_one {
            let target = std::fs::read_link(&here).unwrap_or_default();
            note_owner(&mut fact, link.owner);
            if link.owner != 0 {
                fact.link_owners.insert(link.owner);
            }
            fact.links.push((here, target.clone()));
            if fact.links.len() > MAX_LINKS {
                fact.kind = PathKind::Missing(Errno::ELOOP);
                return fact;
            }
            if target.is_absolute() {
                fact.real = PathBuf::from("/");
            }
            up(&mut fact, seen);
            rest.extend(parts(&target));
        }
    }
    fact
}

/// Who can replace the entries of the directory that `fact` has come to. In a sticky directory only an entry's own
/// owner can, who has a turn when the path goes on from there.
fn note_replacers(fact: &mut PathFact) {
    note_owner(fact, fact.uid);
    fact.above = fact.real.clone();
    if fact.mode & 0o001 == 0 {
        fact.closed.push(Closed {
            at: fact.real.clone(),
            uid: fact.uid,
            gid: fact.gid,
            mode: fact.mode,
        });
    }
    if fact.mode & 0o1000 == 0 {
        if fact.mode & 0o002 != 0 {
            fact.replaceable_by.insert(ANYONE);
        }
        fact.group_replaceable |= fact.mode & 0o020 != 0 && fact.gid != 0;
    }
}

fn note_owner(fact: &mut PathFact, owner: u32) {
    if owner != 0 {
        fact.replaceable_by.insert(owner);
    }
}

/// To the directory above, and what that is.
fn up(fact: &mut PathFact, seen: &mut Seen) {
    fact.real.pop();
    let above = if fact.real.as_os_str().is_empty() {
        PathBuf::from("/")
    } else {
        fact.real.clone()
    };
    note(fact, &above, seen);
}

fn parts(path: &Path) -> Vec<PathBuf> {
    let named = |part: Component| match part {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        _ => None,
    };
    path.components().rev().filter_map(named).collect()
}

/// Moves `fact` to `here`; whether that is a symbolic link and whose, unless nothing is there.
fn note(fact: &mut PathFact, here: &Path, seen: &mut Seen) -> Option<Link> {
    fact.real = here.to_owned();
    match seen.at(here) {
        Ok(metadata) => {
            (fact.uid, fact.gid) = (metadata.uid(), metadata.gid());
            fact.mode = metadata.mode() & 0o7777;
            fact.inode = (metadata.dev(), metadata.ino());
            fact.kind = kind_of(metadata);
            Some(Link {
                is_one: metadata.is_symlink(),
                owner: metadata.uid(),
            })
        }
        Err(errno) => {
            fact.kind = PathKind::Missing(*errno);
            None
        }
    }
}

struct Link {
    is_one: bool,
    owner: u32,
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
