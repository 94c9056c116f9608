/* The store in memory: for tests, and for counting again beside Redis.
 *
 * Keys hold fields; what kind of key it is follows from the first operation on it.  Removed
 * fields stay as empty places, so that nothing is ever freed before the store is. */
#include "proto/error.h"
#include "proto/table.h"
#include "workers/store.h"

#include <assert.h>
#include <stdlib.h>

#define FETCH_AHEAD 32 /* fields of a key that are looked for at once */
#define ROOM_BITS   30
#define VALUE_BYTES (((size_t)1 << ROOM_BITS) - 1) /* of one value, at most; Redis takes 512 MB */

/* There is one for each fact, so it is small; the field's name stands right behind it. */
struct place {
    struct table_entry entry; /* by the field's name */
    union {
        int64_t number; /* of a counter; also a sorted set's score */
        char *bytes;
    };
    uint32_t size;
    unsigned room : ROOM_BITS; /* for bytes */
    unsigned there : 1, numeric : 1;
    char name[];
};

struct container {
    struct table_entry entry; /* by the key */
    enum fetch_kind kind;
    struct table places;
};

struct standing {
    unsigned place;
    struct applied applied;
    struct standing *next;
};

struct memory_store {
    struct store base;
    struct arena arena;
    struct table keys;
    struct standing *standings;
};

static enum fetch_kind kind_of(enum commit_verb verb)
{
    return verb == COMMIT_SADD                          ? FETCH_SET
           : verb == COMMIT_ZADD || verb == COMMIT_ZREM ? FETCH_ZSET
                                                        : FETCH_HASH;
}

static struct place *place_of(struct memory_store *s, struct container *k, struct slice field)
{
    uint64_t hash = table_hash(field);
    struct place *p = table_find_hashed(&k->places, field, hash);

    if (!p) {
        p = arena_need(&s->arena, sizeof *p + field.size);
        p->entry.key = slice_make(p->name, field.size);
        if (field.size)
            memcpy(p->name, field.at, field.size);
        table_add_hashed(&k->places, &p->entry, hash);
    }
    return p;
}

static struct container *container_of(struct memory_store *s, struct slice key,
                                      enum commit_verb verb)
{
    struct container *k = table_find(&s->keys, key);

    if (!k) {
        k = arena_need(&s->arena, sizeof *k);
        k->entry.key = arena_copy(&s->arena, key);
        k->kind = kind_of(verb);
        k->places.arena = &s->arena;
        table_add(&s->keys, &k->entry);
    }
    return k;
}

static void place_set(struct memory_store *s, struct place *p, struct slice value)
{
    assert(value.size <= VALUE_BYTES);
    if (value.size > p->room) {
        p->room = (unsigned)value.size;
        p->bytes = (char *)(uintptr_t)arena_copy(&s->arena, value).at;
    } else if (value.size) {
        memcpy(p->bytes, value.at, value.size);
    }
    p->size = (uint32_t)value.size;
    p->there = true;
    p->numeric = false;
}

static void place_put(struct place *p, int64_t number)
{
    p->number = number;
    p->room = 0;
    p->there = p->numeric = true;
}

static void place_add(struct place *p, int64_t amount)
{
    int64_t before = p->numeric ? p->number : 0;

    if (p->there && !p->numeric)
        slice_to_int(slice_make(p->bytes, p->size), &before);
    place_put(p, before + amount);
    p->there = p->number != 0;
}

static void place_empty(struct place *p)
{
    p->there = p->numeric = false;
}

static void container_empty(struct memory_store *s, struct slice key)
{
    struct container *k = table_find(&s->keys, key);
    struct place *p;

    for (size_t i = 0; k && (p = table_next(&k->places, &i));)
        place_empty(p);
}

