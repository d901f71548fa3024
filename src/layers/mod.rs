//! The layers, each applied by the process that it binds; what to apply stands in the plan.
#![forbid(unsafe_code)]

pub mod caps;
pub mod ids;
pub mod landlock;
pub mod limits;
pub mod mounts;
pub mod network;
pub mod process;

use nix::errno::Errno;

/// The errno of an I/O error.
fn io_errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
