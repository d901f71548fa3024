// Sockets that no gateway stands behind: datagrams, raw ones, other families, and peers on the same machine.
#include "sockets.h"

static void answered(int fd, ssize_t sent) {
    char back[64]; say("send %s", sent >= 0 ? "ok" : err(errno));
    ssize_t n = sent >= 0 && ready(fd, POLLIN, 1000) ? recv(fd, back, sizeof back, 0) : -1;
    say("answer %s", n == 4 && !memcmp(back, "PONG", 4) ? "PONG" : "none");
}
// sendto|sendmsg|sendmmsg|pktinfo|connect|connected HOST PORT: a datagram
static void datagram(char **w) {
    struct place to = place(w[1], w[2]); int fd = socket(to.at.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0); struct iovec piece = {"hello", 5};
    if (fd < 0) { say("socket %s", err(errno)); return; }
    struct mmsghdr m = {.msg_hdr = {.msg_name = &to.at, .msg_namelen = to.length, .msg_iov = &piece, .msg_iovlen = 1}};
    union { char room[CMSG_SPACE(sizeof(struct in_pktinfo))]; struct cmsghdr head; } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo)), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO}};
    if (!strcmp(w[0], "sendto")) answered(fd, sendto(fd, "hello", 5, 0, (void *)&to.at, to.length));
    else if (!strcmp(w[0], "sendmsg")) answered(fd, sendmsg(fd, &m.msg_hdr, 0));
    else if (!strcmp(w[0], "sendmmsg")) answered(fd, sendmmsg(fd, &m, 1, 0) == 1 ? 5 : -1);
    else if (!strcmp(w[0], "pktinfo")) { m.msg_hdr.msg_control = control.room; m.msg_hdr.msg_controllen = sizeof control.room; answered(fd, sendmsg(fd, &m.msg_hdr, 0)); }
    else {
        say("connect %s", dial_with(fd, &to) ? "refused" : "ok");
        // One that is connected may still name another place.
        if (!strcmp(w[0], "connect")) answered(fd, send(fd, "hello", 5, 0)); else answered(fd, sendto(fd, "hello", 5, 0, (void *)&to.at, to.length));
    }
}
// A socket that was open at the start, as descriptor 0
static void inherited(char **w) {
    struct place to = place(w[0], w[1]); struct iovec piece = {"hello", 5}; struct msghdr message = {.msg_name = &to.at, .msg_namelen = to.length, .msg_iov = &piece, .msg_iovlen = 1};
    say("sendto %s", sendto(0, "hello", 5, MSG_NOSIGNAL, (void *)&to.at, to.length) < 0 ? "refused" : "ok");
    say("sendmsg %s", sendmsg(0, &message, MSG_NOSIGNAL) < 0 ? "refused" : "ok");
    struct place nothing = unspecified(); dial_with(0, &nothing);
    say("connect %s", dial_with(0, &to) ? "refused" : "ok"); say("send %s", send(0, "hello", 5, MSG_NOSIGNAL) < 0 ? "refused" : "ok");
}
// DOMAIN TYPE PROTOCOL, in numbers
static void opens(char **w) { say("socket %s", call(socket(atoi(w[0]), atoi(w[1]), atoi(w[2])))); }

