// Streams: what connect means, what comes behind it, and how many there may be.
#include "sockets.h"

static void named(const char *what, int fd, int (*ask)(int, struct sockaddr *, socklen_t *)) {
    struct sockaddr_storage at = {0}; socklen_t length = sizeof at;
    if (ask(fd, (void *)&at, &length)) say("%s %s", what, err(errno)); else say("%s %s", what, text_of(&at, length));
}
static void asked_for(int fd, struct place *to) {
    struct sockaddr_storage peer = {0}; socklen_t length = sizeof peer;
    if (getpeername(fd, (void *)&peer, &length)) say("peer %s", err(errno));
    else say("peer %s", length == to->length && !memcmp(&peer, &to->at, peer.ss_family == AF_INET ? 8 : 24) ? "as asked for" : text_of(&peer, length));
}
static int so_error(int fd) { int e = 0; socklen_t size = sizeof e; getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &size); return e; }

// HOST PORT: blocking, its names, and a second connect
static void blocking(char **w) {
    struct place to = place(w[0], w[1]); int fd = socket(to.at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    say("connect %s", call(dial_with(fd, &to))); say("echo %s", echo(fd, "hello"));
    asked_for(fd, &to); named("own", fd, getsockname);
    say("again %s", call(dial_with(fd, &to)));
    struct sockaddr_storage little = {0}; socklen_t length = 4;
    int failed = getpeername(fd, (void *)&little, &length);
    say("peer in 4 bytes %s length %d family %d", call(failed), (int)length, little.ss_family);
    length = sizeof little; say("peer nowhere %s", call(getpeername(fd, (void *)8, &length)));
    say("echo %s", echo(fd, "still here"));
}
// HOST PORT: the same for a socket that does not wait; epoll knows it from before
static void waiting(char **w) {
    struct place to = place(w[0], w[1]); struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
    int fd = socket(to.at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), epoll = epoll_create1(EPOLL_CLOEXEC), out = 0;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event); epoll_pwait(epoll, &event, 1, 0, 0); // what an unconnected one has to say
    int failed = dial_with(fd, &to) ? errno : 0;
    say("connect %s", failed == EINPROGRESS ? "ok" : err(failed));
    for (int i = 0; i < 100 && !out; i++) if (epoll_pwait(epoll, &event, 1, 200, 0) == 1) out = event.events & EPOLLOUT && !(event.events & (EPOLLERR | EPOLLHUP));
    say("epoll %s error %s", out ? "out" : "nothing", err(so_error(fd)));
    say("echo %s", echo(fd, "hello"));
    say("flags %s", fcntl(fd, F_GETFL) & O_NONBLOCK && fcntl(fd, F_GETFD) & FD_CLOEXEC ? "kept" : "lost");
}
// HOST PORT: what the kernel says to odd addresses, and that the socket still works
static void odd(char **w) {
    struct place to = place(w[0], w[1]); int fd = tcp(); struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(9)}; six.sin6_addr = in6addr_loopback;
    say("short %s", call(connect(fd, (void *)&to.at, 8)));
    say("negative %s", call(connect(fd, (void *)&to.at, -1)));
    say("long %s", call(connect(fd, (void *)&to.at, 4096)));
    say("nowhere %s", call(connect(fd, (void *)8, to.length)));
    say("another family %s", call(connect(fd, (void *)&six, sizeof six)));
    say("no socket %s", call(connect(0x7fff, (void *)&to.at, to.length)));
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC); say("a file %s", call(dial_with(file, &to)));
    say("connect %s", call(dial_with(fd, &to))); say("echo %s", echo(fd, "hello"));
}
// HOST PORT: by an IPv6 socket that means IPv4
static void mapped(char **w) {
    struct place to = place(w[0], w[1]); struct sockaddr_in *four = (void *)&to.at;
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = four->sin_port}; six.sin6_addr.s6_addr[10] = six.sin6_addr.s6_addr[11] = 0xff;
    memcpy(&six.sin6_addr.s6_addr[12], &four->sin_addr, 4);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct place as_six = {.length = sizeof six}; memcpy(&as_six.at, &six, sizeof six);
    say("connect %s", call(dial_with(fd, &as_six))); say("echo %s", echo(fd, "hello")); asked_for(fd, &as_six);
}
// HOST PORT: one that nobody takes, then one that somebody does, by the same socket
static void retries(char **w) {
    struct place no = place(w[2], w[3]), to = place(w[0], w[1]); int fd = tcp();
    say("refused %s", call(dial_with(fd, &no))); say("connect %s", call(dial_with(fd, &to))); say("echo %s", echo(fd, "hello"));
}

