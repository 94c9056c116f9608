/* Groups from scratch: for every period that has a counter, everyone's numbers, who belongs where,
 * and then group after group what its people add up to, with and without its three largest. */
#include "tests/model_group.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

#define LIST_ROOM 32

/* One seat: its notices, the earliest first. */
struct seat {
    struct person *who;
    struct fact_range notices;
};

/* That a person belongs to a group. */
struct membership {
    struct slice group;
    struct person *who;
};

struct census {
    struct model *m;
    struct buffer people, counters, seats; /* of these structs, in order; periods before members */
    char list[LIST_ROOM];

    /* of the period at hand */
    struct slice period;
    int year;
    bool in_year;
    date_days last_day;
    struct buffer memberships;
    struct person all; /* the sum of everyone's numbers */
};

#define ITEMS(type, buffer)      ((struct type *)(void *)(buffer)->at)
#define ITEM_COUNT(type, buffer) ((buffer)->size / sizeof(struct type))

static void sort(struct buffer *b, size_t size, int (*compare)(const void *, const void *))
{
    if (b->size > 0)
        qsort(b->at, b->size / size, size, compare);
}

/* ---- the version of the group list ---- */
static uint64_t notice_hash(const struct event *e)
{
    struct buffer text = {0};
    char from[DATE_TEXT];
    uint64_t hash;

    date_format(e->from, from);
    buffer_add_slice(&text, e->member);
    buffer_add_text(&text, "|");
    buffer_add(&text, from, sizeof from);
    buffer_add_text(&text, e->developing ? "|1|" : "|0|");
    for (uint32_t i = 0; i < e->token_count; i++) {
        if (i > 0)
            buffer_add_text(&text, ",");
        buffer_add_slice(&text, e->tokens[i]);
    }
    hash = XXH3_64bits(text.at, text.size);
    buffer_free(&text);
    return hash;
}

static void find_list(struct census *c)
{
    struct fact_range all = facts_of(c->m->facts, EVENT_MEMBER, model_any, model_any, model_any);
    int64_t latest_ms = INT64_MIN;
    uint64_t hash = 0;
    char date[DATE_TEXT];

    snprintf(c->list, sizeof c->list, "none");
    for (size_t i = 0; i < all.count; i++) {
        if (all.first[i].time_ms > latest_ms)
            latest_ms = all.first[i].time_ms;
        hash ^= notice_hash(&all.first[i]);
    }
    if (all.count > 0) {
        date_format(date_of_ms(latest_ms), date);
        snprintf(c->list, sizeof c->list, "%.10s-%08" PRIx32, date, (uint32_t)hash);
    }
    model_put_text(c->m, "turnout:meta", "groups", slice_of(c->list));
}

/* ---- everyone, their seats, their counters ---- */
static void take_person(void *arg, struct slice key, struct slice member, struct slice value)
{
    struct census *c = arg;
    struct person p = {.member = member};

    (void)key;
    (void)value;
    p.profiles = facts_of(c->m->facts, EVENT_MEMBER, member, model_any, model_any);
    buffer_add(&c->people, &p, sizeof p);
}

static int person_compare(const void *a, const void *b)
{
    return slice_compare(((const struct person *)a)->member, ((const struct person *)b)->member);
}

static struct person *person_find(struct census *c, struct slice member)
{
    struct person wanted = {.member = member}, *p;

    p = bsearch(&wanted, c->people.at, ITEM_COUNT(person, &c->people), sizeof wanted,
                person_compare);
    assert(p);
    return p;
}

static void take_seats(struct census *c)
{
    struct fact_range all = facts_of(c->m->facts, EVENT_SEAT, model_any, model_any, model_any);
    size_t i = 0;

    while (i < all.count) {
        struct seat s = {.notices = {all.first + i, 0}};
        const struct event *first = s.notices.first;

        while (i < all.count && slice_equal(all.first[i].committee, first->committee) &&
               slice_equal(all.first[i].member, first->member)) {
            s.notices.count++;
            i++;
        }
        s.who = person_find(c, first->member);
        buffer_add(&c->seats, &s, sizeof s);
    }
}

/* turnout:member:M:PERIOD */
static void take_counter(void *arg, struct slice key, struct slice field, struct slice value)
{
    struct census *c = arg;
    size_t begin = strlen("turnout:member:"), colon = key.size;
    struct counter counter = {.field = field};

    while (key.at[--colon] != ':')
        ;
    counter.member = slice_make(key.at + begin, colon - begin);
    counter.period = slice_make(key.at + colon + 1, key.size - colon - 1);
    if (slice_to_int(value, &counter.amount) && counter.amount != 0)
        buffer_add(&c->counters, &counter, sizeof counter);
}

