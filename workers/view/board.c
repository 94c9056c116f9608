/* The board; see board.h.
 *
 *     periods and groups   what there is, by name
 *     this year's, or the newest year's key of the group `all` decides for the period
 *     all groups' keys     in one snapshot, between two looks at when they were derived
 *
 * A look that finds other groups than the one before it is taken again, so that the moment shown
 * and the figures belong together. */
#include "workers/view/board.h"

#include "proto/error.h"
#include "workers/group.h"

#include <stdio.h>
#include <stdlib.h>

#define TRIES 20 /* derived once a second at most: two in a row are enough */

const char *const board_figure_name[BOARD_FIGURES] = {
    [BOARD_EFFECTIVE] = "effective",
    [BOARD_VOTING] = "voting",
    [BOARD_SUBSTANTIVE] = "substantive",
    [BOARD_COMMENTED] = "commented",
    [BOARD_PRESENCE] = "presence",
    [BOARD_GOVERNANCE] = "governance",
    [BOARD_SHARE_VOTES] = "share.votes",
    [BOARD_SHARE_DELEGATES] = "share.delegates",
    [BOARD_SHARE_SEATS] = "share.seats",
    [BOARD_VOTING_MEDIAN] = "voting.median",
    [BOARD_PRESENCE_MEDIAN] = "presence.median",
};

const char *const board_count_name[BOARD_COUNTS] = {
    [BOARD_MEMBERS] = "members", [BOARD_ACTIVE] = "members.active", [BOARD_SEATS_P] = "seats.P",
    [BOARD_SEATS_O] = "seats.O", [BOARD_DORMANT] = "seats.dormant",
};

/* A name out of a set. */
static int row_name(void *context, void *record, struct slice field, struct slice value)
{
    (void)value;
    name_list_add(record, arena_copy(context, field));
    return 0;
}

static struct slice joined(struct arena *a, struct slice first, const char *middle,
                           struct slice last)
{
    struct buffer b = {0};
    struct slice copy;

    buffer_add_slice(&b, first);
    buffer_add_text(&b, middle);
    buffer_add_slice(&b, last);
    copy = arena_copy(a, buffer_slice(&b));
    buffer_free(&b);
    return copy;
}

static struct slice group_key(struct arena *a, struct slice group, struct slice period)
{
    return joined(a, joined(a, slice_of("group:"), "", group), ":", period);
}

/* ---- the period ---- */
struct year {
    struct slice name;
    bool there;
};

static int row_year(void *context, void *record, struct slice field, struct slice value)
{
    struct year *y = record;

    (void)context;
    (void)field;
    y->there = value.at != NULL;
    return 0;
}

/* This year first, then from the newest to the oldest; what is no year is last. */
static int year_order(struct slice a, struct slice b, struct slice now)
{
    if ((a.size == 4) != (b.size == 4))
        return a.size == 4 ? -1 : 1;
    if (slice_equal(a, now) != slice_equal(b, now))
        return slice_equal(a, now) ? -1 : 1;
    return slice_compare(b, a);
}

static struct slice best_year(const struct year *years, size_t count, int64_t now_ms)
{
    struct slice best = {0};
    char text[16];
    int size = snprintf(text, sizeof text, "%04d", date_to_civil(date_of_ms(now_ms)).year);

    for (size_t i = 0; i < count; i++)
        if (years[i].there && years[i].name.size == 4 &&
            (!best.at || year_order(years[i].name, best, slice_make(text, (size_t)size)) < 0))
            best = years[i].name;
    return best;
}

/* The year to show when none was asked for; absent when no year has groups. */
static int choose_period(struct store *s, const struct name_list *periods, int64_t now_ms,
                         struct board *ret)
{
    static const struct slice members = {"members", 7};
    struct year *years = arena_need(&ret->arena, periods->count * sizeof *years);
    struct store_fetch *fetches = arena_need(&ret->arena, periods->count * sizeof *fetches);
    int error;

