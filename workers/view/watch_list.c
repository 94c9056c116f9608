/* The watch list for people; see watch_list.h: the list itself, with the day and the thresholds it
 * was made by.  What is missing is for watch_detail.c. */
#include "workers/view/watch_list.h"

#include "proto/error.h"
#include "workers/view/watch_detail.h"

#include <stdlib.h>

static bool reason_parse(struct slice text, enum risk_reason *ret)
{
    for (int i = 0; i < RISKS; i++)
        if (slice_is(text, risk_name[i])) {
            *ret = (enum risk_reason)i;
            return true;
        }
    return false;
}

static bool score_parse(struct slice text, enum risk_score *ret)
{
    int64_t n;

    if (!slice_to_int(text, &n) || (n != RISK_AMBER && n != RISK_RED))
        return false;
    *ret = (enum risk_score)n;
    return true;
}

/* "C|M|REASON" and the score. */
static int entry_parse(struct slice name, struct slice value, struct watch_entry *ret)
{
    *ret = (struct watch_entry){0};
    if (!slice_cut(&name, '|', &ret->committee) || !slice_cut(&name, '|', &ret->member) ||
        !reason_parse(name, &ret->reason) || !score_parse(value, &ret->score))
        return ERR_CORRUPT;
    return 0;
}

struct list_step {
    struct watch_list *list;
    const struct watch_ask *ask;
};

static int row_entry(void *context, void *record, struct slice field, struct slice value)
{
    struct list_step *s = context;
    struct watch_list *w = s->list;
    struct watch_entry e, *copy;
    int error = entry_parse(field, value, &e);

    (void)record;
    if (error < 0 || !name_list_wants(&s->ask->members, e.member) ||
        !name_list_wants(&s->ask->committees, e.committee))
        return error;
    w->entries = memory_room(w->entries, w->count, &w->room, sizeof(void *));
    w->entries[w->count++] = copy = arena_need(&w->arena, sizeof *copy);
    *copy = e;
    copy->committee = copy->label = arena_copy(&w->arena, e.committee);
    copy->member = arena_copy(&w->arena, e.member);
    w->red += e.score == RISK_RED;
    return 0;
}

/* The day and the thresholds that the list was derived by. */
static int row_basis(void *context, void *record, struct slice field, struct slice value)
{
    struct watch_list *w = ((struct list_step *)context)->list;

    (void)record;
    if (!value.at)
        return 0;
    if (slice_is(field, "rules"))
        return rules_parse(value, &w->rules) ? 0 : ERR_CORRUPT;
    return date_parse(value, &w->today) ? 0 : ERR_CORRUPT;
}

static int load_list(struct store *s, const struct watch_ask *ask, struct watch_list *w)
{
    static const struct slice basis[] = {{"day", 3}, {"rules", 5}};
    static const unsigned place = PLACE_DERIVED;
    struct list_step step = {w, ask};
    struct applied applied = {0};
    struct store_fetch fetches[] = {
        {.key = slice_of("watch"), .kind = FETCH_ZSET, .row = row_entry},
        {.key = slice_of("derived"), .fields = basis, .field_count = 2, .row = row_basis},
    };
    struct store_look look = {.places = &place,
                              .count = 1,
                              .ret_applied = &applied,
                              .fetches = fetches,
                              .fetch_count = 2,
                              .context = &step,
                              .snapshot = true};
    int error;

    w->today = date_of_ms(ask->now_ms);
    w->rules = RULES_DEFAULT;
    error = store_begin(s, &look);
    w->known = applied.known;
    w->as_of_ms = applied.time_ms;
    return error;
}

static int by_committee(const void *a, const void *b)
{
    const struct watch_entry *x = *(struct watch_entry *const *)a,
                             *y = *(struct watch_entry *const *)b;
    int order = slice_compare(x->committee, y->committee);

    order = order ? order : slice_compare(x->member, y->member);
    return order ? order : (int)x->reason - (int)y->reason;
}

static int red_first(const void *a, const void *b)
{
    const struct watch_entry *x = *(struct watch_entry *const *)a,
                             *y = *(struct watch_entry *const *)b;

    return x->score != y->score ? (int)y->score - (int)x->score : by_committee(a, b);
}

static void sort(struct watch_list *w, int (*order)(const void *, const void *))
{
    if (w->count)
        qsort(w->entries, w->count, sizeof(void *), order);
}

int watch_load(struct store *s, const struct watch_ask *ask, struct watch_list *ret)
{
    int error = load_list(s, ask, ret);

    sort(ret, by_committee);
    if (error == 0)
        error = watch_detail(s, ret);
    sort(ret, red_first);
    return error;
}

void watch_free(struct watch_list *w)
{
    arena_free(&w->arena);
    free(w->entries);
}

static int row_score(void *context, void *record, struct slice field, struct slice value)
{
    size_t *counts = record;
    enum risk_score score;

    (void)context;
    (void)field;
    if (!score_parse(value, &score))
        return ERR_CORRUPT;
    counts[score]++;
    return 0;
}

int watch_count(struct store *s, size_t *ret_red, size_t *ret_amber)
{
    size_t counts[RISK_RED + 1] = {0};
    struct store_fetch f = {
        .key = slice_of("watch"), .kind = FETCH_ZSET, .row = row_score, .record = counts};
    int error = store_fetch(s, &f, 1, NULL);

    if (error < 0)
        return error;
    *ret_red = counts[RISK_RED];
    *ret_amber = counts[RISK_AMBER];
    return 0;
}
