// calls N: nanoseconds per openat+close, getppid and fcntl, each N times; one number a line.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e9 + t.tv_nsec; }
int main(int argc, char **argv) {
    long n = argc > 1 ? atol(argv[1]) : 100000; double t;
    t = now(); for (long i = 0; i < n; i++) close(open(argv[0], O_RDONLY | O_CLOEXEC)); printf("%f\n", (now() - t) / n);
    t = now(); for (long i = 0; i < n; i++) syscall(SYS_getppid); printf("%f\n", (now() - t) / n);
    t = now(); for (long i = 0; i < n; i++) fcntl(0, F_GETFD); printf("%f\n", (now() - t) / n);
    return 0;
}