// connected|listening|shut|accepted HOST PORT FORBIDDEN PORT OWN: away from where a socket is, to another host. OWN is
// the published port.
static void leaves(char **w) {
    struct place to = place(w[1], w[2]), no = place(w[3], w[4]), nothing = unspecified(), self = place("127.0.0.1", w[5]); int fd, own = -1;
    if (!strcmp(w[0], "connected")) { fd = dial(&to); say("echo %s", echo(fd, "hello")); }
    else {
        fd = bound("127.0.0.1", w[5]); say("bind %s listen %s", call(fd), call(listen(fd, 8)));
        if (!strcmp(w[0], "accepted")) { own = dial(&self); fd = ready(fd, POLLIN, 5000) ? accept4(fd, 0, 0, SOCK_CLOEXEC) : -1; say("accept %s", call(fd)); }
        if (!strcmp(w[0], "shut")) say("shutdown %s", call(shutdown(fd, SHUT_RDWR)));
    }
    say("leave %s", call(dial_with(fd, &nothing)));
    int reached = !dial_with(fd, &no);
    say("reconnect %s", call(reached - 1)); say("echo %s", reached ? echo(fd, "hello") : "none");
    if (own >= 0) close(own);
    // Both ends have ended: the socket is closed for the kernel, too.
    shutdown(fd, SHUT_RDWR); usleep(100000);
    reached = !dial_with(fd, &no); say("reconnect at the end %s", reached ? "ok" : "refused");
    reached = sendto(fd, "hello", 5, MSG_FASTOPEN | MSG_NOSIGNAL, (void *)&no.at, no.length) == 5; say("send at the end %s", reached ? "ok" : "refused");
}

// sendto|sendmsg|sendmmsg|option HOST PORT: connects while it sends
static void fast(char **w) {
    struct place to = place(w[1], w[2]); int fd = tcp(), one = 1; ssize_t sent;
    struct iovec piece = {"hello", 5}; struct mmsghdr m = {.msg_hdr = {.msg_name = &to.at, .msg_namelen = to.length, .msg_iov = &piece, .msg_iovlen = 1}};
    if (!strcmp(w[0], "option")) {
        say("option %s", call(setsockopt(fd, IPPROTO_TCP, 30 /* TCP_FASTOPEN_CONNECT */, &one, sizeof one)));
        say("connect %s", call(dial_with(fd, &to))); sent = send(fd, "hello", 5, MSG_NOSIGNAL);
    } else if (!strcmp(w[0], "sendto")) sent = sendto(fd, "hello", 5, MSG_FASTOPEN | MSG_NOSIGNAL, (void *)&to.at, to.length);
    else if (!strcmp(w[0], "sendmsg")) sent = sendmsg(fd, &m.msg_hdr, MSG_FASTOPEN | MSG_NOSIGNAL);
    else sent = sendmmsg(fd, &m, 1, MSG_FASTOPEN | MSG_NOSIGNAL);
    say("send %s", sent > 0 ? "ok" : "refused"); char back[8];
    say("answer %s", sent > 0 && ready(fd, POLLIN, 3000) && recv(fd, back, sizeof back, 0) == 5 ? "ok" : "none");
}

