/* Comparing; see compare.h.  Happy path: keys that have the same fields are passed over (glance.c);
 * the others are fetched from both stores and laid side by side, field by field.
 *
 * What can fail: the stores.  A key of another type fails the whole fetch that it is in; its
 * neighbours are then fetched one by one. */
#include "workers/audit/compare.h"

#include "proto/error.h"
#include "workers/audit/glance.h"
#include "workers/audit/tap.h"

#include <stdlib.h>

#define CHUNK 256 /* keys of one fetch */

struct compare {
    struct store *expected, *found;
    struct store *aside;      /* another connection to the found one; NULL: there is none */
    struct store *tap;        /* the expected one, listened to */
    struct arena arena;       /* names */
    struct arena differences; /* of the last look */
    struct arena kept;        /* those of an earlier one */
    struct arena chunk;       /* of one fetch */
    struct table keys;        /* struct twin */
    struct pointers due;      /* twins to be looked at; */
    struct pointers rest;     /* those of them to be laid side by side */
};

/* A field of a key, as both have it. */
struct pair {
    struct table_entry entry;
    struct slice expected, found;
};

struct look {
    struct twin *twin;
    struct table pairs; /* struct pair */
    bool of_found;      /* which store is being fetched */
    bool other_type;
};

/* ---- the expected store, listened to ---- */
static void listen(void *compare, const struct commit *commit)
{
    for (size_t i = 0; i < commit->count; i += commit_run(commit, i))
        compare_add(compare, commit->ops[i].key);
}

struct compare *compare_new(struct store *expected, struct store *found)
{
    struct compare *c = memory_zeroed(sizeof *c);

    c->expected = expected;
    c->found = found;
    c->tap = tap_new(expected, listen, c);
    return c;
}

void compare_aside(struct compare *c, struct store *aside)
{
    c->aside = aside;
}

void compare_free(struct compare *c)
{
    if (!c)
        return;
    store_free(c->tap);
    table_free(&c->keys);
    free(c->due.items);
    free(c->rest.items);
    arena_free(&c->arena);
    arena_free(&c->differences);
    arena_free(&c->kept);
    arena_free(&c->chunk);
    free(c);
}

struct store *compare_store(struct compare *c)
{
    return c->tap;
}

/* ---- keys ---- */
/* NULL for one that is not compared. */
static struct twin *twin_of(struct compare *c, struct slice key)
{
    struct twin *t = table_find(&c->keys, key);
    const struct family *f = t ? t->family : family_of(key);

    if (t || !f)
        return t;
    t = arena_need(&c->arena, sizeof *t);
    t->entry.key = arena_copy(&c->arena, key);
    t->family = f;
    table_add(&c->keys, &t->entry);
    return t;
}

static int list_key(void *arg, struct slice key)
{
    twin_of(arg, key);
    return 0;
}

void compare_add(struct compare *c, struct slice key)
{
    struct twin *t = twin_of(c, key);

    if (t)
        t->again = true;
}

/* Marks go from one set to the other while it is looked at. */
int compare_keys(struct compare *c)
{
    int error = store_keys(c->expected, list_key, c);

    compare_add(c, slice_of("dirty"));
    compare_add(c, slice_of("deriving"));
    compare_add(c, slice_of("changes"));
    return error ? error : store_keys(c->found, list_key, c);
}

uint64_t compare_listed(const struct compare *c)
{
    return c->keys.count;
}

/* ---- fields ---- */
static int take_field(void *context, void *record, struct slice field, struct slice value)
{
    struct compare *c = context;
    struct look *l = record;
    struct pair *p;

    if (!value.at || !family_compares(l->twin->family, field))
        return 0;
    p = table_find(&l->pairs, field);
    if (!p) {
        p = arena_need(&c->chunk, sizeof *p);
        p->entry.key = arena_copy(&c->chunk, field);
        table_add(&l->pairs, &p->entry);
    }
    *(l->of_found ? &p->found : &p->expected) = arena_copy(&c->chunk, value);
    return 0;
}

