// failer SYSCALL[:ARG=VALUE[/MASK],...] ERRNO -- COMMAND...: COMMAND, with that one call answered by an errno.
// The kernel itself makes the launcher's step fail, so the launcher needs no switch for it. Several
// SYSCALL ERRNO pairs may stand before the --.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifndef SYS_landlock_restrict_self
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#define N(x) {#x, SYS_##x}
static const struct { const char *name; int nr; } NAMES[] = {
    N(clone), N(clone3), N(fork), N(vfork), N(unshare), N(setns), N(mount), N(umount2), N(pivot_root), N(open_tree), N(move_mount),
    N(mount_setattr), N(fsopen), N(fsconfig), N(fsmount), N(mkdir), N(mkdirat), N(mknod), N(mknodat), N(symlink), N(symlinkat), N(chdir), N(fchdir), N(sethostname), N(setdomainname),
    N(setsid), N(setrlimit), N(prlimit64), N(setgroups), N(setresuid), N(setresgid), N(setuid), N(setgid), N(capset), N(prctl),
    N(landlock_create_ruleset), N(landlock_add_rule), N(landlock_restrict_self), N(seccomp), N(close_range), N(execve), N(execveat),
    N(pidfd_open), N(pidfd_send_signal), N(dup2), N(dup3), N(kill), N(ioctl), N(keyctl), N(getdents64), N(wait4), N(waitid), N(ppoll), N(poll), N(signalfd4), N(memfd_create), N(eventfd2), N(pipe2), N(socketpair), N(statfs), N(fstatfs),
};
static struct sock_filter f[256]; static int n; static int fails_execve;
static void add(struct sock_filter s) { f[n++] = s; }
static int number(const char *s) {
    for (unsigned i = 0; i < sizeof NAMES / sizeof *NAMES; i++) if (!strcmp(NAMES[i].name, s)) return NAMES[i].nr;
    fprintf(stderr, "failer: unknown call %s\n", s); exit(99);
}
static void rule(char *spec, int err) {
    char *conds = strchr(spec, ':'); int left = 0;
    if (conds) { *conds++ = 0; left = 1; for (char *c = conds; *c; c++) left += *c == ','; }
    int nr = number(spec); fails_execve |= nr == SYS_execve;
    add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 3 * left + 1));
    for (char *c = conds; left-- > 0; c = strchr(c, ',') + 1) {
        char *eq = strchr(c, '='), *rest = 0; unsigned mask = 0xffffffffu;
        if (!eq) { fprintf(stderr, "failer: ARG=VALUE?\n"); exit(99); }
        unsigned value = strtoul(eq + 1, &rest, 0);
        if (*rest == '/') mask = strtoul(rest + 1, 0, 0);
        add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * atoi(c)));
        add((struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask));
        add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 3 * left + 1));
        if (!left) break;
    }
    add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err));
}
extern char **environ;
int main(int argc, char **argv) {
    int i = 1;
    for (; i + 1 < argc && strcmp(argv[i], "--"); i += 2) rule(argv[i], atoi(argv[i + 1]));
    if (i + 1 >= argc) { fprintf(stderr, "usage: failer SYSCALL[:ARG=VALUE[/MASK],...] ERRNO... -- COMMAND...\n"); return 99; }
    char **cmd = argv + i + 1;
    add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    struct sock_fprog p = {.len = n, .filter = f};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p)) { perror("failer: seccomp"); return 99; }
    if (fails_execve) syscall(SYS_execveat, -100, cmd[0], cmd, environ, 0);
    else execv(cmd[0], cmd);
    perror("failer: exec"); return 99;
}