static int hand_over(int fd) {
    int ends[2], got = -1; char byte = 'x'; union { char room[CMSG_SPACE(sizeof fd)]; struct cmsghdr head; } control = {0};
    struct iovec piece = {&byte, 1}; struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) { say("pair %s", err(errno)); return -1; }
    control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    if (sendmsg(ends[0], &message, 0) != 1) { say("hand over %s", err(errno)); return -1; }
    close(fd);
    if (recvmsg(ends[1], &message, 0) == 1) memcpy(&got, CMSG_DATA(&control.head), sizeof got);
    close(ends[0]); close(ends[1]);
    return got;
}
// HOST PORT FORBIDDEN PORT: descriptors that came by another way than socket(2)
static void handed(char **w) {
    struct place to = place(w[0], w[1]), no = place(w[2], w[3]); int fd = hand_over(tcp());
    say("forbidden %s", call(dial_with(fd, &no)));
    close(fd); fd = hand_over(tcp());
    say("connect %s", call(dial_with(fd, &to))); say("echo %s", echo(fd, "hello"));
    fd = hand_over(fd); say("connected and handed over %s", echo(fd, "hello"));
    asked_for(fd, &to);
}
static void inherited(char **w) {
    struct place to = place(w[0], w[1]), no = place(w[2], w[3]); int allowed = tcp(), forbidden = tcp(), gone[2], status = -1; char byte;
    if (pipe2(gone, O_CLOEXEC)) return;
    pid_t child = fork();
    if (!child) {
        close(gone[1]); if (read(gone[0], &byte, 1) < 0) _exit(9);
        say("forbidden %s", call(dial_with(forbidden, &no))); say("connect %s", call(dial_with(allowed, &to))); say("echo %s", echo(allowed, "hello"));
        int own = dial(&to); say("its own %s", own < 0 ? err(errno) : echo(own, "hello")); _exit(0);
    }
    close(allowed); close(forbidden); close(gone[0]); close(gone[1]);
    say("fork %s", child > 0 && waitpid(child, &status, 0) == child && !status ? "ok" : "failed");
}
// A thread with a table of descriptors of its own.
static struct place goal;
static const char *there, *back;
static int thread_body(void *unused) {
    int fd = tcp();
    there = call(dial_with(fd, &goal)); back = echo(fd, "hello"); // no words of its own: it shares its parent's lock
    (void)unused; syscall(SYS_exit, 0); return 0;
}
static void own_table(char **w) {
    static char stack[1 << 18] __attribute__((aligned(16))); goal = place(w[0], w[1]); int here = tcp();
    pid_t thread = clone(thread_body, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, 0);
    if (thread < 0) { say("thread %s", err(errno)); return; }
    usleep(1500000);
    say("thread connect %s echo %s", there ? there : "none", back ? back : "none"); say("connect %s", call(dial_with(here, &goal)));
}

