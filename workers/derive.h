/* Deriving: group keys and the watch list, from the members', seats' and profiles' keys.
 *
 * Every commit of events puts marks of what it moved into the set `dirty`.  A round of deriving
 *
 *     takes     renames `dirty` to `deriving`, so that marks of later commits are kept apart
 *     seats     works out which seats are effective, seat by marked seat
 *     watch     the seats at risk of marked committees
 *     periods   the groups of marked periods, from one moment's counters each time
 *     ends      removes `deriving`
 *
 * in as many commits as it takes, each a compare-and-set on the place PLACE_DERIVED: of all workers
 * that derive, one succeeds, and nothing newer is ever overwritten by older.  Who is killed leaves
 * `deriving` behind, and the next does its marks once more. */
#ifndef WORKERS_DERIVE_H
#define WORKERS_DERIVE_H

#include "workers/rules.h"
#include "workers/store.h"

#define DERIVE_EVERY_MS 1000 /* one round a second at most, over all workers */
#define DERIVE_LEASE_MS 3000 /* a round without a commit for so long has been given up */

struct derive;

/* The store is borrowed. */
struct derive *derive_new(struct store *store, const struct rules *rules);
void derive_free(struct derive *d);

/* The journal that the store stands for. */
void derive_journal(struct derive *d, const char *log);

/* One step, of some milliseconds.  `hurry`: also when the last round began less than
 * DERIVE_EVERY_MS ago.  Returns 1 when a step was done, 0 when there was nothing to do (now), or an
 * error of the store; ERR_CONFLICT: somebody else derives.  After an error the round is given up.
 */
int derive_step(struct derive *d, int64_t now_ms, bool hurry);

/* True in the middle of a round. */
bool derive_busy(const struct derive *d);

/* Whether anything waits to be derived. */
int derive_waiting(struct store *store, bool *ret_waiting);

/* Whether deriving stands still, because a key holds what turnout did not write: until that is
 * mended each round is given up where it meets it. */
int derive_faulty(struct store *store, bool *ret_faulty);

#endif
