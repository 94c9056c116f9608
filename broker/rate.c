/* Token buckets; see rate.h.  All in integers: a rate of one a second has its token after exactly a
 * thousand milliseconds, however often somebody asks in between. */
#include "broker/rate.h"

#define TOKEN 1000

static int64_t most(const struct rate *r)
{
    return r->per_s * TOKEN;
}

struct rate rate_make(int64_t per_s, int64_t now_ms)
{
    return (struct rate){per_s, per_s * TOKEN, now_ms};
}

void rate_continue(struct rate *r, const struct rate *old)
{
    r->tokens = old->tokens < most(r) ? old->tokens : most(r);
    r->at_ms = old->at_ms;
}

/* A second and more fills any bucket, so no long pause can overflow the product. */
static void rate_fill(struct rate *r, int64_t now_ms)
{
    int64_t passed_ms = now_ms - r->at_ms;

    if (passed_ms <= 0)
        return;
    r->at_ms = now_ms;
    r->tokens = passed_ms >= 1000 ? most(r) : r->tokens + r->per_s * passed_ms;
    if (r->tokens > most(r))
        r->tokens = most(r);
}

bool rate_take(struct rate *r, int64_t now_ms)
{
    rate_fill(r, now_ms);
    if (r->tokens < TOKEN)
        return false;
    r->tokens -= TOKEN;
    return true;
}
