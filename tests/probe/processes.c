/* Acts on another process. Each takes its pid; each leaves that process as it was. */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define IO_CLASS_BEST_EFFORT_4 ((2L << 13) | 4)

static long pid_of(char **a) { return atol(a[0]); }

/* Signal 0 asks the same permission as any other. */
static long kill_call(char **a) { return syscall(SYS_kill, pid_of(a), 0L); }
static long kill_high(char **a) { return syscall(SYS_kill, (1L << 32) | pid_of(a), 0L); }
static long kill_all(char **a) {
    (void)a;
    return syscall(SYS_kill, -1L, 0L);
}
static long tgkill_call(char **a) { return syscall(SYS_tgkill, pid_of(a), pid_of(a), 0L); }
static long tkill_call(char **a) { return syscall(SYS_tkill, pid_of(a), 0L); }
static long sigqueue_call(char **a) {
    siginfo_t info = {.si_code = SI_QUEUE, .si_pid = getpid(), .si_uid = getuid()};
    return syscall(SYS_rt_sigqueueinfo, pid_of(a), 0L, &info);
}
static long pidfd_signal(char **a) {
    int fd = (int)syscall(SYS_pidfd_open, pid_of(a), 0L);
    return fd < 0 ? -1 : with_closed(syscall(SYS_pidfd_send_signal, fd, 0L, NULL, 0L), fd);
}
static long pidfd_get(char **a) {
    int fd = (int)syscall(SYS_pidfd_open, pid_of(a), 0L);
    return fd < 0 ? -1 : with_closed(syscall(SYS_pidfd_getfd, fd, 0L, 0L), fd);
}
static long pidfd_get_own(char **a) {
    (void)a;
    int fd = (int)syscall(SYS_pidfd_open, (long)getpid(), 0L);
    return fd < 0 ? -1 : with_closed(syscall(SYS_pidfd_getfd, fd, 0L, 0L), fd);
}

static long attach(char **a) {
    if (syscall(SYS_ptrace, (long)PTRACE_SEIZE, pid_of(a), 0L, 0L))
        return -1;
    syscall(SYS_ptrace, (long)PTRACE_DETACH, pid_of(a), 0L, 0L);
    return 0;
}
static long trace_me(char **a) {
    (void)a;
    return syscall(SYS_ptrace, (long)PTRACE_TRACEME, 0L, 0L, 0L);
}
static long vm_call(long number, long pid) {
    char here = 0, there = 0;
    struct iovec local = {&here, 1}, remote = {&there, 1};
    return syscall(number, pid, &local, 1L, &remote, 1L, 0L);
}
/* Of another process the address may not be mapped: EFAULT, which only an allowed call reaches. */
static long vm_read(char **a) { return vm_call(SYS_process_vm_readv, pid_of(a)); }
static long vm_write_own(char **a) {
    (void)a;
    return vm_call(SYS_process_vm_writev, getpid());
}
static long open_proc(char **a, const char *what, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/%s", a[0], what);
    int fd = open(path, flags | O_CLOEXEC);
    return fd < 0 ? -1 : with_closed(0, fd);
}
static long read_environ(char **a) { return open_proc(a, "environ", O_RDONLY); }
static long read_mem(char **a) { return open_proc(a, "mem", O_RDONLY); }
static long read_cmdline(char **a) { return open_proc(a, "cmdline", O_RDONLY); }
static long list_fds(char **a) { return open_proc(a, "fd", O_RDONLY | O_DIRECTORY); }
static long read_root(char **a) { return open_proc(a, "root/proc", O_RDONLY | O_DIRECTORY); }
static long write_oom(char **a) { return open_proc(a, "oom_score_adj", O_WRONLY); }

static long limit_read(char **a) {
    struct rlimit old;
    return syscall(SYS_prlimit64, pid_of(a), (long)RLIMIT_CORE, NULL, &old);
}
static long limit_write(char **a) {
    struct rlimit same;
    if (syscall(SYS_prlimit64, pid_of(a), (long)RLIMIT_CORE, NULL, &same))
        return -1;
    return syscall(SYS_prlimit64, pid_of(a), (long)RLIMIT_CORE, &same, NULL);
}
static long renice(char **a) { return syscall(SYS_setpriority, (long)PRIO_PROCESS, pid_of(a), 0L); }
static long renice_high(char **a) {
    return syscall(SYS_setpriority, (long)PRIO_PROCESS, (1L << 32) | pid_of(a), 0L);
}
/* Pid 0 with PRIO_USER is everyone of the same uid. */
static long renice_user(char **a) {
    (void)a;
    return syscall(SYS_setpriority, (long)PRIO_USER, 0L, 0L);
}
static long nice_read(char **a) { return syscall(SYS_getpriority, (long)PRIO_PROCESS, pid_of(a)); }
static long affinity(char **a) {
    unsigned long mask[16] = {0};
    long n = syscall(SYS_sched_getaffinity, pid_of(a), sizeof mask, mask);
    return n < 0 ? -1 : syscall(SYS_sched_setaffinity, pid_of(a), n, mask);
}
static long scheduler(char **a) {
    struct sched_param param = {0};
    return syscall(SYS_sched_setscheduler, pid_of(a), (long)SCHED_OTHER, &param);
}
static long io_priority(char **a) {
    return syscall(SYS_ioprio_set, 1L, pid_of(a), IO_CLASS_BEST_EFFORT_4);
}
static long io_priority_user(char **a) {
    (void)a;
    return syscall(SYS_ioprio_set, 3L, (long)getuid(), IO_CLASS_BEST_EFFORT_4);
}
static long robust_list(char **a) {
    void *head;
    size_t length;
    return syscall(SYS_get_robust_list, pid_of(a), &head, &length);
}
static long shared_segment(char **a) { return shmget((key_t)strtol(a[0], NULL, 0), 1, 0); }

const struct act process_acts[] = {
    {"kill", 1, kill_call},
    {"kill-high", 1, kill_high},
    {"kill-all", 0, kill_all},
    {"tgkill", 1, tgkill_call},
    {"tkill", 1, tkill_call},
    {"sigqueue", 1, sigqueue_call},
    {"pidfd-signal", 1, pidfd_signal},
    {"pidfd-getfd", 1, pidfd_get},
    {"pidfd-getfd-own", 0, pidfd_get_own},
    {"ptrace", 1, attach},
    {"traceme", 0, trace_me},
    {"vm-read", 1, vm_read},
    {"vm-write-own", 0, vm_write_own},
    {"environ", 1, read_environ},
    {"mem", 1, read_mem},
    {"cmdline", 1, read_cmdline},
    {"fds", 1, list_fds},
    {"root", 1, read_root},
    {"oom-score", 1, write_oom},
    {"prlimit-read", 1, limit_read},
    {"prlimit", 1, limit_write},
    {"renice", 1, renice},
    {"renice-high", 1, renice_high},
    {"renice-user", 0, renice_user},
    {"nice-read", 1, nice_read},
    {"affinity", 1, affinity},
    {"scheduler", 1, scheduler},
    {"ioprio", 1, io_priority},
    {"ioprio-user", 0, io_priority_user},
    {"robust-list", 1, robust_list},
    {"shm", 1, shared_segment},
    {NULL, 0, NULL},
};
