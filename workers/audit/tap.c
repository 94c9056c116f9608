/* Taps; see tap.h.  What can fail is what the store forwarded to says. */
#include "workers/audit/tap.h"

#include <stdlib.h>

struct tap {
    struct store base;
    struct store *to;
    tap_fn show;
    void *arg;
};

static struct store *to_of(struct store *base)
{
    return ((struct tap *)base)->to;
}

static int tap_begin(struct store *base, const struct store_look *look)
{
    return store_begin(to_of(base), look);
}

static int tap_fetch(struct store *base, const struct store_fetch *fetches, size_t count,
                     void *context)
{
    return store_fetch(to_of(base), fetches, count, context);
}

static int tap_commit(struct store *base, const struct commit *c)
{
    struct tap *t = (struct tap *)base;

    t->show(t->arg, c);
    return store_commit(t->to, c);
}

static int tap_keys(struct store *base, store_key_fn each, void *arg)
{
    return store_keys(to_of(base), each, arg);
}

static void tap_drop(struct store *base)
{
    store_drop(to_of(base));
}

static void tap_free(struct store *base)
{
    free(base);
}

struct store *tap_new(struct store *to, tap_fn show, void *arg)
{
    static const struct store_ops ops = {.begin = tap_begin,
                                         .fetch = tap_fetch,
                                         .commit = tap_commit,
                                         .keys = tap_keys,
                                         .drop = tap_drop,
                                         .free = tap_free};
    struct tap *t = memory_need(sizeof *t);

    *t = (struct tap){{&ops}, to, show, arg};
    return &t->base;
}
