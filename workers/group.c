/* Groups; see group.h.
 *
 *     groups_begin    forgets the period before
 *     groups_person   a standing: the member's seats and, by its counters, its sums and cells
 *     groups_write    teams: each member's standing is added to every group that it is in; then for
 *                     each team its key, and the one without its three largest voters
 *
 * Everything of a period lives in one arena; what is written is in the commit's.  Only the period's
 * name can be wrong. */
#include "workers/group.h"

#include "proto/error.h"
#include "workers/figure.h"

#include <assert.h>
#include <stdlib.h>

#define ALL        "all"
#define DEVELOPING "developing"
#define OTHER      "other"
#define TOP        3
#define KEEP_BYTES ((size_t)1 << 20) /* of the arena, from period to period */

/* A counter's name, once for the period. */
struct counter_name {
    struct table_entry entry;
    struct counter_name *next; /* by number */
    uint32_t number;
    struct weights weights;
};

struct group_cell {
    const struct counter_name *name;
    int64_t value;
};

/* A member in the period. */
struct standing {
    struct standing *next;
    const struct person *who;
    struct sums sums;
    struct group_cell *cells;
    size_t count, room;
};

/* A group in the period. */
struct team {
    struct table_entry entry; /* by name */
    struct team *next;
    const struct standing **members;
    size_t count, room;
    struct sums sums;
    int64_t *counters; /* by number */
};

struct groups {
    struct arena arena;
    struct slice period, list;
    bool year, any;
    date_days last_day;
    struct table names, teams;
    struct counter_name *first_name, **last_name;
    struct standing *first, **last, *now;
    struct team *first_team, **last_team;
};

bool period_last_day(struct slice period, date_days *ret)
{
    char day[DATE_TEXT] = {'0', '0', '0', '0', '-', '1', '2', '-', '0', '1'};
    struct date_civil c;
    date_days first;

    if (period.size != 4 && period.size != 7)
        return false;
    memcpy(day, period.at, period.size);
    if (!date_parse(slice_make(day, sizeof day), &first))
        return false;
    c = date_to_civil(first);
    if (c.month == 12)
        *ret = first + 30;
    else
        *ret = date_from_civil((struct date_civil){c.year, c.month + 1, 1}) - 1;
    return true;
}

bool period_cut(struct slice *name, struct slice *ret_period)
{
    const char *colon = memrchr(name->at, ':', name->size);

    if (!colon)
        return false;
    *ret_period = slice_make(colon + 1, (size_t)(name->at + name->size - colon - 1));
    name->size = (size_t)(colon - name->at);
    return true;
}

bool group_without(struct slice group, struct slice *ret_of)
{
    if (!slice_cut_end(&group, slice_of(GROUP_WITHOUT)) || group.size == 0)
        return false;
    *ret_of = group;
    return true;
}

struct groups *groups_new(void)
{
    struct groups *g = memory_zeroed(sizeof *g);

    return g;
}

void groups_free(struct groups *g)
{
    if (!g)
        return;
    table_free(&g->names);
    table_free(&g->teams);
    arena_free(&g->arena);
    free(g);
}

int groups_begin(struct groups *g, struct slice period, const char *list)
{
    date_days last_day;

    if (!period_last_day(period, &last_day))
        return ERR_CORRUPT;
    arena_reset(&g->arena, KEEP_BYTES);
    table_clear(&g->names);
    table_clear(&g->teams);
    g->period = arena_copy(&g->arena, period);
    g->list = arena_copy(&g->arena, slice_of(list));
    g->year = period.size == 4;
    g->any = false;
    g->last_day = last_day;
    g->first_name = NULL;
    g->last_name = &g->first_name;
    g->first = g->now = NULL;
    g->last = &g->first;
    g->first_team = NULL;
    g->last_team = &g->first_team;
    return 0;
}

/* ---- the members ---- */
void groups_person(struct groups *g, const struct person *who)
{
    struct standing *s = arena_need(&g->arena, sizeof *s);

    s->who = who;
    s->sums.n[SUM_MEMBERS] = 1;
    person_seats(who, g->last_day, &s->sums.n[SUM_SEATS_P], &s->sums.n[SUM_SEATS_O]);
    s->sums.n[SUM_DORMANT] = s->sums.n[SUM_SEATS_P];
    *g->last = g->now = s;
    g->last = &s->next;
}

