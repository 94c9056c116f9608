/* History: all versions of one fact, in the order in which the journal has them.
 *
 * Only the partition of the fact is read.  Of all versions the newest wins, by the rule that the
 * fold follows; with all bytes at hand no tie is ever left open. */
#ifndef WORKERS_AUDIT_HISTORY_H
#define WORKERS_AUDIT_HISTORY_H

#include "proto/table.h"
#include "workers/audit/subject.h"
#include "workers/audit/witness.h"
#include "workers/reader.h"

/* One copy of one version. */
struct history_copy {
    struct table_entry entry;          /* by its bytes; of equal ones the first */
    struct history_copy *next, *first; /* first: the same bytes came before; NULL: they are new */
    struct witness witness;
    bool winner;
};

struct history {
    struct subject subject; /* borrowed */
    bool progress;
    struct history_copy *first; /* NULL: the journal has none */

    struct history_copy **last; /* from here on history.c's own */
    struct event_decoder *decoder;
    struct arena arena;
    struct table copies, lines;
};

/* Fills the rest of `h`, of which all but subject and progress is zero.  0, or an error of the
 * broker's. */
int history_read(struct history *h, struct reader *r);
void history_free(struct history *h);

#endif
