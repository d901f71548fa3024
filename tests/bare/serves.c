// Servers: where a program may listen, and what it gets instead of its own socket.
#include "sockets.h"

static void visited_at(int fd, const char *where) {
    char text[16] = ""; say("visit %s", where);
    int visitor = ready(fd, POLLIN, 3000) ? accept4(fd, 0, 0, SOCK_CLOEXEC) : -1;
    ssize_t n = visitor >= 0 && ready(visitor, POLLIN, 3000) ? recv(visitor, text, sizeof text - 1, 0) : -1;
    if (n > 0) n = send(visitor, text, n, MSG_NOSIGNAL);
    say("%s", n > 0 ? "visited" : "nobody came"); if (visitor >= 0) close(visitor);
}
static void visited(int fd) {
    struct sockaddr_storage at; socklen_t length = sizeof at;
    if (getsockname(fd, (void *)&at, &length)) say("own %s", err(errno)); else visited_at(fd, text_of(&at, length));
}
static void listens(int fd) { int failed = listen(fd, 64); say("listen %s", call(failed)); if (!failed) visited(fd); }

static void unbound(char **w) { (void)w; listens(tcp()); }
// ADDRESS PORT
static void at_port(char **w) { int fd = bound(w[0], w[1]); say("bind %s", call(fd)); if (fd >= 0) listens(fd); }
// ADDRESS PORT: an open door
static void *lets_in(void *at) {
    for (;;) { int visitor = accept4(*(int *)at, 0, 0, SOCK_CLOEXEC); if (visitor < 0) { usleep(10000); continue; } send(visitor, "in", 2, MSG_NOSIGNAL); close(visitor); }
    return 0;
}
static void door(char **w) {
    int fd = bound(w[0], w[1]); pthread_t thread; say("bind %s listen %s", call(fd), call(listen(fd, 64)));
    fcntl(fd, F_SETFL, O_NONBLOCK); pthread_create(&thread, 0, lets_in, &fd); wait_for_line();
}
// ADDRESS PORT: visited where it wants to be
static void at_other(char **w) {
    struct place at = place(w[0], w[1]); int fd = bound(w[0], w[1]), failed; say("bind %s", call(fd));
    if (fd < 0) return;
    failed = listen(fd, 64); say("listen %s", call(failed)); if (!failed) visited_at(fd, text_of(&at.at, at.length));
}
// ADDRESS PORT: asks itself for its name before it listens
static void port_zero(char **w) {
    int fd = bound(w[0], "0"); struct sockaddr_storage at; socklen_t length = sizeof at; say("bind %s", call(fd));
    int named = !getsockname(fd, (void *)&at, &length) && ((struct sockaddr_in *)&at)->sin_port; say("a port %s", named ? "yes" : "no");
    listens(fd); (void)w[1];
}
// HOST PORT OWN: from a port of its own choice
static void bound_client(char **w) {
    struct place to = place(w[0], w[1]); int fd = bound("0.0.0.0", "0"); say("bind %s", call(fd));
    say("connect %s", call(dial_with(fd, &to))); say("echo %s", echo(fd, "hello")); (void)w[2];
}
// OWN OTHER: two listens, a close and a listen, a bind of what is bound
static void again(char **w) {
    int one = bound("127.0.0.1", w[0]), two, free_one; say("bind %s", call(one)); listens(one);
    say("listen again %s", call(listen(one, 8))); visited(one);
    two = bound("127.0.0.1", w[0]); say("second bind %s", two < 0 ? err(errno) : listen(two, 8) ? err(errno) : "ok"); if (two >= 0) close(two);
    close(one); free_one = bound("127.0.0.1", w[0]); say("bind after close %s", call(free_one)); listens(free_one);
    say("shutdown %s", call(shutdown(free_one, SHUT_RDWR))); close(free_one);
    one = bound("127.0.0.1", w[0]); say("bind after shutdown %s", call(one)); listens(one);
    say("other port %s", call(bound("127.0.0.1", w[1])));
}
// OWN: options and flags that were set before the listening socket came
static void keeps(char **w) {
    int fd = bound("127.0.0.1", w[0]), copy = dup2(fd, 100), failed; fcntl(fd, F_SETFL, O_NONBLOCK); fcntl(fd, F_SETFD, FD_CLOEXEC);
    say("bind %s", call(fd)); failed = listen(fd, 8); say("listen %d", failed);
    say("flags %s", fcntl(fd, F_GETFL) & O_NONBLOCK && fcntl(fd, F_GETFD) & FD_CLOEXEC ? "kept" : "lost");
    if (fcntl(fd, F_GETFL) & O_NONBLOCK) say("accept %s", call(accept4(fd, 0, 0, SOCK_CLOEXEC)));
    int yes = 0; socklen_t size = sizeof yes; getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &size); say("listening %s", yes ? "yes" : "no");
    struct epoll_event event = {.events = EPOLLIN}; int epoll = epoll_create1(EPOLL_CLOEXEC); epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    struct place self = place("127.0.0.1", w[0]); int own = dial(&self); say("own %s", call(own));
    say("epoll %s", epoll_pwait(epoll, &event, 1, 3000, 0) == 1 && event.events & EPOLLIN ? "in" : "nothing"); (void)copy;
    struct sockaddr_storage from; socklen_t length = sizeof from; int visitor = accept4(fd, (void *)&from, &length, SOCK_CLOEXEC);
    say("accept %s from %s", call(visitor), visitor >= 0 && from.ss_family == AF_INET && ((struct sockaddr_in *)&from)->sin_addr.s_addr == htonl(INADDR_LOOPBACK) ? "the loopback" : "elsewhere");
    struct sockaddr_storage peer; length = sizeof peer;
    say("peer %s", getpeername(visitor, (void *)&peer, &length) ? err(errno) : memcmp(&peer, &from, 8) ? "another" : "the same");
    say("echo %s", send(own, "x", 1, MSG_NOSIGNAL) == 1 && ready(visitor, POLLIN, 3000) ? "ok" : "nothing");
}
// ADDRESS PORT: a server on an address, and nobody else's
static void reaches(char **w) {
    struct place to = place(w[0], w[1]); int fd = dial(&to); say("connect %s", call(fd)); if (fd >= 0) say("echo %s", echo(fd, "hello"));
}
// OWN: a family of three that all hold the listener; the parent of the last one is gone
static void family(char **w) {
    int fd = bound("127.0.0.1", w[0]); say("bind %s listen %s", call(fd), call(listen(fd, 8)));
    pid_t child = fork();
    if (!child) {
        pid_t grandchild = fork();
        if (grandchild) { usleep(200000); _exit(0); }
        say("pid %d", (int)getpid()); for (;;) { int visitor = accept4(fd, 0, 0, SOCK_CLOEXEC); if (visitor >= 0) close(visitor); else usleep(10000); }
    }
    say("fork %s", call(child)); waitpid(child, 0, 0); say("pid %d", (int)getpid()); wait_for_line(); for (;;) sleep(1);
}

const struct act serves[] = {
    {"unbound", 0, unbound}, {"at-port", 2, at_port}, {"door", 2, door}, {"at-other", 2, at_other}, {"port-zero", 2, port_zero}, {"bound-client", 3, bound_client}, {"again", 2, again},
    {"keeps", 1, keeps}, {"reaches", 2, reaches}, {"family", 1, family}, {0},
};
