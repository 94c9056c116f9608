/* A load: a process of its own that publishes to a stack, spread over some time, while the test
 * does something else. */
#ifndef TESTS_LOAD_H
#define TESTS_LOAD_H

#include "tests/stack.h"

struct load {
    pid_t pid;
    _Atomic int *sent; /* events handed over so far; shared with the process */
};

/* Publishes the encoded events, evenly over `for_ms`. */
struct load load_start(const struct stack *s, struct slice events, int64_t for_ms);

/* Waits until at least so many are handed over (at most all of them). */
void load_await(const struct load *l, int sent);

/* Waits until all of it is acknowledged. */
void load_end(struct load *l);

#endif
