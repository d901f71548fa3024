/* Acts with sockets: families and types that are not the jail's, and peers outside of it. */
#define _GNU_SOURCE
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define HIGH (1UL << 32)

/* By number and raw, so that the high bits of each argument arrive in the kernel. */
static long make_socket(char **a) {
    long fd = syscall(SYS_socket, strtoul(a[0], NULL, 0), strtoul(a[1], NULL, 0), strtoul(a[2], NULL, 0));
    return fd < 0 ? -1 : with_closed(0, (int)fd);
}
static long make_pair(char **a) {
    int fds[2];
    (void)a;
    long result = syscall(SYS_socketpair, (long)AF_UNIX, (long)SOCK_DGRAM, 0L, fds);
    if (result == 0) {
        close(fds[0]);
        close(fds[1]);
    }
    return result;
}

static struct sockaddr_in loopback(const char *port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return to;
}
static int tcp(void) { return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }

static long connect_tcp(char **a) {
    struct sockaddr_in to = loopback(a[0]);
    int fd = tcp();
    return fd < 0 ? -1 : with_closed(connect(fd, (void *)&to, sizeof to), fd);
}
static long bind_tcp(char **a) {
    struct sockaddr_in to = loopback(a[0]);
    int fd = tcp();
    if (fd < 0)
        return -1;
    long result = bind(fd, (void *)&to, sizeof to);
    return with_closed(result ? result : listen(fd, 1), fd);
}
static long send_fastopen(const char *port, unsigned long flags) {
    struct sockaddr_in to = loopback(port);
    int fd = tcp();
    if (fd < 0)
        return -1;
    return with_closed(syscall(SYS_sendto, (long)fd, "x", 1L, flags, &to, (long)sizeof to), fd);
}
static long fastopen(char **a) { return send_fastopen(a[0], MSG_FASTOPEN); }
static long fastopen_high(char **a) { return send_fastopen(a[0], HIGH | MSG_FASTOPEN); }
static long fastopen_msg(char **a) {
    struct sockaddr_in to = loopback(a[0]);
    struct iovec byte = {"x", 1};
    struct msghdr m = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &byte, .msg_iovlen = 1};
    int fd = tcp();
    return fd < 0 ? -1 : with_closed(sendmsg(fd, &m, MSG_FASTOPEN), fd);
}
static long fastopen_connect(char **a) {
    struct sockaddr_in to = loopback(a[0]);
    int fd = tcp(), on = 1;
    if (fd < 0)
        return -1;
    long result = setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on);
    if (result == 0)
        result = connect(fd, (void *)&to, sizeof to);
    return with_closed(result, fd);
}
static long connect_mptcp(char **a) {
    struct sockaddr_in to = loopback(a[0]);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 262 /* IPPROTO_MPTCP */);
    return fd < 0 ? -1 : with_closed(connect(fd, (void *)&to, sizeof to), fd);
}

static long connect_unix(const struct sockaddr_un *to, size_t length) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? -1 : with_closed(connect(fd, (const void *)to, (socklen_t)length), fd);
}
static long unix_path(char **a) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strncpy(to.sun_path, a[0], sizeof to.sun_path - 1);
    return connect_unix(&to, sizeof to);
}
static long unix_abstract(char **a) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t length = strlen(a[0]);
    memcpy(to.sun_path + 1, a[0], length);
    return connect_unix(&to, offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

const struct act socket_acts[] = {
    {"socket", 3, make_socket},
    {"socketpair-dgram", 0, make_pair},
    {"connect-tcp", 1, connect_tcp},
    {"bind-tcp", 1, bind_tcp},
    {"fastopen", 1, fastopen},
    {"fastopen-high", 1, fastopen_high},
    {"fastopen-msg", 1, fastopen_msg},
    {"fastopen-connect", 1, fastopen_connect},
    {"connect-mptcp", 1, connect_mptcp},
    {"connect-unix", 1, unix_path},
    {"connect-abstract", 1, unix_abstract},
    {NULL, 0, NULL},
};
