/* What was read of a mapped file: its pages count as this process's memory until they are let go,
 * though the system may drop them at any time.  Whoever looks at the process sees how large it is,
 * not how large the file. */
#ifndef BROKER_MAPPED_H
#define BROKER_MAPPED_H

#include "proto/bytes.h"

#define MAPPED_BYTES ((size_t)8 << 20)

/* All zero, as at first: nothing.  Of one mapping. */
struct mapped {
    uintptr_t low, high; /* where the first and the last of it begin */
    size_t size;
};

void mapped_read(struct mapped *m, struct slice bytes);

/* When it is more than MAPPED_BYTES, its pages are let go: what is read again is still there, but
 * costs a page fault. */
void mapped_settle(struct mapped *m);

#endif
