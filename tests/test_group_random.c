/* Groups and figures: random periods against a slow count. */
#include "tests/cast.h"
#include "tests/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PEOPLE 24
#define FIELDS 20
#define TOKENS 6

static const char *const field_names[FIELDS] = {
    "technical.ballots.due",
    "technical.ballots.excused",
    "technical.ballots.missed",
    "technical.ballots.abstained",
    "technical.votes",
    "governance.votes",
    "technical.votes.commented",
    "governance.votes.commented",
    "technical.meetings.due",
    "technical.meetings.missed",
    "technical.meetings.excused",
    "governance.ballots.due",
    "governance.ballots.excused",
    "governance.ballots.missed",
    "technical.delegates",
    "governance.delegates",
    "technical.meetings.attended",
    "governance.meetings.attended",
    "adoptions",
    "adoptions.theme.trade",
};
static const char *const tokens[TOKENS] = {"africa", "ldc",        "sids",
                                           "all",    "developing", "ldc-without-top3"};

struct soul {
    char id[8];
    bool profiled, developing, in[TOKENS];
    int64_t n[FIELDS], p, o, effective, duty, held;
};

struct crowd {
    struct soul souls[PEOPLE];
    size_t count;
    bool year;
    const char *period;
    struct dump *expected;
};

static int64_t number_of(const struct soul *s, const char *field)
{
    for (int i = 0; i < FIELDS; i++)
        if (slice_is(slice_of(field), field_names[i]))
            return s->n[i];
    abort();
}

static int64_t votes_of(const struct soul *s)
{
    return number_of(s, "technical.votes") + number_of(s, "governance.votes");
}

static bool soul_is_in(const struct soul *s, const char *group)
{
    bool in = slice_is(slice_of(group), "all");

    if (!s->profiled)
        return in;
    in |= slice_is(slice_of(group), s->developing ? "developing" : "other");
    for (int i = 0; i < TOKENS; i++)
        in |= s->in[i] && slice_is(slice_of(group), tokens[i]);
    return in;
}

static void expect_text(struct crowd *c, const char *group, const char *field, const char *value)
{
    char key[128];

    snprintf(key, sizeof key, "turnout:group:%s:%s", group, c->period);
    dump_put(c->expected, slice_of(key), slice_of(field), slice_of(value));
}

static void expect_number(struct crowd *c, const char *group, const char *field, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)value);
    if (value)
        expect_text(c, group, field, text);
}

static void expect_decimal(struct crowd *c, const char *group, const char *field, double value)
{
    char text[24];

    snprintf(text, sizeof text, "%.4f", value);
    expect_text(c, group, field, text);
}

static void expect_pair(struct crowd *c, const char *group, const char *name, int64_t num,
                        int64_t den)
{
    char field[64];

    snprintf(field, sizeof field, "%s.num", name);
    expect_number(c, group, field, num);
    snprintf(field, sizeof field, "%s.den", name);
    expect_number(c, group, field, den);
    if (den)
        expect_decimal(c, group, name, (double)num / (double)den);
}

/* Some of the souls, which may be added up. */
struct some {
    const struct soul *souls[PEOPLE];
    size_t count;
    bool rest; /* of a group without its three largest: no figure of governance */
};

static int64_t total(const struct some *s, const char *field)
{
    int64_t n = 0;

    for (size_t i = 0; i < s->count; i++)
        n += number_of(s->souls[i], field);
    return n;
}

static int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* `what` is "ballots" or "meetings". */
static void expect_median(struct crowd *c, const char *group, const char *field, const char *what,
                          const struct some *s)
{
    double rates[PEOPLE];
    char due[64], missed[64], excused[64];
    size_t n = 0;

    snprintf(due, sizeof due, "technical.%s.due", what);
    snprintf(missed, sizeof missed, "technical.%s.missed", what);
    snprintf(excused, sizeof excused, "technical.%s.excused", what);
    for (size_t i = 0; i < s->count; i++) {
        int64_t den = number_of(s->souls[i], due);
        if (den)
            rates[n++] =
                (double)(den - number_of(s->souls[i], missed) - number_of(s->souls[i], excused)) /
                (double)den;
    }
    qsort(rates, n, sizeof *rates, double_compare);
    if (n > 0)
        expect_decimal(c, group, field,
                       n % 2 ? rates[n / 2] : (rates[n / 2 - 1] + rates[n / 2]) / 2);
}

