/* A hash table of entries that begin with their key.
 *
 * The entries are the caller's (as a rule out of an arena); the table holds pointers to them.
 * Entries are never taken out one by one: what uses this is filled, read and dropped whole. */
#ifndef PROTO_TABLE_H
#define PROTO_TABLE_H

#include "proto/arena.h"

/* Every entry struct has this as its first member; the key's bytes live as long as the entry. */
struct table_entry {
    struct slice key;
    uint64_t hash; /* set by table_add */
};

/* The hash beside the pointer: a search reads an entry only when it is the one. */
struct table_slot {
    uint64_t hash;
    struct table_entry *entry;
};

struct table {
    struct table_slot *slots; /* NULL while empty */
    size_t mask, count;       /* slots is mask + 1 long, at most three quarters full */
    struct arena *arena;      /* where slots come from; NULL: malloc */
};

/* NULL when there is none. */
void *table_find(const struct table *t, struct slice key);

/* The same for who has the key's hash already: table_hash(key), or that of another table's entry
 * with the same key. */
void *table_find_hashed(const struct table *t, struct slice key, uint64_t hash);

/* A function that only hints to the processor: gcc takes it for one without any effect, and leaves
 * out its calls, unless it is inlined before that. */
#define HINT static inline __attribute__((always_inline))

/* Two hints to the processor, that an entry will be looked for soon: first for the slot, and some
 * dozens of other things later for the entry. */
HINT void table_expect(const struct table *t, uint64_t hash)
{
    if (t->slots)
        __builtin_prefetch(&t->slots[hash & t->mask]);
}

HINT void table_expect_entry(const struct table *t, uint64_t hash)
{
    if (t->slots)
        __builtin_prefetch(t->slots[hash & t->mask].entry);
}

/* Room for so many entries at once; nothing for a table that has slots already. */
void table_reserve(struct table *t, size_t count);

/* The key must not be in the table yet. */
void table_add(struct table *t, struct table_entry *entry);
void table_add_hashed(struct table *t, struct table_entry *entry, uint64_t hash);

/* Walks all entries: start with *at = 0; NULL at the end.  Adding during a walk is an error. */
void *table_next(const struct table *t, size_t *at);

/* Forgets the entries; keeps the slots if they are malloc's. */
void table_clear(struct table *t);
void table_free(struct table *t);

/* The hash that tables use (XXH3, 64 bits); not part of any stored format. */
uint64_t table_hash(struct slice key);

#endif
