/*
 * churn SEED COUNT CGROUP|- UID FLOWJAIL PROFILE WORK: starts and stops that many jails, one after the other. A third of them
 * is killed with SIGKILL at a random moment: the supervisor, or any process below it. Then it looks at what is left of
 * all of them: processes, mounts, cgroups, descriptors, sockets, files. Exit 1 where that is anything.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static unsigned long long state;
static unsigned random_below(unsigned most) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)((state >> 33) % (most ? most : 1));
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void rest(unsigned usec) {
    struct timespec t = {usec / 1000000, usec % 1000000 * 1000l};
    nanosleep(&t, NULL);
}

static int is_number(const char *name) { return isdigit((unsigned char)*name) != 0; }

/* The parent of a process that is no zombie; -1: there is none such. */
static int parent_of(int pid) {
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC), n, parent;
    if (fd < 0)
        return -1;
    n = (int)read(fd, line, sizeof line - 1);
    close(fd);
    line[n > 0 ? n : 0] = 0;
    char kind, *end = strrchr(line, ')');
    if (!end || sscanf(end + 1, " %c %d", &kind, &parent) != 2 || kind == 'Z' || kind == 'X')
        return -1;
    return parent;
}

/* A process and all below it, the oldest first. */
static int family(int root, int *all, int room) {
    int parents[4096], pids[4096], count = 0, found = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc && (e = readdir(proc)) && count < 4096;)
        if (is_number(e->d_name) && (parents[count] = parent_of(atoi(e->d_name))) >= 0)
            pids[count++] = atoi(e->d_name);
    if (proc)
        closedir(proc);
    all[found++] = root;
    for (int next = 0; next < found; next++)
        for (int i = 0; i < count && found < room; i++)
            if (parents[i] == all[next])
                all[found++] = pids[i];
    return found;
}

/* Counts lines of a file that do not hold the word. */
static long lines(const char *path, const char *without) {
    char line[1024];
    long count = 0;
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        count += !without || !strstr(line, without);
    if (file)
        fclose(file);
    return count;
}

static long entries(const char *path, int only_numbers) {
    long count = 0;
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));)
        count += only_numbers ? is_number(e->d_name) : e->d_name[0] != '.' && strcmp(e->d_name, "events");
    if (dir)
        closedir(dir);
    return count;
}

static long folders(const char *path) {
    long count = 0;
    struct stat about;
    char below[4096];
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        snprintf(below, sizeof below, "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.' && !lstat(below, &about) && S_ISDIR(about.st_mode))
            count += 1 + folders(below);
    }
    if (dir)
        closedir(dir);
    return count;
}

static const char *cgroup;
#define KINDS 8
static const char *const NAMES[KINDS] = {"processes", "mounts",  "descriptors", "unix sockets",
                                         "tcp",       "udp",     "files",       "cgroups"};
static void look(long *seen) {
    int all[4096];
    seen[0] = family(getpid(), all, 4096);
    seen[1] = lines("/proc/self/mountinfo", NULL);
    seen[2] = entries("/proc/self/fd", 1);
    seen[3] = lines("/proc/net/unix", NULL);
    /* Not those that only wait for their time to be over. */
    seen[4] = lines("/proc/net/tcp", " 06 ") + lines("/proc/net/tcp6", " 06 ");
    seen[5] = lines("/proc/net/udp", NULL) + lines("/proc/net/udp6", NULL);
    seen[6] = entries("/tmp", 0) + entries("/run", 0) + entries("/dev/shm", 0);
    seen[7] = cgroup ? folders(cgroup) : 0;
}

/* What a service manager does between two starts: a cgroup with controllers handed on takes nobody in. 1: somebody is left. */
static int clear_cgroup(int serial) {
    static const char *const leaves[] = {"flowjail-jail", "flowjail-own", "flowjail-try-1", "flowjail-try-2"};
    char path[512];
    int wrong = 0;
    for (int i = 0; cgroup && i < 4; i++) {
        double until = now() + 60;
        snprintf(path, sizeof path, "%s/%s", cgroup, leaves[i]);
        while (rmdir(path) && errno != ENOENT && now() < until)
            rest(2000);
        if (!access(path, F_OK) && (wrong = 1))
            printf("start %d: %s is not empty\n", serial, path);
    }
    snprintf(path, sizeof path, "%s/cgroup.subtree_control", cgroup ? cgroup : "");
    int fd = cgroup ? open(path, O_WRONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        wrong |= write(fd, "-memory -cpu -pids", 18) != 18;
        close(fd);
    }
    return wrong;
}

/* What nobody may have to clear: a start by a user that came to its end goes back, and removes what it made. */
static int leaves_something(uid_t uid, int serial) {
    char path[512];
    snprintf(path, sizeof path, "%s/flowjail-jail", cgroup ? cgroup : "");
    int jail = !access(path, F_OK);
    snprintf(path, sizeof path, "%s/flowjail-own", cgroup ? cgroup : "");
    int own = !access(path, F_OK);
    int wrong = cgroup && uid && (jail || own);
    if (wrong)
        printf("start %d: a cgroup is left\n", serial);
    return wrong;
}

