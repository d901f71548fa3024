//! A bed for other kernels: QEMU and Debian's kernels out of packages, user-mode Linux, an initramfs made of static
//! programs, and guests that are started, watched and judged.
//!
//! Everything that is downloaded lies in `beds` below FLOWJAIL_TEST_CACHE.
#![allow(dead_code)] // each test binary uses its part

pub mod archive;
pub mod guest;
pub mod image;
pub mod kernel;
pub mod packages;

use std::path::PathBuf;

use crate::common::needs::{self, Need};
use kernel::Kernel;

/// What a guest of this kernel cannot do without, but for the packages: where those cannot be had, its tests fail.
pub fn needs(kernel: Kernel) -> Vec<Need> {
    let cache = std::env::var_os("FLOWJAIL_TEST_CACHE").is_some();
    let program = |name| needs::condition(name, find(name).is_some(), "not in PATH");
    let mut all = vec![
        needs::condition("FLOWJAIL_TEST_CACHE", cache, "not set; tests/run does that"),
        program("busybox"),
    ];
    if kernel.is_user_mode() {
        all.push(program("linux.uml"));
    } else {
        // For its libraries: the guest's is a newer one, which the bed gets by apt.
        all.extend([program("qemu-system-x86_64"), program("apt-get")]);
    }
    all
}

/// The first file of that name in PATH, /usr/sbin or /sbin.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let also = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(also)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}
