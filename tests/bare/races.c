// Threads that change something while another one is in a call.
#include "sockets.h"

static atomic_int over;
static long now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000 + t.tv_nsec / 1000000; }
static const char *seen(int yes) { return yes ? "yes" : "no"; }

// The address itself: both fit into one word that is written at once.
static struct sockaddr_in shared __attribute__((aligned(16)));
static unsigned long long choices[2];
static void *flips(void *unused) {
    volatile unsigned long long *word = (void *)&shared;
    while (!over) { *word = choices[0]; *word = choices[1]; }
    return unused;
}
// ALLOWED PORT FORBIDDEN PORT ROUNDS; the forbidden host may be `unspecified`.
static void rewrites(char **w) {
    struct place one = place(w[0], w[1]), two = strcmp(w[2], "unspecified") ? place(w[2], w[3]) : unspecified();
    int passed = 0, refused = 0, other = 0, wrong = 0; pthread_t thread;
    memcpy(&choices[0], &one.at, 8); memcpy(&choices[1], &two.at, 8); memcpy(&shared, &one.at, sizeof shared);
    pthread_create(&thread, 0, flips, 0);
    for (int i = 0; i < atoi(w[4]); i++) {
        int fd = tcp();
        if (!connect(fd, (void *)&shared, sizeof shared)) { passed++; if (i % 32 == 0 && strcmp(w[2], "unspecified") && strcmp(echo(fd, "hello"), "ok")) wrong++; }
        else if (errno == ECONNREFUSED) refused++;
        else other = errno;
        close(fd);
    }
    over = 1; pthread_join(thread, 0);
    say("passed %s refused %s other %s wrong %d", seen(passed), seen(refused), other ? err(other) : "none", wrong);
}

// The descriptor: number TARGET is now the one, now the other.
enum { TARGET = 200 };
static atomic_int pair[2];
static void *swaps(void *unused) {
    while (!over) { dup2(pair[0], TARGET); dup2(pair[1], TARGET); }
    return unused;
}
static int other_one(const char *kind) {
    if (!strcmp(kind, "socket")) return tcp();
    if (!strcmp(kind, "file")) return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}
// KIND ALLOWED PORT FORBIDDEN PORT MS
static void swap(char **w) {
    struct place one = place(w[1], w[2]), two = place(w[3], w[4]); pthread_t thread; int passed = 0, failed = 0, forbidden = 0;
    pair[0] = tcp(); pair[1] = other_one(w[0]); pthread_create(&thread, 0, swaps, 0);
    long until = now() + atoi(w[5]);
    for (int i = 0; now() < until; i++) {
        int fresh[2] = {tcp(), other_one(w[0])}, old[2] = {pair[0], pair[1]};
        pair[0] = fresh[0]; pair[1] = fresh[1]; close(old[0]); close(old[1]);
        for (int k = 0; k < 4; k++) {
            if ((i + k) % 2) { if (!dial_with(TARGET, &one)) passed++; else failed++; }
            else if (!dial_with(TARGET, &two)) forbidden++;
        }
    }
    over = 1; pthread_join(thread, 0); close(TARGET);
    say("passed %s failed %s forbidden %s", seen(passed), seen(failed), seen(forbidden));
    int fd = dial(&one); say("afterwards %s", fd < 0 ? err(errno) : echo(fd, "hello"));
}

// Blocking and non-blocking at once, while a connect is made.
static void *blocks(void *fd) {
    int at = *(int *)fd;
    while (!over) { fcntl(at, F_SETFL, O_NONBLOCK); fcntl(at, F_SETFL, 0); }
    return 0;
}
// HOST PORT ROUNDS
static void modes(char **w) {
    struct place to = place(w[0], w[1]); pthread_t thread; int fd = dup2(tcp(), TARGET), odd = 0, good = 0;
    pthread_create(&thread, 0, blocks, &fd);
    for (int i = 0; i < atoi(w[2]); i++) {
        int fresh = tcp(); dup2(fresh, TARGET); close(fresh);
        if (dial_with(TARGET, &to) && errno != EINPROGRESS) odd = errno;
        else if (ready(TARGET, POLLOUT, PATIENCE) && !strcmp(echo(TARGET, "hello"), "ok")) good++;
    }
    over = 1; pthread_join(thread, 0);
    say("good %s odd %s", good == atoi(w[2]) ? "all" : "some", odd ? err(odd) : "none");
}

