/* Live: one thread follows the change feed; any number of viewers follow the ring.
 *
 * A viewer that waits costs its connection and some hundred bytes; nothing is stored for one that
 * is slow. */
#ifndef WORKERS_WEB_LIVE_H
#define WORKERS_WEB_LIVE_H

#include "workers/store.h"

#include <stdatomic.h>
#include <sys/types.h>

struct live;
struct viewer;

/* What a waiting viewer's owner does when there is something; called with the lock held. */
typedef void (*viewer_wake_fn)(void *owner);

struct live_counts {
    uint64_t viewers, served, events, commits, reloads; /* served: viewers ever */
};

struct live *live_new(const struct redis_options *redis);

/* Says to all that the state has changed. */
void live_state(struct live *l, const char *state);

/* Every viewer's read ends from now on: those that wait are woken. */
void live_stop(struct live *l);
void live_free(struct live *l); /* NULL is allowed; no viewer is left */

struct live_counts live_counts(struct live *l);
/* Whether the feed can be read. */
bool live_well(struct live *l);

/* `last` is what Last-Event-ID says; absent: from now on.  `fd` is its connection, open as long as
 * it waits: within two seconds after the other end has closed that, it is woken and comes to its
 * end.  -1: there is none. */
struct viewer *viewer_new(struct live *l, struct slice last, int fd, viewer_wake_fn wake,
                          void *owner);
void viewer_free(struct viewer *v);

/* Copies at most `size` bytes of what is to be sent.  0: nothing now; `wait` was called with the
 * owner, and `wake` will be.  -1: the end. */
ssize_t viewer_read(struct viewer *v, char *to, size_t size, void (*wait)(void *owner));

#endif
