/* A token bucket: so many events a second, and at once no more than one second's worth. */
#ifndef BROKER_RATE_H
#define BROKER_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
    int64_t per_s;  /* events, at most 10^9 */
    int64_t tokens; /* thousandths of an event: per_s of them come in a millisecond */
    int64_t at_ms;  /* monotonic; when the tokens were counted last */
};

/* Begins full. */
struct rate rate_make(int64_t per_s, int64_t now_ms);

/* Goes on as `old` did, at its own pace: a change of the rate is no gift of a second's worth. */
void rate_continue(struct rate *r, const struct rate *old);

/* Takes one event's token; false when there is none. */
bool rate_take(struct rate *r, int64_t now_ms);

#endif