static int counter_compare(const void *a, const void *b)
{
    const struct counter *x = a, *y = b;
    int order = slice_compare(x->period, y->period);

    if (order == 0)
        order = slice_compare(x->member, y->member);
    return order ? order : slice_compare(x->field, y->field);
}

/* ---- the numbers of one period ---- */
static void read_counters(struct census *c, const struct counter *counters, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct person *p = person_find(c, counters[i].member);

        if (p->counter_count++ == 0)
            p->counters = &counters[i];
    }
    for (size_t i = 0; i < ITEM_COUNT(person, &c->people); i++)
        person_read(&ITEMS(person, &c->people)[i]);
}

static void read_seats(struct census *c)
{
    for (size_t i = 0; i < ITEM_COUNT(seat, &c->seats); i++) {
        const struct seat *s = &ITEMS(seat, &c->seats)[i];
        const struct event *notices = s->notices.first;
        enum role role = ROLE_NONE;

        for (size_t n = 0; n < s->notices.count; n++)
            if (notices[n].from <= c->last_day)
                role = notices[n].role;
        s->who->number[NUMBER_SEATS_P] += role == ROLE_P;
        s->who->number[NUMBER_SEATS_O] += role == ROLE_O;
        if (c->in_year && role == ROLE_P &&
            !seat_has_duty(c->m, notices->committee, notices->member, c->year))
            s->who->number[NUMBER_DORMANT]++;
    }
}

/* turnout:seat:C|M:YEAR, once for all its fields: those with any duty count. */
struct seat_walk {
    struct census *census;
    struct slice last_key;
};

static void read_duties(void *arg, struct slice key, struct slice field, struct slice value)
{
    struct seat_walk *walk = arg;
    struct census *c = walk->census;
    struct slice rest = slice_make(key.at + 13, key.size - 13 - 5), committee;
    struct slice year = slice_make(key.at + key.size - 4, 4);
    struct person *p;

    (void)field;
    (void)value;
    if (slice_equal(key, walk->last_key) || !slice_equal(year, c->period))
        return;
    walk->last_key = key;
    if (!slice_cut(&rest, '|', &committee) || !seat_has_duty(c->m, committee, rest, c->year))
        return;
    p = person_find(c, rest);
    p->number[NUMBER_EFFECTIVE_DEN]++;
    p->number[NUMBER_EFFECTIVE_NUM] += seat_is_effective(c->m, committee, rest, c->year);
}

static void read_period(struct census *c, const struct counter *counters, size_t count)
{
    struct person *people = ITEMS(person, &c->people);

    for (size_t i = 0; i < ITEM_COUNT(person, &c->people); i++)
        people[i] = (struct person){.member = people[i].member, .profiles = people[i].profiles};
    read_counters(c, counters, count);
    read_seats(c);
    if (c->in_year)
        dump_each(c->m->dump, "turnout:seat:", read_duties, &(struct seat_walk){.census = c});
    memset(&c->all, 0, sizeof c->all);
    for (size_t i = 0; i < ITEM_COUNT(person, &c->people); i++)
        for (int n = 0; n < NUMBERS; n++)
            c->all.number[n] += people[i].number[n];
}

/* ---- who belongs where ---- */
/* The profile in force on the period's last day, failing that the earliest; NULL: none at all. */
static const struct event *profile_of(const struct census *c, const struct person *p)
{
    const struct event *profile = p->profiles.count > 0 ? p->profiles.first : NULL;

    for (size_t i = 0; i < p->profiles.count; i++)
        if (p->profiles.first[i].from <= c->last_day)
            profile = &p->profiles.first[i];
    return profile;
}

static void join(struct census *c, struct slice group, struct person *p)
{
    buffer_add(&c->memberships, &(struct membership){group, p}, sizeof(struct membership));
}

static void join_all(struct census *c)
{
    for (size_t i = 0; i < ITEM_COUNT(person, &c->people); i++) {
        struct person *p = &ITEMS(person, &c->people)[i];
        const struct event *profile = profile_of(c, p);

        join(c, slice_of("all"), p);
        if (!profile)
            continue;
        join(c, slice_of(profile->developing ? "developing" : "other"), p);
        for (uint32_t t = 0; t < profile->token_count; t++)
            join(c, profile->tokens[t], p);
    }
}

static int membership_compare(const void *a, const void *b)
{
    const struct membership *x = a, *y = b;
    int order = slice_compare(x->group, y->group);

    return order ? order : (x->who > y->who) - (x->who < y->who);
}

static bool is_group(const struct census *c, struct slice name)
{
    for (size_t i = 0; i < ITEM_COUNT(membership, &c->memberships); i++)
        if (slice_equal(ITEMS(membership, &c->memberships)[i].group, name))
            return true;
    return false;
}

