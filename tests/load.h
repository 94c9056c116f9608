/* A load: a process of its own that publishes to a stack for as long as the test does something
 * else. */
#ifndef TESTS_LOAD_H
#define TESTS_LOAD_H

#include "tests/stack.h"

struct load {
    pid_t pid;
    struct slice events;
    struct load_shared *shared; /* with the process */
};

/* Publishes the encoded events (borrowed until the end), so many a second; after the last it begins
 * again with the first: those change nothing, but go all the way nevertheless. */
struct load load_start(const struct stack *s, struct slice events, unsigned per_s);

/* Waits until so many more are handed over. */
void load_await(const struct load *l, unsigned more);

/* Ends it, and waits until all of it is acknowledged.  Returns those events that were published. */
struct slice load_stop(struct load *l);

#endif
