// world ADDRESS... -- COMMAND...: COMMAND in a network and a mount namespace of its own, with these addresses on lo.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

static int fail(const char *what) { fprintf(stderr, "world: "); perror(what); return 99; }

static int add(int netlink, const char *text) {
    struct { struct nlmsghdr head; struct ifaddrmsg address; char rest[64]; } ask = {0};
    struct { struct nlmsghdr head; struct nlmsgerr error; char rest[256]; } answer;
    int family = strchr(text, ':') ? AF_INET6 : AF_INET, size = family == AF_INET ? 4 : 16;
    ask.head = (struct nlmsghdr){.nlmsg_type = RTM_NEWADDR, .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK};
    ask.address = (struct ifaddrmsg){.ifa_family = family, .ifa_prefixlen = size * 8, .ifa_flags = IFA_F_NODAD, .ifa_index = 1};
    struct rtattr *local = (struct rtattr *)ask.rest;
    *local = (struct rtattr){.rta_len = RTA_LENGTH(size), .rta_type = IFA_LOCAL};
    if (inet_pton(family, text, RTA_DATA(local)) != 1) return fail(text);
    ask.head.nlmsg_len = NLMSG_LENGTH(sizeof ask.address) + RTA_LENGTH(size);
    if (send(netlink, &ask, ask.head.nlmsg_len, 0) < 0 || recv(netlink, &answer, sizeof answer, 0) < 0) return fail(text);
    if (answer.head.nlmsg_type == NLMSG_ERROR && !answer.error.error) return 0;
    fprintf(stderr, "world: %s: %s\n", text, strerror(-answer.error.error)); return 99;
}

int main(int argc, char **argv) {
    if (unshare(CLONE_NEWNET | CLONE_NEWNS)) return fail("unshare");
    if (mount("none", "/", 0, MS_REC | MS_PRIVATE, 0)) return fail("mount");
    int s = socket(AF_INET, SOCK_DGRAM, 0), netlink = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), i = 1;
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    if (ioctl(s, SIOCSIFFLAGS, &lo)) return fail("lo");
    for (; i < argc && strcmp(argv[i], "--"); i++) if (add(netlink, argv[i])) return 99;
    close(s); close(netlink);
    if (i + 1 >= argc) return fail("no command");
    execv(argv[i + 1], argv + i + 1); return fail(argv[i + 1]);
}
