//! Processes: making them, their credentials' odd corners, signals by pidfd, descriptor tables.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::prctl::get_no_new_privs;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use super::check;

/// Which side of a fork this is.
pub enum Forked {
    /// The child.
    Child,
    /// The parent, with the child's pid in its own namespace and a pidfd.
    Parent {
        /// The child's process id.
        pid: i32,
        /// A descriptor of the child, readable once it ended.
        pidfd: OwnedFd,
    },
}

/// Forks with clone3(2) (Linux 5.3) and a pidfd; `flags` are CLONE_NEW* and CLONE_FILES. The child has a copy
/// of the memory and ends by execve or [`exit_now`], never by returning from main.
///
/// # Errors
/// ENOSPC: a limit of user namespaces. EPERM: forbidden.
pub fn fork(flags: u64) -> Result<Forked, Errno> {
    match fork_by_clone3(flags, None) {
        // A container's filter hides it, since its flags lie in memory.
        Err(Errno::ENOSYS) => fork_by_clone(flags),
        forked => forked,
    }
}

/// The same into a cgroup, by its directory (CLONE_INTO_CGROUP, Linux 5.7). EBUSY: it hands controllers on.
pub fn fork_into(flags: u64, cgroup: BorrowedFd<'_>) -> Result<Forked, Errno> {
    fork_by_clone3(flags, Some(cgroup))
}

/// linux/sched.h; libc's constant overflows its type.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

fn fork_by_clone3(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Forked, Errno> {
    let mut pidfd: RawFd = -1;
    // SAFETY: clone_args is plain data for which all zeros is valid.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = flags | libc::CLONE_PIDFD as u64;
    arguments.pidfd = &raw mut pidfd as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM the child has its own copy of memory and stack, as after fork(2); the callers
    // keep the process single-threaded, so no lock is held in the child.
    let pid = check(unsafe {
        libc::syscall(libc::SYS_clone3, &arguments, size_of::<libc::clone_args>())
    })?;
    Ok(forked(pid, pidfd))
}

/// clone(2), which takes the same flags in a register; CLONE_PIDFD is of Linux 5.2.
fn fork_by_clone(flags: u64) -> Result<Forked, Errno> {
    let mut pidfd: RawFd = -1;
    let flags = flags | libc::CLONE_PIDFD as u64 | libc::SIGCHLD as u64;
    // SAFETY: as for clone3; a stack of 0 is the caller's own, copied. The last two, whose order differs between
    // architectures, are not used without their flags.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone, flags, 0, &raw mut pidfd, 0, 0) })?;
    Ok(forked(pid, pidfd))
}

fn forked(pid: libc::c_long, pidfd: RawFd) -> Forked {
    match pid as i32 {
        0 => Forked::Child,
        pid => Forked::Parent {
            pid,
            // SAFETY: the kernel stored a new descriptor of ours in pidfd.
            pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
        },
    }
}

/// Carries `act` out in a child, forked with these flags, which ends with its errno: the result.
pub fn in_child(flags: u64, act: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
    match fork(flags)? {
        Forked::Child => exit_now(act().err().map_or(0, |errno| errno as i32)),
        Forked::Parent { pidfd, .. } => {
            match waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED)? {
                WaitStatus::Exited(_, 0) => Ok(()),
                WaitStatus::Exited(_, errno) => Err(Errno::from_raw(errno)),
                _ => Err(Errno::EINTR),
            }
        }
    }
}

/// Ends the process without running any exit handler (_exit(2)).
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes no memory and does not return.
    unsafe { libc::_exit(code) }
}

/// A descriptor of a process (pidfd_open(2), Linux 5.3).
pub fn open_pidfd(pid: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: takes numbers only.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Sends a signal to the process that a pidfd stands for (pidfd_send_signal(2), Linux 5.1). ESRCH: it ended.
pub fn send_signal(pidfd: &impl AsFd, signal: Signal) -> Result<(), Errno> {
    // SAFETY: a NULL siginfo means what kill(2) would send.
    check(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_fd().as_raw_fd(),
            signal as i32,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    })?;
    Ok(())
}

/// Closes every descriptor from `first` on in a descriptor table of this process's own (close_range(2), Linux 5.9,
/// CLOSE_RANGE_UNSHARE).
pub fn close_from(first: RawFd) -> Result<(), Errno> {
    close_range(first, i32::MAX, libc::CLOSE_RANGE_UNSHARE)
}

