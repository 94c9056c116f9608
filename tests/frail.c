/* A store that fails when told to; see frail.h. */
#include "tests/frail.h"

#include <stdlib.h>

static struct frail *frail_of(struct store *s)
{
    return (struct frail *)s;
}

/* Whether this call fails, and before it does anything. */
static bool is_due(struct frail *f, enum frail_way *ret_way)
{
    *ret_way = f->way;
    return ++f->calls == f->fail_at;
}

#define CALL(f, call)                                                                              \
    do {                                                                                           \
        enum frail_way way;                                                                        \
        bool due = is_due((f), &way);                                                              \
        int error = due && way == FRAIL_BEFORE ? (f)->error : (call);                              \
        if (due)                                                                                   \
            store_drop((f)->inner);                                                                \
        return due && error == 0 ? (f)->error : error;                                             \
    } while (0)

static int frail_send(struct store *s, const struct store_look *look)
{
    struct frail *f = frail_of(s);

    CALL(f, store_send(f->inner, look));
}

static int frail_begin(struct store *s, const struct store_look *look)
{
    struct frail *f = frail_of(s);

    CALL(f, store_begin(f->inner, look));
}

static int frail_fetch(struct store *s, const struct store_fetch *fetches, size_t count,
                       void *context)
{
    struct frail *f = frail_of(s);

    CALL(f, store_fetch(f->inner, fetches, count, context));
}

static int frail_commit(struct store *s, const struct commit *c)
{
    struct frail *f = frail_of(s);

    CALL(f, store_commit(f->inner, c));
}

static int frail_confirm(struct store *s)
{
    struct frail *f = frail_of(s);

    CALL(f, store_confirm(f->inner));
}

static int frail_keys(struct store *s, store_key_fn each, void *arg)
{
    struct frail *f = frail_of(s);

    CALL(f, store_keys(f->inner, each, arg));
}

static int frail_hindrance(struct store *s, struct hindrance *ret)
{
    struct frail *f = frail_of(s);

    CALL(f, store_hindrance(f->inner, ret));
}

static void frail_drop(struct store *s)
{
    store_drop(frail_of(s)->inner);
}

static void frail_free(struct store *s)
{
    store_free(frail_of(s)->inner);
    free(s);
}

struct frail *frail_new(struct store *inner)
{
    static const struct store_ops ops = {.send = frail_send,
                                         .begin = frail_begin,
                                         .fetch = frail_fetch,
                                         .commit = frail_commit,
                                         .confirm = frail_confirm,
                                         .keys = frail_keys,
                                         .hindrance = frail_hindrance,
                                         .drop = frail_drop,
                                         .free = frail_free};
    struct frail *f = memory_need(sizeof *f);

    *f = (struct frail){.base.ops = &ops, .inner = inner};
    return f;
}

void frail_fail(struct frail *f, unsigned at, int error, enum frail_way way)
{
    f->calls = 0;
    f->fail_at = at;
    f->error = error;
    f->way = way;
}
