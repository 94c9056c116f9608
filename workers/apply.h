/* Applying: batches of events, from the journal's bytes to one commit in the store.
 *
 *     decode → gather → send → fold what is at hand → begin (offsets and records, one round trip)
 *     → fold the rest → accounts → flush → commit
 *
 * The straight path of an event in a worker, and just the same in tests. */
#ifndef WORKERS_APPLY_H
#define WORKERS_APPLY_H

#include "workers/gather.h"
#include "workers/recall.h"
#include "workers/store.h"

/* Consecutive events of one partition. */
struct apply_batch {
    unsigned partition;
    struct applied from; /* where the caller believes the store stands; `offset` is the first's */
    uint64_t count;
    struct slice events; /* must live until apply_batches returns */
};

struct apply;

/* The store is borrowed; `recall` settles ties. */
struct apply *apply_new(struct store *store, recall_fn recall, void *arg);
void apply_free(struct apply *a);

/* What the ledger may hold between commits (see ledger_settle), APPLY_KEEP_BYTES unless told
 * otherwise. */
#define APPLY_KEEP_BYTES ((size_t)24 << 20) /* of the 64 MB that one of two workers takes */
void apply_limit(struct apply *a, size_t keep_bytes);

/* So many records are fetched at most for one commit's seat notices, which may bear on years of
 * ballots; with more apply_batches is ERR_LARGE, unless the notices are of one committee.  0, as at
 * first: without a bound. */
void apply_bound(struct apply *a, size_t fetches);

/* A batch of several events as two; the second one's `from` is where the first leaves the store. */
void apply_halve(const struct apply_batch *b, struct apply_batch *first, struct apply_batch *rest);

/* The journal whose events come from now on. */
void apply_journal(struct apply *a, const char *log, unsigned partitions);

/* Folds the batches, at most one per partition, and sends the commit, so that the store works on it
 * while the next batches are decoded.  0, and the store will stand at from.offset + count of each
 * unless the next call says otherwise; or, of this commit or the one before, an error of the store
 * (ERR_CONFLICT also when it does not stand where a batch begins; ERR_FOREIGN when a partition of
 * it stands for another journal), or ERR_CORRUPT for bytes that are no event, or ERR_LARGE.  After
 * an error nothing is known of the store any more: look at its offsets again. */
int apply_batches(struct apply *a, const struct apply_batch *batches, size_t count, int64_t now_ms);

/* A commit is under way. */
bool apply_unconfirmed(const struct apply *a);

/* Waits for it: errors as above.  Before anything else is asked of the store. */
int apply_confirm(struct apply *a);

/* Forgets what is known of the store: it is not ours alone any more. */
void apply_forget(struct apply *a);

#endif
