// resolve NAME...: what this libc's resolver says of each, one line a name.
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        struct addrinfo want = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found; char host[64] = "none";
        int failed = getaddrinfo(argv[i], "443", &want, &found);
        if (failed == EAI_NONAME) printf("%s unknown\n", argv[i]);
        else if (failed) printf("%s %s\n", argv[i], gai_strerror(failed));
        else {
            for (struct addrinfo *one = found; one; one = one->ai_next)
                if (one->ai_family == AF_INET) inet_ntop(AF_INET, &((struct sockaddr_in *)one->ai_addr)->sin_addr, host, sizeof host);
            printf("%s %s\n", argv[i], host); freeaddrinfo(found);
        }
        fflush(stdout);
    }
    return 0;
}
