/* Explaining a number: the facts that add up to it, from the journal's events.
 *
 *     explain_pass    for the first time, and where explain_narrows for a second
 *     explain_run     for every run of events of the partitions that matter, in their order
 *     explain_finish  the parts of the number, each with its facts, and their sum
 *
 * The events are replayed (replay.h), folded by the very functions that count them; then the share
 * of each record in the number is tallied, one record at a time, by the very functions that tally
 * it for good.  Beside each fact stands where its newest version came from.
 *
 * Memory grows with the facts that can matter: those of one member; of a committee or a group those
 * of the period, which the notices tell that are read first.  Only who is in the group of all does
 * every fact have a say in. */
#ifndef WORKERS_AUDIT_EXPLAIN_H
#define WORKERS_AUDIT_EXPLAIN_H

#include "workers/audit/target.h"
#include "workers/audit/witness.h"
#include "workers/recall.h"
#include "workers/walk.h"

struct explain;

/* A fact by its newest version, and what that replaced. */
struct explain_fact {
    struct table_entry entry;
    struct witness witness;
    struct slice replaced; /* the id of the version that was the newest before; absent: none was */
    uint64_t replaced_offset;
};

/* One part of the number. */
struct explain_part {
    int64_t amount;
    struct slice member;               /* whose part it is */
    const struct explain_fact **facts; /* the one that counts, then those that it rests on */
    size_t count;                      /* at least 1 */
};

/* The target is borrowed; `recall` settles ties as for apply_new. */
struct explain *explain_new(const struct target *t, recall_fn recall, void *arg);
void explain_free(struct explain *x);

/* Only events received up to this moment count. */
void explain_until(struct explain *x, int64_t as_of_ms);

/* Whether the partition's events can matter. */
bool explain_needs(const struct explain *x, unsigned partition, unsigned partitions);

/* What the next runs are read for: all there is, or first the notices of ballots and meetings, and
 * then, of all the same runs, the rest. */
enum explain_pass { EXPLAIN_ALL, EXPLAIN_NOTICES, EXPLAIN_REST };
void explain_pass(struct explain *x, enum explain_pass pass);

/* Whether reading the notices first keeps most facts out. */
bool explain_narrows(const struct explain *x);

/* A walk_fn; the argument is the struct explain.  0; an error of the recall; ERR_CORRUPT for bytes
 * that are no event. */
int explain_run(void *explain, const struct walk_run *run);

/* Of memory that the facts take so far. */
size_t explain_bytes(const struct explain *x);

/* After the last run.  The parts stand in the journal's order, by partition and offset, and live as
 * long as the explain. */
const struct explain_part *explain_finish(struct explain *x, size_t *ret_count, int64_t *ret_sum);

#endif
