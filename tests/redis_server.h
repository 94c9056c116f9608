/* A private redis-server for one test, on a Unix socket in a folder of its own, without
 * persistence.  What goes wrong ends the test with a message. */
#ifndef TESTS_REDIS_SERVER_H
#define TESTS_REDIS_SERVER_H

#include "workers/store.h"

#include <sys/types.h>

struct redis_server {
    char dir[96], socket[128];
    pid_t pid; /* 0: not running */
};

/* `option` and `value` (NULL: none) are one more setting of the server. */
struct redis_server *redis_server_new(const char *option, const char *value);

/* Starts it (again) and waits until it answers. */
void redis_server_start(struct redis_server *r);
void redis_server_kill(struct redis_server *r); /* kill -9 */
void redis_server_free(struct redis_server *r);

/* A store in that Redis, or in any other, without a password. */
struct store *store_at(const char *address, const char *prefix, int timeout_ms);

#endif
