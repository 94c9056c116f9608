/* The figures of one group: sums, pooled rates, medians.  Everything is added up anew from the
 * numbers of the group's people. */
#include "tests/model_group.h"

#include <inttypes.h>
#include <stdlib.h>

static const char *const counter_names[NUMBER_COUNTERS] = {
    [NUMBER_DUE] = "technical.ballots.due",
    [NUMBER_EXCUSED] = "technical.ballots.excused",
    [NUMBER_MISSED] = "technical.ballots.missed",
    [NUMBER_ABSTAINED] = "technical.ballots.abstained",
    [NUMBER_GOVERNANCE_DUE] = "governance.ballots.due",
    [NUMBER_GOVERNANCE_EXCUSED] = "governance.ballots.excused",
    [NUMBER_GOVERNANCE_MISSED] = "governance.ballots.missed",
    [NUMBER_VOTES] = "technical.votes",
    [NUMBER_GOVERNANCE_VOTES] = "governance.votes",
    [NUMBER_COMMENTED] = "technical.votes.commented",
    [NUMBER_GOVERNANCE_COMMENTED] = "governance.votes.commented",
    [NUMBER_DELEGATES] = "technical.delegates",
    [NUMBER_GOVERNANCE_DELEGATES] = "governance.delegates",
    [NUMBER_MEETINGS_DUE] = "technical.meetings.due",
    [NUMBER_MEETINGS_EXCUSED] = "technical.meetings.excused",
    [NUMBER_MEETINGS_MISSED] = "technical.meetings.missed",
    [NUMBER_ATTENDED] = "technical.meetings.attended",
    [NUMBER_GOVERNANCE_ATTENDED] = "governance.meetings.attended",
};

void person_read(struct person *p)
{
    for (size_t i = 0; i < p->counter_count; i++)
        for (int n = 0; n < NUMBER_COUNTERS; n++)
            if (slice_is(p->counters[i].field, counter_names[n]))
                p->number[n] = p->counters[i].amount;
}

static int64_t sum(const struct group *g, enum number n)
{
    int64_t total = 0;

    for (size_t i = 0; i < g->count; i++)
        total += g->people[i]->number[n];
    return total;
}

/* ---- writing ---- */
static void put_number(struct model *m, const struct group *g, const char *field, int64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, number);
    model_put_text(m, g->key, field, slice_of(text));
}

static void put_decimal(struct model *m, const struct group *g, const char *field, double number)
{
    char text[40];

    snprintf(text, sizeof text, "%.4f", number);
    model_put_text(m, g->key, field, slice_of(text));
}

static void put_rate(struct model *m, const struct group *g, const char *name, int64_t num,
                     int64_t den)
{
    char field[FIELD_ROOM];

    snprintf(field, sizeof field, "%s.num", name);
    put_number(m, g, field, num);
    snprintf(field, sizeof field, "%s.den", name);
    put_number(m, g, field, den);
    if (den != 0)
        put_decimal(m, g, name, (double)num / (double)den);
}

/* ---- the figures ---- */
static void put_people(struct model *m, const struct group *g)
{
    int64_t active = 0;

    for (size_t i = 0; i < g->count; i++) {
        const int64_t *n = g->people[i]->number;

        if (n[NUMBER_VOTES] || n[NUMBER_GOVERNANCE_VOTES] || n[NUMBER_ATTENDED] ||
            n[NUMBER_GOVERNANCE_ATTENDED])
            active++;
    }
    put_number(m, g, "members", (int64_t)g->count);
    put_number(m, g, "members.active", active);
    put_number(m, g, "seats.P", sum(g, NUMBER_SEATS_P));
    put_number(m, g, "seats.O", sum(g, NUMBER_SEATS_O));
}

static void put_rates(struct model *m, const struct group *g)
{
    int64_t due = sum(g, NUMBER_DUE), met = sum(g, NUMBER_MEETINGS_DUE);
    int64_t answered = due - sum(g, NUMBER_EXCUSED) - sum(g, NUMBER_MISSED);
    int64_t governance = sum(g, NUMBER_GOVERNANCE_DUE);

    put_rate(m, g, "voting", answered, due);
    put_rate(m, g, "substantive", answered - sum(g, NUMBER_ABSTAINED), due);
    put_rate(m, g, "commented", sum(g, NUMBER_COMMENTED) + sum(g, NUMBER_GOVERNANCE_COMMENTED),
             sum(g, NUMBER_VOTES) + sum(g, NUMBER_GOVERNANCE_VOTES));
    put_rate(m, g, "presence",
             met - sum(g, NUMBER_MEETINGS_MISSED) - sum(g, NUMBER_MEETINGS_EXCUSED), met);
    if (!g->rest)
        put_rate(m, g, "governance",
                 governance - sum(g, NUMBER_GOVERNANCE_EXCUSED) - sum(g, NUMBER_GOVERNANCE_MISSED),
                 governance);
}

static void put_shares(struct model *m, const struct group *g)
{
    const int64_t *all = g->all->number;

    put_rate(m, g, "share.votes", sum(g, NUMBER_VOTES) + sum(g, NUMBER_GOVERNANCE_VOTES),
             all[NUMBER_VOTES] + all[NUMBER_GOVERNANCE_VOTES]);
    put_rate(m, g, "share.delegates",
             sum(g, NUMBER_DELEGATES) + sum(g, NUMBER_GOVERNANCE_DELEGATES),
             all[NUMBER_DELEGATES] + all[NUMBER_GOVERNANCE_DELEGATES]);
    put_rate(m, g, "share.seats", sum(g, NUMBER_SEATS_P), all[NUMBER_SEATS_P]);
}

/* ---- medians ---- */
static int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Of the rates (due - excused - missed) / due of those who had any due. */
static void put_median(struct model *m, const struct group *g, const char *field, enum number due,
                       enum number excused, enum number missed)
{
    double *rates = memory_need((g->count + 1) * sizeof *rates);
    size_t count = 0;

    for (size_t i = 0; i < g->count; i++) {
        const int64_t *n = g->people[i]->number;

        if (n[due] != 0)
            rates[count++] = (double)(n[due] - n[excused] - n[missed]) / (double)n[due];
    }
    qsort(rates, count, sizeof *rates, double_compare);
    if (count % 2 == 1)
        put_decimal(m, g, field, rates[count / 2]);
    else if (count > 0)
        put_decimal(m, g, field, (rates[count / 2 - 1] + rates[count / 2]) / 2);
    free(rates);
}

void model_put_figures(struct model *m, const struct group *g)
{
    put_people(m, g);
    put_rates(m, g);
    put_shares(m, g);
    put_median(m, g, "voting.median", NUMBER_DUE, NUMBER_EXCUSED, NUMBER_MISSED);
    put_median(m, g, "presence.median", NUMBER_MEETINGS_DUE, NUMBER_MEETINGS_EXCUSED,
               NUMBER_MEETINGS_MISSED);
    if (g->in_year) {
        put_rate(m, g, "effective", sum(g, NUMBER_EFFECTIVE_NUM), sum(g, NUMBER_EFFECTIVE_DEN));
        put_number(m, g, "seats.dormant", sum(g, NUMBER_DORMANT));
    }
    model_put_text(m, g->key, "list", slice_of(g->list));
}
