/* The tests' own view of a Redis: a very small client for a Unix socket that shares nothing with
 * the programs, and a dump of all that stands in it. */
#ifndef TESTS_REDIS_DUMP_H
#define TESTS_REDIS_DUMP_H

#include "tests/dump.h"

struct redis;

/* NULL when nobody answers there. */
struct redis *redis_open(const char *socket_path);
void redis_close(struct redis *r); /* NULL is allowed */

struct redis_reply {
    char kind; /* '+' '-' ':' '$' '*' as in the protocol; 0: the connection broke */
    struct slice text;
    int64_t number; /* ':' the number, '*' the number of items; -1 for a null */
    struct redis_reply *items;
};

/* Sends one command of plain words and waits for its reply, which is good until the next one. */
const struct redis_reply *redis_command(struct redis *r, unsigned count, const char *const *words);
#define redis_do(r, ...)                                                                           \
    redis_command(r, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *),                  \
                  (const char *const[]){__VA_ARGS__})

/* All keys of all kinds: hashes, sets and sorted sets value by value, a string as the field "",
 * of a stream only its length as the field "length".  0, or ERR_LOST. */
int redis_dump(struct redis *r, struct dump *ret);

#endif
