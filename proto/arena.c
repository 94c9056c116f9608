/* An arena; see arena.h.  A list of blocks, filled one after the other. */
#include "proto/arena.h"

#include <stdlib.h>

#define BLOCK_BYTES ((size_t)64 * 1024)
#define ALIGNMENT   16

struct arena_block {
    struct arena_block *next;
    size_t room, used;
    _Alignas(ALIGNMENT) char bytes[];
};

static struct arena_block *block_new(size_t size)
{
    size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
    struct arena_block *b = memory_need(sizeof *b + room);

    b->next = NULL;
    b->room = room;
    b->used = 0;
    return b;
}

/* The next block with room for `size`: a kept one if it fits, else a new one put before it. */
static struct arena_block *block_next(struct arena *a, size_t size)
{
    struct arena_block **link = a->now ? &a->now->next : &a->first;

    if (!*link || (*link)->room < size) {
        struct arena_block *b = block_new(size);
        b->next = *link;
        *link = b;
    }
    return a->now = *link;
}

static void *arena_take(struct arena *a, size_t size)
{
    struct arena_block *b = a->now;
    char *piece;

    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (!b || b->room - b->used < size)
        b = block_next(a, size);
    piece = b->bytes + b->used;
    b->used += size;
    a->used += size;
    return piece;
}

void *arena_need(struct arena *a, size_t size)
{
    return memset(arena_take(a, size), 0, size);
}

struct slice arena_copy(struct arena *a, struct slice bytes)
{
    if (!bytes.at)
        return bytes;
    char *copy = arena_take(a, bytes.size ? bytes.size : 1);
    if (bytes.size)
        memcpy(copy, bytes.at, bytes.size);
    return slice_make(copy, bytes.size);
}

void arena_reset(struct arena *a, size_t keep)
{
    struct arena_block **link = &a->first;
    size_t kept = 0;

    while (*link) {
        struct arena_block *b = *link;
        if (kept + b->room > keep) {
            *link = b->next;
            free(b);
            continue;
        }
        kept += b->room;
        b->used = 0;
        link = &b->next;
    }
    a->now = NULL;
    a->used = 0;
}

void arena_free(struct arena *a)
{
    arena_reset(a, 0);
}
