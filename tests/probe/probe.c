/*
 * probe ACT [ARGS]: makes the calls of one act and prints one line: "ACT ok", "ACT errno NAME" or
 * "ACT withheld". Exit 0 in each case; 2 for a wrong command line. A killed probe prints nothing.
 * "many" tries several, in one process, with a line for each.
 * An argument "@stdin" is replaced by a line read from stdin, for numbers known only after the start.
 *
 * Static, and close to the raw calls: inside the jail there is nothing else to lean on.
 */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct act *const tables[] = {file_acts,   exec_acts,   memory_acts,  privilege_acts,
                                           kernel_acts, socket_acts, process_acts, leak_acts};

static void say(const char *act, const char *verdict, const char *what) {
    char line[256];
    int n = snprintf(line, sizeof line, "%s %s%s%s\n", act, verdict, *what ? " " : "", what);
    if (write(1, line, (size_t)n) != n)
        _exit(3);
}

static const char *errno_name(int number) {
    static char text[32];
    const char *name = strerrorname_np(number);
    if (name)
        return name;
    snprintf(text, sizeof text, "%d", number);
    return text;
}

static void fill_from_stdin(char **args) {
    static char line[128];
    size_t n = 0;
    for (; *args; args++) {
        if (strcmp(*args, "@stdin"))
            continue;
        while (n < sizeof line - 1 && read(0, line + n, 1) == 1 && line[n] != '\n')
            n++;
        line[n] = 0;
        *args = line;
        return;
    }
}

static const struct act *find(const char *name) {
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct act *a = tables[t]; a->name; a++)
            if (!strcmp(a->name, name))
                return a;
    return NULL;
}

/* What the acts of exec start: reports that a new program did run, and removes the dropped file. */
static int done(char **args) {
    if (args[1])
        unlink(args[1]);
    say(args[0], "ok", "");
    return 0;
}

static int list(void) {
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct act *a = tables[t]; a->name; a++)
            printf("%s\n", a->name);
    return 0;
}

int copy_self_to(int to) {
    char block[65536];
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return -1;
    ssize_t n;
    while ((n = read(from, block, sizeof block)) > 0)
        if (write(to, block, (size_t)n) != n)
            return (int)with_closed(-1, from);
    return (int)with_closed(n, from);
}

int copy_self(const char *path) {
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    if (to < 0)
        return -1;
    int result = copy_self_to(to);
    if (result == 0)
        result = fchmod(to, 0755); /* the umask may have taken x away */
    return (int)with_closed(result, to);
}

long with_closed(long result, int fd) {
    int keep = errno;
    if (fd >= 0)
        close(fd);
    errno = keep;
    return result;
}

long with_removed(long result, const char *path) {
    int keep = errno;
    unlink(path);
    errno = keep;
    return result;
}

static int try_one(const struct act *act, char **args) {
    errno = 0;
    long result = act->run(args);
    if (result >= 0)
        say(act->name, "ok", "");
    else if (result == WITHHELD)
        say(act->name, "withheld", "");
    else
        say(act->name, "errno", errno_name(errno));
    return 0;
}

/* Acts in turn, until one ends or replaces this process: what has no line was not tried. */
static int many(char **words) {
    while (*words) {
        char **end = words;
        while (*end && strcmp(*end, "--"))
            end++;
        char **next = *end ? end + 1 : end;
        *end = NULL;
        const struct act *act = find(words[0]);
        if (!act || end - words - 1 < act->args)
            return 2;
        try_one(act, words + 1);
        words = next;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "--list"))
        return list();
    if (argc >= 3 && !strcmp(argv[1], "done"))
        return done(argv + 2);
    if (argc == 3 && !strcmp(argv[1], "serve"))
        return serve(argv[2]);
    if (argc >= 3 && !strcmp(argv[1], "many"))
        return many(argv + 2);
    const struct act *act = argc >= 2 ? find(argv[1]) : NULL;
    if (!act || argc - 2 < act->args) {
        fprintf(stderr, "usage: probe ACT [ARGS] | many ACT [ARGS] -- ACT... | --list | serve DIR | done ACT [FILE]\n");
        return 2;
    }
    fill_from_stdin(argv + 2);
    return try_one(act, argv + 2);
}
