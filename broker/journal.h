/* The journal: every accepted event, in order, by partition; and the refused ones.  JOURNAL.md
 * draws what is on disk.
 *
 * Writing: journal_append and journal_reject stage, journal_commit makes all of it durable at
 * once.  Offsets count the events of a partition from 0. */
#ifndef BROKER_JOURNAL_H
#define BROKER_JOURNAL_H

#include "broker/record.h"
#include "broker/rejects.h"

struct journal;

#define JOURNAL_PARTITIONS    8 /* unless said otherwise when it is created */
#define JOURNAL_MIN_BYTES     ((uint64_t)16 * 1024 * 1024) /* four times DISK_RESERVE */
#define JOURNAL_DEFAULT_BYTES ((uint64_t)64 * 1024 * 1024 * 1024)

struct journal_config {
    const char *folder;   /* exists */
    uint64_t limit_bytes; /* of the file; may be another at every start */
    unsigned partitions;  /* of a new journal; an old one keeps its own */
    size_t recent_bytes;  /* of records not in the trees yet, at most RECENT_BYTES; 0: those */
};

/* ERR_LOCKED (another process has it), ERR_VERSION (written by another version), ERR_CORRUPT,
 * ERR_FULL (no room to create it), ERR_IO. */
int journal_open(const struct journal_config *config, struct journal **ret);
void journal_close(struct journal *j); /* NULL is allowed; what is not committed is dropped */

struct slice journal_log_id(const struct journal *j); /* 32 hex digits, from its creation on */
unsigned journal_partitions(const struct journal *j);

/* Whether its file has, or can be given, room for so many bytes more; free pages in it apart. */
bool journal_has_room(struct journal *j, size_t bytes);

/* Stages a record at the end of a partition.  An error sticks until commit or abort, so callers
 * that go on to commit need not look. */
int journal_append(struct journal *j, unsigned partition, const struct record *record);
int journal_reject(struct journal *j, const struct reject *reject);
int journal_drop_reject(struct journal *j, uint64_t number); /* ERR_AGAIN: none; does not stick */

/* Invariant 1 is kept here: 0 means that all that was staged has been synced to disk.  ERR_FULL:
 * nothing of it is kept, the ends are as before, and the journal goes on working.  Anything else
 * is fatal: what was staged may or may not be there after the next start. */
int journal_commit(struct journal *j);
void journal_abort(struct journal *j);

/* Bytes that are left of the page where the partition's next record goes, as disk_left reckons; 0
 * until something has been appended. */
size_t journal_left(const struct journal *j, unsigned partition);

/* The offset behind the last committed event. */
uint64_t journal_end(const struct journal *j, unsigned partition);
uint64_t journal_rejects(const struct journal *j); /* how many are kept */
uint64_t journal_used_bytes(const struct journal *j);
uint64_t journal_limit_bytes(const struct journal *j);
struct slice journal_map(const struct journal *j); /* where its file is mapped; see mapped.h */

/* Reading: begin, then each journal_next gives a whole record, the first being the one that holds
 * `offset`; what it gives is borrowed until journal_read_end.  One reading at a time, and only for
 * a moment.  journal_next returns ERR_AGAIN at the end, ERR_CORRUPT or ERR_VERSION for a record
 * that is not what was written: *ret_offset is then where it stands. */
int journal_read_begin(struct journal *j, unsigned partition, uint64_t offset);
int journal_next(struct journal *j, uint64_t *ret_offset, struct record *ret);
void journal_read_end(struct journal *j);

/* When the event at the offset was received; 0 if there is none, or it cannot be read. */
int64_t journal_received_ms(struct journal *j, unsigned partition, uint64_t offset);

/* The same for refused events: begin, then the first kept whose number is at least `number`, until
 * journal_read_end.  ERR_AGAIN when there is none; ERR_CORRUPT or ERR_VERSION for one that is not
 * what was written, *ret_number being set; ERR_IO. */
int journal_rejects_begin(struct journal *j);
int journal_next_reject(struct journal *j, uint64_t number, uint64_t *ret_number,
                        struct reject *ret);

#endif
