/* An arena: many small pieces, freed all at once.  A batch has one, so that an event costs
 * no allocation of its own; blocks are kept over a reset and used again. */
#ifndef PROTO_ARENA_H
#define PROTO_ARENA_H

#include "proto/bytes.h"

struct arena_block;

struct arena {
    struct arena_block *first, *now; /* a list; those behind `now` are empty */
    size_t used;                     /* bytes handed out since the last reset */
};

/* Zeroed, aligned for anything, valid until reset or free; never NULL. */
void *arena_need(struct arena *a, size_t size);

/* A copy that lives as long as the arena's pieces; an absent slice stays absent. */
struct slice arena_copy(struct arena *a, struct slice bytes);

/* Forgets all pieces and keeps at most `keep` bytes of blocks for what comes next. */
void arena_reset(struct arena *a, size_t keep);
void arena_free(struct arena *a);

#endif
