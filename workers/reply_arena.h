/* Replies of hiredis out of an arena: a commit has thousands of them, which would each be allocated
 * and freed.  They live until the arena is reset; freeReplyObject is never called on one. */
#ifndef WORKERS_REPLY_ARENA_H
#define WORKERS_REPLY_ARENA_H

#include "proto/arena.h"

struct redisContext;

/* From now on the connection's replies come from the arena, which outlives it. */
void reply_arena_use(struct redisContext *redis, struct arena *arena);

#endif
