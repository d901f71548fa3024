// redirected PORT: what a transparent proxy costs. Takes the connections that nft redirects to PORT, dials where they
// were going, and splices both ways: one thread, epoll, a pipe of 256 kB for each direction, and no other feature.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/netfilter_ipv4.h>

enum { PIPE = 256 << 10 };
struct side { int fd, pipe[2]; long in_pipe; int ended, told, dead; struct side *other; };
static int events;

static void watch(struct side *side) {
    struct epoll_event event = { EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, { .ptr = side } };
    epoll_ctl(events, EPOLL_CTL_ADD, side->fd, &event);
}
// From one side, through its pipe, to the other; -1: broken, 1: at its end.
static int carry(struct side *from) {
    for (;;) {
        if (from->in_pipe == 0 && !from->ended) {
            ssize_t got = splice(from->fd, NULL, from->pipe[1], NULL, PIPE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
            if (got < 0) return errno == EAGAIN ? 0 : -1;
            if (got == 0) from->ended = 1;
            from->in_pipe = got;
        }
        if (from->in_pipe == 0) {
            if (!from->told) shutdown(from->other->fd, SHUT_WR);
            from->told = 1;
            return 1;
        }
        ssize_t put = splice(from->pipe[0], NULL, from->other->fd, NULL, from->in_pipe, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (put < 0) return errno == EAGAIN ? 0 : -1;
        from->in_pipe -= put;
    }
}
static struct side *make(int fd) {
    struct side *side = calloc(1, sizeof *side);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    side->fd = fd;
    if (pipe2(side->pipe, O_NONBLOCK | O_CLOEXEC)) exit(1);
    fcntl(side->pipe[1], F_SETPIPE_SZ, PIPE);
    return side;
}
static void take(int near) {
    struct sockaddr_in to;
    socklen_t length = sizeof to;
    if (getsockopt(near, SOL_IP, SO_ORIGINAL_DST, &to, &length)) { close(near); return; }
    // One port lower lies what nft leaves alone.
    to.sin_port = htons(ntohs(to.sin_port) - 1);
    int far = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connect(far, (void *)&to, sizeof to) && errno != EINPROGRESS) { close(near); close(far); return; }
    struct side *one = make(near), *other = make(far);
    one->other = other, other->other = one;
    watch(one), watch(other);
}
static void drop(struct side *side) {
    close(side->fd), close(side->pipe[0]), close(side->pipe[1]);
    side->dead = 1;
}
int main(int argc, char **argv) {
    if (argc < 2) return 2;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])) };
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&own, sizeof own) || listen(listener, 1024)) { perror("listen"); return 1; }
    events = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ready[128], event = { EPOLLIN, { .ptr = NULL } };
    epoll_ctl(events, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(events, ready, 128, -1), freed = 0;
        struct side *gone[256];
        for (int i = 0; i < n; i++) {
            struct side *side = ready[i].data.ptr;
            if (!side) {
                for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) take(fd);
                continue;
            }
            if (side->dead) continue;
            int out = carry(side), back = carry(side->other);
            if (out < 0 || back < 0 || (out == 1 && back == 1)) {
                gone[freed++] = side, gone[freed++] = side->other;
                drop(side), drop(side->other);
            }
        }
        while (freed > 0) free(gone[--freed]);
    }
}
