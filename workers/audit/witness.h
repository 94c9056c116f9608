/* Witnesses: one version of a fact as it stands in the journal, and how it is told to people and
 * programs: what it is about, what it states, and where it came from. */
#ifndef WORKERS_AUDIT_WITNESS_H
#define WORKERS_AUDIT_WITNESS_H

#include "workers/fact.h"

#include <jansson.h>

struct witness {
    enum event_type type;
    const void *fact;     /* the struct of the type, as in fact.h */
    struct slice subject; /* "vote|ISO/TC 207|DIS 14001|KE" */
    struct slice source;
    int64_t received_ms;
    unsigned partition;
    uint64_t offset;
};

static inline const struct version *witness_version(const struct witness *w)
{
    return w->fact;
}

/* "vote|ISO/TC 207|DIS 14001|KE  approve P comments=2  id=v-1 source=local
 * time=2026-04-02T10:11:12.000Z at=3:17", on one line; what a terminal would take as a command is
 * shown as question marks. */
void witness_text(const struct witness *w, struct buffer *out);

/* "vote|ISO/TC 207|DIS 14001|KE id=v-1 at=3:17" */
void witness_brief(const struct witness *w, struct buffer *out);

/* "3:17" */
void witness_place(unsigned partition, uint64_t offset, struct buffer *out);

/* An object with fact, states, id, source, time, rev, received, partition, offset, retracted. */
json_t *witness_json(const struct witness *w);

#endif
