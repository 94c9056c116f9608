/* Verifying: everything is counted again from the journal into memory, and what Redis holds is
 * compared with it, key by key; on demand it is mended.
 *
 *     places     the keys that say where Redis stands: while one is of another type, nothing else
 *                can be compared, so it is told, or removed and the workers apply anew
 *     count      to where Redis stands, and derive
 *     compare    all keys: what differs may only have moved meanwhile
 *     hold       so that nothing moves, if anything did or differed; count on to exactly there.  A
 *                user of Redis who may only read holds nothing, and looks until nothing has moved
 *     compare    what differed, and what was counted since
 *     mend       in one commit, and compare once more */
#ifndef WORKERS_AUDIT_VERIFY_H
#define WORKERS_AUDIT_VERIFY_H

#include "workers/audit/compare.h"
#include "workers/reader.h"
#include "workers/rules.h"

struct verify_options {
    struct store *live, *aside; /* aside: another connection to it; NULL: there is none */
    struct reader *reader;      /* with a session */
    const char *endpoint;       /* the broker's read endpoint */
    struct rules rules;         /* of the watch list, unless the workers derived by others */
    bool repair;
    bool progress; /* asked for */
};

struct verify_result {
    uint64_t keys, fields; /* compared, each once */
    const struct difference **differences;
    size_t count;
    bool repaired;      /* none of the differences is there any more */
    struct rules rules; /* by which the watch list was compared */
    bool unheld;        /* our user of Redis may not hold the workers */
    struct compare *compare, *places;
};

/* 0, whatever it came to; or an error of the walk or a store: ERR_FOREIGN, Redis stands for another
 * journal or for more than this one holds; ERR_CONFLICT, Redis went back to an earlier state
 * meanwhile; ERR_AGAIN, it did not stand still for long enough. */
int verify_run(const struct verify_options *o, struct verify_result *ret);
void verify_free(struct verify_result *r);

#endif
