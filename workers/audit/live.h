/* One number as it stands in the live store, and where each partition stood at that very moment:
 * so that counting to the same offsets must give the same number, whatever comes in meanwhile. */
#ifndef WORKERS_AUDIT_LIVE_H
#define WORKERS_AUDIT_LIVE_H

#include "proto/wire.h"
#include "workers/store.h"

#define LIVE_TEXT 64 /* bytes kept of a value */

struct live {
    bool there;
    char text[LIVE_TEXT + 1]; /* as it stands there, cut off if it is longer */
    bool numeric;
    int64_t number;                         /* 0 when it is not there */
    struct applied applied[WIRE_MAX_PARTS]; /* known, log and offset */
};

/* Reads a field of a hash.  0, or an error of the store. */
int live_read(struct store *s, unsigned partitions, struct slice key, struct slice field,
              struct live *ret);

/* The same for what is derived: waits, at most patience_ms, for a moment at which nothing is left
 * to be derived and no event came in between; ERR_TIMEOUT when there was none. */
int live_read_derived(struct store *s, unsigned partitions, struct slice key, struct slice field,
                      int patience_ms, struct live *ret);

#endif
