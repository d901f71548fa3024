//! A filter file for `--security-opt seccomp=FILE`: a small allow-list as hardening guides give it, in which node and
//! flowjail can run, and the same without some calls.

use crate::kit::scratch::Scratch;
use serde_json::json;
use std::path::PathBuf;

/// What node 20 and 24, a shell and flowjail use, one group a line.
const ALLOWED: &str = "
    read write readv writev pread64 pwrite64 preadv pwritev lseek close close_range dup dup2 dup3 fcntl flock ioctl
    open openat openat2 creat access faccessat faccessat2 stat fstat lstat newfstatat statx readlink readlinkat getdents64 getcwd
    chdir fchdir mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat chmod fchmod
    fchmodat chown fchown fchownat truncate ftruncate fallocate fsync fdatasync utimensat umask statfs fstatfs fadvise64
    copy_file_range sendfile memfd_create inotify_init1 inotify_add_watch inotify_rm_watch
    mmap munmap mprotect mremap madvise brk mincore msync mlock munlock
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigtimedwait rt_sigsuspend rt_sigqueueinfo rt_tgsigqueueinfo sigaltstack
    restart_syscall pause kill tgkill tkill signalfd signalfd4 eventfd eventfd2 timerfd_create timerfd_settime alarm
    setitimer getitimer exit exit_group wait4 waitid fork vfork clone execve execveat set_tid_address set_robust_list
    get_robust_list rseq futex membarrier gettid getpid getppid getpgid setpgid getpgrp getsid setsid getuid geteuid getgid
    getegid getresuid getresgid getgroups setuid setgid setgroups setresuid setresgid setreuid setregid capget capset prctl
    arch_prctl personality getpriority setpriority sched_yield sched_getaffinity sched_setaffinity sched_getparam
    sched_getscheduler getrlimit setrlimit prlimit64 getrusage times sysinfo uname getrandom getcpu
    clock_gettime clock_getres clock_nanosleep gettimeofday nanosleep time
    poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 pipe pipe2
    socket socketpair connect bind listen accept accept4 getsockname getpeername getsockopt setsockopt shutdown sendto
    recvfrom sendmsg recvmsg sendmmsg recvmmsg
    seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self
    pidfd_open pidfd_send_signal ptrace process_vm_readv process_vm_writev kcmp
";

/// The file, without these calls.
pub fn file(scratch: &Scratch, without: &[&str]) -> Result<PathBuf, String> {
    let names: Vec<&str> = ALLOWED
        .split_whitespace()
        .filter(|name| !without.contains(name))
        .collect();
    let filter = json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [
            { "architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
            { "architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"] },
        ],
        "syscalls": [
            { "names": names, "action": "SCMP_ACT_ALLOW" },
            // libc falls back to clone at no other errno.
            { "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 },
        ],
    });
    let name = format!(
        "seccomp{}.json",
        without.iter().map(|n| format!("-{n}")).collect::<String>()
    );
    let path = scratch.at(&name);
    if !path.exists() {
        // Whole or not at all: another test may be reading it.
        let fresh = scratch.at(&format!("{name}.{:?}", std::thread::current().id()));
        std::fs::write(&fresh, filter.to_string()).map_err(|e| e.to_string())?;
        std::fs::rename(&fresh, &path).map_err(|e| e.to_string())?;
    }
    Ok(path)
}