// Closed by another thread while it is being connected.
static void *closes(void *unused) { while (!over) close(TARGET); return unused; }
// HOST PORT ROUNDS
static void closing(char **w) {
    struct place to = place(w[0], w[1]); pthread_t thread; struct linger slow = {1, 30};
    pthread_create(&thread, 0, closes, 0);
    for (int i = 0; i < atoi(w[2]); i++) {
        int fresh = tcp(); setsockopt(fresh, SOL_SOCKET, SO_LINGER, &slow, sizeof slow);
        dup2(fresh, TARGET); close(fresh); dial_with(TARGET, &to);
    }
    over = 1; pthread_join(thread, 0);
    int fd = dial(&to); say("afterwards %s", fd < 0 ? err(errno) : echo(fd, "hello"));
}

// Two threads with one socket: one of them is told that it is connected, or on its way.
static struct place goal;
static atomic_int at_once_fd, lost, gate;
static void *at_once(void *unused) {
    for (int round = 1; !over; round++) {
        while (gate < round && !over) sched_yield();
        if (over) break;
        if (dial_with(at_once_fd, &goal) && errno != EISCONN && errno != EALREADY) lost = errno;
        gate = -1;
        while (gate == -1 && !over) sched_yield();
    }
    return unused;
}
// HOST PORT ROUNDS
static void together(char **w) {
    goal = place(w[0], w[1]); pthread_t thread; int good = 0; pthread_create(&thread, 0, at_once, 0);
    for (int i = 1; i <= atoi(w[2]); i++) {
        at_once_fd = tcp(); gate = i;
        if (dial_with(at_once_fd, &goal) && errno != EISCONN && errno != EALREADY) lost = errno;
        while (gate != -1) sched_yield();
        if (!strcmp(echo(at_once_fd, "hello"), "ok")) good++;
        close(at_once_fd); gate = 0;
    }
    over = 1; pthread_join(thread, 0);
    say("good %s lost %s", good == atoi(w[2]) ? "all" : "some", lost ? err(lost) : "none");
}

// Many at once.
static atomic_int connected, echoed, first_errno;
static int rounds;
static void *clients(void *number) {
    char text[32];
    for (int i = 0; i < rounds; i++) {
        int fd = dial(&goal);
        if (fd < 0) { first_errno = errno; continue; }
        connected++; snprintf(text, sizeof text, "thread %ld round %d", (long)number, i);
        if (!strcmp(echo(fd, text), "ok")) echoed++;
        close(fd);
    }
    return 0;
}
static void crowd(int threads) {
    pthread_t all[64];
    for (long i = 0; i < threads; i++) pthread_create(&all[i], 0, clients, (void *)i);
    for (long i = 0; i < threads; i++) pthread_join(all[i], 0);
    say("connected %d echoed %d errno %s", connected, echoed, first_errno ? err(first_errno) : "none");
}
// HOST PORT THREADS ROUNDS
static void many(char **w) { goal = place(w[0], w[1]); rounds = atoi(w[3]); crowd(atoi(w[2])); }
// The same after a pause, and another one behind it.
static void many_later(char **w) { goal = place(w[0], w[1]); rounds = atoi(w[3]); wait_for_line(); crowd(atoi(w[2])); wait_for_line(); }

