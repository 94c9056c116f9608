/* Which version of a fact counts: the greatest (rev, time, id) and, should all three tie, the
 * greater encoded bytes.  Never the order of arrival (PROTOCOL.md, "Versions"). */
#ifndef WORKERS_VERSION_H
#define WORKERS_VERSION_H

#include "proto/event.h"

/* The version that holds at present.  Redis keeps a digest of its bytes, not the bytes: they are
 * needed only when two events tie in all else, and then the journal still has them. */
struct version {
    bool known;     /* some version of the fact has come */
    bool retracted; /* and the winner says that the fact does not hold */
    bool contested; /* another event ties in rev, time and id: `raw` is kept for good */
    int64_t rev, time_ms;
    uint64_t digest; /* XXH3-64 of the encoded event */
    struct slice id;
    struct slice raw; /* the encoded event, absent when only the digest is at hand */
};

enum version_order {
    VERSION_OLDER,   /* the event loses, or is the winner once more */
    VERSION_NEWER,   /* the event wins */
    VERSION_TIED,    /* the event loses by its bytes alone: the winner is contested from now on */
    VERSION_UNKNOWN, /* it ties, and the winner's bytes are not at hand */
};

uint64_t version_digest(struct slice raw);

enum version_order version_compare(const struct version *now, const struct event *e,
                                   uint64_t digest);

/* Makes it the version that the event is; `raw` and `id` borrow from the event. */
void version_set(struct version *v, const struct event *e, uint64_t digest);

/* The fact is in force: it has come and its winner is not retracted. */
static inline bool version_holds(const struct version *v)
{
    return v->known && !v->retracted;
}

#endif
