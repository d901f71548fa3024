//! Thin wrappers over system calls: every unsafe line of flowjail. Nothing here decides, and nothing here
//! knows another module of flowjail.

pub mod change;
pub mod channel;
pub mod environment;
pub mod launch_page;
pub mod mount;
pub mod notify;
pub mod outer;
pub mod proc;
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

/// The errno at the bottom of an error's chain; `EPERM` where there is none.
pub fn errno_of(error: &(dyn std::error::Error + 'static)) -> Errno {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            return Errno::from_raw(io.raw_os_error().unwrap_or(libc::EIO));
        }
        next = current.source();
    }
    Errno::EPERM
}
