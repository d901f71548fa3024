//! What a filter around flowjail refuses by itself: seen by making calls that change nothing, with arguments that the
//! kernel would answer otherwise.

use nix::errno::Errno;

/// A call, its arguments, and what the kernel itself answers to them at most.
struct Probe(&'static str, libc::c_long, [libc::c_long; 6]);

/// No such descriptor, process or address.
const NONE: libc::c_long = -1;

/// All are refused by their arguments where nothing else refuses them: EBADF, EFAULT, EINVAL or ESRCH.
const PROBES: [Probe; 12] = [
    Probe("clone3", libc::SYS_clone3, [0; 6]),
    Probe("unshare", libc::SYS_unshare, [0; 6]),
    Probe("setns", libc::SYS_setns, [NONE, 0, 0, 0, 0, 0]),
    Probe("mount", libc::SYS_mount, [0; 6]),
    Probe("ptrace", libc::SYS_ptrace, [0x4200, 0, 0, 0, 0, 0]),
    Probe(
        "process_vm_readv",
        libc::SYS_process_vm_readv,
        [0, 0, 0, 0, 0, 1],
    ),
    Probe(
        "pidfd_getfd",
        libc::SYS_pidfd_getfd,
        [NONE, NONE, 0, 0, 0, 0],
    ),
    Probe("memfd_create", libc::SYS_memfd_create, [0; 6]),
    Probe("io_uring_setup", libc::SYS_io_uring_setup, [0; 6]),
    Probe("keyctl", libc::SYS_keyctl, [NONE, 0, 0, 0, 0, 0]),
    Probe("kcmp", libc::SYS_kcmp, [0, 0, NONE, 0, 0, 0]),
    Probe(
        "personality",
        libc::SYS_personality,
        [0xffff_ffff, 0, 0, 0, 0, 0],
    ),
];

/// Those that are answered as a filter answers.
pub fn refused() -> Vec<(&'static str, Errno)> {
    let answer = |Probe(name, number, args): &Probe| {
        let [a, b, c, d, e, f] = *args;
        Errno::clear();
        // SAFETY: none of these has an effect or touches memory with these arguments; see each man page.
        let returned = unsafe { libc::syscall(*number, a, b, c, d, e, f) };
        let errno = Errno::last();
        let refused =
            returned == -1 && matches!(errno, Errno::EPERM | Errno::EACCES | Errno::ENOSYS);
        refused.then_some((*name, errno))
    };
    PROBES.iter().filter_map(answer).collect()
}
