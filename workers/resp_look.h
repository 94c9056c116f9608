/* Looks and fetches as commands to Redis. */
#ifndef WORKERS_RESP_LOOK_H
#define WORKERS_RESP_LOOK_H

#include "workers/resp.h"
#include "workers/store.h"

#define RESP_APPLIED 5 /* fields of a place: log offset time epoch held */

void resp_fetches(struct resp *out, const struct store_fetch *fetches, size_t count);

void resp_unwatch(struct resp *out);

/* UNWATCH, [WATCH], HMGET of each place. */
void resp_places(struct resp *out, const struct store_look *look);

/* The same, and the fetches behind them; or before them, between MULTI and EXEC, for a snapshot. */
void resp_look(struct resp *out, const struct store_look *look);

/* One step of a walk over all keys with the prefix. */
void resp_scan(struct resp *out, const char *cursor);

#endif
