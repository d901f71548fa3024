/*
 * Acts on the kernel itself. Nearly all are calls with an argument that the kernel refuses after, or
 * before, its own check of privilege: the errno tells that the call was let through, and nothing happens.
 */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define HIGH (1UL << 32)
#define ACT(name, expression)                                                                      \
    static long name(char **a) {                                                                   \
        (void)a;                                                                                   \
        return expression;                                                                         \
    }

ACT(keyctl_get, syscall(SYS_keyctl, (long)KEYCTL_GET_KEYRING_ID, (long)KEY_SPEC_PROCESS_KEYRING, 1L))
ACT(add_key_call, syscall(SYS_add_key, "user", "flowjail", "x", 1L, (long)KEY_SPEC_PROCESS_KEYRING))
ACT(request_key_call, syscall(SYS_request_key, "user", "flowjail-none", NULL, 0L))

static long bpf_call(char **a) { /* bytes past what the kernel knows must be zero: E2BIG */
    (void)a;
    static unsigned char attr[4096];
    memset(attr, 0xff, sizeof attr);
    return syscall(SYS_bpf, (long)BPF_MAP_CREATE, attr, sizeof attr);
}
static long perf_call(char **a) { /* unknown flags: EINVAL */
    (void)a;
    struct perf_event_attr attr = {.size = sizeof attr};
    return syscall(SYS_perf_event_open, &attr, 0L, -1L, -1L, ~0UL);
}
ACT(userfaultfd_call, syscall(SYS_userfaultfd, 1L /* UFFD_USER_MODE_ONLY */))
static long io_uring_call(char **a) {
    (void)a;
    unsigned char params[120] = {0};
    return syscall(SYS_io_uring_setup, 1L, params);
}
ACT(init_module_call, syscall(SYS_init_module, NULL, 0L, ""))
ACT(finit_module_call, syscall(SYS_finit_module, -1L, "", 0L))
ACT(delete_module_call, syscall(SYS_delete_module, "flowjail_none", 0L))
ACT(reboot_call, syscall(SYS_reboot, 0L, 0L, 0L, NULL)) /* wrong magic: EINVAL */
ACT(kexec_call, syscall(SYS_kexec_load, 0L, 0L, NULL, ~0UL))

static long clock_set(char **a) {
    (void)a;
    struct timespec never = {.tv_sec = 0, .tv_nsec = 2000000000};
    return syscall(SYS_clock_settime, (long)CLOCK_REALTIME, &never);
}
static long time_of_day_set(char **a) {
    (void)a;
    struct timeval never = {.tv_sec = 0, .tv_usec = 2000000};
    return syscall(SYS_settimeofday, &never, NULL);
}
static long adjust_time(char **a) { /* modes 0 only reads; that too is none of the jail's business */
    (void)a;
    struct timex t = {0};
    return syscall(SYS_adjtimex, &t);
}
static long adjust_clock(char **a) {
    (void)a;
    struct timex t = {0};
    return syscall(SYS_clock_adjtime, (long)CLOCK_REALTIME, &t);
}
ACT(host_name, syscall(SYS_sethostname, "probe", 5L))
ACT(domain_name, syscall(SYS_setdomainname, "probe", 5L))
ACT(syslog_call, syscall(SYS_syslog, 99L, NULL, 0L))
ACT(quota_call, syscall(SYS_quotactl, (long)QCMD(Q_GETQUOTA, USRQUOTA), NULL, 0L, NULL)) /* ENODEV */
ACT(acct_call, syscall(SYS_acct, "/nonexistent"))
ACT(swapon_call, syscall(SYS_swapon, "/nonexistent", (long)0x40000000))
ACT(fanotify_call, syscall(SYS_fanotify_init, ~0L, 0L)) /* unknown flags: EINVAL, or EPERM for users */
#if defined(__x86_64__)
ACT(ioperm_call, syscall(SYS_ioperm, ~0UL, 2L, 1L))
ACT(iopl_call, syscall(SYS_iopl, 4L))
ACT(ldt_call, syscall(SYS_modify_ldt, 0L, NULL, 0L))
#else
ACT(ioperm_call, (errno = ENOSYS, -1))
ACT(iopl_call, (errno = ENOSYS, -1))
ACT(ldt_call, (errno = ENOSYS, -1))
#endif
ACT(kcmp_call, syscall(SYS_kcmp, (long)getpid(), (long)getpid(), 0L, 0L, 1L))

/* On a descriptor that is no terminal: ENOTTY where the call itself was let through. */
static const char pushed = 'x';
ACT(sti, syscall(SYS_ioctl, 0L, (long)TIOCSTI, &pushed))
ACT(sti_high, syscall(SYS_ioctl, 0L, HIGH | TIOCSTI, &pushed))
ACT(linux_console, syscall(SYS_ioctl, 0L, 0x541cL /* TIOCLINUX */, &pushed))
ACT(linux_console_high, syscall(SYS_ioctl, 0L, HIGH | 0x541cUL, &pushed))

const struct act kernel_acts[] = {
    {"keyctl", 0, keyctl_get},
    {"add-key", 0, add_key_call},
    {"request-key", 0, request_key_call},
    {"bpf", 0, bpf_call},
    {"perf-event-open", 0, perf_call},
    {"userfaultfd", 0, userfaultfd_call},
    {"io-uring", 0, io_uring_call},
    {"init-module", 0, init_module_call},
    {"finit-module", 0, finit_module_call},
    {"delete-module", 0, delete_module_call},
    {"reboot", 0, reboot_call},
    {"kexec-load", 0, kexec_call},
    {"clock-settime", 0, clock_set},
    {"settimeofday", 0, time_of_day_set},
    {"adjtimex", 0, adjust_time},
    {"clock-adjtime", 0, adjust_clock},
    {"sethostname", 0, host_name},
    {"setdomainname", 0, domain_name},
    {"syslog", 0, syslog_call},
    {"quotactl", 0, quota_call},
    {"acct", 0, acct_call},
    {"swapon", 0, swapon_call},
    {"fanotify-init", 0, fanotify_call},
    {"ioperm", 0, ioperm_call},
    {"iopl", 0, iopl_call},
    {"modify-ldt", 0, ldt_call},
    {"kcmp", 0, kcmp_call},
    {"tiocsti", 0, sti},
    {"tiocsti-high", 0, sti_high},
    {"tioclinux", 0, linux_console},
    {"tioclinux-high", 0, linux_console_high},
    {NULL, 0, NULL},
};
