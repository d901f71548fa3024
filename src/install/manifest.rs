//! `manifest.json` beside `node_modules`: what was installed, and the check of it at each start.
//!
//! Every file's path, size, mode and time stand in `files.list`, of which the manifest holds a digest; the few files
//! that decide what runs are held by a digest of their contents. The record lies beside what it records and has
//! the same owner: it finds damage, half-done edits and mixed-up trees, not an attacker who is that owner.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::{Change, Error};
use super::lock::Pinned;
use super::walk::{self, Difference};

/// The manifest's name in a tree.
pub const MANIFEST: &str = "manifest.json";
/// The name of the list of files that belongs to it.
const LIST: &str = "files.list";
/// What is listed.
const LISTED: &str = "node_modules";
/// The form of the manifest; a tree with another one is installed anew.
const FORMAT: u32 = 1;

/// The built file of the one native module that Flowise needs to start.
pub const NATIVE_MODULE: &str = "node_modules/sqlite3/build/Release/node_sqlite3.node";

/// Files held by a digest of their contents, beside the native module.
const HELD: [&str; 4] = [
    "node_modules/flowise/bin/run",
    "node_modules/flowise/package.json",
    "node_modules/flowise-components/package.json",
    "node_modules/flowise-ui/package.json",
];

/// What a tree holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The form of this file.
    pub manifest: u32,
    /// The version of Flowise.
    pub flowise: String,
    /// The digest of the package list and lock file that it was made from.
    pub lock: String,
    /// The version of the node that the native module was built with.
    pub node: String,
    /// How many files and links there are.
    pub files: usize,
    /// The digest of the list of files.
    pub list: String,
    /// Digests of contents, by path.
    pub contents: BTreeMap<String, String>,
}

impl Manifest {
    /// Records `tree` as it is now and writes the record into it.
    pub fn record(tree: &Path, pinned: &Pinned, node: &str) -> Result<Manifest, Error> {
        let list = walk::list(tree, LISTED)?;
        let mut contents = BTreeMap::new();
        for path in HELD.into_iter().chain([NATIVE_MODULE]) {
            contents.insert(path.to_owned(), digest_of(tree, path)?);
        }
        let manifest = Manifest {
            manifest: FORMAT,
            flowise: pinned.version.to_owned(),
            lock: pinned.digest(),
            node: node.to_owned(),
            files: list.iter().filter(|byte| **byte == b'\n').count(),
            list: sha256_hex(&list),
            contents,
        };
        write(&tree.join(LIST), &list)?;
        let text = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
        write(&tree.join(MANIFEST), &text)?;
        Ok(manifest)
    }

    /// Reads the record of `tree`.
    pub fn load(tree: &Path) -> Result<Manifest, Error> {
        let path = tree.join(MANIFEST);
        let bytes = fs::read(&path).map_err(|source| Error::io("read", &path, source))?;
        let bad = |detail: String| Error::BadManifest {
            path: path.clone(),
            detail,
        };
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        if manifest.manifest != FORMAT {
            return Err(bad(format!(
                "it has form {}, this flowjail reads {FORMAT}",
                manifest.manifest
            )));
        }
        Ok(manifest)
    }

    /// Checks that `tree` is what was recorded, and that it was made from `pinned`.
    pub fn verify(&self, tree: &Path, pinned: &Pinned) -> Result<(), Error> {
        if self.flowise != pinned.version || self.lock != pinned.digest() {
            let detail =
                "it was installed from another lock file than this flowjail has".to_owned();
            return Err(Error::BadManifest {
                path: tree.join(MANIFEST),
                detail,
            });
        }
        let changed = |path: PathBuf, change| Error::Changed {
            tree: tree.to_owned(),
            path,
            change,
        };
        for (path, digest) in &self.contents {
            match digest_of(tree, path) {
                Ok(found) if found == *digest => {}
                Ok(_) => return Err(changed(path.into(), Change::Contents)),
                Err(_) => return Err(changed(path.into(), Change::Removed)),
            }
        }
        let found = walk::list(tree, LISTED)?;
        if sha256_hex(&found) == self.list {
            return Ok(());
        }
        let recorded = fs::read(tree.join(LIST))
            .ok()
            .filter(|list| sha256_hex(list) == self.list);
        let Some(recorded) = recorded else {
            return Err(changed(LIST.into(), Change::Contents));
        };
        Err(match walk::first_difference(&recorded, &found) {
            Some((path, Difference::Added)) => changed(path, Change::Added),
            Some((path, Difference::Removed)) => changed(path, Change::Removed),
            Some((path, Difference::Attributes)) => changed(path, Change::Attributes),
            None => changed(LISTED.into(), Change::Attributes),
        })
    }
}

fn digest_of(tree: &Path, path: &str) -> Result<String, Error> {
    let full = tree.join(path);
    let bytes = fs::read(&full).map_err(|source| Error::io("read", &full, source))?;
    Ok(sha256_hex(&bytes))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).map_err(|source| Error::io("write", path, source))
}

/// SHA-256 as hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_sha256() {
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
