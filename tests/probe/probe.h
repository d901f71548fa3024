/* One act: a call, or a few, that a jail is to deny, harmless where it is allowed. */
#ifndef PROBE_H
#define PROBE_H

#include <stddef.h>

/* What an act returns: a value >= 0 (the act worked), -1 with errno set (it was denied), or
 * WITHHELD (every call went through, and what it was after was not there). */
#define WITHHELD (-2)

struct act {
    const char *name;
    int args; /* how many arguments the act takes, at least */
    long (*run)(char **args);
};

extern const struct act file_acts[], exec_acts[], memory_acts[], privilege_acts[], kernel_acts[],
    socket_acts[], process_acts[], leak_acts[];

/* Puts this program into a new file, mode 0755; -1 with errno set where it could not. */
int copy_self(const char *path);
int copy_self_to(int fd);
/* Closes or removes without losing the errno of the act. */
long with_closed(long result, int fd);
long with_removed(long result, const char *path);
/* Runs outside the jail as everything that the jail must not reach; returns the exit code. */
int serve(const char *dir);

#endif
