/* The store: where counters, facts and offsets live.  Two implementations: Redis, for good, and
 * memory, for tests and for counting again.
 *
 * The use is always the same:
 *
 *     store_send     if something else can be done meanwhile: ask for what store_begin will take
 *     store_begin    look at where some places stand and, in the same round trip, fetch
 *     store_fetch    fetch what the first fetches led to (as often as needed)
 *     store_commit   change everything at once, unless a watched place has moved since store_begin
 *
 * Errors: ERR_CONFLICT   somebody else committed (or the store was flushed) in between; of a begin:
 *                        since the begin before it, or the outcome of an unawaited commit;
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

/* After the last row of a fetch of all there are: they are all still good then.  An error ends the
 * fetch. */
typedef int (*store_done_fn)(void *context, void *record);

enum fetch_kind {
    FETCH_HASH, /* field and value */
    FETCH_SET,  /* the field is the member, the value empty; `field_count`: any that many of them */
    FETCH_ZSET, /* the field is the member, the value its score, an integer */
    FETCH_STREAM, /* the newest `field_count` entries, newest first: each begins with the field
                     "id", then come its own fields */
};

struct store_fetch {
    struct slice key;
    enum fetch_kind kind;
    const struct slice *fields; /* FETCH_HASH: NULL for all there are */
    size_t field_count;
    store_row_fn row;
    void *record;
    store_done_fn done; /* may be NULL */
};

/* What a begin looks at. */
struct store_look {
    const unsigned *places;
    size_t count, watched;       /* a commit fails if one of the first `watched` places has moved */
    struct applied *ret_applied; /* where they stand */
    const struct store_fetch *fetches;
    size_t fetch_count;
    void *context; /* of the fetches' rows */
    bool snapshot; /* all fetches see one moment, before the places are looked at */
};

/* Gets the name of each key. */
typedef int (*store_key_fn)(void *arg, struct slice key);

/* What is in the way of commits though the store answers, as it says of itself, for an operator. */
struct hindrance {
    bool sure;      /* nothing is taken; else, perhaps not */
    char says[200]; /* "takes no writes: ..."; "" as a rule: nothing is in the way */
};

struct store_ops {
    int (*send)(struct store *s, const struct store_look *look); /* NULL: nothing */
    int (*begin)(struct store *s, const struct store_look *look);
    int (*ask)(struct store *s, const struct store_fetch *fetches,
               size_t count); /* NULL: nothing */
    int (*fetch)(struct store *s, const struct store_fetch *fetches, size_t count, void *context);
    int (*commit)(struct store *s, const struct commit *c);
    int (*confirm)(struct store *s); /* NULL: commit always waits */
    int (*keys)(struct store *s, store_key_fn each, void *arg);
    int (*hindrance)(struct store *s, struct hindrance *ret); /* NULL: there is none, ever */
    void (*drop)(struct store *s);
    void (*free)(struct store *s);
};

struct store {
    const struct store_ops *ops;
};

#define STORE_PREFIX "turnout:"
#define STORE_SCHEMA 3

/* Where Redis is, and as whom to use it. */
struct redis_options {
    const char *address;       /* a Unix socket's path, or host:port */
    const char *prefix;        /* of all keys */
    const char *user;          /* of its access list; NULL: "default" */
    const char *password_file; /* read at each connect; NULL: there is no password */
    int timeout_ms;            /* of a connect, and of a reply */
    bool aside;                /* beside another connection, which logs what there is to say */
};

/* Connects at the first use.  The options are copied.
 *
 * A password that Redis does not take is ERR_CONFIG as long as none was ever taken; after that it
 * is ERR_AGAIN, as somebody is changing it just now.  Either way the log says which user and file.
 */
struct store *store_redis_new(const struct redis_options *options);
struct store *store_memory_new(void);

/* Every (key, field) of a memory store, in no order: hashes have the value, sets an empty one,
 * sorted sets the score.  Streams are not kept. */
typedef void (*store_visit_fn)(void *arg, enum fetch_kind kind, struct slice key,
                               struct slice field, struct slice value);
void store_memory_visit(const struct store *s, store_visit_fn visit, void *arg);

/* Sends what a store_begin of the same look will ask for.  Between the two the store may only be
 * dropped. */
static inline int store_send(struct store *s, const struct store_look *look)
{
    return s->ops->send ? s->ops->send(s, look) : 0;
}

/* Right behind an unawaited commit the store looks at the same places once more, and watches them
 * from then on: that is what the next begin of just these places tells.  Who moved one of them
 * since then makes the commit that follows fail, not the begin. */
static inline int store_begin(struct store *s, const struct store_look *look)
{
    return s->ops->begin(s, look);
}

/* Where partitions 0 to count - 1 stand; nothing is watched. */
int store_applied(struct store *s, unsigned count, struct applied *ret);

/* The schema that the keys are of; STORE_SCHEMA when there are none yet. */
int store_schema(struct store *s, int64_t *ret);

static inline int store_fetch(struct store *s, const struct store_fetch *fetches, size_t count,
                              void *context)
{
    return count ? s->ops->fetch(s, fetches, count, context) : 0;
}

/* Sends what a later store_fetch of the same asks for, so that the answer comes while something
 * else is done; at most two may be asked for, and are then fetched in that order.  A begin, a fetch
 * of something else or a walk over the keys in between only loses the lead; a commit is ERR_LOST.
 */
static inline int store_ask(struct store *s, const struct store_fetch *fetches, size_t count)
{
    return count && s->ops->ask ? s->ops->ask(s, fetches, count) : 0;
}

static inline int store_commit(struct store *s, const struct commit *c)
{
    return s->ops->commit(s, c);
}

/* The outcome of an unawaited commit whose outcome nobody has taken yet; 0 when there is none.  A
 * begin takes it too, and fails with what it says: then neither has happened. */
static inline int store_confirm(struct store *s)
{
    return s->ops->confirm ? s->ops->confirm(s) : 0;
}

/* Every key of the store, in no order, some perhaps twice; one that comes or goes meanwhile may be
 * among them.  The function must not use the store.  Its error ends the walk. */
static inline int store_keys(struct store *s, store_key_fn each, void *arg)
{
    return s->ops->keys(s, each, arg);
}

static inline int store_hindrance(struct store *s, struct hindrance *ret)
{
    *ret = (struct hindrance){0};
    return s->ops->hindrance ? s->ops->hindrance(s, ret) : 0;
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