// HOST PORT COUNT: made and closed
static void made_and_closed(char **w) {
    struct place to = place(w[0], w[1]); int failed = 0;
    wait_for_line();
    for (int i = 0; i < atoi(w[2]); i++) { int fd = tcp(); if (fd < 0) failed = errno; else close(fd); }
    say("failed %s", failed ? err(failed) : "none");
    wait_for_line();
    int fd = dial(&to); say("afterwards %s", fd < 0 ? err(errno) : echo(fd, "hello"));
}
// HOST PORT COUNT: connected and closed, one after the other, at this port and the three behind it
static void one_by_one(char **w) {
    struct place to[4]; int failed = 0; char port[8];
    for (int i = 0; i < 4; i++) { snprintf(port, sizeof port, "%d", atoi(w[1]) + i); to[i] = place(w[0], port); }
    wait_for_line();
    for (int i = 0; i < atoi(w[2]); i++) { errno = 0; int fd = dial(&to[i % 4]); if (fd < 0 || strcmp(echo(fd, "x"), "ok")) failed = errno ? errno : EPIPE; if (fd >= 0) close(fd); }
    say("failed %s", failed ? err(failed) : "none");
    wait_for_line();
    int fd = dial(&to[0]); say("afterwards %s", fd < 0 ? err(errno) : echo(fd, "hello"));
}
// stream|datagram|unsent HOST PORT COUNT: held all at once; `unsent` ones lie in a queue
static void held(char **w) {
    static int all[8192]; struct place to = place(w[1], w[2]); int count = atoi(w[3]), n = 0, failed = 0, ends[2] = {-1, -1}, datagrams = !strcmp(w[0], "datagram");
    if (!strcmp(w[0], "unsent") && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) say("pair %s", err(errno));
    while (n < count && !failed) {
        int fd = socket(AF_INET, (datagrams ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
        if (fd < 0) { failed = errno; break; }
        if (ends[0] < 0) { all[n++] = fd; continue; }
        union { char room[CMSG_SPACE(sizeof fd)]; struct cmsghdr head; } control = {.head = {.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
        struct iovec piece = {"x", 1}; struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
        memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
        if (sendmsg(ends[0], &message, MSG_DONTWAIT) < 0) failed = errno; else n++;
        close(fd);
    }
    int fine = !failed || failed == EMFILE || failed == ENOBUFS || failed == ENFILE || failed == EAGAIN || failed == ETOOMANYREFS;
    say("held %s limit %s", n >= 200 ? "many" : "few", fine ? "ok" : err(failed));
    wait_for_line();
    if (datagrams) { if (n) close(all[--n]); int other = dial(&to); say("meanwhile %s", other < 0 ? err(errno) : echo(other, "hello")); close(other); }
    else if (ends[0] < 0) { say("one of them %s", call(dial_with(all[0], &to))); say("echo %s", echo(all[0], "hello")); }
    while (n > 0) close(all[--n]);
    close(ends[0]); close(ends[1]); usleep(200000);
    int fd = -1; for (int i = 0; i < 100 && (fd = dial(&to)) < 0; i++) usleep(50000);
    say("afterwards %s", fd < 0 ? err(errno) : echo(fd, "hello"));
}

// HOST PORT: writes, closes, and lives on
static void ends_it(char **w) {
    struct place to = place(w[0], w[1]); int fd = dial(&to);
    say("send %s", send(fd, "bye", 3, MSG_NOSIGNAL) == 3 ? "ok" : err(errno)); close(fd); wait_for_line();
}
// HOST PORT: its half ends first
static void ends_half(char **w) {
    struct place to = place(w[0], w[1]); int fd = dial(&to); char text[16] = "";
    say("send %s", send(fd, "bye", 3, MSG_NOSIGNAL) == 3 ? "ok" : err(errno)); say("shutdown %s", call(shutdown(fd, SHUT_WR)));
    ssize_t n = ready(fd, POLLIN, PATIENCE) ? recv(fd, text, sizeof text - 1, 0) : -1; say("read %s", n > 0 ? text : "nothing");
    say("end %s", ready(fd, POLLIN, PATIENCE) && recv(fd, text, sizeof text, 0) == 0 ? "seen" : "not seen");
}
// HOST PORT: the host's half ends first
static void sees_end(char **w) {
    struct place to = place(w[0], w[1]); int fd = dial(&to); char text[16];
    say("send %s", send(fd, "hey", 3, MSG_NOSIGNAL) == 3 ? "ok" : err(errno));
    ssize_t n = ready(fd, POLLIN, PATIENCE) ? recv(fd, text, sizeof text, 0) : -2; say("end %s", n == 0 ? "seen" : n == -2 ? "not seen" : err(errno));
    say("send %s", send(fd, "more", 4, MSG_NOSIGNAL) == 4 ? "ok" : err(errno)); wait_for_line();
}
// HOST PORT: a connection for each line of stdin
static void each_line(char **w) {
    struct place to = place(w[0], w[1]);
    while (wait_for_line()) { int fd = dial(&to); say("%s", fd < 0 ? err(errno) : echo(fd, "hello")); if (fd >= 0) close(fd); }
}

const struct act connects[] = {
    {"blocking", 2, blocking}, {"waiting", 2, waiting}, {"odd", 2, odd}, {"mapped", 2, mapped}, {"retries", 4, retries}, {"leaves", 6, leaves},
    {"fast", 3, fast}, {"handed", 4, handed}, {"inherited", 4, inherited}, {"own-table", 2, own_table}, {"made-and-closed", 3, made_and_closed},
    {"one-by-one", 3, one_by_one}, {"held", 4, held}, {"ends-it", 2, ends_it}, {"ends-half", 2, ends_half}, {"sees-end", 2, sees_end},
    {"each-line", 2, each_line}, {0},
};
