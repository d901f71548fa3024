//! Changes of what a file says about itself, on a file that is held (O_PATH).

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

use super::check;

/// Gives a file other owners; `u32::MAX` leaves one as it is (fchownat(2) AT_EMPTY_PATH, Linux 2.6.39).
pub fn set_owner(file: &impl AsFd, uid: u32, gid: u32) -> Result<(), Errno> {
    // SAFETY: the path is a static string; the rest goes by value.
    check(unsafe {
        libc::fchownat(
            file.as_fd().as_raw_fd(),
            c"".as_ptr(),
            uid,
            gid,
            libc::AT_EMPTY_PATH,
        )
    })
    .map(drop)
}

/// Sets a file's times of access and of change, each in seconds and nanoseconds; `None`: to now (utimensat(2)
/// AT_EMPTY_PATH, Linux 5.8).
pub fn set_times(file: &impl AsFd, times: Option<[(i64, i64); 2]>) -> Result<(), Errno> {
    let times = times.map(|all| {
        all.map(|(seconds, nanoseconds)| libc::timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds,
        })
    });
    let at = times
        .as_ref()
        .map_or(std::ptr::null(), |times| times.as_ptr());
    // SAFETY: the path is a static string; the times, where there are any, are two and live across the call.
    check(unsafe {
        libc::utimensat(
            file.as_fd().as_raw_fd(),
            c"".as_ptr(),
            at,
            libc::AT_EMPTY_PATH,
        )
    })
    .map(drop)
}
