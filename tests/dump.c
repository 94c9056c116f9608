/* A dump of a store; see dump.h.  A table of keys, each with a table of values, all out of one
 * arena; sorted only when it is compared or walked.  Nothing here can fail but for memory. */
#include "tests/dump.h"

#include <inttypes.h>
#include <stdlib.h>

#include "proto/table.h"

#define DIFFERENCES_SHOWN 20

struct value {
    struct table_entry entry;
    struct slice text; /* absent: the number counts */
    int64_t number;
};

struct key {
    struct table_entry entry;
    struct table values;
};

struct dump {
    struct arena arena;
    struct table keys;
};

struct dump *dump_new(void)
{
    struct dump *d = memory_need(sizeof *d);

    *d = (struct dump){{0}, {0}};
    d->keys.arena = &d->arena;
    return d;
}

void dump_free(struct dump *d)
{
    if (!d)
        return;
    arena_free(&d->arena);
    free(d);
}

static struct value *value_need(struct dump *d, struct slice key, struct slice field)
{
    struct key *k = table_find(&d->keys, key);
    struct value *v;

    if (!k) {
        k = arena_need(&d->arena, sizeof *k);
        k->entry.key = arena_copy(&d->arena, key);
        k->values.arena = &d->arena;
        table_add(&d->keys, &k->entry);
    }
    v = table_find(&k->values, field);
    if (!v) {
        v = arena_need(&d->arena, sizeof *v);
        v->entry.key = arena_copy(&d->arena, field);
        table_add(&k->values, &v->entry);
    }
    return v;
}

void dump_put(struct dump *d, struct slice key, struct slice field, struct slice value)
{
    value_need(d, key, field)->text = arena_copy(&d->arena, value);
}

void dump_add(struct dump *d, const char *key, const char *field, int64_t amount)
{
    value_need(d, slice_of(key), slice_of(field))->number += amount;
}

/* A number is written into `room`, which must outlive the slice. */
static struct slice value_text(const struct value *v, char room[24])
{
    if (v->text.at)
        return v->text;
    return slice_make(room, (size_t)snprintf(room, 24, "%" PRId64, v->number));
}

static const struct value *value_find(const struct dump *d, struct slice key, struct slice field)
{
    const struct key *k = table_find(&d->keys, key);

    return k ? table_find(&k->values, field) : NULL;
}

struct slice dump_get(const struct dump *d, const char *key, const char *field)
{
    static char room[24];
    const struct value *v = value_find(d, slice_of(key), slice_of(field));

    return v ? value_text(v, room) : (struct slice){0};
}

int64_t dump_number(const struct dump *d, const char *key, const char *field)
{
    int64_t number = 0;

    return slice_to_int(dump_get(d, key, field), &number) ? number : 0;
}

bool dump_has(const struct dump *d, const char *key)
{
    return table_find(&d->keys, slice_of(key)) != NULL;
}

size_t dump_keys(const struct dump *d)
{
    return d->keys.count;
}

/* ---- in order ---- */
static int entry_compare(const void *a, const void *b)
{
    const struct table_entry *const *x = a, *const *y = b;

    return slice_compare((*x)->key, (*y)->key);
}

/* All entries of a table, sorted; free them. */
static struct table_entry **entries_sorted(const struct table *t)
{
    struct table_entry **all = memory_need((t->count + 1) * sizeof(struct table_entry *));
    size_t at = 0, n = 0;

    while ((all[n] = table_next(t, &at)))
        n++;
    qsort(all, n, sizeof(struct table_entry *), entry_compare);
    return all;
}

static bool starts_with(struct slice text, struct slice prefix)
{
    return text.size >= prefix.size && memcmp(text.at, prefix.at, prefix.size) == 0;
}

void dump_each(const struct dump *d, const char *prefix, dump_fn each, void *arg)
{
    struct table_entry **keys = entries_sorted(&d->keys);
    char room[24];

    for (struct table_entry **k = keys; *k; k++) {
        struct table_entry **values;

        if (!starts_with((*k)->key, slice_of(prefix)))
            continue;
        values = entries_sorted(&((struct key *)*k)->values);
        for (struct table_entry **v = values; *v; v++)
            each(arg, (*k)->key, (*v)->key, value_text((struct value *)*v, room));
        free(values);
    }
    free(keys);
}

/* ---- comparing ---- */
struct comparison {
    const struct dump *other;
    dump_care_fn care;
    bool backwards; /* walking what was found, for what is not expected */
    FILE *out;
    size_t compared, differences;
};

static enum dump_care care_of(const struct comparison *c, struct slice key, struct slice field)
{
    return c->care ? c->care(key, field) : DUMP_EXACT;
}

static void difference(struct comparison *c, struct slice key, struct slice field,
                       struct slice expected, struct slice found)
{
    struct slice none = slice_of("nothing");

    if (c->differences++ >= DIFFERENCES_SHOWN || !c->out)
        return;
    if (!expected.at)
        expected = none;
    if (!found.at)
        found = none;
    fprintf(c->out, "%.*s %.*s: expected %.*s, found %.*s\n", (int)key.size, key.at,
            (int)field.size, field.at, (int)expected.size, expected.at, (int)found.size, found.at);
}

static void compare_one(void *arg, struct slice key, struct slice field, struct slice value)
{
    struct comparison *c = arg;
    enum dump_care care = care_of(c, key, field);
    const struct value *there = value_find(c->other, key, field);
    struct slice other = {0};
    char room[24];

    if (care == DUMP_IGNORE || (c->backwards && (there || care == DUMP_LENIENT)))
        return;
    c->compared++;
    if (there)
        other = value_text(there, room);
    if (!there && slice_is(value, "0"))
        return;
    if (there && slice_equal(value, other))
        return;
    if (c->backwards)
        difference(c, key, field, other, value);
    else
        difference(c, key, field, value, other);
}

size_t dump_compare(const struct dump *expected, const struct dump *found, dump_care_fn care,
                    FILE *out, size_t *ret_compared)
{
    struct comparison c = {.other = found, .care = care, .out = out};

    dump_each(expected, "", compare_one, &c);
    c.other = expected;
    c.backwards = true;
    dump_each(found, "", compare_one, &c);
    if (ret_compared)
        *ret_compared = c.compared;
    return c.differences;
}
