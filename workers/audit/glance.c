/* Glancing; see glance.h.  Some keys are asked for at a time; while they are gone through, the
 * next are on their way.  What was found of a key is looked up in the expected store at once.
 *
 * What can fail: the stores.  A key of another type fails the whole fetch that it is in; all of
 * these are left to be looked at, and so is what the other connection had in hand when it
 * failed: the first one then does the rest. */
#include "workers/audit/glance.h"

#include "proto/error.h"

#include <pthread.h>
#include <stdlib.h>

#define CHUNK 32 /* keys of one fetch: what a socket takes at once */

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

/* What the threads share. */
struct desk {
    struct glance_job *job;
    pthread_mutex_t lock; /* of all below, and of what the job gets */
    size_t next;          /* of its twins */
};

/* One thread. */
struct glancing {
    struct desk *desk;
    struct store *found;
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
    int error = g->count ? store_fetch(g->desk->job->expected, &f, 1, g) : 0;

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
    const struct pointers *twins = g->desk->job->twins;
    size_t *next = &g->desk->next;

    pthread_mutex_lock(&g->desk->lock);
    for (some->count = 0; some->count < CHUNK && *next < twins->count; ++*next)
        some->all[some->count++] = (struct glance){.twin = twins->items[*next]};
    pthread_mutex_unlock(&g->desk->lock);
    glances_fetch(some, row_found, done_found);
    return store_ask(g->found, some->fetches, some->count);
}

static bool glance_same(const struct glance *one)
{
    return one->same == one->seen && one->same == one->expected;
}

/* Those that are not the same are left, or all of them. */
static void glances_end(struct glancing *g, struct glances *some, bool all)
{
    const struct glance_job *job = g->desk->job;

    pthread_mutex_lock(&g->desk->lock);
    for (size_t i = 0; i < some->count; i++) {
        const struct glance *one = &some->all[i];
        if (all || !glance_same(one)) {
            pointers_add(job->rest, one->twin);
            continue;
        }
        one->twin->fields = one->seen;
        one->twin->differences = NULL;
    }
    if (job->progress)
        progress_add(job->progress, some->count);
    some->count = 0;
    pthread_mutex_unlock(&g->desk->lock);
}

/* What was asked for behind these is lost with them when they fail, and asked for again. */
static int glances_take(struct glancing *g, struct glances *some, const struct glances *next)
{
    int error = store_fetch(g->found, some->fetches, some->count, g);

    if (error == ERR_CORRUPT) { /* one is of another type; and what was seen is of no use */
        glances_end(g, some, true);
        g->count = g->at = 0;
        return store_ask(g->found, next->fetches, next->count);
    }
    glances_fetch(some, row_expected, NULL);
    if (error == 0)
        error = store_fetch(g->desk->job->expected, some->fetches, some->count, g);
    if (error == 0)
        glances_end(g, some, false);
    return error;
}

/* ---- one thread, and another one ---- */
static int glance_work(struct glancing *g)
{
    unsigned i = 0;
    int error = glances_ask(g, &g->two[i]);

    for (; error == 0 && g->two[i].count; i = !i) {
        error = glances_ask(g, &g->two[!i]);
        if (error == 0)
            error = glances_take(g, &g->two[i], &g->two[!i]);
    }
    if (error < 0) {
        store_drop(g->found); /* and what was asked for */
        glances_end(g, &g->two[0], true);
        glances_end(g, &g->two[1], true);
    }
    free(g->fields);
    free(g->values);
    return error;
}

static void *glance_aside(void *arg)
{
    struct glancing *g = arg;

    if (glance_work(g) < 0)
        g->desk->job->aside = NULL;
    return NULL;
}

/* Nobody takes any more of them. */
static void glance_stop(struct desk *d)
{
    pthread_mutex_lock(&d->lock);
    d->next = d->job->twins->count;
    pthread_mutex_unlock(&d->lock);
}

int glance_over(struct glance_job *job)
{
    struct desk desk = {.job = job, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct glancing own = {.desk = &desk, .found = job->found};
    struct glancing other = {.desk = &desk, .found = job->aside};
    pthread_t thread;
    bool two = job->aside && job->twins->count > CHUNK &&
               pthread_create(&thread, NULL, glance_aside, &other) == 0;
    int error = glance_work(&own);

    if (error < 0)
        glance_stop(&desk);
    if (two)
        pthread_join(thread, NULL);
    pthread_mutex_destroy(&desk.lock);
    return error;
}
