//! The process's own environment block, as /proc/PID/environ shows it.

use std::ffi::CStr;

unsafe extern "C" {
    static mut environ: *mut *mut libc::c_char;
}

/// Overwrites every environment string of this process with zeros, so that no secret of the caller stays
/// readable in `/proc/PID/environ` (proc_pid_environ(5)). The names are gone for `std::env`, too.
///
/// Must be called while the process has one thread.
pub fn wipe() {
    // SAFETY: environ is libc's own array, NULL-terminated; each entry is a NUL-terminated writable string on
    // the initial stack or the heap; the caller keeps the process single-threaded, so nobody reads them now.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let length = CStr::from_ptr(*entry).to_bytes().len();
            std::ptr::write_bytes(*entry, 0, length);
            entry = entry.add(1);
        }
        libc::clearenv();
    }
}
