/* A desk: journals of some partitions in memory, a store, and workers that apply batches of any
 * size in any order, as real ones would; without broker, sockets or processes. */
#ifndef TESTS_DESK_H
#define TESTS_DESK_H

#include "tests/dump.h"
#include "tests/world.h"
#include "workers/apply.h"
#include "workers/derive.h"

#define DESK_PARTITIONS 8
#define DESK_WORKERS    4
#define DESK_DERIVERS   2
#define DESK_LOG        "0123456789abcdef0123456789abcdef"

struct desk_worker {
    struct apply *apply;
    struct applied applied[DESK_PARTITIONS]; /* where it believes the store stands */
};

struct desk {
    struct store *store; /* owned */
    struct buffer journal[DESK_PARTITIONS];
    size_t *starts[DESK_PARTITIONS]; /* where each event begins; one more than there are */
    uint64_t ends[DESK_PARTITIONS];
    struct desk_worker workers[DESK_WORKERS];
    struct derive *derivers[DESK_DERIVERS];
    uint64_t recalls; /* how often old events were read again */
};

/* The desk takes over the store. */
struct desk *desk_new(struct store *store);
void desk_free(struct desk *d);

/* Appends events to the journals, by partition. */
void desk_journal(struct desk *d, struct slice events);

/* One worker applies at most `most` events of each partition in `partitions` (a bit each) from
 * where it believes the store stands.  The result of apply_batches; 0 too when there is nothing. */
int desk_apply(struct desk *d, unsigned worker, unsigned partitions, uint64_t most);

/* The worker looks at the offsets in the store, as after any error. */
void desk_look(struct desk *d, unsigned worker);

/* Applies all that is left, by random workers in random batches, looking again after conflicts. */
void desk_finish(struct desk *d, struct random *r);

/* One step of a deriver's round; the result of derive_step. */
int desk_derive_step(struct desk *d, unsigned deriver, int64_t now_ms);

/* A deriver is killed in the middle of whatever it did, and another takes its place. */
void desk_derive_kill(struct desk *d, unsigned deriver);

/* Derives until nothing is left. */
void desk_derive(struct desk *d, int64_t now_ms);

/* True when the store stands at the end of every journal. */
bool desk_done(struct desk *d);

/* What a memory store holds, under the prefix "turnout:", and what the desk's does.  Free it. */
struct dump *memory_dump(const struct store *memory);
struct dump *desk_dump(const struct desk *d);

#endif
