/* Acts on files: names that are not the jail's, tricks that lead to them, and what is read-only. */
#define _GNU_SOURCE
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>

static long open_for(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    return fd < 0 ? -1 : with_closed(0, fd);
}

static long read_file(char **a) {
    char byte;
    int fd = open(a[0], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    return fd < 0 ? -1 : with_closed(read(fd, &byte, 1), fd);
}
static long open_read(char **a) { return open_for(a[0], O_RDONLY); }
/* Only opened: what lies behind these names is the machine's. */
static long open_write(char **a) { return open_for(a[0], O_WRONLY); }
static long write_file(char **a) {
    int fd = open(a[0], O_WRONLY | O_APPEND | O_CLOEXEC);
    return fd < 0 ? -1 : with_closed(write(fd, "x", 1), fd);
}
static long create_file(char **a) {
    return with_removed(open_for(a[0], O_WRONLY | O_CREAT | O_EXCL), a[0]);
}
static long make_dir(char **a) {
    long result = mkdir(a[0], 0700);
    int keep = errno;
    rmdir(a[0]);
    errno = keep;
    return result;
}
static long stat_file(char **a) {
    struct stat s;
    return stat(a[0], &s);
}
static long access_file(char **a) { return access(a[0], F_OK); }
static long list_dir(char **a) {
    DIR *dir = opendir(a[0]);
    return dir ? closedir(dir) : -1;
}
static long read_link(char **a) {
    char target[64];
    return readlink(a[0], target, sizeof target);
}
static long hard_link(char **a) {
    long result = link(a[0], a[1]);
    return result ? -1 : with_removed(read_file(a + 1), a[1]);
}
static long symlink_read(char **a) {
    if (symlink(a[0], a[1]))
        return -1;
    return with_removed(read_file(a + 1), a[1]);
}
/* Moves a file of its own out of its directory, then takes it back. */
static long rename_out(char **a) {
    if (open_for(a[0], O_WRONLY | O_CREAT))
        return -1;
    long result = rename(a[0], a[1]);
    return with_removed(result, result ? a[0] : a[1]);
}
static long make_device(char **a) {
    return with_removed(mknod(a[0], S_IFCHR | 0600, makedev(1, 3)), a[0]);
}
static long change_mode(char **a) { return chmod(a[0], 0640) ? -1 : chmod(a[0], 0666); }
static long change_owner(char **a) { return chown(a[0], (uid_t)atoi(a[1]), (gid_t)-1); }
static long change_times(char **a) { return utimes(a[0], NULL); }
/* By a descriptor that is open for reading. */
static long change_mode_open(char **a) {
    int fd = open(a[0], O_RDONLY);
    return with_closed(fd < 0 || fchmod(fd, 0640) || fchmod(fd, 0666) ? -1 : 0, fd);
}
static long change_group_open(char **a) {
    int fd = open(a[0], O_RDONLY);
    return with_closed(fd < 0 ? -1 : fchown(fd, (uid_t)-1, getegid()), fd);
}
static long change_times_open(char **a) {
    int fd = open(a[0], O_RDONLY);
    return with_closed(fd < 0 ? -1 : futimens(fd, NULL), fd);
}
static long truncate_file(char **a) { return truncate(a[0], 0); }
static long unlink_file(char **a) { return unlink(a[0]); }
static long set_xattr(char **a) { return setxattr(a[0], "user.flowjail", "x", 1, 0); }
/* For the tests' own use as root: the file gives CAP_NET_RAW to those who start it. */
static long set_file_capability(char **a) {
    unsigned int v2[5] = {0x02000001, 1u << 13, 0, 0, 0};
    return setxattr(a[0], "security.capability", v2, sizeof v2, 0);
}
/* A name-to-handle round trip is the classic way around a mount tree. */
static long handle_of(char **a) {
    struct file_handle *h = calloc(1, sizeof *h + 128);
    int mount_id;
    h->handle_bytes = 128;
    return name_to_handle_at(AT_FDCWD, a[0], h, &mount_id, 0);
}
static long open_handle(char **a) {
    (void)a;
    struct file_handle h = {.handle_bytes = 0, .handle_type = 1};
    return open_by_handle_at(AT_FDCWD, &h, O_RDONLY);
}

const struct act file_acts[] = {
    {"read", 1, read_file},         {"open-read", 1, open_read},
    {"open-write", 1, open_write},  {"write", 1, write_file},
    {"create", 1, create_file},     {"mkdir", 1, make_dir},
    {"stat", 1, stat_file},         {"access", 1, access_file},
    {"list-dir", 1, list_dir},      {"readlink", 1, read_link},
    {"link", 2, hard_link},         {"symlink-read", 2, symlink_read},
    {"rename-out", 2, rename_out},  {"mknod", 1, make_device},
    {"chmod", 1, change_mode},      {"chown", 2, change_owner},
    {"utimes", 1, change_times},    {"truncate", 1, truncate_file},
    {"fchmod", 1, change_mode_open}, {"fchown", 1, change_group_open},
    {"futimens", 1, change_times_open},
    {"unlink", 1, unlink_file},     {"setxattr", 1, set_xattr},
    {"set-file-capability", 1, set_file_capability},
    {"handle-of", 1, handle_of},    {"open-handle", 0, open_handle},
    {NULL, 0, NULL},
};