/// Closes every descriptor from 3 on but `kept`: what a caller left open. For a moment at which this process itself
/// has no other one open.
pub fn close_inherited(kept: &[RawFd]) -> Result<(), Errno> {
    let mut kept: Vec<RawFd> = kept.iter().copied().filter(|kept| *kept >= 3).collect();
    kept.sort_unstable();
    let mut first = 3;
    for number in kept {
        if number > first {
            close_range(first, number - 1, 0)?;
        }
        first = number + 1;
    }
    close_range(first, i32::MAX, 0)
}

/// Marks every descriptor from `first` on to be closed by execve (CLOSE_RANGE_CLOEXEC, Linux 5.11), which also
/// gives up a shared table.
pub fn close_from_at_execve(first: RawFd) -> Result<(), Errno> {
    close_range(first, i32::MAX, libc::CLOSE_RANGE_CLOEXEC)
}

fn close_range(first: RawFd, last: RawFd, flags: libc::c_uint) -> Result<(), Errno> {
    // SAFETY: takes numbers only; the callers own what they close.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) })?;
    Ok(())
}

/// A copy of a descriptor that the caller of this process left open (fcntl(2) F_DUPFD_CLOEXEC). EBADF: none is.
pub fn duplicate(number: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: takes numbers only.
    let fd = check(unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) })?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Takes over a descriptor by its number.
///
/// The number was noted by flowjail's own code in a process that shares this descriptor table and has given the
/// descriptor up, so that nothing else in this process owns it: the listener, by the launch page; a secret's file.
pub fn adopt(number: RawFd) -> OwnedFd {
    // SAFETY: see above: the descriptor is open and has no other owner in this process.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// What kind of file a descriptor of the caller's is (fstat(2)): S_IFDIR, S_IFREG and the like.
pub fn kind_of(number: RawFd) -> Result<libc::mode_t, Errno> {
    // SAFETY: stat is plain data for which all zeros is valid.
    let mut fact: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: fact lives across the call.
    check(unsafe { libc::fstat(number, &raw mut fact) })?;
    Ok(fact.st_mode & libc::S_IFMT)
}

/// Whether a descriptor is open for reading and writing (fcntl(2) F_GETFL).
pub fn reads_and_writes(number: RawFd) -> bool {
    // SAFETY: takes numbers only.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFL) };
    flags != -1 && flags & libc::O_ACCMODE == libc::O_RDWR
}

/// Whether a capability number exists and was removed from the bounding set (prctl(2) PR_CAPBSET_DROP).
/// EINVAL: no such capability. EPERM: no CAP_SETPCAP.
pub fn drop_bounding(capability: u32) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability as libc::c_ulong, 0, 0, 0) })?;
    Ok(())
}

/// Sets the securebits (prctl(2) PR_SET_SECUREBITS, capabilities(7)). EPERM: no CAP_SETPCAP.
pub fn set_securebits(bits: i32) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_SECUREBITS, bits as libc::c_ulong, 0, 0, 0) })?;
    Ok(())
}

/// NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE set, KEEP_CAPS clear, all four locked.
pub const SECUREBITS_LOCKED: i32 = libc::SECBIT_NOROOT
    | libc::SECBIT_NOROOT_LOCKED
    | libc::SECBIT_NO_SETUID_FIXUP
    | libc::SECBIT_NO_SETUID_FIXUP_LOCKED
    | libc::SECBIT_KEEP_CAPS_LOCKED
    | libc::SECBIT_NO_CAP_AMBIENT_RAISE
    | libc::SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

/// Sets the soft and the hard value of a resource limit to at most `value` (setrlimit(2)); a lower hard limit stays.
pub fn limit(resource: u32, value: u64) -> Result<(), Errno> {
    let mut old = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: old lives across the call.
    check(unsafe { libc::prlimit(0, resource as _, std::ptr::null(), &raw mut old) })?;
    let value = value.min(old.rlim_max);
    let limit = libc::rlimit {
        rlim_cur: value,
        rlim_max: value,
    };
    // SAFETY: limit lives across the call.
    check(unsafe { libc::prlimit(0, resource as _, &limit, std::ptr::null_mut()) })?;
    Ok(())
}

