//! Secrets, read by the process that becomes the program and by no other.
#![forbid(unsafe_code)]

use std::ffi::CString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{IoSliceMut, Write};
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::uio::preadv;

use crate::plan::MAX_SECRET;
use crate::sys::{errno_of, process};

/// A secret's file, opened with the starter's rights.
pub struct SecretFd {
    /// The secret's name.
    pub name: String,
    /// The file; nothing was read from it.
    pub file: OwnedFd,
}

/// A descriptor that the supervisor has opened for the workload, in the table that both share until its execve.
pub struct SharedFd {
    name: String,
    number: RawFd,
}

/// Hands the descriptors over: from now on the workload closes them, in its own table and in the supervisor's.
pub fn share(files: Vec<SecretFd>) -> Vec<SharedFd> {
    let shared = files.into_iter().map(|secret| SharedFd {
        name: secret.name,
        number: secret.file.into_raw_fd(),
    });
    shared.collect()
}

/// The variables that secrets become, as `NAME=VALUE`.
#[derive(Default)]
pub struct Variables(Vec<CString>);

impl Variables {
    /// Behind those of the plan.
    pub fn added_to(&self, env: &mut Vec<CString>) {
        env.extend(self.0.iter().cloned());
    }

    /// Reads a secret, and closes its file: what it becomes is a variable, or a file that only the program's user reads.
    ///
    /// # Errors
    /// ENODATA: it is empty by now, or no more than a newline. EFBIG: it has more than [`MAX_SECRET`] bytes by now. EILSEQ: a variable with a NUL byte.
    pub fn read(
        &mut self,
        shared: &[SharedFd],
        name: &str,
        at: Option<&Path>,
    ) -> Result<(), Errno> {
        // One that is optional, and was gone when it was to be opened.
        let Some(secret) = shared.iter().find(|secret| secret.name == name) else {
            return Ok(());
        };
        let value = contents(process::adopt(secret.number))?;
        match at {
            Some(at) => write_file(at, &value),
            None => self.add(name, &value),
        }
    }

    /// The newline with which a line ends is none of the secret's.
    fn add(&mut self, name: &str, value: &[u8]) -> Result<(), Errno> {
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        if value.is_empty() {
            return Err(Errno::ENODATA);
        }
        let pair = [name.as_bytes(), b"=", value].concat();
        self.0.push(CString::new(pair).map_err(|_| Errno::EILSEQ)?);
        Ok(())
    }
}

fn contents(file: OwnedFd) -> Result<Vec<u8>, Errno> {
    let most = MAX_SECRET as usize;
    // One more than may be there.
    let mut bytes = vec![0; most + 1];
    let mut length = 0;
    while length <= most {
        let mut rest = [IoSliceMut::new(&mut bytes[length..])];
        match preadv(&file, &mut rest, length as libc::off_t) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    bytes.truncate(length);
    match length {
        0 => Err(Errno::ENODATA),
        length if length > most => Err(Errno::EFBIG),
        _ => Ok(bytes),
    }
}

/// A file that is not there yet, below directories that only its owner may enter.
fn write_file(at: &Path, value: &[u8]) -> Result<(), Errno> {
    let failed = |error: std::io::Error| errno_of(&error);
    if let Some(parent) = at.parent() {
        let mut directories = DirBuilder::new();
        directories.recursive(true).mode(0o700);
        directories.create(parent).map_err(failed)?;
    }
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(at);
    let mut file: File = opened.map_err(failed)?;
    file.write_all(value).map_err(failed)
}
