/* The write-ahead log as it is found in a file, by whoever looks at it without LMDB: beside a
 * broker that writes it, too. */
#ifndef BROKER_WAL_IMAGE_H
#define BROKER_WAL_IMAGE_H

#include "broker/frame.h"
#include "broker/walk.h"

struct wal_image {
    uint64_t commit;      /* the last one of the trees */
    uint64_t place, size; /* of the value, in the file */
    struct frame_log log;
    struct buffer value; /* empty: there is none */
};

/* Reads it as it stands now, out of the table in which it is the only entry; what is wrong with the
 * table, or with its head, is told. */
void wal_image_load(struct wal_image *i, struct walk *w, const struct page_table *table,
                    uint64_t commit);
void wal_image_close(struct wal_image *i);

/* Of one that is there. */
struct slice wal_image_blocks(const struct wal_image *i);
struct frame_scan wal_image_scan(const struct wal_image *i);

#endif
