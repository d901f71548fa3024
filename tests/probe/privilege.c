/* Acts that want more privilege than a plain user has: namespaces, mounts, ids, capabilities. */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HIGH (1UL << 32)

static long set_uid_0(char **a) {
    (void)a;
    return syscall(SYS_setuid, 0);
}
static long set_gid_0(char **a) {
    (void)a;
    return syscall(SYS_setgid, 0);
}
static long set_groups(char **a) {
    (void)a;
    return syscall(SYS_setgroups, 0, NULL);
}

static const struct {
    const char *name;
    int flag;
} kinds[] = {{"user", CLONE_NEWUSER}, {"mnt", CLONE_NEWNS},   {"pid", CLONE_NEWPID},
             {"net", CLONE_NEWNET},   {"ipc", CLONE_NEWIPC},  {"uts", CLONE_NEWUTS},
             {"time", 0x00000080},    {"cgroup", 0x02000000}};

/* The namespace itself with a user namespace in front of it: the way that needs no privilege. */
static long unshare_kind(char **a) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(a[0], kinds[i].name))
            return syscall(SYS_unshare, (long)(CLONE_NEWUSER | kinds[i].flag));
    errno = EDOM;
    return -1;
}
/* unshare takes an unsigned long and keeps all of it: EINVAL says that the filter let it pass. */
static long unshare_high(char **a) {
    (void)a;
    return syscall(SYS_unshare, (long)(HIGH | CLONE_NEWUSER));
}
static long set_ns(char **a) { /* reaches EBADF where allowed */
    (void)a;
    return syscall(SYS_setns, -1L, 0L);
}

static long mount_tmpfs(char **a) { return syscall(SYS_mount, "none", a[0], "tmpfs", 0L, NULL); }
/* The attack that a plain user has: mount in a namespace of one's own. */
static long mount_in_namespace(char **a) {
    if (syscall(SYS_unshare, (long)(CLONE_NEWUSER | CLONE_NEWNS)))
        return -1;
    return mount_tmpfs(a);
}
static long umount_dir(char **a) { return syscall(SYS_umount2, a[0], 0L); }
static long pivot(char **a) { return syscall(SYS_pivot_root, a[0], a[0]); }
static long change_root(char **a) { return chroot(a[0]); }
static long fs_open(char **a) {
    (void)a;
    return syscall(SYS_fsopen, "tmpfs", 0L);
}
static long open_tree_clone(char **a) {
    return syscall(SYS_open_tree, AT_FDCWD, a[0], (long)(OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
}
static long move_mount_call(char **a) { /* reaches EBADF where allowed */
    (void)a;
    return syscall(SYS_move_mount, -1L, "x", -1L, "y", 0L);
}

static long cap_set(char **a) {
    (void)a;
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0}};
    if (syscall(SYS_capget, &head, data))
        return -1;
    data[0].permitted |= 1u << CAP_SYS_ADMIN;
    data[0].effective |= 1u << CAP_SYS_ADMIN;
    return syscall(SYS_capset, &head, data);
}
static long has_capability(char **a) {
    (void)a;
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0}};
    if (syscall(SYS_capget, &head, data))
        return -1;
    return data[0].effective || data[1].effective ? 0 : WITHHELD;
}
static long in_bounding_set(char **a) {
    long has = syscall(SYS_prctl, (long)PR_CAPBSET_READ, atol(a[0]), 0L, 0L, 0L);
    return has == 0 ? WITHHELD : has;
}
static long secure_bits(char **a) {
    (void)a;
    return syscall(SYS_prctl, (long)PR_SET_SECUREBITS, 0L, 0L, 0L, 0L);
}
static long drop_bounding(char **a) {
    (void)a;
    return syscall(SYS_prctl, (long)PR_CAPBSET_DROP, 37L, 0L, 0L, 0L);
}
static long prctl_mm(unsigned long option) { /* its fifth argument must be 0: EINVAL where allowed */
    return syscall(SYS_prctl, option, (long)PR_SET_MM_BRK, 0L, 0L, 1L);
}
static long set_mm(char **a) {
    (void)a;
    return prctl_mm(PR_SET_MM);
}
static long set_mm_high(char **a) {
    (void)a;
    return prctl_mm(HIGH | PR_SET_MM);
}
static long subreaper(char **a) {
    (void)a;
    return syscall(SYS_prctl, (long)PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
}
static long subreaper_high(char **a) {
    (void)a;
    return syscall(SYS_prctl, HIGH | PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
}
static long new_personality(char **a) {
    (void)a;
    return syscall(SYS_personality, 0x0400000L /* READ_IMPLIES_EXEC */);
}

const struct act privilege_acts[] = {
    {"setuid-0", 0, set_uid_0},
    {"setgid-0", 0, set_gid_0},
    {"setgroups", 0, set_groups},
    {"unshare", 1, unshare_kind},
    {"unshare-high", 0, unshare_high},
    {"setns", 0, set_ns},
    {"mount", 1, mount_tmpfs},
    {"mount-in-namespace", 1, mount_in_namespace},
    {"umount", 1, umount_dir},
    {"pivot-root", 1, pivot},
    {"chroot", 1, change_root},
    {"fsopen", 0, fs_open},
    {"open-tree", 1, open_tree_clone},
    {"move-mount", 0, move_mount_call},
    {"capset", 0, cap_set},
    {"has-capability", 0, has_capability},
    {"bounding-set", 1, in_bounding_set},
    {"securebits", 0, secure_bits},
    {"capbset-drop", 0, drop_bounding},
    {"set-mm", 0, set_mm},
    {"set-mm-high", 0, set_mm_high},
    {"subreaper", 0, subreaper},
    {"subreaper-high", 0, subreaper_high},
    {"personality", 0, new_personality},
    {NULL, 0, NULL},
};
