/* What stands in a reply of Redis: whether it has the shape that was asked for, and its rows. */
#ifndef WORKERS_REPLY_H
#define WORKERS_REPLY_H

#include "workers/store.h"

struct redisReply;

/* The bytes of a string; absent for a reply of any other kind. */
struct slice reply_slice(const struct redisReply *r);

bool reply_is_status(const struct redisReply *r, const char *word);
bool reply_all_strings(const struct redisReply *r); /* an array of nothing else */

/* Gives each row to the fetch's function.  Its error, or ERR_CORRUPT for another shape. */
int reply_rows(const struct store_fetch *f, const struct redisReply *r, void *context);

/* Where a place stands: RESP_APPLIED values.  ERR_CORRUPT when it is none. */
int reply_applied(const struct redisReply *r, struct applied *ret);

#endif