static void expect_seats(struct crowd *c, const char *group, const struct some *s,
                         const struct some *all)
{
    int64_t p = 0, o = 0, all_p = 0, effective = 0, duty = 0, held = 0;

    for (size_t i = 0; i < all->count; i++)
        all_p += all->souls[i]->p;
    for (size_t i = 0; i < s->count; i++) {
        p += s->souls[i]->p;
        o += s->souls[i]->o;
        effective += s->souls[i]->effective;
        duty += s->souls[i]->duty;
        held += s->souls[i]->held;
    }
    expect_number(c, group, "seats.P", p);
    expect_number(c, group, "seats.O", o);
    expect_pair(c, group, "share.seats", p, all_p);
    if (!c->year)
        return;
    expect_pair(c, group, "effective", effective, duty);
    expect_number(c, group, "seats.dormant", p - held);
}

static void expect_rates(struct crowd *c, const char *group, const struct some *s,
                         const struct some *all)
{
    int64_t due = total(s, "technical.ballots.due"), met = total(s, "technical.meetings.due");
    int64_t answered =
        due - total(s, "technical.ballots.excused") - total(s, "technical.ballots.missed");
    int64_t governed = total(s, "governance.ballots.due");

    expect_pair(c, group, "voting", answered, due);
    expect_pair(c, group, "substantive", answered - total(s, "technical.ballots.abstained"), due);
    expect_pair(c, group, "commented",
                total(s, "technical.votes.commented") + total(s, "governance.votes.commented"),
                total(s, "technical.votes") + total(s, "governance.votes"));
    expect_pair(
        c, group, "presence",
        met - total(s, "technical.meetings.missed") - total(s, "technical.meetings.excused"), met);
    if (!s->rest)
        expect_pair(c, group, "governance",
                    governed - total(s, "governance.ballots.missed") -
                        total(s, "governance.ballots.excused"),
                    governed);
    expect_pair(c, group, "share.votes", total(s, "technical.votes") + total(s, "governance.votes"),
                total(all, "technical.votes") + total(all, "governance.votes"));
    expect_pair(c, group, "share.delegates",
                total(s, "technical.delegates") + total(s, "governance.delegates"),
                total(all, "technical.delegates") + total(all, "governance.delegates"));
}

static void expect_figures(struct crowd *c, const char *group, const struct some *s,
                           const struct some *all)
{
    int64_t active = 0;

    for (size_t i = 0; i < s->count; i++)
        active += votes_of(s->souls[i]) > 0 ||
                  number_of(s->souls[i], "technical.meetings.attended") > 0 ||
                  number_of(s->souls[i], "governance.meetings.attended") > 0;
    expect_number(c, group, "members", (int64_t)s->count);
    expect_number(c, group, "members.active", active);
    expect_text(c, group, "list", CAST_LIST);
    expect_seats(c, group, s, all);
    expect_rates(c, group, s, all);
    expect_median(c, group, "voting.median", "ballots", s);
    expect_median(c, group, "presence.median", "meetings", s);
}

static int soul_compare(const void *a, const void *b)
{
    const struct soul *x = *(const struct soul *const *)a, *y = *(const struct soul *const *)b;
    int64_t more = votes_of(y) - votes_of(x);

    return more ? (more > 0 ? 1 : -1) : strcmp(x->id, y->id);
}

static void expect_rest(struct crowd *c, const char *group, struct some *s, const struct some *all)
{
    char name[64], without[64] = "";
    size_t top = 0;

    qsort(s->souls, s->count, sizeof *s->souls, soul_compare);
    while (top < 3 && top < s->count && votes_of(s->souls[top]) > 0) {
        snprintf(without + strlen(without), sizeof without - strlen(without), "%s%s",
                 top ? "," : "", s->souls[top]->id);
        top++;
    }
    s->count -= top;
    s->rest = true;
    memmove(s->souls, s->souls + top, s->count * sizeof *s->souls);
    snprintf(name, sizeof name, "%s-without-top3", group);
    if (s->count == 0)
        return;
    if (top)
        expect_text(c, name, "without", without);
    expect_figures(c, name, s, all);
}

static struct some some_of(const struct crowd *c, const char *group)
{
    struct some s = {.count = 0};

    for (size_t i = 0; i < c->count; i++)
        if (soul_is_in(&c->souls[i], group))
            s.souls[s.count++] = &c->souls[i];
    return s;
}

