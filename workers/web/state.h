/* State: a thread that looks at Redis, broker and workers, and says in one word how things are. */
#ifndef WORKERS_WEB_STATE_H
#define WORKERS_WEB_STATE_H

#include "workers/lag.h"
#include "workers/store.h"

struct state;

enum state_word {
    STATE_OK,
    STATE_REDIS_DOWN,
    STATE_BROKER_DOWN,
    STATE_WORKER_DOWN,
    STATE_FOREIGN,
    STATE_BEHIND,
    STATE_WORDS
};
extern const char *const state_name[STATE_WORDS]; /* "ok", "redis-down" ... */

struct state_look {
    enum state_word word;
    bool looked, redis, broker, full; /* full: the journal, so that events are refused */
    bool hindered;                    /* Redis takes no writes, or may not */
    int redis_error;
    unsigned workers;
    struct lag lag; /* once both answered */
    uint64_t journal_events, journal_bytes, journal_limit, accepted, refused, rejects, producers;
    int64_t as_of_ms; /* newest change in Redis */
};

typedef void (*state_fn)(void *arg, enum state_word word);

/* `read` is the broker's endpoint, borrowed; `changed` is called by the thread. */
struct state *state_new(const struct redis_options *redis, const char *read, state_fn changed,
                        void *arg);
void state_free(struct state *s); /* NULL is allowed */

struct state_look state_now(struct state *s);

/* Somebody has just seen Redis fail, or answer: look again at once. */
void state_hint(struct state *s);

#endif
