/* Site: where a stack is, by its folder ($TURNOUT_DIR, default ./run) or endpoint by endpoint, as
 * the options of a program say, and how its broker and its Redis are reached. */
#ifndef WORKERS_SITE_H
#define WORKERS_SITE_H

#include "proto/keyfile.h"
#include "workers/client.h"
#include "workers/config.h"
#include "workers/store.h"

#include <argp.h>

struct site {
    const char *key_file; /* NULL: none */
    struct keyfile key;   /* of it */
    const char *dir, *prefix, *config;
    const char *redis_user, *redis_password_file; /* NULL: none; or of the environment */
    const char *publish, *read, *redis;           /* set after parsing; owned */
};
extern const struct argp site_argp; /* its input is a struct site */
void site_free(struct site *s);

/* How to use the stack's Redis, but for a time limit; borrowed from the stack. */
struct redis_options site_redis(const struct site *s);
struct store *site_store(const struct site *s, int timeout_ms);

/* The configuration (--config, default DIR/turnout.conf if it is there).  ERR_CONFIG, and why on
 * standard error. */
int site_config(const struct site *s, struct config *ret);

/* A client session with the stack's broker; ERR_TIMEOUT when it does not answer. */
int site_connect(const struct site *s, int timeout_ms, struct reader **ret);

/* The folder: the given one unless it is NULL, else that of the environment, else "run". */
const char *site_dir(const char *given);

#endif