static void expect_group(struct crowd *c, const char *group)
{
    struct some s = some_of(c, group), all = some_of(c, "all");
    bool shadowed = slice_is(slice_of(group), "ldc") && some_of(c, "ldc-without-top3").count > 0;

    if (s.count == 0)
        return;
    for (int i = 0; i < FIELDS; i++)
        expect_number(c, group, field_names[i], total(&s, field_names[i]));
    expect_figures(c, group, &s, &all);
    if (!shadowed)
        expect_rest(c, group, &s, &all);
}

static void crowd_draw(struct crowd *c, struct random *r)
{
    unsigned busy = (unsigned)random_below(r, 101);

    c->count = random_below(r, PEOPLE + 1);
    c->year = random_percent(r, 50);
    c->period = c->year ? "2026" : "2026-02";
    for (size_t i = 0; i < c->count; i++) {
        struct soul *s = &c->souls[i];
        *s = (struct soul){.profiled = random_percent(r, 80), .developing = random_percent(r, 60)};
        snprintf(s->id, sizeof s->id, "M%zu", i * 7 % 31);
        for (int t = 0; t < TOKENS; t++)
            s->in[t] = random_percent(r, t < 3 ? 30 : 4);
        for (int f = 0; f < FIELDS; f++)
            s->n[f] = random_percent(r, busy) ? (int64_t)random_below(r, 6) : 0;
        s->p = (int64_t)random_below(r, 4);
        s->o = (int64_t)random_below(r, 3);
        s->duty = (int64_t)random_below(r, 4);
        s->effective = (int64_t)random_below(r, (uint64_t)s->duty + 1);
        s->held = (int64_t)random_below(r, (uint64_t)s->p + 1);
    }
}

static void soul_tell(const struct soul *s, bool year)
{
    char list[128] = "-";
    size_t used = 0;

    for (int t = 0; t < TOKENS; t++)
        if (s->in[t])
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? "," : "",
                                     tokens[t]);
    if (s->profiled)
        assert_int_equal(cast_notice(&cast, s->id, "2020-01-01", s->developing, list, 1), 0);
    assert_int_equal(cast_tenure(&cast, s->id, "P|2026-02-28", s->p), 0);
    assert_int_equal(cast_tenure(&cast, s->id, "O|2026-02-28", s->o), 0);
    groups_person(cast.groups, cast_person(&cast, s->id));
    for (int f = 0; f < FIELDS; f++)
        if (s->n[f])
            cast_count(&cast, field_names[f], s->n[f]);
    if (year)
        groups_effect(cast.groups, s->effective, s->duty, s->held);
}

/* Only then does the period have groups at all. */
static bool any_counter(const struct crowd *c)
{
    for (size_t i = 0; i < c->count; i++)
        for (int f = 0; f < FIELDS; f++)
            if (c->souls[i].n[f])
                return true;
    return false;
}

static void crowd_check(struct crowd *c)
{
    static const char *const names[] = {"all", "developing", "other",           "africa",
                                        "ldc", "sids",       "ldc-without-top3"};
    struct slice known[7];
    size_t compared = 0;
    bool any = any_counter(c);

    people_clear(&cast.people);
    cast_period(&cast, c->period);
    for (size_t i = 0; i < c->count; i++)
        soul_tell(&c->souls[i], c->year);
    for (size_t i = 0; i < 7; i++)
        known[i] = slice_of(names[i]);
    groups_write(cast.groups, known, 7, &cast.commit);
    cast_commit(&cast);
    c->expected = dump_new();
    for (size_t i = 0; i < 7 && any; i++)
        expect_group(c, names[i]);
    assert_int_equal(dump_compare(c->expected, cast.dump, NULL, stderr, &compared), 0);
    assert_true(compared > 0 || !any);
    dump_free(c->expected);
}

static void random_periods_are_what_a_slow_count_says(void **state)
{
    struct random r = random_new(random_seed("random periods"));
    static struct crowd c;

    (void)state;
    for (int i = 0; i < 300; i++) {
        crowd_draw(&c, &r);
        store_free(cast.store); /* another period's keys would stay, as they should */
        cast.store = store_memory_new();
        crowd_check(&c);
        c.count /= 2; /* over what stands there already */
        crowd_check(&c);
    }
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, cast_open, cast_close)
    const struct CMUnitTest tests[] = {
        test(random_periods_are_what_a_slow_count_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
