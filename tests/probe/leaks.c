/* What of the caller's is seen inside, and the process outside that the acts are aimed at. */
#define _GNU_SOURCE
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

static long env_seen(char **a) { return getenv(a[0]) ? 0 : WITHHELD; }
static long fd_open(char **a) { return fcntl(atoi(a[0]), F_GETFD); }
static long any_fd_open(char **a) {
    (void)a;
    for (int fd = 3; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            return 0;
    return -1;
}
static long host_name_seen(char **a) {
    struct utsname u;
    if (uname(&u))
        return -1;
    return strcmp(u.nodename, a[0]) ? WITHHELD : 0;
}
/* A line that ends in anything but ":/" tells where on the host the jail lives. */
static long cgroup_seen(char **a) {
    (void)a;
    char text[8192];
    int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : with_closed(read(fd, text, sizeof text - 1), fd);
    if (n < 0)
        return -1;
    text[n] = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        size_t length = strlen(line);
        if (length < 2 || strcmp(line + length - 2, ":/"))
            return 0;
    }
    return WITHHELD;
}
static long terminal(char **a) {
    (void)a;
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    return fd < 0 ? -1 : with_closed(0, fd);
}

const struct act leak_acts[] = {
    {"env", 1, env_seen},          {"fd", 1, fd_open},         {"any-fd", 0, any_fd_open},
    {"host-name", 1, host_name_seen}, {"cgroup", 0, cgroup_seen}, {"terminal", 0, terminal},
    {NULL, 0, NULL},
};

static int listen_unix(struct sockaddr_un *at, size_t length) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (void *)at, (socklen_t)length) || listen(fd, 64))
        return -1;
    return fd;
}

static int listen_tcp(void) {
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t length = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (void *)&at, sizeof at) || listen(fd, 64) || getsockname(fd, (void *)&at, &length))
        return -1;
    return ntohs(at.sin_port);
}

/* A process of the same uid with a listener of each kind and a shared segment, until stdin ends. */
int serve(const char *dir) {
    struct sockaddr_un path = {.sun_family = AF_UNIX}, abstract = {.sun_family = AF_UNIX};
    snprintf(path.sun_path, sizeof path.sun_path, "%s/socket", dir);
    int n = snprintf(abstract.sun_path + 1, sizeof abstract.sun_path - 1, "flowjail-probe-%d", getpid());
    key_t key = 0x666a0000 ^ getpid();
    int segment = shmget(key, 1, IPC_CREAT | IPC_EXCL | 0600), port = listen_tcp();
    if (segment < 0 || port < 0 || listen_unix(&path, sizeof path) < 0 ||
        listen_unix(&abstract, offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n) < 0) {
        perror("probe serve");
        return 3;
    }
    chmod(path.sun_path, 0777);
    printf("%d %d %s %d %s\n", getpid(), port, abstract.sun_path + 1, key, path.sun_path);
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0)
        ;
    shmctl(segment, IPC_RMID, NULL);
    unlink(path.sun_path);
    return 0;
}
