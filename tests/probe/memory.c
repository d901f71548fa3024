/* Acts that turn bytes of its own into machine code, and calls of other architectures. */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#if defined(__x86_64__)
static const unsigned char returns_42[] = {0xb8, 42, 0, 0, 0, 0xc3};
#elif defined(__aarch64__)
static const unsigned char returns_42[] = {0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6};
#else
#error "machine code for this architecture is missing"
#endif

/* Its body is overwritten. */
__attribute__((noinline, aligned(64))) static int victim(void) {
    __asm__ volatile("nop; nop; nop; nop; nop; nop; nop; nop");
    return 1;
}

static long run_code(const void *code) {
    int (*volatile f)(void);
    memcpy((void *)&f, &code, sizeof f);
    __builtin___clear_cache((char *)code, (char *)code + sizeof returns_42);
    if (f() == 42)
        return 0;
    return WITHHELD;
}

static long self_mem(char **a) {
    (void)a;
    int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -1;
    uintptr_t at = (uintptr_t)&victim;
    ssize_t n = pwrite(fd, returns_42, sizeof returns_42, (off_t)at);
    close(fd);
    return n < 0 ? -1 : run_code((const void *)at);
}

/* What dlopen does with a library that the attacker wrote. */
static int dropped_library(const char *dir, char path[4096]) {
    snprintf(path, 4096, "%s/lib.%d.so", dir, getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    if (fd >= 0 && write(fd, returns_42, sizeof returns_42) < 0)
        return (int)with_closed(-1, fd);
    return fd;
}
static long map_exec(char **a) {
    char path[4096];
    int fd = dropped_library(a[0], path);
    if (fd < 0)
        return -1;
    void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    long result = p == MAP_FAILED ? -1 : run_code(p);
    return with_removed(with_closed(result, fd), path);
}
static long map_then_exec(char **a) {
    char path[4096];
    int fd = dropped_library(a[0], path);
    if (fd < 0)
        return -1;
    void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    long result = p == MAP_FAILED ? -1 : mprotect(p, 4096, PROT_READ | PROT_EXEC);
    if (result == 0)
        result = run_code(p);
    return with_removed(with_closed(result, fd), path);
}

/* Calls of the other two ABIs of the same CPU: numbers that a list for x86-64 does not mean. */
static long call_i386(char **a) {
    (void)a;
#if defined(__x86_64__)
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20 /* getpid */) : "r8", "r9", "r10", "r11", "memory");
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return result;
#else
    errno = ENOSYS;
    return -1;
#endif
}
static long call_x32(char **a) {
    (void)a;
#if defined(__x86_64__)
    return syscall(0x40000000L | SYS_getpid);
#else
    errno = ENOSYS;
    return -1;
#endif
}

const struct act memory_acts[] = {
    {"self-mem", 0, self_mem},   {"map-exec", 1, map_exec},  {"map-then-exec", 1, map_then_exec},
    {"call-i386", 0, call_i386}, {"call-x32", 0, call_x32},  {NULL, 0, NULL},
};
