// The jailed program of the gateway's tests: a line of stdin is an order, a line of stdout its answer. Sockets have
// numbers of the tests' own; bytes are written in hex.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 8192, PATIENCE = 20000 };
static int slot[SLOTS]; // the descriptor, or -1
static char block[1 << 16], hex[2 << 16];

static void answer(const char *format, ...) {
    va_list list; va_start(list, format); vprintf(format, list); va_end(list);
    putchar('\n'); fflush(stdout);
}
static void wrong(void) { answer("errno %d %s", errno, strerrorname_np(errno)); }
static long now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000 + t.tv_nsec / 1000000; }
static int ready(int fd, int events, int ms) { struct pollfd p = {fd, events, 0}; return poll(&p, 1, ms) > 0; }

// A query as RFC 1035 has it; the length of the message.
static int question(unsigned char *out, int id, const char *name, int kind) {
    unsigned char *p = out + 12; memset(out, 0, 12);
    out[0] = id >> 8; out[1] = id; out[2] = 1; out[5] = 1;
    while (*name) { size_t n = strcspn(name, "."); *p++ = n; memcpy(p, name, n); p += n; name += n + (name[n] == '.'); }
    *p++ = 0; *p++ = kind >> 8; *p++ = kind; *p++ = 0; *p++ = 1;
    return p - out;
}
static int stub(void) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to)) { close(fd); return -1; }
    return fd;
}
// The message that answers in `block`: its length, or -1.
static int asked(const char *name, int kind) {
    static int id; unsigned char out[512]; int fd = stub(), n = -1;
    if (fd < 0) return -1;
    int length = question(out, ++id, name, kind);
    if (send(fd, out, length, 0) == length && ready(fd, POLLIN, PATIENCE)) n = recv(fd, block, sizeof block, 0);
    close(fd); return n;
}
static int skip(int at) { // behind a name
    while (block[at]) { if ((block[at] & 0xc0) == 0xc0) return at + 2; at += block[at] + 1; }
    return at + 1;
}
// The first A record of an answer.
static int address_in(int n, struct in_addr *found) {
    unsigned char *b = (unsigned char *)block; int answers = b[6] << 8 | b[7], at = skip(12) + 4;
    while (answers-- > 0 && at < n) {
        at = skip(at); int kind = b[at] << 8 | b[at + 1], size = b[at + 8] << 8 | b[at + 9];
        if (kind == 1 && size == 4) { memcpy(found, b + at + 10, 4); return 1; }
        at += 10 + size;
    }
    return 0;
}
static void query(const char *name, int kind) {
    int n = asked(name, kind); struct in_addr found = {0};
    if (n < 12) { answer("no answer"); return; }
    int has = address_in(n, &found), at = 0;
    for (int i = 0; i < n && i < 600; i++) at += sprintf(hex + at, "%02x", (unsigned char)block[i]);
    answer("rcode %d answers %d address %s message %s", block[3] & 15, block[6] << 8 | (unsigned char)block[7], has ? inet_ntoa(found) : "none", hex);
}
// An address or a name, as a struct sockaddr; its length, 0 when the name has none.
static int target(const char *host, int port, struct sockaddr_storage *to) {
    struct sockaddr_in *four = (void *)to; struct sockaddr_in6 *six = (void *)to; memset(to, 0, sizeof *to);
    if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) { six->sin6_family = AF_INET6; six->sin6_port = htons(port); return sizeof *six; }
    four->sin_family = AF_INET; four->sin_port = htons(port);
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) return sizeof *four;
    int n = asked(host, 1);
    return n >= 12 && address_in(n, &four->sin_addr) ? (int)sizeof *four : 0;
}
static int dial(int k, struct sockaddr_storage *to, int length) {
    int fd = socket(to->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (connect(fd, (void *)to, length)) { int e = errno; close(fd); errno = e; return -1; }
    slot[k] = fd; return 0;
}
static void connects(int k, const char *host, int port) {
    struct sockaddr_storage to; int length = target(host, port, &to);
    if (!length) answer("no address");
    else if (dial(k, &to, length)) wrong();
    else answer("ok");
}
static void sends(int k, const char *text) {
    int n = strlen(text) / 2; unsigned byte;
    for (int i = 0; i < n; i++) { sscanf(text + 2 * i, "%2x", &byte); block[i] = byte; }
    ssize_t sent = send(slot[k], block, n, MSG_NOSIGNAL);
    if (sent < 0) wrong(); else answer("ok %zd", sent);
}
static void reads(int k, int ms) {
    if (!ready(slot[k], POLLIN, ms)) { answer("nothing"); return; }
    ssize_t n = recv(slot[k], block, sizeof block, 0); int at = 0;
    if (n < 0) { wrong(); return; }
    if (n == 0) { answer("eof"); return; }
    for (int i = 0; i < n; i++) at += sprintf(hex + at, "%02x", (unsigned char)block[i]);
    answer("data %s", hex);
}
static void listens(int k, int port, int six) {
    struct sockaddr_storage at; int length = target(six ? "::" : "0.0.0.0", port, &at), one = 1;
    slot[k] = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (six) setsockopt(slot[k], IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    setsockopt(slot[k], SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(slot[k], (void *)&at, length) || listen(slot[k], 512)) wrong(); else answer("ok");
}
static void accepts(int k, int into, int ms) {
    struct sockaddr_storage from; socklen_t length = sizeof from; char text[64];
    if (!ready(slot[k], POLLIN, ms)) { answer("nothing"); return; }
    int fd = accept4(slot[k], (void *)&from, &length, SOCK_CLOEXEC); // libuv's, as the node profile has it
    if (fd < 0) { wrong(); return; }
    slot[into] = fd;
    struct sockaddr_in *four = (void *)&from; struct sockaddr_in6 *six = (void *)&from;
    inet_ntop(from.ss_family, from.ss_family == AF_INET ? (void *)&four->sin_addr : (void *)&six->sin6_addr, text, sizeof text);
    answer("from %s", text);
}
static void closes(int k, int reset) {
    struct linger at_once = {1, 0};
    if (reset) setsockopt(slot[k], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    if (slot[k] >= 0) close(slot[k]);
    slot[k] = -1;
}
// An abstract name, `@` for the NUL in front, or a path.
static void unixes(const char *name) {
    struct sockaddr_un to = {.sun_family = AF_UNIX}; size_t length = strlen(name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) { wrong(); return; }
    memcpy(to.sun_path, name, length < sizeof to.sun_path ? length : sizeof to.sun_path);
    if (*name == '@') to.sun_path[0] = 0;
    if (connect(fd, (void *)&to, offsetof(struct sockaddr_un, sun_path) + length)) wrong(); else answer("ok");
    close(fd);
}
// Sends until nothing has been taken for a while.
static void floods(int k, long most) {
    long sent = 0; memset(block, 'x', sizeof block);
    while (sent < most && ready(slot[k], POLLOUT, 700)) {
        ssize_t n = send(slot[k], block, sizeof block, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN) { wrong(); return; }
        if (n > 0) sent += n;
    }
    answer("sent %ld", sent);
}
static void drains(int k) {
    long got = 0; ssize_t n;
    while ((n = ready(slot[k], POLLIN, PATIENCE) ? recv(slot[k], block, sizeof block, 0) : -2) > 0) got += n;
    answer("got %ld %s", got, n == 0 ? "eof" : n == -2 ? "timeout" : strerrorname_np(errno));
}
static void many(int first, int count, const char *host, int port) {
    struct sockaddr_storage to; int length = target(host, port, &to), made = 0, last = 0;
    if (!length) { answer("no address"); return; }
    for (int k = first; k < first + count && k < SLOTS; k++) if (dial(k, &to, length)) last = errno; else made++;
    answer("made %d last %s", made, last ? strerrorname_np(last) : "none");
}
// A message of its own over each, all at once; how many came back the same.
static void echoes(int first, int count) {
    char text[64], back[64]; int same = 0;
    for (int k = first; k < first + count; k++) if (slot[k] >= 0) send(slot[k], text, sprintf(text, "message %04d", k), MSG_NOSIGNAL);
    for (int k = first; k < first + count; k++) {
        int n = sprintf(text, "message %04d", k), got = 0;
        while (slot[k] >= 0 && got < n && ready(slot[k], POLLIN, PATIENCE)) {
            ssize_t more = recv(slot[k], back + got, n - got, 0);
            if (more <= 0) break;
            got += more;
        }
        same += got == n && !memcmp(text, back, n);
    }
    answer("same %d", same);
}
// `count` queries for names of its own, up to 64 at once; how often each code came.
static void names(int count, const char *domain) {
    int codes[16] = {0}, fd = stub(), sent = 0, got = 0; unsigned char out[512]; char name[256]; long end = now() + PATIENCE * 2;
    while (got < count && now() < end) {
        for (; sent < count && sent - got < 64; sent++) {
            snprintf(name, sizeof name, "n%d.%s", sent, domain);
            if (send(fd, out, question(out, sent, name, 1), 0) < 0) break;
        }
        if (!ready(fd, POLLIN, 2000)) { got = sent; continue; } // what is lost is lost
        if (recv(fd, block, sizeof block, 0) >= 12) codes[block[3] & 15]++, got++;
    }
    close(fd);
    answer("sent %d fine %d failed %d unknown %d refused %d", sent, codes[0], codes[2], codes[3], codes[5]);
}
// The same without waiting for answers.
static void burst(int count, const char *domain) {
    unsigned char out[512]; char name[256]; int fd = stub(), sent = 0;
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "b%d.%s", i, domain);
        sent += send(fd, out, question(out, i, name, 1), 0) > 0;
    }
    close(fd); answer("sent %d", sent);
}
int main(void) {
    static char line[3 << 16], verb[32], text[2 << 16]; int a, b, c;
    struct rlimit files; getrlimit(RLIMIT_NOFILE, &files); files.rlim_cur = files.rlim_max; setrlimit(RLIMIT_NOFILE, &files);
    memset(slot, -1, sizeof slot); answer("ready");
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "query %255s %d", text, &a) == 2) query(text, a);
        else if (sscanf(line, "connect %d %255s %d", &a, text, &b) == 3) connects(a, text, b);
        else if (sscanf(line, "send %d %131071s", &a, text) == 2) sends(a, text);
        else if (sscanf(line, "read %d %d", &a, &b) == 2) reads(a, b);
        else if (sscanf(line, "listen %d %d %d", &a, &b, &c) == 3) listens(a, b, c);
        else if (sscanf(line, "accept %d %d %d", &a, &b, &c) == 3) accepts(a, b, c);
        else if (sscanf(line, "unix %255s", text) == 1) unixes(text);
        else if (sscanf(line, "shut %d", &a) == 1) { if (shutdown(slot[a], SHUT_WR)) wrong(); else answer("ok"); }
        else if (sscanf(line, "close %d", &a) == 1) { closes(a, 0); answer("ok"); }
        else if (sscanf(line, "reset %d", &a) == 1) { closes(a, 1); answer("ok"); }
        else if (sscanf(line, "closemany %d %d", &a, &b) == 2) { for (c = a; c < a + b; c++) closes(c, 0); answer("ok"); }
        else if (sscanf(line, "flood %d %d", &a, &b) == 2) floods(a, b);
        else if (sscanf(line, "drain %d", &a) == 1) drains(a);
        else if (sscanf(line, "many %d %d %255s %d", &a, &b, text, &c) == 4) many(a, b, text, c);
        else if (sscanf(line, "echoes %d %d", &a, &b) == 2) echoes(a, b);
        else if (sscanf(line, "names %d %255s", &a, text) == 2) names(a, text);
        else if (sscanf(line, "burst %d %255s", &a, text) == 2) burst(a, text);
        else if (sscanf(line, "exit %d", &a) == 1) return a;
        else { sscanf(line, "%31s", verb); answer("what is %s?", verb); }
    }
    return 0;
}
