//! The list of all files below a directory, in a fixed order, as text: what a manifest holds a digest of.
//!
//! One line per file or link: path, NUL, kind, size, mode and modification time (links: their target).
//! Directories are not listed; what stands in them is. Top-level entries are walked by several threads,
//! all of which have ended when the list is there.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::error::Error;

/// Flowise run by hand writes its logs here; nothing in it is loaded as code.
const LOGS: &str = "node_modules/flowise/logs";

/// Lists `tree`/`below` in component-wise order of the paths, which are relative to `tree`.
pub fn list(tree: &Path, below: &str) -> Result<Vec<u8>, Error> {
    let top = tree.join(below);
    let entries = sorted(&top).map_err(|source| Error::io("list", &top, source))?;
    let threads = thread::available_parallelism()
        .map_or(1, NonZeroUsize::get)
        .min(4);
    let next = AtomicUsize::new(0);
    let parts: Vec<Mutex<io::Result<Vec<u8>>>> =
        entries.iter().map(|_| Mutex::new(Ok(Vec::new()))).collect();
    let work = || {
        while let Some((entry, part)) = claim(&next, &entries, &parts) {
            let mut lines = Vec::new();
            let done = add(&mut lines, &Path::new(below).join(entry.file_name()), entry);
            if let Ok(mut slot) = part.lock() {
                *slot = done.map(|()| lines);
            }
        }
    };
    thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        work();
        drop(helpers);
    });
    let mut whole = Vec::new();
    for part in parts {
        let lines = part
            .into_inner()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        whole.append(&mut lines.map_err(|source| Error::io("list", &top, source))?);
    }
    Ok(whole)
}

fn claim<'a, A, B>(next: &AtomicUsize, entries: &'a [A], parts: &'a [B]) -> Option<(&'a A, &'a B)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    entries.get(index).zip(parts.get(index))
}

fn sorted(directory: &Path) -> io::Result<Vec<DirEntry>> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_cached_key(DirEntry::file_name);
    Ok(entries)
}

fn add(lines: &mut Vec<u8>, path: &Path, entry: &DirEntry) -> io::Result<()> {
    if entry.file_type()?.is_dir() {
        if path == Path::new(LOGS) {
            return Ok(());
        }
        return sorted(&entry.path())?
            .iter()
            .try_for_each(|inner| add(lines, &path.join(inner.file_name()), inner));
    }
    let data = entry.metadata()?;
    lines.extend_from_slice(path.as_os_str().as_bytes());
    if data.is_symlink() {
        lines.extend_from_slice(b"\0link ");
        lines.extend_from_slice(fs::read_link(entry.path())?.as_os_str().as_bytes());
        lines.push(b'\n');
        return Ok(());
    }
    let kind = if data.is_file() { "file" } else { "other" };
    let (size, mode, seconds, nanoseconds) = (
        data.size(),
        data.mode() & 0o7777,
        data.mtime(),
        data.mtime_nsec(),
    );
    writeln!(lines, "\0{kind} {size} {mode:o} {seconds}.{nanoseconds:09}")
}

/// The first path at which two lists differ, and the two lines' facts (None where a list lacks the path).
pub fn first_difference(recorded: &[u8], found: &[u8]) -> Option<(PathBuf, Difference)> {
    let (mut old, mut new) = (lines(recorded).peekable(), lines(found).peekable());
    loop {
        match (old.peek(), new.peek()) {
            (None, None) => return None,
            (Some(one), Some(other)) if one == other => {
                old.next();
                new.next();
            }
            (Some((one, _)), Some((other, _))) if one == other => {
                return Some((one.clone(), Difference::Attributes));
            }
            (Some((one, _)), Some((other, _))) if one < other => {
                return Some((one.clone(), Difference::Removed));
            }
            (Some((one, _)), None) => return Some((one.clone(), Difference::Removed)),
            (_, Some((other, _))) => return Some((other.clone(), Difference::Added)),
        }
    }
}

/// How two lists differ at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Removed,
    /// Both have it, with other facts.
    Attributes,
}

/// Paths and the rest of their lines. A line without NUL belongs to a name with a newline in it: it is
/// compared as a path of its own, which finds a difference all the same.
fn lines(list: &[u8]) -> impl Iterator<Item = (PathBuf, &[u8])> {
    list.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            let end = line
                .iter()
                .position(|byte| *byte == 0)
                .unwrap_or(line.len());
            let (path, facts) = line.split_at(end);
            (
                PathBuf::from(OsString::from(std::ffi::OsStr::from_bytes(path))),
                facts,
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        let old = b"a/b\0file 1\na/c\0file 1\nd\0file 1\n";
        let path = |text: &str, how| Some((PathBuf::from(text), how));
        assert_eq!(first_difference(old, old), None);
        assert_eq!(
            first_difference(old, b"a/b\0file 2\n"),
            path("a/b", Difference::Attributes)
        );
        assert_eq!(
            first_difference(old, b"a/b\0file 1\nd\0file 1\n"),
            path("a/c", Difference::Removed)
        );
        assert_eq!(
            first_difference(old, b"a/a\0file 1\na/b\0file 1\n"),
            path("a/a", Difference::Added)
        );
        assert_eq!(
            first_difference(old, &[&old[..], b"e\0file 1\n"].concat()),
            path("e", Difference::Added)
        );
        assert_eq!(
            first_difference(old, b"a/b\0file 1\na/c\0file 1\n"),
            path("d", Difference::Removed)
        );
    }
}
