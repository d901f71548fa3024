// sockets ACT WORDS...: what a workload may try with sockets, one act a run. Each line of stdout is a fact; `pause` asks
// for a line of stdin, and `visit ADDRESS` for a visitor.
#include "sockets.h"

void say(const char *format, ...) {
    char line[1024]; va_list list; va_start(list, format); vsnprintf(line, sizeof line, format, list); va_end(list);
    flockfile(stdout); puts(line); fflush(stdout); funlockfile(stdout);
}
const char *err(int failed) { return failed ? strerrorname_np(failed) : "ok"; }
const char *call(long result) { return err(result < 0 ? errno : 0); }
int tcp(void) { return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }
int ready(int fd, int events, int ms) { struct pollfd p = {fd, events, 0}; return poll(&p, 1, ms) > 0; }

struct place place(const char *host, const char *port) {
    struct addrinfo want = {.ai_family = strchr(host, ':') ? AF_INET6 : AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    struct place it = {.length = 0};
    int failed = getaddrinfo(host, port, &want, &found);
    if (failed) { say("%s: %s", host, gai_strerror(failed)); exit(3); }
    memcpy(&it.at, found->ai_addr, found->ai_addrlen); it.length = found->ai_addrlen;
    freeaddrinfo(found);
    return it;
}
struct place unspecified(void) { return (struct place){.length = sizeof(struct sockaddr_in)}; }

int dial_with(int fd, struct place *to) { return connect(fd, (struct sockaddr *)&to->at, to->length); }
int dial(struct place *to) {
    int fd = socket(to->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && dial_with(fd, to)) { int e = errno; close(fd); errno = e; return -1; }
    return fd;
}

const char *echo(int fd, const char *text) {
    static __thread char back[256]; size_t got = 0, n = strlen(text);
    if (send(fd, text, n, MSG_NOSIGNAL) < 0) return err(errno);
    while (got < n) {
        if (!ready(fd, POLLIN, PATIENCE)) return "no answer";
        ssize_t more = recv(fd, back + got, sizeof back - got, 0);
        if (more < 0 && errno == EINTR) continue;
        if (more <= 0) return more ? err(errno) : "closed";
        got += more;
    }
    return got == n && !memcmp(text, back, n) ? "ok" : "another text";
}

const char *text_of(struct sockaddr_storage *at, socklen_t length) {
    static __thread char text[128], host[64]; struct sockaddr_in *four = (void *)at; struct sockaddr_in6 *six = (void *)at;
    if (length >= sizeof *four && at->ss_family == AF_INET) snprintf(text, sizeof text, "%s:%d", inet_ntop(AF_INET, &four->sin_addr, host, sizeof host), ntohs(four->sin_port));
    else if (length >= sizeof *six && at->ss_family == AF_INET6) snprintf(text, sizeof text, "[%s]:%d", inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host), ntohs(six->sin6_port));
    else snprintf(text, sizeof text, "family %d length %d", at->ss_family, (int)length);
    return text;
}

int wait_for_line(void) { char byte; say("pause"); while (read(0, &byte, 1) == 1) if (byte == '\n') return 1; return 0; }

int bound(const char *host, const char *port) {
    struct place at = place(host, port); int one = 1, fd = socket(at.at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (void *)&at.at, at.length)) { int e = errno; close(fd); errno = e; return -1; }
    return fd;
}

int main(int argc, char **argv) {
    const struct act *all[] = {races, connects, serves, kinds, lookups};
    struct rlimit files; getrlimit(RLIMIT_NOFILE, &files); files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536; setrlimit(RLIMIT_NOFILE, &files);
    for (size_t i = 0; argc > 1 && i < sizeof all / sizeof *all; i++)
        for (const struct act *act = all[i]; act->name; act++)
            if (!strcmp(act->name, argv[1]) && argc - 2 == act->words) { act->run(argv + 2); say("end"); return 0; }
    fprintf(stderr, "sockets: no such act\n"); return 2;
}
