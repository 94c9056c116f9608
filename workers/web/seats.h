/* Who has which seat in a committee on a day, by its seat notices. */
#ifndef WORKERS_WEB_SEATS_H
#define WORKERS_WEB_SEATS_H

#include "workers/web/page.h"

struct seat_held {
    struct slice member;
    date_days from; /* of the notice in force */
    uint8_t role;   /* enum role */
};

struct seats {
    struct seat_held *items; /* by member */
    size_t count;
};

/* From the hash seats:C; what is no seat notice there is passed over. */
struct seats seats_on(struct arena *arena, const struct hash *notices, date_days day);

#endif
