/* A hash table with open addressing; see table.h. */
#include "proto/table.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define FIRST_SLOTS 8

uint64_t table_hash(struct slice key)
{
    return XXH3_64bits(key.at, key.size);
}

/* Keys are often shared, and then not read. */
static bool is_key(const struct table_entry *e, struct slice key)
{
    return e->key.at == key.at ? e->key.size == key.size : slice_equal(e->key, key);
}

static struct table_slot *slot_of(const struct table *t, struct slice key, uint64_t hash)
{
    size_t i = hash & t->mask;

    while (t->slots[i].entry && (t->slots[i].hash != hash || !is_key(t->slots[i].entry, key)))
        i = (i + 1) & t->mask;
    return &t->slots[i];
}

void *table_find_hashed(const struct table *t, struct slice key, uint64_t hash)
{
    return t->slots ? slot_of(t, key, hash)->entry : NULL;
}

void *table_find(const struct table *t, struct slice key)
{
    return table_find_hashed(t, key, table_hash(key));
}

static struct table_slot *slots_new(struct table *t, size_t count)
{
    size_t bytes = count * sizeof *t->slots;

    return t->arena ? arena_need(t->arena, bytes) : memset(memory_need(bytes), 0, bytes);
}

/* All keys differ, so the hash alone finds a place. */
static void table_widen(struct table *t, size_t slots)
{
    struct table_slot *old = t->slots;
    size_t old_slots = old ? t->mask + 1 : 0;

    t->slots = slots_new(t, slots);
    t->mask = slots - 1;
    for (size_t i = 0; i < old_slots; i++) {
        size_t to = old[i].hash & t->mask;
        if (!old[i].entry)
            continue;
        while (t->slots[to].entry)
            to = (to + 1) & t->mask;
        t->slots[to] = old[i];
    }
    if (!t->arena)
        free(old);
}

static bool has_room(size_t slots, size_t count)
{
    return count * 4 <= slots * 3;
}

void table_reserve(struct table *t, size_t count)
{
    size_t slots = FIRST_SLOTS;

    if (t->slots)
        return;
    while (!has_room(slots, count))
        slots *= 2;
    table_widen(t, slots);
}

void table_add_hashed(struct table *t, struct table_entry *entry, uint64_t hash)
{
    size_t slots = t->slots ? t->mask + 1 : 0;

    if (!has_room(slots, t->count + 1))
        table_widen(t, slots ? slots * 2 : FIRST_SLOTS);
    entry->hash = hash;
    *slot_of(t, entry->key, hash) = (struct table_slot){hash, entry};
    t->count++;
}

void table_add(struct table *t, struct table_entry *entry)
{
    table_add_hashed(t, entry, table_hash(entry->key));
}

void *table_next(const struct table *t, size_t *at)
{
    while (t->slots && *at <= t->mask) {
        struct table_entry *e = t->slots[(*at)++].entry;
        if (e)
            return e;
    }
    return NULL;
}

void table_clear(struct table *t)
{
    if (t->arena)
        t->slots = NULL;
    else if (t->slots)
        memset(t->slots, 0, (t->mask + 1) * sizeof *t->slots);
    t->count = 0;
}

void table_free(struct table *t)
{
    if (!t->arena)
        free(t->slots);
    *t = (struct table){.arena = t->arena};
}
