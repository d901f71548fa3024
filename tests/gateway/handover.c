// handover [NAME=]KIND:PORT... -- COMMAND...: COMMAND with these sockets as descriptors 3, 4, ..., as systemd hands them
// over. Names are said where there is one. FDS=N and FDNAMES=TEXT in front say something else than what is so.
// KIND: tcp listens, idle does not, udp takes datagrams, unix listens there.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int opened(const char *kind, int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un here = {.sun_family = AF_UNIX};
    int is_unix = !strcmp(kind, "unix"), udp = !strcmp(kind, "udp");
    int fd = socket(is_unix ? AF_UNIX : AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
    int one = 1; setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one); // as systemd does, and with ReusePort=
    if (!is_unix) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (is_unix ? bind(fd, (void *)&here, sizeof here.sun_family) : bind(fd, (void *)&at, sizeof at)) { perror("handover: bind"); exit(99); }
    if (strcmp(kind, "idle") && !udp && listen(fd, 64)) { perror("handover: listen"); exit(99); }
    return fd;
}

int main(int argc, char **argv) {
    char number[16], kind[16], name[64], names[1024] = ""; int port, count = 0, named = 0, i = 1; const char *fds = 0, *all = 0;
    for (; i < argc && strcmp(argv[i], "--"); i++) {
        if (!strncmp(argv[i], "FDS=", 4)) { fds = argv[i] + 4; continue; }
        if (!strncmp(argv[i], "FDNAMES=", 8)) { all = argv[i] + 8; continue; }
        if (sscanf(argv[i], "%63[^=]=%15[a-z]:%d", name, kind, &port) == 3) named = 1;
        else if (sscanf(argv[i], "%15[a-z]:%d", kind, &port) == 2) strcpy(name, "unknown");
        else return 99;
        int fd = opened(kind, port);
        if (fd != 3 + count) { dup2(fd, 3 + count); close(fd); }
        if (count++) strcat(names, ":");
        strcat(names, name);
    }
    snprintf(number, sizeof number, "%d", count); setenv("LISTEN_FDS", fds ? fds : number, 1);
    snprintf(number, sizeof number, "%d", getpid()); setenv("LISTEN_PID", number, 1);
    if (all || named) setenv("LISTEN_FDNAMES", all ? all : names, 1);
    if (i + 1 >= argc) return 99;
    execv(argv[i + 1], argv + i + 1); perror("handover: exec"); return 99;
}
