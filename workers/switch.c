/* Wiping and switching over; see switch.h. */
#include "workers/switch.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/table.h"
#include "proto/wire.h"
#include "workers/families.h"

#include <stdlib.h>

#define WIPE_CHUNK 1000 /* keys of one commit */

/* Names of keys, each once. */
struct names {
    struct arena arena;
    struct table all; /* struct table_entry */
};

static int names_add(void *arg, struct slice key)
{
    struct names *n = arg;
    struct table_entry *e;

    if (table_find(&n->all, key))
        return 0;
    e = arena_need(&n->arena, sizeof *e);
    e->key = arena_copy(&n->arena, key);
    table_add(&n->all, e);
    return 0;
}

static void names_free(struct names *n)
{
    table_free(&n->all);
    arena_free(&n->arena);
}

/* "offset:3" of a partition that is there: it is moved, never removed. */
static bool is_offset(struct slice key, unsigned partitions)
{
    struct slice family;
    int64_t p;

    return slice_cut(&key, ':', &family) && slice_is(family, "offset") && slice_to_int(key, &p) &&
           p >= 0 && p < partitions;
}

/* ---- what was built ---- */
struct fit {
    unsigned partitions, right;
};

static int row_meta(void *context, void *record, struct slice field, struct slice value)
{
    struct fit *f = record;
    int64_t n;

    (void)context;
    if (slice_is(field, "version"))
        f->right += slice_is(value, TURNOUT_VERSION);
    else if (slice_is(field, "schema"))
        f->right += slice_to_int(value, &n) && n == STORE_SCHEMA;
    else if (slice_is(field, "partitions"))
        f->right += slice_to_int(value, &n) && n == f->partitions;
    return 0;
}

int switch_fits(struct store *staged, unsigned partitions, bool *ret_fits)
{
    struct fit fit = {.partitions = partitions};
    struct store_fetch f = {
        .key = slice_of("meta"), .kind = FETCH_HASH, .row = row_meta, .record = &fit};
    int error = store_fetch(staged, &f, 1, NULL);

    if (error == 0)
        *ret_fits = fit.right == 3;
    return error;
}

/* ---- wiping ---- */
static bool at_beginning(const struct hold *h)
{
    for (unsigned p = 0; p < h->partitions; p++)
        if (h->applied[p].offset != 0)
            return false;
    return true;
}

/* First it is said that nothing is there, so that what is left after a kill is not taken for more.
 */
static int wipe_begin(struct store *staged, struct hold *h, const char *log)
{
    static const char *const first[] = {"meta", "derived", "dirty", "deriving"};
    struct applied to[WIRE_MAX_PARTS];
    struct commit c = {0};
    int64_t now_ms = clock_wall_ms();
    int error = hold_watch(h);

    for (unsigned p = 0; p < h->partitions; p++) {
        to[p] = (struct applied){.known = true};
        memcpy(to[p].log, log, LOG_ID);
    }
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        commit_del(&c, slice_of(first[i]));
    hold_moves(h, &c, to, now_ms);
    if (error == 0)
        error = store_commit(staged, &c);
    if (error == 0)
        error = hold_take(h, staged, h->partitions, log, now_ms);
    if (error == 0 && !at_beginning(h))
        error = ERR_CONFLICT;
    commit_free(&c);
    return error;
}

static int wipe_names(struct store *staged, const struct hold *h, const struct names *names)
{
    const struct table_entry *e;
    struct commit c = {0};
    size_t at = 0;
    int error = 0;

    do {
        e = table_next(&names->all, &at);
        if (e && !is_offset(e->key, h->partitions))
            commit_del(&c, e->key);
        if (e && c.count < WIPE_CHUNK)
            continue;
        error = hold_watch(h);
        if (error == 0)
            error = store_commit(staged, &c);
        commit_clear(&c);
    } while (e && error == 0);
    commit_free(&c);
    return error;
}

int switch_wipe(struct store *staged, struct hold *h, const char *log)
{
    struct names names = {0};
    int error = wipe_begin(staged, h, log);

    if (error == 0)
        error = store_keys(staged, names_add, &names);
    if (error == 0)
        error = wipe_names(staged, h, &names);
    names_free(&names);
    return error;
}

/* ---- switching over ---- */
/* What says where the staged store stands goes with it; what is derived from is carried over. */
static bool is_carried(struct slice key)
{
    const struct family *f = family_of(key);

    return f && (f->care != CARE_IGNORED || slice_is(key, "derived"));
}

static struct slice staged_name(struct commit *c, struct slice key)
{
    struct slice parts[] = {slice_of(FAMILY_NEW), key};

    return commit_join(c, parts, 2);
}

static uint64_t rename_staged(struct commit *c, const struct names *staged)
{
    const struct table_entry *e;
    uint64_t keys = 0;

    for (size_t i = 0; (e = table_next(&staged->all, &i));) {
        if (!is_carried(e->key)) {
            commit_del(c, staged_name(c, e->key));
            continue;
        }
        commit_rename(c, staged_name(c, e->key), e->key);
        keys += family_of(e->key)->care != CARE_IGNORED;
    }
    return keys;
}

/* Live keys that nothing was built for. */
static void remove_live(struct commit *c, const struct names *live, const struct names *staged,
                        unsigned partitions)
{
    const struct table_entry *e;

    for (size_t i = 0; (e = table_next(&live->all, &i));) {
        bool replaced = is_carried(e->key) && table_find(&staged->all, e->key);
        if (family_of(e->key) && !replaced && !is_offset(e->key, partitions) &&
            !slice_is(e->key, "changes"))
            commit_del(c, e->key);
    }
}

/* Every live reader begins anew. */
static void tell_change(struct commit *c)
{
    static const char *const fields[] = {"members", "committees", "periods", "ballots", "meetings"};

    commit_xadd(c, slice_of("changes"), slice_of("rebuilt"), slice_of("1"));
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        commit_xadd(c, slice_of("changes"), slice_of(fields[i]), slice_of("*"));
}

static int switch_commit(const struct hold *live, const struct hold *staged, struct commit *c)
{
    int error = hold_watch(staged);

    if (error == 0)
        error = hold_watch(live);
    return error ? error : store_commit(live->store, c);
}

int switch_over(const struct hold *live, const struct hold *staged, const char *log,
                uint64_t *ret_keys)
{
    struct names built = {0}, there = {0};
    struct commit c = {.arena = &built.arena};
    int64_t now_ms = clock_wall_ms();
    uint64_t keys = 0;
    int error = store_keys(staged->store, names_add, &built);

    if (error == 0)
        error = store_keys(live->store, names_add, &there);
    if (error == 0) {
        keys = rename_staged(&c, &built);
        remove_live(&c, &there, &built, live->partitions);
        tell_change(&c);
        hold_moves(live, &c, staged->applied, now_ms);
        hold_moves_derived(live, &c, log, now_ms);
        error = switch_commit(live, staged, &c);
    }
    if (error == 0)
        *ret_keys = keys;
    commit_free(&c);
    names_free(&built);
    names_free(&there);
    return error;
}
