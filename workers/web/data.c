/* Reading Redis for a page; see data.h. */
#include "workers/web/data.h"

#include "proto/error.h"
#include "proto/wire.h"

#include <stdlib.h>

#define HASHES_AT_ONCE 1024 /* keys of one snapshot */

static int row_pair(void *context, void *record, struct slice field, struct slice value)
{
    struct data *d = context;
    struct hash *h = record;

    if (h->count == h->room) {
        size_t room = h->room ? h->room * 2 : 16;
        struct pair *more = arena_need(d->arena, room * sizeof *more);
        if (h->count)
            memcpy(more, h->pairs, h->count * sizeof *more);
        h->pairs = more;
        h->room = room;
    }
    h->pairs[h->count++] = (struct pair){arena_copy(d->arena, field), arena_copy(d->arena, value)};
    return 0;
}

static int row_partitions(void *context, void *record, struct slice field, struct slice value)
{
    int64_t n;

    (void)context;
    (void)field;
    if (slice_to_int(value, &n) && n >= 0 && n <= WIRE_MAX_PARTS)
        *(unsigned *)record = (unsigned)n;
    return 0;
}

static int partitions_of(struct data *d, unsigned *ret)
{
    static const struct slice field = {"partitions", 10};
    struct store_fetch f = {.key = slice_of("meta"),
                            .fields = &field,
                            .field_count = 1,
                            .row = row_partitions,
                            .record = ret};

    *ret = 0;
    return store_fetch(d->store, &f, 1, d);
}

static int64_t newest(const struct applied *applied, unsigned count)
{
    int64_t ms = 0;

    for (unsigned i = 0; i < count; i++)
        if (applied[i].known && applied[i].time_ms > ms)
            ms = applied[i].time_ms;
    return ms;
}

static int hashes_chunk(struct data *d, struct hash *hashes, size_t count, unsigned partitions,
                        int64_t *ret_as_of_ms)
{
    struct store_fetch *fetches = arena_need(d->arena, count * sizeof *fetches);
    struct applied *applied = arena_need(d->arena, (partitions + 1) * sizeof *applied);
    unsigned *places = arena_need(d->arena, (partitions + 1) * sizeof *places);
    struct store_look look = {.places = places,
                              .count = partitions + 1,
                              .ret_applied = applied,
                              .fetches = fetches,
                              .fetch_count = count,
                              .context = d,
                              .snapshot = true};
    int error;

    for (unsigned p = 0; p < partitions; p++)
        places[p] = p;
    places[partitions] = PLACE_DERIVED;
    for (size_t i = 0; i < count; i++)
        fetches[i] =
            (struct store_fetch){.key = hashes[i].key, .row = row_pair, .record = &hashes[i]};
    error = store_begin(d->store, &look);
    if (error == 0)
        *ret_as_of_ms = newest(applied, partitions + 1);
    return error;
}

int data_hashes(struct data *d, struct hash *hashes, size_t count, int64_t *ret_as_of_ms)
{
    unsigned partitions;
    int64_t as_of_ms = 0, oldest_ms = 0;
    int error = partitions_of(d, &partitions);

    for (size_t i = 0; error == 0 && i < count; i += HASHES_AT_ONCE) {
        size_t some = count - i < HASHES_AT_ONCE ? count - i : HASHES_AT_ONCE;
        error = hashes_chunk(d, hashes + i, some, partitions, &as_of_ms);
        oldest_ms = oldest_ms ? oldest_ms : as_of_ms;
    }
    if (error == 0 && ret_as_of_ms)
        *ret_as_of_ms = oldest_ms;
    return error;
}

static int row_name(void *context, void *record, struct slice field, struct slice value)
{
    struct data *d = context;

    (void)value;
    name_list_add(record, arena_copy(d->arena, field));
    return 0;
}

int data_names(struct data *d, const char *key, enum fetch_kind kind, struct name_list *ret)
{
    struct store_fetch f = {.key = slice_of(key), .kind = kind, .row = row_name, .record = ret};

    return store_fetch(d->store, &f, 1, d);
}

int data_members(struct data *d, struct name_list *ret)
{
    return data_names(d, "facts", FETCH_HASH, ret);
}

static struct slice kept(struct data *d, struct buffer *b)
{
    struct slice copy = arena_copy(d->arena, buffer_slice(b));

    buffer_free(b);
    return copy;
}

struct slice data_key_of(struct data *d, const char *family, struct slice name, const char *end)
{
    struct buffer b = {0};

    buffer_add_text(&b, family);
    buffer_add_slice(&b, name);
    buffer_add_text(&b, end);
    return kept(d, &b);
}

struct slice hash_value(const struct hash *h, struct slice field)
{
    for (size_t i = 0; i < h->count; i++)
        if (slice_equal(h->pairs[i].field, field))
            return h->pairs[i].value;
    return (struct slice){0};
}

struct slice hash_text(const struct hash *h, const char *field)
{
    return hash_value(h, slice_of(field));
}

int64_t hash_int(const struct hash *h, const char *field)
{
    struct slice value = hash_text(h, field);
    int64_t n;

    return value.at && slice_to_int(value, &n) ? n : 0;
}

bool hash_has(const struct hash *h, const char *field)
{
    return hash_text(h, field).at != NULL;
}