/* ---- what stands in a group's keys ---- */
static void put_counters(struct model *m, const struct group *g)
{
    for (size_t i = 0; i < g->count; i++)
        for (size_t n = 0; n < g->people[i]->counter_count; n++) {
            const struct counter *counter = &g->people[i]->counters[n];
            char field[FIELD_ROOM];

            snprintf(field, sizeof field, "%.*s", TEXT(counter->field));
            dump_add(m->dump, g->key, field, counter->amount);
        }
}

static int64_t votes_of(const struct person *p)
{
    return p->number[NUMBER_VOTES] + p->number[NUMBER_GOVERNANCE_VOTES];
}

static int more_votes_first(const void *a, const void *b)
{
    const struct person *x = *(struct person *const *)a, *y = *(struct person *const *)b;

    if (votes_of(x) != votes_of(y))
        return votes_of(x) < votes_of(y) ? 1 : -1;
    return slice_compare(x->member, y->member);
}

/* The group's key has been written; it may be reordered here. */
static void put_without_top3(struct census *c, struct slice name, struct group *g)
{
    struct buffer without = {0};
    size_t left_out = 0;

    snprintf(g->key, sizeof g->key, "%.*s-without-top3", TEXT(name));
    if (is_group(c, slice_of(g->key)))
        return;
    snprintf(g->key, sizeof g->key, "turnout:group:%.*s-without-top3:%.*s", TEXT(name),
             TEXT(c->period));
    qsort(g->people, g->count, sizeof *g->people, more_votes_first);
    while (left_out < 3 && left_out < g->count && votes_of(g->people[left_out]) > 0) {
        if (left_out > 0)
            buffer_add_text(&without, ",");
        buffer_add_slice(&without, g->people[left_out++]->member);
    }
    g->people += left_out;
    g->count -= left_out;
    g->rest = true;
    if (g->count > 0) {
        model_put_text(c->m, g->key, "without", buffer_slice(&without));
        model_put_figures(c->m, g);
    }
    buffer_free(&without);
}

/* All memberships of one group, the same one several times over if it was given so. */
static void put_group(struct census *c, const struct membership *list, size_t count)
{
    struct person **people = memory_need(count * sizeof *people);
    struct group g = {.people = people, .in_year = c->in_year, .all = &c->all, .list = c->list};

    for (size_t i = 0; i < count; i++)
        if (i == 0 || list[i - 1].who != list[i].who)
            people[g.count++] = list[i].who;
    snprintf(g.key, sizeof g.key, "turnout:group:%.*s:%.*s", TEXT(list->group), TEXT(c->period));
    put_counters(c->m, &g);
    model_put_figures(c->m, &g);
    put_without_top3(c, list->group, &g);
    free(people);
}

/* ---- one period after the other ---- */
/* YYYY or YYYY-MM. */
static void begin_period(struct census *c, struct slice period)
{
    struct date_civil end = {.month = 12, .day = 31};
    int64_t year = 0, month = 0;

    for (size_t i = 0; i < period.size && period.at[i] != '-'; i++)
        year = 10 * year + (period.at[i] - '0');
    c->period = period;
    c->in_year = period.size == 4;
    c->year = end.year = (int)year;
    c->last_day = date_from_civil(end);
    if (c->in_year)
        return;
    month = 10 * (period.at[5] - '0') + (period.at[6] - '0');
    if (month < 12)
        c->last_day = date_from_civil((struct date_civil){end.year, (int)month + 1, 1}) - 1;
}

static void count_period(struct census *c, const struct counter *counters, size_t count)
{
    const struct membership *list;
    size_t total, next;

    begin_period(c, counters->period);
    read_period(c, counters, count);
    buffer_clear(&c->memberships);
    join_all(c);
    sort(&c->memberships, sizeof *list, membership_compare);
    list = ITEMS(membership, &c->memberships);
    total = ITEM_COUNT(membership, &c->memberships);
    for (size_t i = 0; i < total; i = next) {
        for (next = i; next < total && slice_equal(list[i].group, list[next].group);)
            next++;
        put_group(c, list + i, next - i);
    }
}

static void count_periods(struct census *c)
{
    const struct counter *all = ITEMS(counter, &c->counters);
    size_t total = ITEM_COUNT(counter, &c->counters), next;

    for (size_t i = 0; i < total; i = next) {
        for (next = i; next < total && slice_equal(all[i].period, all[next].period);)
            next++;
        count_period(c, all + i, next - i);
    }
}

void model_count_groups(struct model *m)
{
    struct census c = {.m = m};

    find_list(&c);
    dump_each(m->dump, "turnout:members", take_person, &c);
    take_seats(&c);
    dump_each(m->dump, "turnout:member:", take_counter, &c);
    sort(&c.counters, sizeof(struct counter), counter_compare);
    count_periods(&c);
    buffer_free(&c.people);
    buffer_free(&c.counters);
    buffer_free(&c.seats);
    buffer_free(&c.memberships);
}
