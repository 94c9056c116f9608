/* Feeds: of each source how many events the journal has and when the last one came, so that a
 * silent feed is not taken for silent members.  The journal is read on from where it was read last.
 */
#ifndef WORKERS_WEB_FEEDS_H
#define WORKERS_WEB_FEEDS_H

#include "workers/reader.h"

struct feed {
    struct slice source;
    uint64_t events;
    int64_t last_ms;
    struct feed *next;
};

/* Reads on, at most until deadline_ms (clock_mono_ms; what is left is for the next time), and calls
 * `each` for every source, under a lock.  0, or an error of the broker's. */
int feeds_read(struct reader *r, int64_t deadline_ms, void (*each)(void *arg, const struct feed *f),
               void *arg);

#endif
