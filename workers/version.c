/* Versions of facts; see version.h. */
#include "workers/version.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t version_digest(struct slice raw)
{
    return XXH3_64bits(raw.at, raw.size);
}

static int compare_int(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

enum version_order version_compare(const struct version *now, const struct event *e,
                                   uint64_t digest)
{
    int order;

    if (!now->known)
        return VERSION_NEWER;
    order = compare_int(e->rev, now->rev);
    if (!order)
        order = compare_int(e->time_ms, now->time_ms);
    if (!order)
        order = slice_compare(e->id, now->id);
    if (order)
        return order > 0 ? VERSION_NEWER : VERSION_OLDER;
    if (digest == now->digest)
        return VERSION_OLDER; /* the same event again */
    if (!now->raw.at)
        return VERSION_UNKNOWN;
    return slice_compare(e->raw, now->raw) > 0 ? VERSION_NEWER : VERSION_TIED;
}

void version_set(struct version *v, const struct event *e, uint64_t digest)
{
    v->known = true;
    v->retracted = e->retracted;
    v->contested = false;
    v->rev = e->rev;
    v->time_ms = e->time_ms;
    v->digest = digest;
    v->id = e->id;
    v->raw = e->raw;
}
