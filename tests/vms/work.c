/* work ACT [N]: what a jail runs in a guest: small, static, and without anything to lean on. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* Starts another program, which no jail lets it do. */
static int starts(void) {
    char *argv[] = {"/bin/busybox", "true", NULL};
    execv(argv[0], argv);
    printf("starts errno %s\n", strerrorname_np(errno));
    return 0;
}

/* Takes memory and writes to every page of it, until it has N MiB. */
static int hog(long mib) {
    for (long i = 0; i < mib; i++) {
        char *block = malloc(1 << 20);
        if (!block) {
            printf("hog errno %s\n", strerrorname_np(errno));
            return 1;
        }
        memset(block, 1, 1 << 20);
    }
    printf("hog has %ld MiB\n", mib);
    return 0;
}

/* Writes N MiB to a file, past the cache, and says how long that took. */
static int writes(const char *place, long mib) {
    const size_t size = 1 << 16;
    void *block = aligned_alloc(4096, size);
    int file = open(place, O_WRONLY | O_CREAT | O_TRUNC | O_DIRECT, 0600);
    double begun = now();
    if (file < 0 || !block) {
        perror(place);
        return 1;
    }
    memset(block, 1, size);
    for (long i = 0; i < mib * 16; i++)
        if (write(file, block, size) != (ssize_t)size) {
            perror("write");
            return 1;
        }
    printf("wrote %ld MiB in %.2f s\n", mib, now() - begun);
    return 0;
}

/* pause(2) is no call that every program needs. */
static void rest_forever(void) {
    for (;;)
        sleep(1000);
}

static void *waits(void *nothing) {
    rest_forever();
    return nothing;
}

/* Makes threads and processes until neither can be had, or there are N of each; then all of them end. */
static int bomb(long limit) {
    long threads = 0, processes = 0;
    int why = 0;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 32768);
    while (processes < limit) {
        pid_t child = fork();
        if (child < 0) {
            why = errno;
            break;
        }
        if (child == 0)
            rest_forever();
        processes++;
    }
    pthread_t thread;
    while (threads < limit && !pthread_create(&thread, &small, waits, NULL))
        threads++;
    printf("bomb made %ld processes (%s), %ld threads\n", processes, why ? strerrorname_np(why) : "all", threads);
    return 0;
}

/* Computes for N seconds of the clock. */
static int spin(long seconds) {
    volatile unsigned long turns = 0;
    for (double end = now() + seconds; now() < end;)
        for (int i = 0; i < 100000; i++)
            turns++;
    printf("spun %ld s\n", seconds);
    return 0;
}

/* Becomes another command as an ordinary user: this uid and gid, no groups. */
static int as(uid_t uid, char **command) {
    if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid)) {
        perror("work as");
        return 99;
    }
    execvp(command[0], command);
    perror(command[0]);
    return 127;
}

/* Marks a cgroup as handed over, as systemd does. */
static int mark(const char *place) {
    if (!setxattr(place, "user.delegate", "1", 1, 0))
        return 0;
    perror(place);
    return 1;
}

/* Holds the lock of a directory while another command runs; its status is the command's. */
static int lock(const char *place, char **command) {
    int status, fd = open(place, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB)) {
        perror(place);
        return 99;
    }
    pid_t child = fork();
    if (child == 0) {
        execvp(command[0], command);
        perror(command[0]);
        _exit(127);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

/* The kernel's Landlock ABI, 0 where it has none (landlock_create_ruleset with the flag VERSION). */
static int abi(void) {
    long version = syscall(444, NULL, 0, 1);
    printf("Landlock ABI %ld\n", version < 0 ? 0 : version);
    return 0;
}

/* Becomes another command in a user namespace that maps this uid and gid alone. */
static int in_userns(char **command) {
    char map[64];
    uid_t uid = getuid();
    const char *files[] = {"/proc/self/setgroups", "/proc/self/uid_map", "/proc/self/gid_map"};
    if (unshare(CLONE_NEWUSER)) {
        perror("work userns");
        return 99;
    }
    for (int i = 0; i < 3; i++) {
        int n = i ? snprintf(map, sizeof map, "%u %u 1", uid, uid) : snprintf(map, sizeof map, "deny");
        int fd = open(files[i], O_WRONLY);
        if (fd < 0 || write(fd, map, n) != n) {
            perror(files[i]);
            return 99;
        }
        close(fd);
    }
    execvp(command[0], command);
    perror(command[0]);
    return 127;
}

int main(int argc, char **argv) {
    const char *act = argc > 1 ? argv[1] : "";
    long n = argc > 2 ? atol(argv[2]) : 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(act, "say"))
        return puts("the program ran") < 0;
    if (!strcmp(act, "abi"))
        return abi();
    if (!strcmp(act, "mark") && argc > 2)
        return mark(argv[2]);
    if (!strcmp(act, "lock") && argc > 3)
        return lock(argv[2], argv + 3);
    if (!strcmp(act, "starts"))
        return starts();
    if (!strcmp(act, "hog"))
        return hog(n);
    if (!strcmp(act, "bomb"))
        return bomb(n);
    if (!strcmp(act, "write") && argc > 3)
        return writes(argv[3], n);
    if (!strcmp(act, "spin"))
        return spin(n);
    if (!strcmp(act, "wait")) {
        puts("ready");
        rest_forever();
    }
    if (!strcmp(act, "as") && argc > 3)
        return as((uid_t)n, argv + 3);
    if (!strcmp(act, "userns") && argc > 2)
        return in_userns(argv + 2);
    fprintf(stderr, "usage: work as UID COMMAND... | userns COMMAND... | mark CGROUP | lock PLACE COMMAND... | say|abi|starts|hog N|bomb N|spin N|write N FILE|wait\n");
    return 2;
}