static pid_t start(char **words, uid_t uid, const char *act) {
    int out[2];
    if (pipe2(out, O_CLOEXEC))
        return -1;
    pid_t pid = fork();
    if (pid) {
        close(out[0]);
        close(out[1]);
        return pid;
    }
    char *argv[] = {words[0], "run", "--profile", words[1], "--", words[2], (char *)act, NULL};
    char procs[512];
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (cgroup) {
        snprintf(procs, sizeof procs, "%s/cgroup.procs", cgroup);
        int fd = open(procs, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "0", 1) != 1)
            _exit(99);
    }
    if (uid && (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
        _exit(99);
    dup2(null, 0);
    dup2(null, 1);
    if (!getenv("CHURN_LOUD"))
        dup2(null, 2);
    execv(argv[0], argv);
    _exit(99);
}

/* Waits until all of these are gone; those that stay are told. Orphans come to this process. */
static int await_gone(const int *all, int count, int serial) {
    double until = now() + 60;
    for (int i = 1; i < count; i++) {
        while (parent_of(all[i]) >= 0 && now() < until) {
            waitpid(-1, NULL, WNOHANG);
            rest(2000);
        }
        if (parent_of(all[i]) >= 0) {
            printf("start %d: process %d is left behind\n", serial, all[i]);
            return 1;
        }
    }
    return 0;
}

static int lived_on;

/* One that is killed within so many microseconds: it, or anyone below it. */
static int killed(char **words, uid_t uid, unsigned within, int serial) {
    int all[256], status;
    pid_t pid = start(words, uid, "wait");
    rest(random_below(within));
    int count = family(pid, all, 256);
    int victim = random_below(3) ? all[random_below((unsigned)count)] : pid;
    kill(victim, SIGKILL);
    /* A helper that had done its work is not missed: that jail is asked to end. Whose end ends a jail others show. */
    int asked = 0;
    double begun = now();
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (!asked && now() - begun > 2 + within * 10 / 1e6) {
            asked = 1;
            lived_on++;
            kill(pid, SIGTERM);
        }
        if (now() - begun > 90) {
            printf("start %d: does not end after %d of %d was killed\n", serial, victim, count);
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return 1;
        }
        rest(2000);
    }
    return await_gone(all, count, serial);
}

/* One that ends by itself, or is asked to end. */
static int ended(char **words, uid_t uid, unsigned within, int serial) {
    int status, asked = (int)random_below(2);
    pid_t pid = start(words, uid, asked ? "wait" : "say");
    if (asked) {
        rest(within + random_below(within));
        kill(pid, SIGTERM);
    }
    if (waitpid(pid, &status, 0) != pid)
        return 1;
    int fine = asked ? 1 : WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!fine)
        printf("start %d: status %#x\n", serial, (unsigned)status);
    return !fine;
}

int main(int argc, char **argv) {
    if (argc != 8) {
        fprintf(stderr, "usage: churn SEED COUNT CGROUP|- UID FLOWJAIL PROFILE WORK\n");
        return 2;
    }
    state = strtoull(argv[1], NULL, 0) * 2654435761u + 12345;
    int count = atoi(argv[2]), wrong = 0, kills = 0, all[256];
    cgroup = strcmp(argv[3], "-") ? argv[3] : NULL;
    uid_t uid = (uid_t)atoi(argv[4]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    /* How long a start takes here, from some that are not counted. */
    double begun = now();
    for (int i = 0; i < 3; i++)
        wrong += waitpid(start(argv + 5, uid, "say"), NULL, 0) < 0 || clear_cgroup(-1);
    unsigned within = (unsigned)((now() - begun) / 3 * 1e6);
    long before[KINDS], after[KINDS];
    look(before);
    begun = now();
    for (int i = 0; i < count; i++) {
        int kill_it = random_below(3) == 0;
        kills += kill_it;
        wrong += (kill_it ? killed : ended)(argv + 5, uid, within, i);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
        wrong += !kill_it && leaves_something(uid, i);
        wrong += clear_cgroup(i);
    }
    /* As quick as those before the first look. */
    wrong += waitpid(start(argv + 5, uid, "say"), NULL, 0) < 0;
    double until = now() + 60;
    do {
        rest(10000);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
    } while (family(getpid(), all, 256) > 1 && now() < until);
    wrong += leaves_something(uid, count);
    wrong += clear_cgroup(count);
    look(after);
    printf("seed %s: %d starts, %d of them killed (%d lived on), %.0f ms each\n", argv[1], count,
           kills, lived_on, (now() - begun) * 1000 / count);
    for (int i = 0; i < KINDS; i++) {
        printf("%s: %ld before, %ld after\n", NAMES[i], before[i], after[i]);
        wrong += after[i] > before[i];
    }
    return wrong > 0;
}
