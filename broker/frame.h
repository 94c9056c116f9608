/* The write-ahead log as bytes: a head, and frames, each of which is the recent records of one
 * commit.  wal.h says when they are written.
 *
 * It is one long value of LMDB's, so its first page has a head of PAGE_HEAD bytes, and FRAME_FIRST
 * bytes later a block of the file begins:
 *
 *     0          8         16        24         32       FRAME_FIRST
 *     +----------+---------+---------+----------+--------+----------------------------------+
 *     | TRNTWALS | salt    | bytes   | checksum | zeros  | `bytes` bytes of blocks          |
 *     | 8 bytes  | u64     | u64     | XXH3-64  |        |                                  |
 *     +----------+---------+---------+----------+--------+----------------------------------+
 *
 * A frame begins with a block, and is written twice, the one right behind the other:
 *
 *     0          8         16        20         24         32         32+S
 *     +----------+---------+---------+----------+----------+----------+---------------------+
 *     | TRNTFRAM | commit  | size S  | zero     | checksum | entries  | zeros, up to whole  |
 *     | 8 bytes  | u64     | u32     | u32      | XXH3-64  | S bytes  | blocks              |
 *     +----------+---------+---------+----------+----------+----------+---------------------+
 *
 * The salt is random, told to nobody, and part of each frame's checksum: no event can hold what
 * would be taken for a frame.  Whoever reads goes through all blocks and takes the first sound
 * frame of each commit, from the one behind that of the trees on; frames of commits before are what
 * earlier times left.  So a frame of which one copy is damaged is read from the other.  If neither
 * is sound, the commit was either never finished, and is the last, or, as nothing is written before
 * the commit before is synced, there are later ones, and it has been damaged since.
 *
 * Numbers are little-endian.  No I/O in here. */
#ifndef BROKER_FRAME_H
#define BROKER_FRAME_H

#include "proto/bytes.h"

#define FRAME_BLOCK     ((size_t)4096)
#define FRAME_FIRST     (FRAME_BLOCK - 16)
#define FRAME_MOST      ((size_t)64 * 1024)        /* bytes of the entries of one */
#define FRAME_LOG_LEAST (16 * FRAME_BLOCK)         /* bytes of all blocks, and */
#define FRAME_LOG_MOST  ((size_t)64 * 1024 * 1024) /* a bound for what is read */

struct frame_log {
    uint64_t salt;
    size_t bytes; /* of the blocks */
};

/* Writes FRAME_FIRST bytes. */
void frame_head_encode(const struct frame_log *log, char *out);

/* Of a whole value: 0 or ERR_CORRUPT. */
int frame_head_decode(struct slice value, struct frame_log *ret);

/* What both copies of a frame take. */
size_t frame_bytes(size_t entries);
void frame_encode(uint64_t salt, uint64_t commit, struct slice entries, struct buffer *ret);

struct frame_scan {
    struct slice blocks; /* borrowed */
    uint64_t salt, commit;
    size_t at, next;
};

/* Goes through the blocks of a value whose head was found sound, for commits behind `commit`. */
struct frame_scan frame_scan_begin(struct slice value, const struct frame_log *log,
                                   uint64_t commit);

/* The entries of the next commit, whose number is then in s->commit, and the place of its frame
 * within the blocks in s->at.  ERR_AGAIN: there is none; ERR_CORRUPT: but there are later ones. */
int frame_next(struct frame_scan *s, struct slice *ret);

#endif
