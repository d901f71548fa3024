/* Acts that start another program, or another process. */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char *no_env[] = {NULL};

/* The named program with its arguments; it is the program that reports "exec ok". */
static long exec_program(char **a) { return execve(a[0], a, no_env); }

static long exec_done(const char *path, const char *act, const char *remove) {
    char *argv[] = {(char *)path, "done", (char *)act, (char *)remove, NULL};
    return execve(path, argv, no_env);
}
static long exec_self(char **a) {
    (void)a;
    return exec_done("/proc/self/exe", "exec-self", NULL);
}
static long exec_copy(char **a) { return exec_done(a[0], "exec-copy", NULL); }
static long exec_dropped(char **a) {
    char path[4096];
    snprintf(path, sizeof path, "%s/dropped.%d", a[0], getpid());
    if (copy_self(path))
        return -1;
    return with_removed(exec_done(path, "exec-dropped", path), path);
}
/* Leaves a set-user-ID file in a folder that others may reach without the jail's nosuid: by fchmod, with bits that
   the kernel drops from a mode, and by creating it so. */
static long leave_setuid(char **a, long mode, long later) {
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%s/left.%d", a[0], getpid());
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0 || (later && syscall(SYS_fchmod, fd, later)) || fstat(fd, &st))
        return with_removed(with_closed(-1, fd), path);
    close(fd);
    errno = ENOTSUP;
    return with_removed(st.st_mode & 06000 ? 0 : -1, path);
}
static long setuid_fchmod(char **a) { return leave_setuid(a, 0755, 06755); }
static long setuid_fchmod_high(char **a) { return leave_setuid(a, 0755, 0x7fff00000000 | 0x10000 | 04755); }
static long setuid_create(char **a) { return leave_setuid(a, 04755, 0); }
/* A program of its own with the set-user-ID bit, for whoever may start it later. */
static long exec_setuid(char **a) {
    char path[4096];
    snprintf(path, sizeof path, "%s/setuid.%d", a[0], getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    if (fd < 0 || copy_self_to(fd) || fchmod(fd, 04755))
        return with_closed(-1, fd);
    close(fd);
    return with_removed(exec_done(path, "exec-setuid", path), path);
}
static long exec_script(char **a) {
    static const char text[] = "#!/bin/sh\nrm -f \"$0\"\necho exec-script ok\n";
    char path[4096], *argv[] = {path, NULL};
    snprintf(path, sizeof path, "%s/script.%d", a[0], getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    if (fd < 0 || write(fd, text, sizeof text - 1) < 0 || fchmod(fd, 0755))
        return with_closed(-1, fd);
    close(fd);
    return with_removed(execve(path, argv, no_env), path);
}
static long exec_fd(int fd, const char *act) {
    char *argv[] = {"probe", "done", (char *)act, NULL};
    return syscall(SYS_execveat, fd, "", argv, no_env, AT_EMPTY_PATH);
}
static long memfd(char **a) {
    (void)a;
    int fd = (int)syscall(SYS_memfd_create, "x", 0);
    return fd < 0 ? -1 : with_closed(0, fd);
}
static long exec_memfd(char **a) {
    (void)a;
    int fd = (int)syscall(SYS_memfd_create, "x", 0);
    if (fd < 0 || copy_self_to(fd))
        return with_closed(-1, fd);
    return exec_fd(fd, "exec-memfd");
}
static long execveat_empty(char **a) {
    int fd = open(a[0], O_PATH);
    return fd < 0 ? -1 : exec_fd(fd, "execveat");
}
/* Started from a setuid file, or one with capabilities: did it gain anything? */
static long exec_gain(char **a) {
    char *argv[] = {a[0], a[1], NULL};
    return execve(a[0], argv, no_env);
}
static long gained_root(char **a) {
    (void)a;
    return geteuid() == 0 ? 0 : WITHHELD;
}

static long reap(long pid) {
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return pid;
}
static long fork_raw(char **a) {
    (void)a;
    return reap(syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L));
}
/* The kernel reads 32 bits of the flags here; a filter that compares 64 is walked past. */
static long fork_high(char **a) {
    (void)a;
    return reap(syscall(SYS_clone, (1L << 40) | SIGCHLD, 0L, 0L, 0L, 0L));
}
static long fork_user_namespace(char **a) {
    (void)a;
    return reap(syscall(SYS_clone, (long)(CLONE_NEWUSER | SIGCHLD), 0L, 0L, 0L, 0L));
}
static long vfork_call(char **a) {
    (void)a;
    pid_t pid = vfork();
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return pid;
}
static long clone3_call(char **a) {
    (void)a;
    struct clone_args args = {.exit_signal = SIGCHLD};
    return reap(syscall(SYS_clone3, &args, sizeof args));
}
static long spawn_call(char **a) {
    pid_t pid;
    char *argv[] = {a[0], "done", "posix-spawn", NULL};
    int error = posix_spawn(&pid, a[0], NULL, NULL, argv, no_env);
    if (error) {
        errno = error;
        return -1;
    }
    waitpid(pid, NULL, 0);
    _exit(0); /* the child reported */
}

/* As many children at once as asked for; all are gone when it returns. */
static long fork_many(char **a) {
    int want = atoi(a[0]), pipe_fds[2], made = 0;
    if (pipe(pipe_fds))
        return -1;
    long result = 0;
    for (; made < want; made++) {
        result = syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
        if (result == 0) {
            char byte;
            close(pipe_fds[1]);
            _exit(read(pipe_fds[0], &byte, 1) != 0);
        }
        if (result < 0)
            break;
    }
    int keep = errno;
    close(pipe_fds[1]);
    while (made-- > 0)
        wait(NULL);
    errno = keep;
    return result;
}
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static void *pass_gate(void *unused) {
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return unused;
}
static long threads_many(char **a) {
    int want = atoi(a[0]), made = 0, error = 0;
    pthread_t *threads = calloc((size_t)want, sizeof *threads);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    pthread_mutex_lock(&gate);
    while (made < want && !(error = pthread_create(&threads[made], &small, pass_gate, NULL)))
        made++;
    pthread_mutex_unlock(&gate);
    while (made-- > 0)
        pthread_join(threads[made], NULL);
    errno = error;
    return error ? -1 : 0;
}

const struct act exec_acts[] = {
    {"exec", 1, exec_program},        {"exec-self", 0, exec_self},
    {"exec-copy", 1, exec_copy},      {"exec-dropped", 1, exec_dropped},
    {"setuid-fchmod", 1, setuid_fchmod}, {"setuid-fchmod-high", 1, setuid_fchmod_high},
    {"setuid-create", 1, setuid_create},
    {"exec-setuid", 1, exec_setuid},  {"exec-script", 1, exec_script},  {"memfd", 0, memfd},
    {"exec-memfd", 0, exec_memfd},    {"execveat", 1, execveat_empty},
    {"exec-gain", 2, exec_gain},      {"gained-root", 0, gained_root},
    {"fork", 0, fork_raw},            {"fork-high", 0, fork_high},
    {"vfork", 0, vfork_call},         {"clone3", 0, clone3_call},
    {"posix-spawn", 1, spawn_call},   {"clone-user", 0, fork_user_namespace},
    {"fork-many", 1, fork_many},      {"threads-many", 1, threads_many},
    {NULL, 0, NULL},
};
