// Queries of names past libc, as resolvers make them: unconnected, with an eye on who answers.
#include "sockets.h"

static int question(unsigned char *out, int id, const char *name, int kind) {
    unsigned char *p = out + 12; memset(out, 0, 12);
    out[0] = id >> 8; out[1] = id; out[2] = 1; out[5] = 1;
    while (*name) { size_t n = strcspn(name, "."); *p++ = n; memcpy(p, name, n); p += n; name += n + (name[n] == '.'); }
    *p++ = 0; *p++ = kind >> 8; *p++ = kind; *p++ = 0; *p++ = 1;
    return p - out;
}
static int opened(struct place *to) {
    struct sockaddr_storage any = {.ss_family = to->at.ss_family}; int fd = socket(to->at.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0) say("socket %s", err(errno));
    if (bind(fd, (void *)&any, to->length)) say("bind %s", err(errno)); // musl's: any address, any port
    if (setsockopt(fd, to->at.ss_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, to->at.ss_family == AF_INET ? IP_RECVERR : IPV6_RECVERR, &one, sizeof one)) say("RECVERR %s", err(errno));
    return fd;
}
static ssize_t asks(int fd, struct place *to, const char *name, int id, const char *how) {
    unsigned char out[512]; int length = question(out, id, name, 1); struct iovec piece = {out, length};
    struct mmsghdr m = {.msg_hdr = {.msg_name = &to->at, .msg_namelen = to->length, .msg_iov = &piece, .msg_iovlen = 1}};
    if (!strcmp(how, "connected")) return dial_with(fd, to) ? -1 : send(fd, out, length, MSG_NOSIGNAL);
    if (!strcmp(how, "message")) return sendmsg(fd, &m.msg_hdr, MSG_NOSIGNAL);
    if (!strcmp(how, "messages")) return sendmmsg(fd, &m, 1, MSG_NOSIGNAL) == 1 ? length : -1;
    return sendto(fd, out, length, MSG_NOSIGNAL, (void *)&to->at, to->length);
}
static void hears(int fd, struct place *to, int id, const char *how, int flags) {
    unsigned char in[1500]; struct sockaddr_storage from = {0}; socklen_t length = sizeof from; ssize_t n = -1;
    struct iovec piece = {in, sizeof in}; struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &piece, .msg_iovlen = 1};
    if (!flags && !ready(fd, POLLIN, 3000)) { say("no answer"); return; }
    if (!strcmp(how, "message") || !strcmp(how, "messages")) { n = recvmsg(fd, &message, 0); length = message.msg_namelen; }
    else if (!strcmp(how, "connected")) { n = recv(fd, in, sizeof in, 0); if (getpeername(fd, (void *)&from, &length)) say("peer %s", err(errno)); }
    else n = recvfrom(fd, in, sizeof in, 0, (void *)&from, &length);
    if (n < 12) { say("read %s", n < 0 ? err(errno) : "little"); return; }
    int fine = length == to->length && !memcmp(&from, &to->at, to->at.ss_family == AF_INET ? 8 : 24);
    say("code %d records %d number %s from %s", in[3] & 15, in[7], (in[0] << 8 | in[1]) == id ? "right" : "wrong", fine ? "whom it asked" : text_of(&from, length));
}
// plain|message|messages|connected SERVER NAME
static void query(char **w) {
    struct place to = place(w[1], "53"); int fd = opened(&to); ssize_t sent = asks(fd, &to, w[2], 4711, w[0]);
    if (sent < 0) say("send %s", err(errno)); else hears(fd, &to, 4711, w[0], 0);
}
// SERVER NAME: an empty datagram and a long one before it
static void empty(char **w) {
    static char big[60000]; struct place to = place(w[0], "53"); int fd = opened(&to);
    say("empty %s", call(sendto(fd, "", 0, 0, (void *)&to.at, to.length))); sendto(fd, big, sizeof big, MSG_DONTWAIT, (void *)&to.at, to.length); usleep(200000);
    char rest[64]; for (int i = 0; i < 8; i++) recv(fd, rest, sizeof rest, MSG_DONTWAIT);
    say("send %s", call(asks(fd, &to, w[1], 4712, "plain"))); hears(fd, &to, 4712, "plain", 0);
}
// SERVER NAME: with descriptors beside it
static void rights(char **w) {
    struct place to = place(w[0], "53"); int fd = opened(&to), refused = 0; unsigned char out[512]; int length = question(out, 1, w[1], 1);
    union { char room[CMSG_SPACE(100 * sizeof fd)]; struct cmsghdr head; } control = {.head = {.cmsg_len = CMSG_LEN(100 * sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec piece = {out, length}; struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    for (int i = 0; i < 100; i++) ((int *)CMSG_DATA(&control.head))[i] = fd;
    wait_for_line(); dial_with(fd, &to);
    for (int i = 0; i < 50; i++) { refused += sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0; usleep(2000); }
    wait_for_line(); close(fd); fd = opened(&to); (void)refused;
    say("send %s", call(asks(fd, &to, w[1], 4713, "plain"))); hears(fd, &to, 4713, "plain", 0);
}
// SERVER NAME: thousands that nobody reads the answers of, and then one
static void unread(char **w) {
    struct place to = place(w[0], "53"); int fd = opened(&to), other = opened(&to); unsigned char out[512]; char name[128];
    // A name that is known already is answered whatever else is asked.
    if (asks(other, &to, w[1], 9713, "plain") < 0 || !ready(other, POLLIN, 3000) || recv(other, name, sizeof name, 0) < 12) say("first %s", err(errno));
    for (int i = 0; i < 5000; i++) { snprintf(name, sizeof name, "n%d.%s", i, w[1]); sendto(fd, out, question(out, i, name, 1), MSG_DONTWAIT, (void *)&to.at, to.length); }
    for (int i = 0; i < 20; i++) { // a resolver asks again
        say("%s", call(asks(other, &to, w[1], 9714, "plain"))); if (ready(other, POLLIN, 500)) break;
    }
    hears(other, &to, 9714, "plain", 0);
}
static pthread_t main_thread;
static void on_signal(int number) { (void)number; }
static void *strikes(void *unused) { usleep(500000); for (int i = 0; i < 20; i++) { pthread_kill(main_thread, SIGUSR1); usleep(100000); } return unused; }
static void *gives_up(void *unused) { sleep(8); say("still waiting"); _exit(0); return unused; }
// SERVER: waits for a datagram, and a signal comes
static void interrupted(char **w) {
    struct place to = place(w[0], "53"), from; int fd = opened(&to); struct sigaction action = {.sa_handler = on_signal}; pthread_t thread; char in[16];
    main_thread = pthread_self(); sigaction(SIGUSR1, &action, 0); pthread_create(&thread, 0, strikes, 0); pthread_create(&thread, 0, gives_up, 0);
    from.length = sizeof from.at; say("recvfrom %s", call(recvfrom(fd, in, sizeof in, 0, (void *)&from.at, &from.length)));
}
// SERVER NAME: over TCP
static void by_tcp(char **w) {
    struct place to = place(w[0], "53"); int fd = dial(&to); unsigned char out[514], in[1500]; size_t got = 0;
    if (fd < 0) { say("connect %s", err(errno)); return; }
    int length = question(out + 2, 4715, w[1], 1); out[0] = length >> 8; out[1] = length;
    if (send(fd, out, length + 2, MSG_NOSIGNAL) < 0) { say("send %s", err(errno)); return; }
    while (got < 14 && ready(fd, POLLIN, 3000)) { ssize_t n = recv(fd, in + got, sizeof in - got, 0); if (n <= 0) { say("read %s", n ? err(errno) : "end"); return; } got += n; }
    if (got < 14) say("no answer"); else say("code %d records %d", in[5] & 15, in[9]);
}

const struct act lookups[] = {
    {"query", 3, query}, {"empty", 2, empty}, {"rights", 2, rights}, {"unread", 2, unread}, {"interrupted", 1, interrupted}, {"by-tcp", 2, by_tcp}, {0},
};