static const struct counter_name *name_of(struct groups *g, struct slice field)
{
    struct counter_name *n = table_find(&g->names, field);

    if (n)
        return n;
    n = arena_need(&g->arena, sizeof *n);
    n->entry.key = arena_copy(&g->arena, field);
    n->number = (uint32_t)g->names.count;
    weights_of(field, &n->weights);
    table_add(&g->names, &n->entry);
    *g->last_name = n;
    g->last_name = &n->next;
    return n;
}

/* Room for one more of `count`, each of the size given. */
static void *room_for(struct arena *a, void *old, size_t count, size_t *room, size_t size)
{
    void *wider;

    if (count < *room)
        return old;
    *room = *room ? *room * 2 : 32;
    wider = arena_need(a, *room * size);
    return count ? memcpy(wider, old, count * size) : wider;
}

void groups_counter(struct groups *g, struct slice field, int64_t value)
{
    const struct counter_name *name = name_of(g, field);
    struct standing *s = g->now;

    assert(s);
    g->any |= value != 0;
    s->cells = room_for(&g->arena, s->cells, s->count, &s->room, sizeof *s->cells);
    s->cells[s->count++] = (struct group_cell){name, value};
    sums_count(&s->sums, &name->weights, value);
    s->sums.n[SUM_ACTIVE] = s->sums.n[SUM_VOTES] > 0 || s->sums.n[SUM_ATTENDED] > 0;
}

void groups_effect(struct groups *g, int64_t effective, int64_t duty, int64_t held)
{
    assert(g->now);
    int64_t *n = g->now->sums.n;

    sum_add(&n[SUM_EFFECTIVE], effective, 1);
    sum_add(&n[SUM_DUTY], duty, 1);
    sum_add(&n[SUM_DORMANT], held, -1);
}

/* ---- the groups ---- */
static struct team *team_of(struct groups *g, struct slice name)
{
    struct team *t = table_find(&g->teams, name);

    if (t)
        return t;
    t = arena_need(&g->arena, sizeof *t);
    t->entry.key = arena_copy(&g->arena, name);
    t->counters = arena_need(&g->arena, (g->names.count + 1) * sizeof *t->counters);
    table_add(&g->teams, &t->entry);
    *g->last_team = t;
    g->last_team = &t->next;
    return t;
}

/* Members come one after the other, so one that is in the team already is its newest. */
static void team_join(struct groups *g, struct slice name, const struct standing *s)
{
    struct team *t = team_of(g, name);

    if (t->count && t->members[t->count - 1] == s)
        return;
    t->members = room_for(&g->arena, t->members, t->count, &t->room, sizeof *t->members);
    t->members[t->count++] = s;
    sums_add(&t->sums, &s->sums);
    for (size_t i = 0; i < s->count; i++)
        sum_add(&t->counters[s->cells[i].name->number], s->cells[i].value, 1);
}

static void teams_form(struct groups *g)
{
    team_of(g, slice_of(ALL));
    for (const struct standing *s = g->first; s; s = s->next) {
        const struct profile_fact *p = person_profile(s->who, g->last_day);
        team_join(g, slice_of(ALL), s);
        if (!p)
            continue;
        team_join(g, slice_of(p->developing ? DEVELOPING : OTHER), s);
        for (uint32_t i = 0; i < p->group_count; i++)
            team_join(g, p->groups[i], s);
    }
}

/* What teams_form does for all, asked of one member and one group. */
bool profile_in_group(const struct profile_fact *p, struct slice group)
{
    if (slice_is(group, ALL))
        return true;
    for (uint32_t i = 0; p && i < p->group_count; i++)
        if (slice_equal(p->groups[i], group))
            return true;
    return p && slice_is(group, p->developing ? DEVELOPING : OTHER);
}

/* "group:africa:2026-03", "group:africa-without-top3:2026-03" */
static struct slice key_of(const struct groups *g, struct slice name, const char *suffix,
                           struct commit *c)
{
    struct slice parts[] = {slice_of("group:"), name, slice_of(suffix), slice_of(":"), g->period};

    return commit_join(c, parts, sizeof parts / sizeof *parts);
}

/* ---- the three with the most votes ---- */
static int standing_compare(const struct standing *a, const struct standing *b)
{
    int64_t x = a->sums.n[SUM_VOTES], y = b->sums.n[SUM_VOTES];

    if (x != y)
        return x > y ? -1 : 1;
    return slice_compare(a->who->entry.key, b->who->entry.key);
}

