/* Names of rows: under which key a row of counters stands in the store (KEYS.md). */
#ifndef WORKERS_ROW_NAME_H
#define WORKERS_ROW_NAME_H

#include "workers/commit.h"
#include "workers/counter.h"

/* "member:KE:2026", "seat:C|KE:2026" ... in the commit's arena. */
struct slice row_name(struct commit *c, const struct row_key *k);

/* "2026" or "2026-03" of a row's period; likewise. */
struct slice row_period(struct commit *c, uint32_t period);

#endif