/// Raises the soft limit of open descriptors to the hard one: a launch opens one for each part of the root.
pub fn raise_open_files() -> Result<(), Errno> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: limit lives across both calls.
    check(unsafe { libc::prlimit(0, libc::RLIMIT_NOFILE, std::ptr::null(), &raw mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above.
    check(unsafe { libc::prlimit(0, libc::RLIMIT_NOFILE, &limit, std::ptr::null_mut()) })?;
    Ok(())
}

/// The signal handlers of every signal back to their defaults; the Rust runtime ignores SIGPIPE, and callers
/// may have left others ignored.
pub fn default_signals() {
    for number in 1..=64 {
        dispose(number, libc::SIG_DFL);
    }
}

/// What a launcher needs whatever its caller left behind: its children are not reaped unseen (SIGCHLD), and a
/// full disk, a closed pipe or a terminal that belongs to others do not end it.
pub fn settle_signals() {
    dispose(libc::SIGCHLD, libc::SIG_DFL);
    for number in [libc::SIGPIPE, libc::SIGXFSZ, libc::SIGTTOU] {
        dispose(number, libc::SIG_IGN);
    }
}

fn dispose(number: i32, disposition: libc::sighandler_t) {
    // SAFETY: neither SIG_DFL nor SIG_IGN installs code; the numbers that refuse them (KILL, STOP, 32, 33) only
    // answer EINVAL.
    unsafe { libc::signal(number, disposition) };
}

/// A child that has ended, by its pid, which stays to be reaped (waitid(2), WNOWAIT).
pub fn ended_child() -> Option<i32> {
    // SAFETY: siginfo is plain data for which all zeros is valid.
    let mut fact: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: fact lives across the call.
    let answer = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut fact, flags) };
    // SAFETY: waitid has filled it in, or left its zeros.
    let pid = unsafe { fact.si_pid() };
    (answer == 0 && pid > 0).then_some(pid)
}

/// Reaps a child that has ended (waitpid(2), WNOHANG): its raw status word, which nix has no form for when a real-time
/// signal ended it.
pub fn reap(pid: i32) -> Option<i32> {
    let mut status = 0;
    // SAFETY: status lives across the call.
    let reaped = unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) };
    (reaped == pid).then_some(status)
}

/// The running kernel's Landlock ABI (landlock_create_ruleset(2), Linux 5.13). ENOSYS: not built in or hidden
/// by a filter, which may hide the calls that use a ruleset alone; EOPNOTSUPP: not enabled at boot.
pub fn landlock_abi() -> Result<i32, Errno> {
    let version = 1u32;
    // SAFETY: NULL with size 0 and LANDLOCK_CREATE_RULESET_VERSION asks for the number only.
    let abi = check(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0usize,
            version,
        )
    })?;
    for call in [
        libc::SYS_landlock_add_rule,
        libc::SYS_landlock_restrict_self,
    ] {
        // SAFETY: -1 is no ruleset's descriptor: nothing is read, and nothing restricted.
        let asked = unsafe { libc::syscall(call, -1, 0, std::ptr::null::<u8>(), 0) };
        match check(asked) {
            Err(Errno::EBADF) => {}
            // Without no_new_privs an ordinary user gets no further.
            Err(Errno::EPERM)
                if call == libc::SYS_landlock_restrict_self && get_no_new_privs() == Ok(false) => {}
            Err(errno) => return Err(errno),
            Ok(_) => {}
        }
    }
    Ok(abi as i32)
}

/// An extended attribute of a file (getxattr(2)); none where there is no such attribute, or it is longer than 64 bytes.
pub fn attribute(place: &Path, name: &str) -> Option<Vec<u8>> {
    let place = CString::new(place.as_os_str().as_bytes()).ok()?;
    let name = CString::new(name).ok()?;
    let mut room = [0u8; 64];
    // SAFETY: both names end with NUL and the kernel writes at most the length of room; all live across the call.
    let length = unsafe {
        libc::getxattr(
            place.as_ptr(),
            name.as_ptr(),
            room.as_mut_ptr().cast(),
            room.len(),
        )
    };
    let length = usize::try_from(length).ok()?;
    room.get(..length).map(<[u8]>::to_vec)
}

/// Fills the bytes from the kernel's generator (getrandom(2), Linux 3.17), which blocks only while the machine boots.
pub fn random(bytes: &mut [u8]) {
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = &mut bytes[filled..];
        // SAFETY: the kernel writes at most the length of the slice that rest is.
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        // EINTR: a signal came before anything was written.
        filled += usize::try_from(got).unwrap_or(0);
    }
}
