/* A frail store: a store before another one, which fails at the call that it is told to. */
#ifndef TESTS_FRAIL_H
#define TESTS_FRAIL_H

#include "workers/store.h"

enum frail_way {
    FRAIL_BEFORE, /* nothing has happened */
    FRAIL_AFTER,  /* all of it has, and nobody was told */
};

struct frail {
    struct store base;
    struct store *inner; /* owned */
    unsigned calls, fail_at;
    enum frail_way way;
    int error;
};

struct frail *frail_new(struct store *inner);

/* The `at`-th call from now on fails once; 0: none. */
void frail_fail(struct frail *f, unsigned at, int error, enum frail_way way);

#endif
