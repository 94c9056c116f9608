/* A round's looks and commits, and its lists of work; see derive_round.h. */
#include "workers/derive_round.h"

#include "proto/error.h"

#include <stdlib.h>

void derive_fetch(struct derive *d, struct slice key, enum fetch_kind kind, store_row_fn row,
                  void *record)
{
    gather_key(&d->gather, key, kind, row, record);
}

int derive_look_at(struct derive *d, struct applied *ret, bool snapshot)
{
    unsigned place = PLACE_DERIVED;
    struct store_look look = {.places = &place,
                              .watched = 1,
                              .count = 1,
                              .ret_applied = ret,
                              .context = d->ledger,
                              .snapshot = snapshot};

    look.fetches = gather_take(&d->gather, &look.fetch_count);
    return store_begin(d->store, &look);
}

int derive_look(struct derive *d)
{
    struct applied now;
    int error = derive_look_at(d, &now, true);

    /* the time too: after a flush the number may be the same once more */
    if (error == 0 && (!applied_same(&now, &d->applied) || now.time_ms != d->applied.time_ms))
        error = ERR_CONFLICT;
    return error;
}

int derive_commit(struct derive *d, int64_t now_ms)
{
    struct commit_move *m = commit_move(&d->commit, PLACE_DERIVED);
    struct applied to = d->applied;
    int error;

    to.known = true;
    to.offset++;
    to.time_ms = now_ms;
    memcpy(to.log, d->log, sizeof to.log);
    m->from = d->applied;
    m->to = to;
    error = store_commit(d->store, &d->commit);
    if (error == 0)
        d->applied = to;
    return error;
}

struct slice derive_key(struct derive *d, const char *family, struct slice a, const char *between,
                        struct slice b)
{
    struct slice parts[] = {slice_of(family), a, slice_of(between), b};

    return commit_join(&d->commit, parts, 4);
}

void work_clear(struct work *w)
{
    table_clear(&w->names);
    w->list.count = w->at = 0;
}

void work_free(struct work *w)
{
    table_free(&w->names);
    free(w->list.items);
}

bool work_left(const struct work *w)
{
    return w->at < w->list.count;
}

void *work_add(struct work *w, struct arena *arena, struct slice name, size_t size)
{
    struct table_entry *e = table_find(&w->names, name);

    if (!e) {
        e = arena_need(arena, size);
        e->key = arena_copy(arena, name);
        table_add(&w->names, e);
        pointers_add(&w->list, e);
    }
    return e;
}
