/* The store: where counters, facts and offsets live.  Two implementations: Redis, for good, and
 * memory, for tests and for counting again.
 *
 * The use is always the same:
 *
 *     store_begin    look at the offsets of some partitions and, in the same round trip, fetch
 *     store_fetch    fetch what the first fetches led to (as often as needed)
 *     store_commit   change everything at once, unless an offset has moved since store_begin
 *
 * Errors: ERR_CONFLICT   somebody else committed (or the store was flushed) in between;
 *         ERR_LOST       the connection went: what was under way may or may not have happened;
 *         ERR_AGAIN      the store is loading, out of memory or read-only: nothing happened;
 *         ERR_CORRUPT    a key holds what turnout never wrote there;
 *         ERR_CONFIG     the store cannot be used as it is set up (the log says why).
 * After each of them the caller forgets what it knows of the store and begins again: never a
 * blind retry (invariant 5). */
#ifndef WORKERS_STORE_H
#define WORKERS_STORE_H

#include "workers/commit.h"

struct store;

/* Gets each field asked for; value.at is NULL when there is none.  Both are borrowed for the
 * call.  An error ends the fetch. */
typedef int (*store_row_fn)(void *context, void *record, struct slice field, struct slice value);

struct store_fetch {
    struct slice key;           /* of a hash */
    const struct slice *fields; /* NULL: all there are */
    size_t field_count;
    store_row_fn row;
    void *record;
};

struct store_ops {
    int (*begin)(struct store *s, const unsigned *partitions, size_t watched, size_t count,
                 struct applied *ret_applied, const struct store_fetch *fetches, size_t fetch_count,
                 void *context);
    int (*fetch)(struct store *s, const struct store_fetch *fetches, size_t count, void *context);
    int (*commit)(struct store *s, const struct commit *c);
    void (*drop)(struct store *s);
    void (*free)(struct store *s);
};

struct store {
    const struct store_ops *ops;
};

#define STORE_PREFIX "turnout:"
#define STORE_SCHEMA 1

/* `address` is a Unix socket's path, or host:port.  Connects at the first use. */
struct store *store_redis_new(const char *address, const char *prefix, int timeout_ms);
struct store *store_memory_new(void);

/* Every (key, field) of a memory store, in no order: hashes have the value, sets an empty one,
 * sorted sets the score.  Streams are not kept. */
typedef void (*store_visit_fn)(void *arg, enum commit_verb kind, struct slice key,
                               struct slice field, struct slice value);
void store_memory_visit(const struct store *s, store_visit_fn visit, void *arg);

/* Reads where `count` partitions stand; a commit then fails if one of the first `watched` has moved
 * since. */
static inline int store_begin(struct store *s, const unsigned *partitions, size_t watched,
                              size_t count, struct applied *ret_applied,
                              const struct store_fetch *fetches, size_t fetch_count, void *context)
{
    return s->ops->begin(s, partitions, watched, count, ret_applied, fetches, fetch_count, context);
}

static inline int store_fetch(struct store *s, const struct store_fetch *fetches, size_t count,
                              void *context)
{
    return count ? s->ops->fetch(s, fetches, count, context) : 0;
}

static inline int store_commit(struct store *s, const struct commit *c)
{
    return s->ops->commit(s, c);
}

/* Gives up the connection, whatever state it is in; the next call makes a new one. */
static inline void store_drop(struct store *s)
{
    s->ops->drop(s);
}

static inline void store_free(struct store *s)
{
    if (s)
        s->ops->free(s);
}

#endif
