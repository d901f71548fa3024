// traffic serve ADDRESS PORT: a server for what follows. The rest print one number a line.
// traffic connect HOST PORT N: medians of N, in microseconds: connect(2) alone, and up to the first echoed byte.
// traffic echo HOST PORT SIZE N: the median of N round trips on one connection, in microseconds.
// traffic down|up HOST PORT CONNECTIONS BYTES: megabytes per second, all connections together.
// traffic load HOST PORT CONNECTIONS SECONDS: requests per second, one at a time on each connection.
// traffic token HOST PORT N: the median of N, in milliseconds: a new connection up to the first token of a stream.
// traffic get HOST PORT: 1, once one request is answered.
// With VIA=PORT a connection is asked of the CONNECT proxy at that port of 127.0.0.1.
#define _GNU_SOURCE
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>

enum { ROOM = 256 << 10 };
static struct sockaddr_in to;
static const char *host, *port;

static void fail(const char *what) { perror(what); exit(1); }
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e6 + t.tv_nsec / 1e3; }
static int no_delay(int fd) { int one = 1; setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); return fd; }
static void send_all(int fd, const char *bytes, size_t length) {
    for (ssize_t sent; length > 0; bytes += sent, length -= sent)
        if ((sent = write(fd, bytes, length)) <= 0) fail("write");
}
static int by_size(const void *a, const void *b) { double x = *(double *)a, y = *(double *)b; return (x > y) - (x < y); }
static double median(double *all, long n) { qsort(all, n, sizeof *all, by_size); return all[n / 2]; }

// The head of a request or of an answer: up to the empty line.
static ssize_t read_head(int fd, char *room, size_t size) {
    size_t length = 0;
    while (length < size - 1) {
        ssize_t got = read(fd, room + length, size - 1 - length);
        if (got <= 0) return got;
        room[length += got] = 0;
        if (strstr(room, "\r\n\r\n")) return length;
    }
    return -1;
}

// --- the server: what a connection is for is its first byte

static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\npong";
static const char EVENTS[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
static const char TOKEN[] = "data: token\n\n";

static void answer_requests(int fd, char *room) {
    while (read_head(fd, room, ROOM) > 0) {
        if (!strncmp(room, "GET /events", 11)) {
            struct timespec thought = { 0, 2000000 };
            write(fd, EVENTS, sizeof EVENTS - 1);
            nanosleep(&thought, NULL);
            write(fd, TOKEN, sizeof TOKEN - 1);
            return;
        }
        if (write(fd, HEAD, sizeof HEAD - 1) < 0) return;
    }
}
static void *serve_one(void *of) {
    int fd = (int)(long)of;
    char *room = calloc(1, ROOM), first;
    ssize_t got = 1;
    if (recv(fd, &first, 1, MSG_PEEK) == 1) {
        if (first == 'E') {
            while ((got = read(fd, room, ROOM)) > 0) if (write(fd, room, got) != got) break;
        } else if (first == 'G') {
            answer_requests(fd, room);
        } else {
            long left = 0;
            for (char c; read(fd, &c, 1) == 1 && c != '\n';) if (c >= '0' && c <= '9') left = left * 10 + c - '0';
            for (; left > 0 && got > 0; left -= got) {
                size_t part = left < ROOM ? left : ROOM;
                got = first == 'D' ? write(fd, room, part) : read(fd, room, part);
            }
            if (first == 'U') write(fd, "!", 1);
        }
    }
    close(fd);
    free(room);
    return NULL;
}
static void serve(const char *address, const char *at) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(atoi(at)) };
    inet_pton(AF_INET, address, &own.sin_addr);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&own, sizeof own) || listen(listener, 1024)) fail("listen");
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&small, 128 << 10);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, 0); // the jail has no accept(2)
        if (fd < 0) continue;
        pthread_t made;
        if (pthread_create(&made, &small, serve_one, (void *)(long)no_delay(fd))) close(fd);
    }
}

// --- clients

