/* A crew: threads that do jobs one after the other, each with a connection to Redis of its own and,
 * for questions to the journal, one to the broker.  The line before them is bounded: who comes when
 * it is full is told so at once, and nobody waits for a job that somebody else's long one holds up,
 * as quick and slow jobs have crews of their own. */
#ifndef WORKERS_WEB_CREW_H
#define WORKERS_WEB_CREW_H

#include "workers/store.h"

struct crew;
struct journal;

/* What one thread has to work with. */
struct hand {
    struct store *store;
    struct journal *journal; /* NULL in a crew without */
};

struct job {
    void (*run)(struct job *j, struct hand *h);
    struct job *next;
};

struct crew_config {
    const struct redis_options *redis; /* copied */
    const char *read;                  /* the broker's read endpoint, borrowed; NULL: no journal */
    unsigned threads, line;            /* line: so many jobs may wait */
};

struct crew *crew_new(const struct crew_config *config);

/* False when too many wait already, or the crew has ended: the job is then not taken. */
bool crew_take(struct crew *c, struct job *j);

/* How many wait or are under way. */
unsigned crew_busy(struct crew *c);

/* Does what waits, and ends: once, before it is freed. */
void crew_end(struct crew *c);
void crew_free(struct crew *c); /* NULL is allowed */

#endif