/* The old name keeps the new one's places, all of them empty. */
static void container_rename(struct memory_store *s, struct slice key, struct slice name)
{
    struct container *from = table_find(&s->keys, key), *to, was;

    assert(from); /* as Redis would say, in an error */
    container_empty(s, name);
    to = container_of(s, name, COMMIT_HSET);
    was = *to;
    to->kind = from->kind;
    to->places = from->places;
    from->places = was.places;
}

static void apply_field(struct memory_store *s, struct container *k, const struct commit_op *op)
{
    struct place *p = place_of(s, k, op->field);

    switch (op->verb) {
    case COMMIT_HSET:
        place_set(s, p, op->value);
        break;
    case COMMIT_HINCRBY:
        place_add(p, op->amount);
        break;
    case COMMIT_SADD:
        place_set(s, p, slice_make("", 0));
        break;
    case COMMIT_ZADD:
        place_put(p, op->amount);
        break;
    default:
        place_empty(p);
        break;
    }
}

static void apply_fields(struct memory_store *s, const struct commit_op *ops, size_t count)
{
    struct container *k = container_of(s, ops->key, ops->verb);

    assert(k->kind == kind_of(ops->verb)); /* two families of keys would be mixed up */
    table_reserve(&k->places, count);
    for (size_t i = 0; i < count; i++)
        apply_field(s, k, &ops[i]);
}

/* All of one verb and key. */
static void apply_run(struct memory_store *s, const struct commit_op *ops, size_t count)
{
    switch (ops->verb) {
    case COMMIT_XADD:
        break; /* the change feed is for live readers */
    case COMMIT_DEL:
        container_empty(s, ops->key);
        break;
    case COMMIT_RENAME:
        container_rename(s, ops->key, ops->field);
        break;
    default:
        apply_fields(s, ops, count);
        break;
    }
}

static struct applied *standing_of(struct memory_store *s, unsigned place)
{
    struct standing *at = s->standings;

    while (at && at->place != place)
        at = at->next;
    if (!at) {
        at = arena_need(&s->arena, sizeof *at);
        at->place = place;
        at->next = s->standings;
        s->standings = at;
    }
    return &at->applied;
}

static struct slice place_value(const struct place *p, char room[24])
{
    struct buffer digits = {room, 0, 24};

    if (!p || !p->there)
        return (struct slice){0};
    if (!p->numeric)
        return slice_make(p->size ? p->bytes : "", p->size);
    buffer_add_int(&digits, p->number);
    return buffer_slice(&digits);
}

HINT void place_expect(const struct place *p)
{
    if (!p || !p->room)
        return;
    __builtin_prefetch(p->bytes);
    __builtin_prefetch(p->bytes + 64);
}

/* Some fields of a key; where they lie is on its way before the first is read. */
static int fetch_some(const struct container *k, const struct store_fetch *f, size_t from,
                      size_t count, void *context)
{
    uint64_t hashes[FETCH_AHEAD];
    const struct place *places[FETCH_AHEAD];
    char room[24];
    int r = 0;

    for (size_t i = 0; i < count; i++) {
        hashes[i] = table_hash(f->fields[from + i]);
        table_expect(&k->places, hashes[i]);
    }
    for (size_t i = 0; i < count; i++)
        table_expect_entry(&k->places, hashes[i]);
    for (size_t i = 0; i < count; i++) {
        places[i] = table_find_hashed(&k->places, f->fields[from + i], hashes[i]);
        place_expect(places[i]);
    }
    for (size_t i = 0; i < count && r == 0; i++)
        r = f->row(context, f->record, f->fields[from + i], place_value(places[i], room));
    return r;
}

static int fetch_fields(const struct container *k, const struct store_fetch *f, void *context)
{
    int r = 0;

    for (size_t i = 0, n; i < f->field_count && r == 0; i += n) {
        n = f->field_count - i < FETCH_AHEAD ? f->field_count - i : FETCH_AHEAD;
        r = fetch_some(k, f, i, n, context);
    }
    return r;
}

