/* A key of two stores that are compared, and what came of the last look at it. */
#ifndef WORKERS_AUDIT_TWIN_H
#define WORKERS_AUDIT_TWIN_H

#include "proto/table.h"
#include "workers/audit/compare.h"

struct twin {
    struct table_entry entry;
    const struct family *family;
    bool again;      /* differed, or was written since */
    uint64_t fields; /* that were compared */
    struct difference *differences;
};

#endif