/* Those with votes, largest first; how many there are, at most three. */
static size_t team_top(const struct team *t, const struct standing *ret[TOP])
{
    size_t count = 0;

    for (size_t m = 0; m < t->count; m++) {
        const struct standing *s = t->members[m];
        size_t at = count;
        if (s->sums.n[SUM_VOTES] <= 0)
            continue;
        while (at > 0 && standing_compare(s, ret[at - 1]) < 0)
            at--;
        if (at == TOP)
            continue;
        count += count < TOP;
        memmove(&ret[at + 1], &ret[at], (count - at - 1) * sizeof *ret);
        ret[at] = s;
    }
    return count;
}

static bool is_among(const struct standing *s, const struct standing *const *some, size_t count)
{
    while (count > 0)
        if (some[--count] == s)
            return true;
    return false;
}

static void without_write(const struct figure_out *out, const struct standing *const *top,
                          size_t count)
{
    struct slice parts[2 * TOP];
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        if (i)
            parts[used++] = slice_of(",");
        parts[used++] = top[i]->who->entry.key;
    }
    if (used)
        commit_hset(out->commit, out->key, slice_of("without"),
                    commit_join(out->commit, parts, used));
}

/* ---- writing ---- */
static void counters_write(const struct groups *g, const struct team *t,
                           const struct figure_out *out, const struct slice *names)
{
    for (size_t i = 0; i < g->names.count; i++)
        if (t->counters[i])
            commit_hset(out->commit, out->key, names[i], commit_text(out->commit, t->counters[i]));
}

/* The figures of these members, with the sums they have. */
static void members_write(struct groups *g, const struct figure_out *out, const struct sums *s,
                          const struct standing *const *members, size_t count)
{
    const struct sums **sums = arena_need(&g->arena, count * sizeof *sums);

    for (size_t i = 0; i < count; i++)
        sums[i] = &members[i]->sums;
    figures_write(out, s);
    medians_write(out, sums, count, arena_need(&g->arena, count * sizeof(struct rate)));
}

/* The team without its top, unless there is a group of that name. */
static void rest_write(struct groups *g, const struct team *t, struct figure_out *out)
{
    struct slice name[] = {t->entry.key, slice_of(GROUP_WITHOUT)};
    const struct standing *top[TOP], **rest = arena_need(&g->arena, t->count * sizeof *rest);
    size_t top_count = team_top(t, top), count = 0;
    struct sums sums = {0};

    if (table_find(&g->teams, commit_join(out->commit, name, 2)))
        return;
    for (size_t i = 0; i < t->count; i++) {
        if (is_among(t->members[i], top, top_count))
            continue;
        rest[count++] = t->members[i];
        sums_add(&sums, &t->members[i]->sums);
    }
    out->key = key_of(g, t->entry.key, GROUP_WITHOUT, out->commit);
    commit_del(out->commit, out->key);
    if (count == 0)
        return;
    without_write(out, top, top_count);
    out->rest = true;
    members_write(g, out, &sums, rest, count);
    out->rest = false;
}

/* Names of counters, in the commit's arena: the group's own is forgotten with the period. */
static const struct slice *names_keep(const struct groups *g, struct commit *c)
{
    struct slice *names = arena_need(c->arena, (g->names.count + 1) * sizeof *names);

    for (const struct counter_name *n = g->first_name; n; n = n->next)
        names[n->number] = arena_copy(c->arena, n->entry.key);
    return names;
}

static void teams_write(struct groups *g, struct commit *c)
{
    const struct slice *names = names_keep(g, c);
    const struct team *all = table_find(&g->teams, slice_of(ALL));
    struct figure_out out = {
        .commit = c, .list = arena_copy(c->arena, g->list), .year = g->year, .all = &all->sums};

    for (const struct team *t = g->first_team; t; t = t->next) {
        out.key = key_of(g, t->entry.key, "", c);
        commit_del(c, out.key);
        counters_write(g, t, &out, names);
        members_write(g, &out, &t->sums, t->members, t->count);
        rest_write(g, t, &out);
    }
}

/* First what goes, then what comes: a group that is gone may have had the name of another one
 * without its top. */
void groups_write(struct groups *g, const struct slice *known, size_t known_count, struct commit *c)
{
    if (g->any)
        teams_form(g);
    for (size_t i = 0; i < known_count; i++) {
        if (table_find(&g->teams, known[i]))
            continue;
        commit_del(c, key_of(g, known[i], "", c));
        commit_del(c, key_of(g, known[i], GROUP_WITHOUT, c));
    }
    if (g->any)
        teams_write(g, c);
}
