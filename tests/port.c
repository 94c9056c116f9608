/* Ports; see port.h. */
#include "tests/port.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Below those that the system gives away, 32768 and above. */
#define FIRST 20000
#define PAIRS 6000

static bool is_free(unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool free = bind(fd, (struct sockaddr *)&a, sizeof a) == 0;

    close(fd);
    return free;
}

unsigned port_pair(void)
{
    static unsigned tried;

    while (tried < PAIRS) {
        unsigned port = FIRST + 2 * (((unsigned)getpid() + 100 * tried++) % PAIRS);
        if (is_free(port) && is_free(port + 1))
            return port;
    }
    fprintf(stderr, "port: no two free ports\n");
    abort();
}
