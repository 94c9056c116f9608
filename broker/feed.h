/* Feed: gives the partitions to the workers, and the events to whoever asks for them.
 *
 * Who reads says from where, and how many bytes it can take (READ, CREDIT).  Feed keeps nothing
 * on disk for a reader: offsets are the readers' own. */
#ifndef BROKER_FEED_H
#define BROKER_FEED_H

#include "broker/ingest.h"
#include "broker/journal.h"
#include "broker/redrive.h"
#include "broker/session.h"

/* Records of one BATCH: a run in its header takes at most 81 bytes (array 1, count 5, source 66,
 * time 9), so 1024 of them take 83 KB of the 256 KiB. */
#define FEED_RUNS 1024

/* All BATCHes of a round together, and one more: some 5 ms, so that nobody waits for readers. */
#define FEED_ROUND ((size_t)4 * 1024 * 1024)

/* Workers listed in a report: 512 of at most 98 bytes, and 256 partitions, are 51 KB. */
#define FEED_PEERS 512

struct feed;

/* Borrows all of them. */
struct feed *feed_new(struct journal *journal, struct sessions *readers,
                      const struct sessions *producers, const struct ingest *ingest,
                      struct redrive *redrive, int64_t now_ms);
void feed_free(struct feed *f); /* NULL is allowed */

/* Takes what readers say: READ, CREDIT, STATUS, and what redrive does, one of those a round.  Sets
 * *ret_more when more may be waiting.  0, or an error of the journal: nothing more may be
 * acknowledged. */
int feed_drain(struct feed *f, int64_t now_ms, bool *ret_more);

/* Tells all workers their partitions if the set of workers has changed: partition p goes to
 * worker p modulo their number, in order of joining.  At most ten times a second, however often
 * workers come and go. */
void feed_assign(struct feed *f);

enum feed_state {
    FEED_IDLE,    /* every stream is at the end, or out of credit */
    FEED_BLOCKED, /* some reader's queue is full: try again soon */
    FEED_MORE     /* call again at once */
};

/* Sends at most one BATCH for each stream, and no more than FEED_ROUND; who came short is the first
 * in one of the next rounds. */
enum feed_state feed_send(struct feed *f);

#endif