/* Of keys of which only the type matters, as little as tells it. */
static struct store_fetch look_fetch_of(struct look *l)
{
    static const struct slice field = {"log", 3};
    const struct family *f = l->twin->family;
    struct store_fetch fetch = {
        .key = l->twin->entry.key, .kind = f->kind, .row = take_field, .record = l};

    if (f->care == CARE_IGNORED && !family_is_marks(f)) {
        fetch.fields = f->kind == FETCH_HASH ? &field : NULL;
        fetch.field_count = 1;
    }
    return fetch;
}

static void look_fetches(struct look *looks, size_t count, bool of_found, struct store_fetch *ret)
{
    for (size_t i = 0; i < count; i++) {
        looks[i].of_found = of_found;
        ret[i] = look_fetch_of(&looks[i]);
    }
}

static void forget_found(struct look *l)
{
    struct pair *p;

    for (size_t i = 0; (p = table_next(&l->pairs, &i));)
        p->found = (struct slice){0};
}

/* One of them is of another type: which one. */
static int fetch_singly(struct compare *c, struct look *looks, size_t count,
                        const struct store_fetch *fetches)
{
    int error = 0;

    for (size_t i = 0; i < count && error == 0; i++) {
        forget_found(&looks[i]);
        error = store_fetch(c->found, &fetches[i], 1, c);
        if (error == ERR_CORRUPT) {
            forget_found(&looks[i]);
            looks[i].other_type = true;
            error = 0;
        }
    }
    return error;
}

static int look_fetch(struct compare *c, struct look *looks, size_t count)
{
    struct store_fetch fetches[CHUNK];
    int error;

    look_fetches(looks, count, false, fetches);
    error = store_fetch(c->expected, fetches, count, c);
    if (error < 0)
        return error;
    look_fetches(looks, count, true, fetches);
    error = store_fetch(c->found, fetches, count, c);
    return error == ERR_CORRUPT ? fetch_singly(c, looks, count, fetches) : error;
}

/* ---- differences ---- */
static struct difference *difference_add(struct compare *c, struct twin *t, struct slice field)
{
    struct difference *d = arena_need(&c->differences, sizeof *d);

    d->key = t->entry.key;
    d->family = t->family;
    d->field = arena_copy(&c->differences, field);
    d->next = t->differences;
    t->differences = d;
    t->again = true;
    return d;
}

/* Whether there is a key that the name in the set stands for. */
struct need {
    struct slice set, name;
    bool found;
};

static int match_need(void *arg, struct slice key)
{
    struct need *n = arg;

    n->found |= family_lists(n->set, n->name, key);
    return 0;
}

/* Which names have stayed behind in the expected store is as much chance as in the other one. */
static bool name_is_needed(struct compare *c, struct slice set, struct slice name)
{
    struct need need = {.set = set, .name = name};

    store_keys(c->expected, match_need, &need);
    return need.found;
}

static bool may_differ(struct compare *c, const struct twin *t, const struct pair *p)
{
    if (t->family->care != CARE_LENIENT)
        return false;
    return !p->expected.at || (!p->found.at && family_is_list(t->family) &&
                               !name_is_needed(c, t->entry.key, p->entry.key));
}

static bool means_the_same(const struct twin *t, const struct pair *p)
{
    struct slice absent = family_default(t->family, p->entry.key);
    struct slice expected = p->expected.at ? p->expected : absent;
    struct slice found = p->found.at ? p->found : absent;

    return expected.at && found.at && slice_equal(expected, found);
}

static void compare_pair(struct compare *c, struct twin *t, const struct pair *p)
{
    struct difference *d;

    t->fields++;
    if (means_the_same(t, p) || may_differ(c, t, p))
        return;
    d = difference_add(c, t, p->entry.key);
    d->expected = arena_copy(&c->differences, p->expected);
    d->found = arena_copy(&c->differences, p->found);
}

static void compare_type(struct compare *c, struct twin *t, bool wanted)
{
    static const char *const name[] = {"hash", "set", "sorted set", "stream"};
    struct difference *d = difference_add(c, t, slice_of(COMPARE_TYPE));

    t->fields++;
    d->is_type = true;
    if (wanted)
        d->expected = slice_of(name[t->family->kind]);
    d->found = slice_of("another type");
}