// Signals all the time.
static atomic_int caught;
static void on_signal(int number) { caught += number > 0; }
static void *strikes(void *target) { while (!over) pthread_kill(*(pthread_t *)target, SIGUSR1); return 0; }
// HOST PORT ROUNDS restart|interrupt: where a call does not restart, it is made again
static void signalled(char **w) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = strcmp(w[3], "restart") ? 0 : SA_RESTART};
    struct place to = place(w[0], w[1]); pthread_t self = pthread_self(), thread; int good = 0, odd = 0, again;
    sigaction(SIGUSR1, &action, 0); pthread_create(&thread, 0, strikes, &self);
    for (int i = 0; i < atoi(w[2]); i++) {
        int fd; do fd = tcp(); while (fd < 0 && errno == EINTR && !action.sa_flags);
        if (fd < 0) { odd = errno; continue; }
        do again = dial_with(fd, &to) && errno == EINTR && !action.sa_flags; while (again);
        if (!ready(fd, POLLOUT, 0) && !ready(fd, POLLOUT, PATIENCE) && errno != EINTR) odd = ETIMEDOUT;
        int failed = 0; socklen_t size = sizeof failed; getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size);
        if (failed) odd = failed;
        ssize_t n; char back[8];
        do n = send(fd, "hello", 5, MSG_NOSIGNAL); while (n < 0 && errno == EINTR);
        do n = recv(fd, back, sizeof back, 0); while (n < 0 && errno == EINTR);
        if (n > 0) good++; else odd = n ? errno : EPIPE;
        close(fd);
    }
    over = 1; pthread_join(thread, 0);
    say("good %s odd %s signals %s", good == atoi(w[2]) ? "all" : "some", odd ? err(odd) : "none", seen(caught > 0));
}

// Processes that end while their threads are in calls, and threads that end beside those.
static void *ends(void *unused) { for (int i = 0; i < 3; i++) { int fd = dial(&goal); if (fd >= 0) close(fd); } syscall(SYS_exit, 0); return unused; }
static void *goes_on(void *unused) { for (;;) { int fd = dial(&goal); if (fd >= 0) close(fd); } return unused; }
static void dies(int round) {
    pthread_t thread; struct timespec soon = {0, 200000L + round * 700000L};
    for (int i = 0; i < 8; i++) pthread_create(&thread, 0, i % 2 ? ends : goes_on, 0);
    nanosleep(&soon, 0); _exit(0);
}
// HOST PORT PROCESSES
static void deaths(char **w) {
    goal = place(w[0], w[1]); int made = 0, status;
    for (int i = 0; i < atoi(w[2]); i++) {
        pid_t child = fork();
        if (!child) dies(i);
        if (child > 0 && waitpid(child, &status, 0) == child) made++;
    }
    pthread_t thread; for (int i = 0; i < 8; i++) { pthread_create(&thread, 0, ends, 0); pthread_detach(thread); }
    wait_for_line();
    int fd = dial(&goal); say("made %s afterwards %s", seen(made > 0), fd < 0 ? err(errno) : echo(fd, "hello"));
}

// The supervisor's hands, kept busy: a listener of the program's own whose queue is full, and sockets that are to end
// slowly. Nothing of this ends by itself.
static void *at_full_queue(void *unused) {
    for (;;) { int fresh = tcp(); dup2(fresh, TARGET); close(fresh); dial_with(TARGET, &goal); }
    return unused;
}
static void *never_ends(void *unused) {
    static char block[1 << 16]; struct linger slow = {1, 1 << 20}; int small = 1;
    for (;;) {
        setsockopt(TARGET, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        setsockopt(TARGET, SOL_SOCKET, SO_LINGER, &slow, sizeof slow);
        if (send(TARGET, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) close(TARGET);
    }
    return unused;
}
// queue|linger OWN
static void stalls(char **w) {
    int small = 1, full = !strcmp(w[0], "queue"), fd = bound("127.0.0.1", w[1]); pthread_t thread;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small); say("listen %s", call(listen(fd, 8))); goal = place("127.0.0.1", w[1]);
    for (int i = 0; full && i < 5000; i++) { int one = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), failed = dial_with(one, &goal) && errno != EINPROGRESS; close(one); if (failed) break; }
    wait_for_line();
    pthread_create(&thread, 0, at_full_queue, 0);
    int target = TARGET;
    if (full) pthread_create(&thread, 0, blocks, &target); else { pthread_create(&thread, 0, never_ends, 0); pthread_create(&thread, 0, never_ends, 0); }
    sleep(3); wait_for_line(); for (;;) sleep(1);
}

const struct act races[] = {
    {"stalls", 2, stalls},
    {"rewrites", 5, rewrites}, {"swaps", 6, swap}, {"modes", 3, modes}, {"closing", 3, closing}, {"together", 3, together},
    {"many", 4, many}, {"many-later", 4, many_later}, {"signalled", 4, signalled}, {"deaths", 3, deaths}, {0},
};