    for (size_t i = 0; i < periods->count; i++) {
        years[i].name = periods->items[i];
        fetches[i] = (struct store_fetch){
            .key = group_key(&ret->arena, slice_of("all"), periods->items[i]),
            .fields = &members,
            .field_count = 1,
            .row = row_year,
            .record = &years[i],
        };
    }
    error = store_fetch(s, fetches, periods->count, NULL);
    if (error == 0)
        ret->period = best_year(years, periods->count, now_ms);
    return error;
}

/* ---- groups ---- */
static int read_number(struct slice value, int64_t *ret)
{
    return slice_to_int(value, ret) ? 0 : ERR_CORRUPT;
}

static bool figure_text(struct slice value)
{
    if (value.size == 0 || value.size > 16)
        return false;
    for (size_t i = 0; i < value.size; i++)
        if ((value.at[i] < '0' || value.at[i] > '9') && value.at[i] != '.')
            return false;
    return true;
}

/* `part` is what follows the figure's name in the field's: "", ".num" or ".den". */
static int read_figure(struct arena *a, struct board_value *v, struct slice part,
                       struct slice value)
{
    if (part.size == 0) {
        v->text = arena_copy(a, value);
        return figure_text(value) ? 0 : ERR_CORRUPT;
    }
    v->counted = true;
    return read_number(value, slice_is(part, ".num") ? &v->num : &v->den);
}

static int row_group(void *context, void *record, struct slice field, struct slice value)
{
    struct board *b = context;
    struct board_group *g = record;

    g->there = true;
    if (slice_is(field, "without"))
        g->without = arena_copy(&b->arena, value);
    if (slice_is(field, "list")) /* more to the point than what is said of all periods */
        b->list = arena_copy(&b->arena, value);
    for (int i = 0; i < BOARD_COUNTS; i++)
        if (slice_is(field, board_count_name[i]))
            return read_number(value, &g->counts[i]);
    for (int i = 0; i < BOARD_FIGURES; i++) {
        struct slice part = field;
        if (!slice_cut_begin(&part, slice_of(board_figure_name[i])))
            continue;
        if (part.size == 0 ||
            (i < BOARD_RATES && (slice_is(part, ".num") || slice_is(part, ".den"))))
            return read_figure(&b->arena, &g->figures[i], part, value);
    }
    return 0; /* counters, which are not on the board */
}

static void board_add(struct board *b, struct slice name)
{
    struct board_group *g = &b->groups[b->count++];

    g->name = g->base = arena_copy(&b->arena, name);
    g->without_top = group_without(g->name, &g->base);
}

/* Those asked for by name, else all that the store names. */
static void board_wants(struct board *b, const struct board_ask *ask, const struct name_list *known)
{
    const struct name_list *names = ask->groups.count ? &ask->groups : known;
    struct name_list done = {0};

    b->groups = arena_need(&b->arena, 2 * (names->count + 1) * sizeof *b->groups);
    for (size_t i = 0; i < names->count; i++) {
        struct slice twin = joined(&b->arena, names->items[i], GROUP_WITHOUT, slice_of(""));
        if (name_list_has(&done, names->items[i]))
            continue;
        name_list_add(&done, names->items[i]);
        board_add(b, names->items[i]);
        if (ask->all && !name_list_has(names, twin))
            board_add(b, twin);
    }
    name_list_free(&done);
}

static int group_rank(struct slice name)
{
    return slice_is(name, "all")          ? 0
           : slice_is(name, "developing") ? 1
           : slice_is(name, "other")      ? 2
                                          : 3;
}

/* The three that always are come first, then the others by name, each before itself without its
 * three largest members. */
static int group_order(const void *left, const void *right)
{
    const struct board_group *a = left, *b = right;
    int order = group_rank(a->base) - group_rank(b->base);

    order = order ? order : slice_compare(a->base, b->base);
    return order ? order : a->without_top - b->without_top;
}

static int row_list(void *context, void *record, struct slice field, struct slice value)
{
    struct board *b = context;

    (void)record;
    (void)field;
    b->list = arena_copy(&b->arena, value);
    return 0;
}