static void look_end(struct compare *c, struct look *l)
{
    const struct pair *p;

    l->twin->fields = 0;
    l->twin->differences = NULL;
    if (l->other_type)
        compare_type(c, l->twin, l->pairs.count > 0 || l->twin->family->care == CARE_IGNORED);
    for (size_t i = 0; (p = table_next(&l->pairs, &i));)
        compare_pair(c, l->twin, p);
}

static int compare_chunk(struct compare *c, void *const *twins, size_t count)
{
    struct look looks[CHUNK];
    int error;

    for (size_t i = 0; i < count; i++)
        looks[i] = (struct look){.twin = twins[i], .pairs.arena = &c->chunk};
    error = look_fetch(c, looks, count);
    for (size_t i = 0; i < count && error == 0; i++)
        look_end(c, &looks[i]);
    arena_reset(&c->chunk, SIZE_MAX);
    return error;
}

/* Whatever differed is looked at anew, so that nothing of the last look is left. */
static void differences_forget(struct compare *c)
{
    struct twin *t;

    for (size_t i = 0; (t = table_next(&c->keys, &i));)
        t->differences = NULL;
    arena_reset(&c->differences, SIZE_MAX);
}

/* Of keys of which only the type matters there is nothing to be glanced over. */
static void list_due(struct compare *c, bool all)
{
    struct twin *t;

    c->due.count = c->rest.count = 0;
    for (size_t i = 0; (t = table_next(&c->keys, &i));)
        if (t->family->care == CARE_IGNORED)
            pointers_add(&c->rest, t);
        else if (all || t->again)
            pointers_add(&c->due, t);
}

static int compare_some(struct compare *c, bool all, struct progress *progress)
{
    struct glance_job job = {.expected = c->expected,
                             .found = c->found,
                             .aside = c->aside,
                             .twins = &c->due,
                             .rest = &c->rest,
                             .progress = progress};
    size_t ignored;
    int error;

    differences_forget(c);
    list_due(c, all);
    ignored = c->rest.count;
    error = glance_over(&job);
    c->aside = job.aside;
    for (size_t i = 0, n; i < c->rest.count && error == 0; i += n) {
        n = c->rest.count - i < CHUNK ? c->rest.count - i : CHUNK;
        error = compare_chunk(c, c->rest.items + i, n);
    }
    if (error == 0 && progress)
        progress_add(progress, ignored);
    return error;
}

int compare_all(struct compare *c, struct progress *progress)
{
    struct twin *t;

    for (size_t i = 0; (t = table_next(&c->keys, &i));)
        t->again = false;
    return compare_some(c, true, progress);
}

int compare_again(struct compare *c)
{
    return compare_some(c, false, NULL);
}

/* ---- what it came to ---- */
void compare_keep(struct compare *c)
{
    arena_free(&c->kept);
    c->kept = c->differences;
    c->differences = (struct arena){0};
}

void compare_counts(const struct compare *c, uint64_t *ret_keys, uint64_t *ret_fields)
{
    const struct twin *t;

    *ret_keys = *ret_fields = 0;
    for (size_t i = 0; (t = table_next(&c->keys, &i));) {
        *ret_keys += t->fields > 0;
        *ret_fields += t->fields;
    }
}

static int by_key_and_field(const void *a, const void *b)
{
    const struct difference *const *x = a, *const *y = b;
    int order = slice_compare((*x)->key, (*y)->key);

    if (order == 0 && (*x)->is_type != (*y)->is_type)
        return (*x)->is_type ? -1 : 1;
    return order ? order : slice_compare((*x)->field, (*y)->field);
}

size_t compare_differences(const struct compare *c, const struct difference ***ret)
{
    const struct difference **list = NULL;
    const struct twin *t;
    size_t count = 0, room = 0;

    for (size_t i = 0; (t = table_next(&c->keys, &i));)
        for (const struct difference *d = t->differences; d; d = d->next) {
            list = memory_room(list, count, &room, sizeof *list);
            list[count++] = d;
        }
    if (count)
        qsort(list, count, sizeof *list, by_key_and_field);
    *ret = list;
    return count;
}
