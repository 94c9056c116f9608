/* What bounds the broker, for its report: how much there is of what is bounded, and how often a
 * bound was reached since the start. */
#ifndef BROKER_BOUNDS_H
#define BROKER_BOUNDS_H

#include "broker/ingest.h"

/* Fills in `rights` and the bounds of a report, out of the arena.  What is wrong with the rights
 * file is told in words to local peers only. */
void bounds_report(const struct sessions *producers, const struct sessions *readers,
                   const struct ingest_counts *counts, const struct session *to,
                   struct arena *arena, struct wire_report *out);

#endif
