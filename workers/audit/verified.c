/* The last verification; see verified.h. */
#include "workers/audit/verified.h"

#include "proto/error.h"

#define KEY "verified"

static const char *const names[] = {"time", "keys", "fields", "differences"};
enum { NAMES = sizeof names / sizeof *names };

static int64_t *number_of(struct verified *v, int i)
{
    return i == 0 ? &v->time_ms : i == 1 ? &v->keys : i == 2 ? &v->fields : &v->differences;
}

int verified_write(struct store *s, const struct verified *v)
{
    static const struct store_look nothing = {0};
    struct verified copy = *v;
    struct arena arena = {0};
    struct commit c = {.arena = &arena};
    int error = store_begin(s, &nothing);

    for (int i = 0; i < NAMES; i++)
        commit_hset(&c, slice_of(KEY), slice_of(names[i]), commit_text(&c, *number_of(&copy, i)));
    if (error == 0)
        error = store_commit(s, &c);
    commit_free(&c);
    arena_free(&arena);
    return error;
}

static int row_number(void *context, void *record, struct slice field, struct slice value)
{
    struct verified *v = record;

    (void)context;
    for (int i = 0; i < NAMES; i++)
        if (slice_is(field, names[i]) && !slice_to_int(value, number_of(v, i)))
            return ERR_CORRUPT;
    v->known = true;
    return 0;
}

int verified_read(struct store *s, struct verified *ret)
{
    struct store_fetch f = {.key = slice_of(KEY), .row = row_number, .record = ret};

    *ret = (struct verified){0};
    return store_fetch(s, &f, 1, NULL);
}
