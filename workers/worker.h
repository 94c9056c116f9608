/* A worker: takes the partitions that the broker assigns it, from the offsets that Redis stands
 * for, and keeps Redis up to date.  It holds nothing that Redis does not: kill it at any point.
 *
 * One that cannot use its Redis for WORKER_PATIENCE_MS leaves the broker, so that others get its
 * partitions, and comes back as soon as Redis answers. */
#ifndef WORKERS_WORKER_H
#define WORKERS_WORKER_H

#include "workers/rules.h"
#include "workers/store.h"

#define WORKER_PATIENCE_MS 3000

struct worker;

struct worker_config {
    const char *endpoint; /* the broker's read endpoint */
    const char *redis;    /* the store's address, for the log */
    const char *name;     /* in the broker's status */
    struct rules rules;   /* of the watch list */
};

/* Config and store are borrowed for the worker's life.  ERR_CONFIG, ERR_IO. */
int worker_new(const struct worker_config *config, struct store *store, struct worker **ret);
void worker_free(struct worker *w); /* NULL is allowed */

/* One round, waiting for something to do; not longer than a moment, less if `stop_fd` (-1: none)
 * becomes readable.  0, or why it gives up: ERR_CONFIG, ERR_VERSION, ERR_DENIED. */
int worker_round(struct worker *w, int stop_fd);

/* Rounds until `stop_fd` (a signalfd) can be read: 0; or until it gives up. */
int worker_run(struct worker *w, int stop_fd);

#endif
