//! Room on the disk, asked before the download instead of met in its middle.
#![forbid(unsafe_code)]

use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::error::Error;

/// What an installation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Bytes.
    pub bytes: u64,
    /// Files and directories.
    pub inodes: u64,
}

/// What a filesystem has left for an ordinary user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Free {
    /// Bytes.
    pub bytes: u64,
    /// Files and directories; None where the filesystem does not count them (btrfs).
    pub inodes: Option<u64>,
}

/// Asks the filesystem that holds `path` (statvfs).
pub fn free(path: &Path) -> Result<Free, Error> {
    let found = statvfs(path)
        .map_err(|errno| Error::io("ask for the free space of", path, errno.into()))?;
    let bytes = found
        .blocks_available()
        .saturating_mul(found.fragment_size());
    let inodes = (found.files() > 0).then(|| found.files_available());
    Ok(Free { bytes, inodes })
}

impl Need {
    /// Whether `free` is enough.
    pub fn fits(self, free: Free) -> bool {
        free.bytes >= self.bytes && free.inodes.is_none_or(|inodes| inodes >= self.inodes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_inodes_must_both_be_there() {
        let need = Need {
            bytes: 100,
            inodes: 10,
        };
        assert!(need.fits(Free {
            bytes: 100,
            inodes: Some(10)
        }));
        assert!(need.fits(Free {
            bytes: 100,
            inodes: None
        }));
        assert!(!need.fits(Free {
            bytes: 99,
            inodes: Some(10)
        }));
        assert!(!need.fits(Free {
            bytes: 100,
            inodes: Some(9)
        }));
    }

    #[test]
    fn a_real_filesystem_answers() {
        assert!(free(Path::new("/")).is_ok_and(|free| free.bytes > 0));
    }
}
