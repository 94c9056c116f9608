/* Glancing; see glance.h.  Some hundred keys are asked for at a time; while they are gone through,
 * the next are on their way.  What was found of a key is looked up in the expected store at once.
 *
 * What can fail: the stores.  A key of another type fails the whole fetch that it is in; all of
 * these are left to be looked at. */
#include "workers/audit/glance.h"

#include "proto/error.h"

#include <stdlib.h>

#define CHUNK 256 /* keys of one fetch */

struct glance {
    struct twin *twin;
    uint64_t seen, same, expected;
};

/* As many as one fetch is for. */
struct glances {
    struct glance all[CHUNK];
    struct store_fetch fetches[CHUNK];
    size_t count;
};

struct glancing {
    struct store *expected, *found;
    const struct pointers *twins;
    struct pointers *rest;
    size_t next; /* of the twins */
    struct glances two[2];

    /* of one key, as they were found */
    struct slice *fields, *values;
    size_t count, room, at;
};

/* ---- one key ---- */
static void found_add(struct glancing *g, struct slice field, struct slice value)
{
    if (g->count == g->room) {
        g->room = g->room ? g->room * 2 : 256;
        g->fields = memory_grow(g->fields, g->room * sizeof *g->fields);
        g->values = memory_grow(g->values, g->room * sizeof *g->values);
    }
    g->fields[g->count] = field;
    g->values[g->count++] = value;
}

static int row_found(void *context, void *record, struct slice field, struct slice value)
{
    struct glance *one = record;

    if (!value.at || !family_compares(one->twin->family, field))
        return 0;
    found_add(context, field, value);
    one->seen++;
    return 0;
}

static int row_same(void *context, void *record, struct slice field, struct slice value)
{
    struct glancing *g = context;
    struct glance *one = record;

    (void)field;
    one->same += value.at && slice_equal(value, g->values[g->at]);
    g->at++;
    return 0;
}

static int done_found(void *context, void *record)
{
    struct glancing *g = context;
    struct glance *one = record;
    struct store_fetch f = {.key = one->twin->entry.key,
                            .kind = one->twin->family->kind,
                            .fields = g->fields,
                            .field_count = g->count,
                            .row = row_same,
                            .record = one};
    int error = g->count ? store_fetch(g->expected, &f, 1, g) : 0;

    g->count = g->at = 0;
    return error;
}

static int row_expected(void *context, void *record, struct slice field, struct slice value)
{
    struct glance *one = record;

    (void)context;
    one->expected += value.at && family_compares(one->twin->family, field);
    return 0;
}

/* ---- some keys ---- */
static void glances_fetch(struct glances *some, store_row_fn row, store_done_fn done)
{
    for (size_t i = 0; i < some->count; i++)
        some->fetches[i] = (struct store_fetch){.key = some->all[i].twin->entry.key,
                                                .kind = some->all[i].twin->family->kind,
                                                .row = row,
                                                .record = &some->all[i],
                                                .done = done};
}

/* The next ones; none are left when there are none. */
static int glances_ask(struct glancing *g, struct glances *some)
{
    for (some->count = 0; some->count < CHUNK && g->next < g->twins->count; g->next++)
        some->all[some->count++] = (struct glance){.twin = g->twins->items[g->next]};
    glances_fetch(some, row_found, done_found);
    return store_ask(g->found, some->fetches, some->count);
}

static void glance_end(struct glancing *g, const struct glance *one)
{
    if (one->same != one->seen || one->same != one->expected) {
        pointers_add(g->rest, one->twin);
        return;
    }
    one->twin->fields = one->seen;
    one->twin->differences = NULL;
}

/* What was asked for behind these is lost with them when they fail, and asked for again. */
static int glances_take(struct glancing *g, struct glances *some, const struct glances *next)
{
    int error = store_fetch(g->found, some->fetches, some->count, g);

    if (error == ERR_CORRUPT) { /* one is of another type; and what was seen is of no use */
        for (size_t i = 0; i < some->count; i++)
            pointers_add(g->rest, some->all[i].twin);
        g->count = g->at = 0;
        return store_ask(g->found, next->fetches, next->count);
    }
    glances_fetch(some, row_expected, NULL);
    if (error == 0)
        error = store_fetch(g->expected, some->fetches, some->count, g);
    for (size_t i = 0; i < some->count && error == 0; i++)
        glance_end(g, &some->all[i]);
    return error;
}

int glance_over(struct store *expected, struct store *found, const struct pointers *twins,
                struct pointers *rest, struct progress *progress)
{
    struct glancing g = {.expected = expected, .found = found, .twins = twins, .rest = rest};
    int error = glances_ask(&g, &g.two[0]);

    for (unsigned i = 0; error == 0 && g.two[i].count; i = !i) {
        error = glances_ask(&g, &g.two[!i]);
        if (error == 0)
            error = glances_take(&g, &g.two[i], &g.two[!i]);
        if (error == 0 && progress)
            progress_add(progress, g.two[i].count);
    }
    if (error < 0)
        store_drop(found); /* and what was asked for */
    free(g.fields);
    free(g.values);
    return error;
}
