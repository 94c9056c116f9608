/* Wiping and switching over; see switch.h. */
#include "workers/audit/switch.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/table.h"
#include "proto/wire.h"
#include "workers/audit/families.h"
#include "workers/changes.h"

#include <stdlib.h>
#include <time.h>

#define WIPE_CHUNK     1000 /* keys of one commit */
#define RENEW_MS       (HOLD_MS / 5)
#define RENEW_KEYS     1000  /* listed in much less time than that */
#define STILL_MS       30000 /* then it is given up that live workers end their deriving */
#define STILL_PAUSE_MS 20

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
/* First it is said that nothing is there, so that what is left after a kill is not taken for more.
 * Whoever watches a key that is not there does not see it deleted: `derived` is there for a moment,
 * or a rebuild about to take what we delete would find it gone in the middle of its commit. */
static int wipe_begin(struct store *staged, struct hold *h, const char *log)
{
    static const char *const first[] = {"meta", "derived", "dirty", "deriving"};
    struct commit c = {0};
    int error = hold_watch(h);

    commit_hset(&c, slice_of("derived"), slice_of("day"), slice_of(""));
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        commit_del(&c, slice_of(first[i]));
    hold_moves_anew(h, &c, log, clock_wall_ms());
    if (error == 0)
        error = store_commit(staged, &c);
    if (error == 0)
        error = hold_renew(h, clock_wall_ms()); /* sees that nothing is derived any more */
    commit_free(&c);
    return error;
}

static int wipe_names(struct store *staged, struct hold *h, const struct names *names)
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
        error = hold_renew(h, clock_wall_ms());
        if (error == 0)
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

/* ---- listing ---- */
/* The names of both boards, and the holds that are renewed while they are listed. */
struct listing {
    struct hold *live, *staged;
    struct names there, built;
    struct applied derived[2]; /* where the two stood when the listing began */
    unsigned seen;
    int64_t renewed_ms;
};

static int listing_renew(struct listing *l)
{
    int error = hold_renew(l->live, clock_wall_ms());

    l->renewed_ms = clock_mono_ms();
    return error ? error : hold_renew(l->staged, clock_wall_ms());
}

static int listing_add(void *arg, struct slice key)
{
    struct listing *l = arg;
    struct slice built = key;
    int error = 0;

    if (++l->seen % RENEW_KEYS == 0 && clock_mono_ms() - l->renewed_ms >= RENEW_MS)
        error = listing_renew(l);
    if (error < 0)
        return error;
    if (slice_cut_begin(&built, slice_of(FAMILY_NEW)) && built.size)
        return names_add(&l->built, built);
    return names_add(&l->there, key);
}

static void listing_clear(struct listing *l)
{
    names_free(&l->built);
    names_free(&l->there);
    l->built = l->there = (struct names){0};
}

/* Nothing was derived since the listing began: deriving, too, makes keys and removes them. */
static bool listing_still(const struct listing *l)
{
    return applied_same(&l->derived[0], &l->live->derived) &&
           applied_same(&l->derived[1], &l->staged->derived);
}

static int listing_once(struct listing *l, struct store *names)
{
    int error = listing_renew(l);

    listing_clear(l);
    l->derived[0] = l->live->derived;
    l->derived[1] = l->staged->derived;
    if (error == 0)
        error = store_keys(names, listing_add, l);
    return error ? error : listing_renew(l);
}

/* While they are held there is less and less to be derived. */
static int listing_make(struct listing *l, struct store *names)
{
    struct timespec pause = {0, STILL_PAUSE_MS * 1000000};
    int64_t end_ms = clock_mono_ms() + STILL_MS;
    int error;

    while ((error = listing_once(l, names)) == 0 && !listing_still(l)) {
        if (clock_mono_ms() >= end_ms)
            return ERR_CONFLICT;
        nanosleep(&pause, NULL);
    }
    return error;
}

/* The last look at what was built comes before the watch on the live places; rebuild.h says why
 * that is enough. */
static int switch_commit(struct listing *l, const char *log, struct commit *c)
{
    int64_t now_ms = clock_wall_ms();
    int error = listing_renew(l);

    if (error == 0 && !listing_still(l))
        error = ERR_CONFLICT;
    if (error < 0)
        return error;
    hold_moves(l->live, c, l->staged->applied, now_ms);
    hold_moves_derived(l->live, c, log, now_ms);
    error = hold_watch(l->staged);
    if (error == 0)
        error = hold_watch(l->live);
    return error ? error : store_commit(l->live->store, c);
}

int switch_over(struct hold *live, struct hold *staged, struct store *names, const char *log,
                uint64_t *ret_keys)
{
    struct listing l = {.live = live, .staged = staged};
    struct commit c = {.arena = &l.built.arena};
    uint64_t keys = 0;
    int error = listing_make(&l, names);

    if (error == 0) {
        keys = rename_staged(&c, &l.built);
        remove_live(&c, &l.there, &l.built, live->partitions);
        changes_tell_all(&c, slice_of("changes"), "rebuilt");
        error = switch_commit(&l, log, &c);
    }
    if (error == 0)
        *ret_keys = keys;
    commit_free(&c);
    listing_clear(&l);
    return error;
}
