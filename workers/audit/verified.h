/* What the last verification came to, in `turnout:verified`: so that a board can say when its
 * numbers were counted again. */
#ifndef WORKERS_AUDIT_VERIFIED_H
#define WORKERS_AUDIT_VERIFIED_H

#include "workers/store.h"

struct verified {
    bool known; /* there was one */
    int64_t time_ms, keys, fields;
    int64_t differences; /* that were found and not mended */
};

/* 0 or an error of the store. */
int verified_write(struct store *s, const struct verified *v);
int verified_read(struct store *s, struct verified *ret);

#endif
