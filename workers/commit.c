/* A commit, as a list of operations; see commit.h. */
#include "workers/commit.h"

#include <stdlib.h>

#define KEEP_OPS 16384 /* room for so many operations is kept, some 1 MiB */

struct slice place_key(unsigned place, char room[PLACE_KEY])
{
    struct buffer key = {room, 0, PLACE_KEY}; /* never grows: 17 characters at most */

    if (place == PLACE_DERIVED)
        return slice_of("derived");
    buffer_add_text(&key, "offset:");
    buffer_add_int(&key, place);
    return buffer_slice(&key);
}

bool applied_same(const struct applied *a, const struct applied *b)
{
    return a->known == b->known && a->offset == b->offset && a->epoch == b->epoch &&
           strcmp(a->log, b->log) == 0;
}

bool applied_foreign(const struct applied *a, struct slice log, uint64_t end)
{
    return a->known && (!slice_equal(slice_of(a->log), log) || a->offset > end);
}

bool applied_any_foreign(const struct applied *a, unsigned count, struct slice log,
                         const uint64_t *ends)
{
    for (unsigned i = 0; i < count; i++)
        if (applied_foreign(&a[i], log, ends[i]))
            return true;
    return false;
}

void commit_clear(struct commit *c)
{
    if (c->room > KEEP_OPS) {
        free(c->ops);
        c->ops = NULL;
        c->room = 0;
    }
    c->count = 0;
    c->move_count = 0;
}

void commit_free(struct commit *c)
{
    free(c->ops);
    free(c->moves);
    *c = (struct commit){0};
}

struct commit_move *commit_move(struct commit *c, unsigned place)
{
    c->moves = memory_room(c->moves, c->move_count, &c->move_room, sizeof *c->moves);
    c->moves[c->move_count] = (struct commit_move){.place = place};
    return &c->moves[c->move_count++];
}

static void commit_add(struct commit *c, struct commit_op op)
{
    c->ops = memory_room(c->ops, c->count, &c->room, sizeof *c->ops);
    c->ops[c->count++] = op;
}

void commit_hset(struct commit *c, struct slice key, struct slice field, struct slice value)
{
    commit_add(c, (struct commit_op){COMMIT_HSET, key, field, value, 0, false});
}

void commit_hdel(struct commit *c, struct slice key, struct slice field)
{
    commit_add(c, (struct commit_op){COMMIT_HDEL, key, field, {0}, 0, false});
}

void commit_hincrby(struct commit *c, struct slice key, struct slice field, int64_t amount)
{
    commit_add(c, (struct commit_op){COMMIT_HINCRBY, key, field, {0}, amount, false});
}

void commit_hincrby_below(struct commit *c, struct slice key, struct slice field, int64_t amount)
{
    commit_hincrby(c, key, field, amount);
    c->ops[c->count - 1].below = true;
}

void commit_sadd(struct commit *c, struct slice key, struct slice name)
{
    commit_add(c, (struct commit_op){COMMIT_SADD, key, name, {0}, 0, false});
}

void commit_zadd(struct commit *c, struct slice key, struct slice name, int64_t score)
{
    commit_add(c, (struct commit_op){COMMIT_ZADD, key, name, {0}, score, false});
}

void commit_zrem(struct commit *c, struct slice key, struct slice name)
{
    commit_add(c, (struct commit_op){COMMIT_ZREM, key, name, {0}, 0, false});
}

void commit_xadd(struct commit *c, struct slice key, struct slice field, struct slice value)
{
    commit_add(c, (struct commit_op){COMMIT_XADD, key, field, value, 0, false});
}

void commit_del(struct commit *c, struct slice key)
{
    commit_add(c, (struct commit_op){COMMIT_DEL, key, {0}, {0}, 0, false});
}

void commit_rename(struct commit *c, struct slice key, struct slice name)
{
    commit_add(c, (struct commit_op){COMMIT_RENAME, key, name, {0}, 0, false});
}

size_t commit_run(const struct commit *c, size_t i)
{
    const struct commit_op *first = &c->ops[i];
    size_t n = 1;

    while (i + n < c->count && c->ops[i + n].verb == first->verb &&
           slice_equal(c->ops[i + n].key, first->key))
        n++;
    return n;
}

struct slice commit_join(struct commit *c, const struct slice *parts, size_t count)
{
    size_t size = 0;
    char *out;

    for (size_t i = 0; i < count; i++)
        size += parts[i].size;
    out = arena_need(c->arena, size + 1);
    size = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(out + size, parts[i].at, parts[i].size);
        size += parts[i].size;
    }
    return slice_make(out, size);
}

struct slice commit_text(struct commit *c, int64_t number)
{
    char room[32];
    struct buffer b = {room, 0, sizeof room}; /* never grows: 20 characters at most */

    buffer_add_int(&b, number);
    return arena_copy(c->arena, buffer_slice(&b));
}
