// What the acts share: words on stdout, addresses, echoes.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE = 20000 };

// An act: its name, how many words it takes, and what it does.
struct act { const char *name; int words; void (*run)(char **words); };
extern const struct act races[], connects[], serves[], kinds[], lookups[];

// An internet address as the kernel takes it.
struct place { struct sockaddr_storage at; socklen_t length; };

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *err(int failed);                // "ok", or the errno's name
const char *call(long result);              // the same for what a call returned
struct place place(const char *host, const char *port);
struct place unspecified(void);             // AF_UNSPEC
int dial(struct place *to);                 // a connected stream, or -1
int dial_with(int fd, struct place *to);    // connect(2)
int tcp(void);
int ready(int fd, int events, int ms);
const char *echo(int fd, const char *text); // "ok", or what came instead
const char *text_of(struct sockaddr_storage *at, socklen_t length);
int wait_for_line(void);                    // prints `pause`, and goes on once told to
int bound(const char *host, const char *port);