static void find(void) {
    struct addrinfo wanted = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found;
    int error = getaddrinfo(host, port, &wanted, &found);
    if (error) { fprintf(stderr, "%s: %s\n", host, gai_strerror(error)); exit(1); }
    to = *(struct sockaddr_in *)found->ai_addr;
    if (getenv("VIA")) {
        to.sin_port = htons(atoi(getenv("VIA")));
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
}
// The time of socket(2) is not part of it.
static int open_connection(double *took) {
    int fd = no_delay(socket(AF_INET, SOCK_STREAM, 0));
    double begun = now();
    if (connect(fd, (void *)&to, sizeof to)) fail("connect");
    if (getenv("VIA")) {
        char text[1024];
        send_all(fd, text, snprintf(text, sizeof text, "CONNECT %s:%s HTTP/1.1\r\nHost: %s:%s\r\n\r\n", host, port, host, port));
        if (read_head(fd, text, sizeof text) <= 0 || !strstr(text, " 200 ")) fail("the proxy");
    }
    if (took) *took = now() - begun;
    return fd;
}
static void connects(long n) {
    double *alone = calloc(n, sizeof(double)), *echoed = calloc(n, sizeof(double));
    for (long i = 0; i < n; i++) {
        char byte = 'E';
        double begun = now();
        int fd = open_connection(&alone[i]);
        send_all(fd, &byte, 1);
        if (read(fd, &byte, 1) != 1) fail("read");
        echoed[i] = now() - begun;
        close(fd);
    }
    printf("%f\n%f\n", median(alone, n), median(echoed, n));
}
static void echo(long size, long n) {
    char *room = malloc(size);
    double *all = calloc(n, sizeof(double));
    memset(room, 'E', size);
    int fd = open_connection(NULL);
    for (long i = 0; i < n; i++) {
        double begun = now();
        send_all(fd, room, size);
        for (long got = 0, one; got < size; got += one) if ((one = read(fd, room, size - got)) <= 0) fail("read");
        all[i] = now() - begun;
    }
    printf("%f\n", median(all, n));
}
static long share;
static char way;
static void *move_share(void *unused) {
    (void)unused;
    char *room = calloc(1, ROOM), line[32];
    int fd = open_connection(NULL);
    send_all(fd, line, snprintf(line, sizeof line, "%c%ld\n", way, share));
    for (long left = share, one; left > 0; left -= one) {
        long part = left < ROOM ? left : ROOM;
        if (way == 'U') send_all(fd, room, one = part);
        else if ((one = read(fd, room, part)) <= 0) fail("read");
    }
    if (way == 'U' && read(fd, room, 1) != 1) fail("read");
    close(fd);
    return NULL;
}
static void stream(long connections, long bytes) {
    pthread_t movers[64];
    share = bytes / connections;
    double begun = now();
    for (long i = 0; i < connections; i++) if (pthread_create(&movers[i], NULL, move_share, NULL)) fail("thread");
    for (long i = 0; i < connections; i++) pthread_join(movers[i], NULL);
    printf("%f\n", share * connections / (now() - begun));
}
static void load(long connections, double seconds) {
    struct pollfd all[64];
    char text[256], room[4096];
    long done = 0;
    int length = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s:%s\r\nAccept: */*\r\n\r\n", host, port);
    for (long i = 0; i < connections; i++) {
        all[i] = (struct pollfd){ open_connection(NULL), POLLIN, 0 };
        send_all(all[i].fd, text, length);
    }
    double begun = now(), end = begun + seconds * 1e6;
    while (now() < end) {
        if (poll(all, connections, 1000) <= 0) fail("poll");
        for (long i = 0; i < connections; i++) {
            if (!all[i].revents) continue;
            if (read(all[i].fd, room, sizeof room) != sizeof HEAD - 1) fail("an answer");
            done++;
            send_all(all[i].fd, text, length);
        }
    }
    printf("%f\n", done / (now() - begun) * 1e6);
}
static void tokens(long n) {
    double *all = calloc(n, sizeof(double));
    static const char ask[] = "GET /events HTTP/1.1\r\nHost: here\r\n\r\n";
    for (long i = 0; i < n; i++) {
        char room[4096];
        size_t length = 0;
        double begun = now();
        int fd = open_connection(NULL);
        send_all(fd, ask, sizeof ask - 1);
        do {
            ssize_t got = read(fd, room + length, sizeof room - 1 - length);
            if (got <= 0) fail("read");
            room[length += got] = 0;
        } while (!strstr(room, "data: token"));
        all[i] = (now() - begun) / 1e3;
        close(fd);
    }
    printf("%f\n", median(all, n));
}
static void get(void) {
    static const char ask[] = "GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";
    char room[4096];
    int fd = open_connection(NULL);
    send_all(fd, ask, sizeof ask - 1);
    if (read_head(fd, room, sizeof room) <= 0) fail("an answer");
    printf("1\n");
}
int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    if (argc < 4) return 2;
    const char *what = argv[1];
    if (!strcmp(what, "serve")) serve(argv[2], argv[3]);
    host = argv[2], port = argv[3];
    find();
    long one = argc > 4 ? atol(argv[4]) : 1, other = argc > 5 ? atol(argv[5]) : 1;
    way = what[0] == 'u' ? 'U' : 'D';
    if (!strcmp(what, "connect")) connects(one);
    else if (!strcmp(what, "echo")) echo(one, other);
    else if (!strcmp(what, "down") || !strcmp(what, "up")) stream(one, other);
    else if (!strcmp(what, "load")) load(one, other);
    else if (!strcmp(what, "token")) tokens(one);
    else if (!strcmp(what, "get")) get();
    else return 2;
    return 0;
}
