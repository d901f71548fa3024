//! Opens the files of the plan's secrets, with the starter's rights. What is in them is read by the program's process alone.
#![forbid(unsafe_code)]

use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;

use super::run::Stopped;
use super::terminal::say;
use crate::host::{self, Host, PathFact, PathKind};
use crate::launch::SecretFd;
use crate::plan::{Plan, Refusals, SecretFile, Starter, refuse_secret};
use crate::sys::errno_of;

/// One descriptor for each secret that is there; what is not fit for one is refused, all at once.
pub fn open(plan: &Plan, host: &Host) -> Result<Vec<SecretFd>, Stopped> {
    let mut opened = Vec::new();
    let mut refusals = Vec::new();
    for line in plan.secrets.iter().filter(|line| line.present) {
        let Some(source) = &line.source else {
            continue;
        };
        let (file, found) = open_one(source);
        let refusal = refuse_secret(line, &found, Starter::of(host), plan);
        match (refusal, file) {
            (Some(refusal), _) => refusals.push(refusal),
            (None, Some(file)) => opened.push(SecretFd {
                name: line.name.clone(),
                file: file.into(),
            }),
            // Optional, and gone since it was looked at.
            (None, None) => {}
        }
    }
    if refusals.is_empty() {
        return Ok(opened);
    }
    say(Refusals(refusals));
    Err(Stopped(super::FAILED))
}

/// How often a path is looked up anew that changes meanwhile, as Kubernetes exchanges the directory of its secrets.
const MOST_TRIES: usize = 100;

/// The file, and what it is by its descriptor; where it cannot be opened, what is known by its path.
fn open_one(path: &Path) -> (Option<File>, SecretFile) {
    let mut fact = host::look(path);
    for _ in 0..MOST_TRIES {
        // Opening a device may do something.
        if fact.kind != PathKind::File {
            return (None, SecretFile { fact, size: None });
        }
        match open_file(&fact) {
            Ok((file, metadata)) => {
                fact.kind = kind_of(&metadata);
                (fact.uid, fact.gid) = (metadata.uid(), metadata.gid());
                fact.mode = metadata.mode() & 0o7777;
                let size = Some(metadata.len());
                return (Some(file), SecretFile { fact, size });
            }
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ESTALE) => {
                fact = host::look(path);
            }
            Err(errno) => fact.kind = PathKind::Missing(errno),
        }
    }
    fact.kind = PathKind::Missing(Errno::ESTALE);
    (None, SecretFile { fact, size: None })
}

/// Never waits: for a writer of a FIFO, for instance.
///
/// # Errors
/// ESTALE: it is not what was looked at. (openat2(2), which follows no link at all, is refused in older containers.)
fn open_file(fact: &PathFact) -> Result<(File, Metadata), Errno> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let errno = |error: std::io::Error| errno_of(&error);
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(&fact.real);
    let file = opened.map_err(errno)?;
    let metadata = file.metadata().map_err(errno)?;
    match (metadata.dev(), metadata.ino()) == fact.inode {
        true => Ok((file, metadata)),
        false => Err(Errno::ESTALE),
    }
}

fn kind_of(metadata: &Metadata) -> PathKind {
    let kind = metadata.file_type();
    if kind.is_file() {
        PathKind::File
    } else if kind.is_dir() {
        PathKind::Directory
    } else {
        PathKind::Special
    }
}
