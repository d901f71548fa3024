//! Thin wrappers over system calls: every unsafe line of flowjail. Nothing here decides, and nothing here
//! knows another module of flowjail.

pub mod channel;
pub mod environment;
pub mod launch_page;
pub mod mount;
pub mod notify;
pub mod process;
pub mod socket;

use nix::errno::Errno;

/// Turns a raw return value into a result; -1 means that `errno` holds the reason.
fn check(returned: impl Into<libc::c_long>) -> Result<libc::c_long, Errno> {
    let returned = returned.into();
    if returned == -1 {
        Err(Errno::last())
    } else {
        Ok(returned)
    }
}