/* With `done` the values stay good, those made of numbers too. */
static int fetch_all(struct memory_store *s, const struct container *k, const struct store_fetch *f,
                     void *context)
{
    const struct place *p;
    char room[24];
    size_t given = 0;
    int r = 0;

    for (size_t i = 0; r == 0 && (p = table_next(&k->places, &i));)
        if (p->there) {
            struct slice value = place_value(p, room);
            if (f->done && p->numeric)
                value = arena_copy(&s->arena, value);
            r = f->row(context, f->record, p->entry.key, value);
            if (++given == f->field_count && f->kind == FETCH_SET)
                break;
        }
    return r;
}

static int fetch_one(struct memory_store *s, const struct store_fetch *f, void *context)
{
    static const struct container none;
    const struct container *k = table_find(&s->keys, f->key);
    int r = f->fields ? fetch_fields(k ? k : &none, f, context)
            : k       ? fetch_all(s, k, f, context)
                      : 0;

    return r == 0 && f->done ? f->done(context, f->record) : r;
}

static int memory_fetch(struct store *base, const struct store_fetch *fetches, size_t count,
                        void *context)
{
    struct memory_store *s = (struct memory_store *)base;
    int r = 0;

    for (size_t i = 0; i < count && r == 0; i++)
        r = fetch_one(s, &fetches[i], context);
    return r;
}

static int memory_begin(struct store *base, const struct store_look *look)
{
    struct memory_store *s = (struct memory_store *)base;

    /* Nothing needs to be watched: a commit says itself where it begins. */
    for (size_t i = 0; i < look->count; i++)
        look->ret_applied[i] = *standing_of(s, look->places[i]);
    return memory_fetch(base, look->fetches, look->fetch_count, look->context);
}

static int memory_commit(struct store *base, const struct commit *c)
{
    struct memory_store *s = (struct memory_store *)base;

    for (size_t i = 0; i < c->move_count; i++)
        if (!applied_same(standing_of(s, c->moves[i].place), &c->moves[i].from))
            return ERR_CONFLICT;
    for (size_t i = 0, n; i < c->count; i += n) {
        n = commit_run(c, i);
        apply_run(s, &c->ops[i], n);
    }
    for (size_t i = 0; i < c->move_count; i++)
        *standing_of(s, c->moves[i].place) = c->moves[i].to;
    return 0;
}

static bool container_there(const struct container *k)
{
    const struct place *p;

    for (size_t i = 0; (p = table_next(&k->places, &i));)
        if (p->there)
            return true;
    return false;
}

static int memory_keys(struct store *base, store_key_fn each, void *arg)
{
    struct memory_store *s = (struct memory_store *)base;
    const struct container *k;
    int error = 0;

    for (size_t i = 0; error == 0 && (k = table_next(&s->keys, &i));)
        if (container_there(k))
            error = each(arg, k->entry.key);
    return error;
}

static void memory_drop(struct store *base)
{
    (void)base; /* there is no connection to give up */
}

static void memory_free(struct store *base)
{
    struct memory_store *s = (struct memory_store *)base;

    table_free(&s->keys);
    arena_free(&s->arena);
    free(s);
}

struct store *store_memory_new(void)
{
    static const struct store_ops ops = {.begin = memory_begin,
                                         .fetch = memory_fetch,
                                         .commit = memory_commit,
                                         .keys = memory_keys,
                                         .drop = memory_drop,
                                         .free = memory_free};
    struct memory_store *s = memory_zeroed(sizeof *s);

    s->base.ops = &ops;
    return &s->base;
}

void store_memory_visit(const struct store *base, store_visit_fn visit, void *arg)
{
    const struct memory_store *s = (const struct memory_store *)base;
    const struct container *k;
    const struct place *p;
    char room[24];

    for (size_t i = 0; (k = table_next(&s->keys, &i));)
        for (size_t j = 0; (p = table_next(&k->places, &j));)
            if (p->there)
                visit(arg, k->kind, k->entry.key, p->entry.key, place_value(p, room));
}
