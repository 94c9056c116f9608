/* The journal's table `meta`: what the journal is, and where it ended at the last commit to its
 * trees. */
#ifndef BROKER_META_TABLE_H
#define BROKER_META_TABLE_H

#include "broker/disk.h"
#include "broker/meta.h"

/* Within the write transaction; errors as in disk.h.  A new journal gets a name of its own: Redis
 * remembers which journal its counters came from. */
int meta_table_create(struct disk *d, unsigned table, unsigned partitions);
int meta_table_put_ends(struct disk *d, unsigned table, const struct ends *ends);

/* A reading each.  ERR_CORRUPT when it is not what was written, or not there. */
int meta_table_get(struct disk *d, unsigned table, struct meta *ret);
int meta_table_get_ends(struct disk *d, unsigned table, unsigned partitions, struct ends *ret);

#endif