static int look(struct store *s, struct board *b, const struct store_fetch *fetches, size_t count,
                struct applied *ret)
{
    static const unsigned place = PLACE_DERIVED;
    struct store_look l = {.places = &place,
                           .count = 1,
                           .ret_applied = ret,
                           .fetches = fetches,
                           .fetch_count = count,
                           .context = b,
                           .snapshot = true};

    return store_begin(s, &l);
}

/* A group as it was before it was looked at. */
static void board_forget(struct board *b)
{
    for (size_t i = 0; i < b->count; i++) {
        struct board_group *g = &b->groups[i];
        *g = (struct board_group){.name = g->name, .base = g->base, .without_top = g->without_top};
    }
    b->list = (struct slice){0};
}

static int load_groups(struct store *s, struct board *b)
{
    static const struct slice list_field = {"groups", 6};
    struct store_fetch *fetches = arena_need(&b->arena, (b->count + 1) * sizeof *fetches);
    struct applied before, after;
    int error;

    fetches[0] = (struct store_fetch){
        .key = slice_of("meta"), .fields = &list_field, .field_count = 1, .row = row_list};
    for (size_t i = 0; i < b->count; i++)
        fetches[i + 1] =
            (struct store_fetch){.key = group_key(&b->arena, b->groups[i].name, b->period),
                                 .row = row_group,
                                 .record = &b->groups[i]};
    error = look(s, b, NULL, 0, &before);
    for (int i = 0; i < TRIES && error == 0; i++) {
        board_forget(b);
        error = look(s, b, fetches, b->count + 1, &after);
        if (error == 0 && applied_same(&before, &after))
            break;
        before = after;
    }
    b->dated = error == 0 && after.known;
    b->as_of_ms = b->dated ? after.time_ms : 0;
    return error;
}

/* Keeps the groups that are there, and says which of those asked for are not. */
static void board_settle(struct board *b, const struct board_ask *ask)
{
    size_t kept = 0;

    for (size_t i = 0; i < b->count; i++) {
        const struct board_group g = b->groups[i];
        if (g.there)
            b->groups[kept++] = g;
        else if (name_list_has(&ask->groups, g.name))
            b->missing = b->missing.at ? joined(&b->arena, b->missing, ", ", g.name) : g.name;
    }
    b->count = kept;
    if (kept)
        qsort(b->groups, kept, sizeof *b->groups, group_order);
}

static int load_names(struct store *s, struct arena *a, struct name_list *periods,
                      struct name_list *groups)
{
    struct store_fetch fetches[] = {
        {.key = slice_of("periods"), .kind = FETCH_SET, .row = row_name, .record = periods},
        {.key = slice_of("groups"), .kind = FETCH_SET, .row = row_name, .record = groups},
    };

    return store_fetch(s, fetches, 2, a);
}

static int load_period(struct store *s, const struct board_ask *ask, const struct name_list *groups,
                       struct board *ret)
{
    date_days last;

    if (!period_last_day(ret->period, &last))
        return ERR_CONFIG;
    ret->year = ret->period.size == 4;
    ret->provisional = last >= date_of_ms(ask->now_ms);
    board_wants(ret, ask, groups);
    return load_groups(s, ret);
}

int board_load(struct store *s, const struct board_ask *ask, struct board *ret)
{
    struct name_list periods = {0}, groups = {0};
    int error = load_names(s, &ret->arena, &periods, &groups);

    ret->period = arena_copy(&ret->arena, ask->period);
    if (error == 0 && !ret->period.at)
        error = choose_period(s, &periods, ask->now_ms, ret);
    if (error == 0 && ret->period.at)
        error = load_period(s, ask, &groups, ret);
    if (error == 0)
        board_settle(ret, ask);
    name_list_free(&periods);
    name_list_free(&groups);
    return error;
}

void board_free(struct board *b)
{
    arena_free(&b->arena);
}
