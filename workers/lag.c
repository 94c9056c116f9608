/* Lag; see lag.h. */
#include "workers/lag.h"

struct lag lag_of(const struct wire_report *r, const struct applied *applied, int64_t now_ms)
{
    struct lag lag = {0};
    int64_t oldest_ms = now_ms;

    if (applied_any_foreign(applied, r->count, r->log, r->ends))
        return (struct lag){.foreign = true};
    for (unsigned p = 0; p < r->count; p++) {
        if (applied[p].offset == r->ends[p])
            continue;
        lag.events += r->ends[p] - applied[p].offset;
        if (r->received_ms[p] && r->received_ms[p] < oldest_ms)
            oldest_ms = r->received_ms[p];
    }
    lag.ms = now_ms - oldest_ms;
    return lag;
}
