/* Lag: how far Redis is behind the journal. */
#ifndef WORKERS_LAG_H
#define WORKERS_LAG_H

#include "proto/wire.h"
#include "workers/commit.h"

struct lag {
    bool foreign;    /* Redis does not stand for this journal: then there is no lag to speak of */
    uint64_t events; /* that Redis does not stand for yet */
    int64_t ms;      /* how old the oldest of them is; 0 when there are none, or it is not known */
};

/* `applied`: where Redis stands for each of the report's partitions, which was asked for with these
 * offsets. */
struct lag lag_of(const struct wire_report *r, const struct applied *applied, int64_t now_ms);

#endif
