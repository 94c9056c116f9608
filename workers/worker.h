/* A worker: takes the partitions that the broker assigns it, from the offsets that Redis stands
 * for, and keeps Redis up to date.  It holds nothing that Redis does not: kill it at any point. */
#ifndef WORKERS_WORKER_H
#define WORKERS_WORKER_H

#include "workers/rules.h"
#include "workers/store.h"

struct worker_config {
    const char *endpoint; /* the broker's read endpoint */
    const char *redis;    /* address, as of store_redis_new */
    const char *prefix;   /* of all keys */
    const char *name;     /* in the broker's status */
    struct rules rules;   /* of the watch list */
};

/* Works until `stop_fd` can be read (a signalfd).  0, or why it gave up: ERR_CONFIG, ERR_VERSION.
 */
int worker_run(const struct worker_config *config, int stop_fd);

#endif
