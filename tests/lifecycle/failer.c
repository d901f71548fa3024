// failer [--nth N] SYSCALL[:ARG=VALUE[/MASK],...] ERRNO -- COMMAND...: COMMAND, with that call answered by an errno.
// The kernel itself makes the launcher's step fail, so the launcher needs no switch for it. Several
// SYSCALL ERRNO pairs may stand before the --. With --nth only the N-th such call of the whole process tree fails:
// the filter says SECCOMP_RET_TRACE then, and this process traces the tree, tells on stderr that it has struck, and
// what lives on after COMMAND. (A second listener would be refused: one per chain of filters.)
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
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
    N(clone3), N(unshare), N(setns), N(mount), N(umount2), N(pivot_root), N(open_tree), N(move_mount),
    N(mount_setattr), N(fsopen), N(fsconfig), N(fsmount),
#ifdef SYS_mkdir
    N(mkdir), N(mknod), N(symlink), N(fork), N(vfork), N(dup2), N(poll),
#endif
    N(openat), N(mkdirat), N(mknodat), N(symlinkat), N(chroot), N(rt_sigprocmask), N(clone),  N(chdir), N(fchdir), N(sethostname), N(setdomainname),
    N(setsid), N(setrlimit), N(prlimit64), N(setgroups), N(setresuid), N(setresgid), N(setuid), N(setgid), N(capset), N(prctl),
    N(landlock_create_ruleset), N(landlock_add_rule), N(landlock_restrict_self), N(seccomp), N(close_range), N(execve), N(execveat),
    N(pidfd_open), N(pidfd_send_signal), N(preadv), N(dup3), N(kill), N(ioctl), N(keyctl), N(getdents64), N(wait4), N(waitid), N(ppoll), N(signalfd4), N(memfd_create), N(eventfd2), N(pipe2), N(socketpair), N(statfs), N(fstatfs),
    N(socket), N(bind), N(listen), N(connect), N(sendto), N(recvfrom), N(sendmsg), N(recvmsg), N(epoll_create1), N(epoll_ctl), N(setsockopt),
};
static struct sock_filter f[256]; static int n; static int fails_execve; static int nth, traced_errno;
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
    add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, (nth ? SECCOMP_RET_TRACE : SECCOMP_RET_ERRNO) | err));
    traced_errno = err;
}
extern char **environ;
static int run(char **cmd) {
    struct sock_fprog p = {.len = n, .filter = f};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p)) { perror("failer: seccomp"); return 99; }
    if (fails_execve) syscall(SYS_execveat, -100, cmd[0], cmd, environ, 0);
    else execv(cmd[0], cmd);
    perror("failer: exec"); return 99;
}
// The call that the tracee waits in is not made and answers the errno.
static void strike(pid_t pid) {
#if defined __x86_64__
    struct user_regs_struct r;
    if (ptrace(PTRACE_GETREGS, pid, 0, &r)) { perror("failer: getregs"); exit(99); }
    r.orig_rax = -1; r.rax = -traced_errno;
    if (ptrace(PTRACE_SETREGS, pid, 0, &r)) { perror("failer: setregs"); exit(99); }
#elif defined __aarch64__
    struct user_regs_struct r; int none = -1;
    struct iovec regs = {&r, sizeof r}, call = {&none, sizeof none};
    if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &regs)) { perror("failer: getregs"); exit(99); }
    r.regs[0] = -traced_errno;
    if (ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &regs) || ptrace(PTRACE_SETREGSET, pid, 0x404 /* NT_ARM_SYSTEM_CALL */, &call)) { perror("failer: setregs"); exit(99); }
#else
#error "failer: no registers for this architecture"
#endif
    fprintf(stderr, "failer: struck\n");
}
// Goes on after a stop: what a tracee would do without a tracer.
static void go_on(pid_t pid, int status, int *seen, int *counting) {
    int event = status >> 16, sig = WSTOPSIG(status);
    if (event == PTRACE_EVENT_EXEC) *counting = 1;
    if (event == PTRACE_EVENT_SECCOMP && *counting && ++*seen == nth) strike(pid);
    if (event == PTRACE_EVENT_STOP && sig != SIGTRAP) ptrace(PTRACE_LISTEN, pid, 0, 0); // a group stop
    else ptrace(PTRACE_CONT, pid, 0, event ? 0 : sig);
}
static int trace(char **cmd) {
    int gate[2], status, seen = 0, counting = 0, code = 99; char byte;
    if (pipe(gate)) { perror("failer: pipe"); return 99; }
    pid_t main = fork(), pid;
    if (!main) { close(gate[1]); if (read(gate[0], &byte, 1) != 1) _exit(99); close(gate[0]); _exit(run(cmd)); }
    long options = PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SEIZE, main, 0, options)) { perror("failer: seize"); kill(main, SIGKILL); return 99; }
    if (write(gate[1], "x", 1) != 1) return 99;
    close(gate[0]); close(gate[1]);
    struct timespec nap = {0, 1000000};
    for (int ended = 0, patience = 1000; patience;) {
        pid = waitpid(-1, &status, __WALL | (ended ? WNOHANG : 0));
        if (pid < 0) return code; // nobody is left
        if (!pid) { nanosleep(&nap, 0); patience--; continue; }
        if (WIFSTOPPED(status)) { go_on(pid, status, &seen, &counting); continue; }
        if (pid == main) { ended = 1; code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }
    }
    fprintf(stderr, "failer: left behind\n");
    return 98;
}
int main(int argc, char **argv) {
    int i = 1;
    if (argc > 2 && !strcmp(argv[1], "--nth")) { nth = atoi(argv[2]); i = 3; }
    for (; i + 1 < argc && strcmp(argv[i], "--"); i += 2) rule(argv[i], atoi(argv[i + 1]));
    if (i + 1 >= argc) { fprintf(stderr, "usage: failer [--nth N] SYSCALL[:ARG=VALUE[/MASK],...] ERRNO... -- COMMAND...\n"); return 99; }
    add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    return nth ? trace(argv + i + 1) : run(argv + i + 1);
}
