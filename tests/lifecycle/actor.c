// The jailed program of the lifecycle tests: does one small thing, as its first argument says.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t got;
static void note(int sig) { got = sig; }
static void on(int sig) { struct sigaction a = {.sa_handler = note}; sigaction(sig, &a, 0); }
static void say(const char *s) { if (write(1, s, strlen(s)) < 0) _exit(98); }
static void naps(long ms) { struct timespec t = {ms / 1000, ms % 1000 * 1000000}; nanosleep(&t, 0); }

// keyctl(KEYCTL_GET_KEYRING_ID, ...): a call that no profile allows and that harms nobody.
static long denied(void) { return syscall(SYS_keyctl, 0L, -3L, 0L, 0L, 0L); }

static int ends_on(int sig, int code) {
    on(sig); say("ready\n");
    while (got != sig) naps(1000);
    return code;
}

static int deaf(void) { // until SIGKILL
    int sigs[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    for (unsigned i = 0; i < 4; i++) signal(sigs[i], SIG_IGN);
    say("ready\n");
    for (;;) naps(1000);
}

static int cat(void) {
    char b[65536]; ssize_t n;
    if (write(2, "to stderr\n", 10) < 0) return 97;
    while ((n = read(0, b, sizeof b)) > 0)
        for (ssize_t o = 0, w; o < n; o += w) if ((w = write(1, b + o, n - o)) < 0) return 96;
    return n < 0 ? 95 : 0;
}

static int descriptors(void) {
    char line[32];
    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0) { snprintf(line, sizeof line, "%d\n", fd); say(line); }
    return 0;
}

static int tick(void) {
    char line[64]; on(SIGWINCH);
    for (int i = 0;; i++) {
        if (got == SIGWINCH) {
            struct winsize w = {0}; got = 0; ioctl(0, TIOCGWINSZ, &w);
            snprintf(line, sizeof line, "window %ux%u\n", w.ws_row, w.ws_col); say(line);
        }
        snprintf(line, sizeof line, "tick %d\n", i); say(line); naps(50);
    }
}

// Another argv for every number, so that no two are one kind of denial; `path` comes last, after a pause, or a byte (-1).
static int exec_many(int n, long ms, char *path) {
    char junk[32], *words[] = {junk, 0}, *last[] = {path, 0};
    for (int i = 0; i < n; i++) { snprintf(junk, sizeof junk, "/junk/%d", i); execv(junk, words); }
    if (ms < 0) { say("ready\n"); if (read(0, junk, 1) != 1) return 93; } else naps(ms);
    execv(path, last); return 0;
}

static int exec_controls(char *path) { // 4 KB of arguments, each byte of which is six in JSON
    static char word[256]; char *words[18] = {path};
    memset(word, 1, 255);
    for (int i = 1; i < 17; i++) words[i] = word;
    execv(path, words); return 0;
}

static int show(const char *path) {
    char b[4096]; ssize_t got; int fd = open(path, O_RDONLY);
    if (fd < 0) return errno;
    while ((got = read(fd, b, sizeof b)) > 0) if (write(1, b, got) < 0) return 91;
    return 0;
}

static int stdin_is(void) {
    struct stat s, null; fstat(0, &s); stat("/dev/null", &null);
    say(isatty(0) ? "0 is a terminal\n" : s.st_rdev == null.st_rdev ? "0 is null\n" : "0 is something else\n");
    return 0;
}

int main(int argc, char **argv) {
    const char *verb = argc > 1 ? argv[1] : "exit"; int n = argc > 2 ? atoi(argv[2]) : 0; char line[96], byte;
    if (!strcmp(verb, "exit")) return n;
    if (!strcmp(verb, "raise")) { signal(n, SIG_DFL); raise(n); return 99; }
    if (!strcmp(verb, "ends-on")) return ends_on(n, atoi(argv[3]));
    if (!strcmp(verb, "deaf")) return deaf();
    if (!strcmp(verb, "waits")) { say("ready\n"); for (;;) naps(1000); }
    if (!strcmp(verb, "cat")) return cat();
    if (!strcmp(verb, "descriptors")) return descriptors();
    if (!strcmp(verb, "tick")) return tick();
    if (!strcmp(verb, "mark")) { int fd = open(argv[2], O_CREAT | O_RDWR, 0600); return fd < 0 ? errno : 0; }
    if (!strcmp(verb, "denied")) {
        for (int i = 0; i < n; i++) if (denied() != -1) return 94;
        snprintf(line, sizeof line, "errno %d\n", errno); say(line); return 0;
    }
    if (!strcmp(verb, "denied-forever")) { say("ready\n"); for (;;) denied(); }
    if (!strcmp(verb, "denied-after-byte")) { say("ready\n"); if (read(0, &byte, 1) != 1) return 93; denied(); say("answered\n"); return 0; }
    if (!strcmp(verb, "exec")) { execv(argv[2], argv + 2); snprintf(line, sizeof line, "errno %d\n", errno); say(line); return 0; }
    if (!strcmp(verb, "exec-many")) return exec_many(n, atoi(argv[3]), argv[4]);
    if (!strcmp(verb, "exec-controls")) return exec_controls(argv[2]);
    if (!strcmp(verb, "show")) return show(argv[2]);
    if (!strcmp(verb, "stdin-is")) return stdin_is();
    if (!strcmp(verb, "sees-after-byte")) { say("ready\n"); if (read(0, &byte, 1) != 1) return 93; say(access(argv[2], F_OK) ? "hidden\n" : "seen\n"); return 0; }
    if (!strcmp(verb, "id")) { snprintf(line, sizeof line, "uid %d pid %d\n", getuid(), getpid()); say(line); return 0; }
    fprintf(stderr, "actor: what is %s?\n", verb); return 92;
}
