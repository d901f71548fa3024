//! Reading a profile from the file system: the only place under `profile` that touches it.
#![forbid(unsafe_code)]

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use super::chain;
use super::overlay::Overlay;
use super::problem::Problems;
use super::types::Profile;

/// The largest profile that is read, in bytes; the shipped ones have some thousands.
pub const MAX_SIZE: u64 = 1 << 18;

/// Why a file is no profile's text.
#[derive(Debug)]
pub enum ReadError {
    /// It cannot be opened or read.
    Io(io::Error),
    /// It is something else than a regular file; holds what.
    Kind(&'static str),
    /// It is larger than [`MAX_SIZE`]; holds the size.
    TooLarge(u64),
    /// Its bytes are not UTF-8; holds the line of the first that is not.
    NotText(usize),
}

impl fmt::Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                out.write_str("no such file")
            }
            ReadError::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                out.write_str("may not be read")
            }
            ReadError::Io(error) => write!(out, "cannot be read: {error}"),
            ReadError::Kind(kind) => write!(out, "is {kind}, not a file"),
            ReadError::TooLarge(size) => write!(out, "is too large for a profile ({size} bytes)"),
            ReadError::NotText(line) => write!(out, "is not text: line {line} is not UTF-8"),
        }
    }
}

impl ReadError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            ReadError::TooLarge(_) => Some(format!("a profile is at most {MAX_SIZE} bytes")),
            _ => None,
        }
    }
}

/// Loads a profile by built-in name or by path, with the command line's additions; all problems at once.
pub fn load(name_or_path: &str, overlay: &Overlay) -> Result<Profile, Problems> {
    chain::resolve(name_or_path, overlay, &read_file)
}

/// The text of a regular file. Never blocks: a FIFO or a device is opened without waiting and refused.
pub fn read_file(path: &Path) -> Result<String, ReadError> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(|error| {
            // A socket cannot be opened at all; say what it is instead of "no such device".
            match path.metadata().map(|data| kind(data.file_type())) {
                Ok(Some(kind)) => ReadError::Kind(kind),
                _ => ReadError::Io(error),
            }
        })?;
    let data = file.metadata().map_err(ReadError::Io)?;
    if let Some(kind) = kind(data.file_type()) {
        return Err(ReadError::Kind(kind));
    }
    if data.len() > MAX_SIZE {
        return Err(ReadError::TooLarge(data.len()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_SIZE + 1)
        .read_to_end(&mut bytes)
        .map_err(ReadError::Io)?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(ReadError::TooLarge(bytes.len() as u64));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        ReadError::NotText(good.iter().filter(|byte| **byte == b'\n').count() + 1)
    })
}

/// What a file is, where it is not a regular one.
fn kind(kind: std::fs::FileType) -> Option<&'static str> {
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a directory")
    } else if kind.is_fifo() {
        Some("a FIFO")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}