static struct sockaddr_un unix_place(const char *name, socklen_t *length) {
    struct sockaddr_un to = {.sun_family = AF_UNIX}; size_t n = strlen(name);
    memcpy(to.sun_path, name, n); if (*name == '@') to.sun_path[0] = 0;
    *length = offsetof(struct sockaddr_un, sun_path) + n + (*name != '@');
    return to;
}
// stream|datagram|pair NAME: an @ stands for the abstract namespace
static void local(char **w) {
    socklen_t length; struct sockaddr_un to = unix_place(w[1], &length); char back[8]; int ends[2], fd;
    if (!strcmp(w[0], "stream")) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); say("socket %s", call(fd)); int failed = connect(fd, (void *)&to, length); say("connect %s", call(failed));
        if (!failed) failed = send(fd, "ping", 4, MSG_NOSIGNAL) < 0;
        say("answer %s", !failed && ready(fd, POLLIN, 3000) && recv(fd, back, 4, 0) == 4 ? "PONG" : "none"); return;
    }
    if (!strcmp(w[0], "pair")) { int failed = socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends); say("socket %s", call(failed)); fd = ends[0]; if (failed) return; }
    else { fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); say("socket %s", call(fd)); if (fd < 0) return; }
    struct iovec piece = {"ping", 4}; struct msghdr message = {.msg_name = &to, .msg_namelen = length, .msg_iov = &piece, .msg_iovlen = 1};
    say("sendto %s", sendto(fd, "ping", 4, MSG_NOSIGNAL, (void *)&to, length) < 0 ? "refused" : "ok");
    say("sendmsg %s", sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? "refused" : "ok");
}
// stream|pair|internet|listening NAME: the same by sockets of other kinds than the name wants
static void odd_local(char **w) {
    socklen_t length; struct sockaddr_un to = unix_place(w[1], &length); int ends[2], fd = -1;
    if (!strcmp(w[0], "stream")) fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    else if (!strcmp(w[0], "pair") && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) fd = ends[0];
    else if (!strcmp(w[0], "internet")) fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct iovec piece = {"ping", 4}; struct msghdr message = {.msg_name = &to, .msg_namelen = length, .msg_iov = &piece, .msg_iovlen = 1};
    sendmsg(fd, &message, MSG_NOSIGNAL); sendto(fd, "ping", 4, MSG_NOSIGNAL, (void *)&to, length);
    if (!connect(fd, (void *)&to, length)) send(fd, "ping", 4, MSG_NOSIGNAL);
    say("bind %s", call(bind(fd, (void *)&to, offsetof(struct sockaddr_un, sun_path))));
}
// Every abstract socket that this network has, but for the excepted one: how many take a connection.
static void all_local(char **w) {
    FILE *list = fopen("/proc/net/unix", "r"); char line[512], *name; int taken = 0, found = 0;
    if (!list) { say("list %s", err(errno)); return; }
    while (fgets(line, sizeof line, list)) {
        line[strcspn(line, "\n")] = 0; name = strstr(line, " @");
        if (!name || !strncmp(name + 1, w[0], strlen(w[0]))) continue;
        socklen_t length; struct sockaddr_un to = unix_place(name + 1, &length); int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        found++; taken += !connect(fd, (void *)&to, length); close(fd);
    }
    fclose(list); say("found %s taken %s", found ? "some" : "none", taken ? "some" : "none");
}
static void interfaces(char **w) {
    struct ifaddrs *all; int n = 0; (void)w;
    if (getifaddrs(&all)) { say("getifaddrs %s", err(errno)); return; }
    for (struct ifaddrs *one = all; one; one = one->ifa_next) n += one->ifa_addr && one->ifa_addr->sa_family == AF_INET && ((struct sockaddr_in *)one->ifa_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    freeifaddrs(all); say("loopback %d", n);
}
// HOST PORT: what a socket tells of the one who made it
static void maker(char **w) {
    struct place to = place(w[0], w[1]); int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), pidfd = -1; socklen_t size = sizeof pidfd;
    dial_with(fd, &to);
    say("peer's pidfd %s", getsockopt(fd, SOL_SOCKET, 77 /* SO_PEERPIDFD */, &pidfd, &size) ? "refused" : "ok");
}

const struct act kinds[] = {
    {"datagram", 3, datagram}, {"descriptor-0", 2, inherited}, {"opens", 3, opens}, {"local", 2, local}, {"odd-local", 2, odd_local},
    {"all-local", 1, all_local}, {"interfaces", 0, interfaces}, {"maker", 2, maker}, {0},
};
