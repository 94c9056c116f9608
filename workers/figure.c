/* Figures; see figure.h.  One table says of which counters each is made; a counter is weighed once,
 * by its name, and from then on is a row of factors. */
#include "workers/figure.h"

#include <stdio.h>
#include <stdlib.h>

enum { VOTING, SUBSTANTIVE, COMMENTED, PRESENCE, GOVERNANCE, SHARE_VOTES, SHARE_DELEGATES };

const struct figure figures[FIGURES] = {
    [VOTING] = {"voting",
                {{"technical.ballots.due", 1},
                 {"technical.ballots.excused", -1},
                 {"technical.ballots.missed", -1}},
                {{"technical.ballots.due", 1}},
                false},
    [SUBSTANTIVE] = {"substantive",
                     {{"technical.ballots.due", 1},
                      {"technical.ballots.excused", -1},
                      {"technical.ballots.missed", -1},
                      {"technical.ballots.abstained", -1}},
                     {{"technical.ballots.due", 1}},
                     false},
    [COMMENTED] = {"commented",
                   {{"technical.votes.commented", 1}, {"governance.votes.commented", 1}},
                   {{"technical.votes", 1}, {"governance.votes", 1}},
                   false},
    [PRESENCE] = {"presence",
                  {{"technical.meetings.due", 1},
                   {"technical.meetings.missed", -1},
                   {"technical.meetings.excused", -1}},
                  {{"technical.meetings.due", 1}},
                  false},
    [GOVERNANCE] = {"governance",
                    {{"governance.ballots.due", 1},
                     {"governance.ballots.excused", -1},
                     {"governance.ballots.missed", -1}},
                    {{"governance.ballots.due", 1}},
                    false},
    [SHARE_VOTES] = {"share.votes",
                     {{"technical.votes", 1}, {"governance.votes", 1}},
                     {{"technical.votes", 1}, {"governance.votes", 1}},
                     true},
    [SHARE_DELEGATES] = {"share.delegates",
                         {{"technical.delegates", 1}, {"governance.delegates", 1}},
                         {{"technical.delegates", 1}, {"governance.delegates", 1}},
                         true},
};

/* The fields of a pair and its quotient. */
struct names {
    const char *num, *den, *quotient;
};
#define NAMES(figure)                                                                              \
    {                                                                                              \
        figure ".num", figure ".den", figure                                                       \
    }

static const struct names figure_names[FIGURES] = {
    [VOTING] = NAMES("voting"),
    [SUBSTANTIVE] = NAMES("substantive"),
    [COMMENTED] = NAMES("commented"),
    [PRESENCE] = NAMES("presence"),
    [GOVERNANCE] = NAMES("governance"),
    [SHARE_VOTES] = NAMES("share.votes"),
    [SHARE_DELEGATES] = NAMES("share.delegates"),
};
static const struct names share_seats = NAMES("share.seats"), effective = NAMES("effective");

/* Sums that stand in a key as they are, unless zero. */
static const struct plain {
    const char *name;
    enum sum sum;
    bool year; /* only there */
} plains[] = {
    {"members", SUM_MEMBERS, false},      {"members.active", SUM_ACTIVE, false},
    {"seats.P", SUM_SEATS_P, false},      {"seats.O", SUM_SEATS_O, false},
    {"seats.dormant", SUM_DORMANT, true},
};

static const struct median {
    const char *name;
    unsigned figure;
} medians[] = {{"voting.median", VOTING}, {"presence.median", PRESENCE}};

static int8_t weight_in(const struct figure_term *terms, struct slice counter)
{
    for (; terms->counter; terms++)
        if (slice_is(counter, terms->counter))
            return (int8_t)terms->sign;
    return 0;
}

void weights_of(struct slice counter, struct weights *ret)
{
    *ret = (struct weights){0};
    for (unsigned i = 0; i < FIGURES; i++) {
        ret->n[SUM_NUM + i] = weight_in(figures[i].num, counter);
        ret->n[SUM_DEN + i] = weight_in(figures[i].den, counter);
    }
    ret->n[SUM_VOTES] = weight_in(figures[SHARE_VOTES].num, counter);
    ret->n[SUM_ATTENDED] = slice_is(counter, "technical.meetings.attended") ||
                           slice_is(counter, "governance.meetings.attended");
}

void sums_count(struct sums *s, const struct weights *w, int64_t value)
{
    for (int i = 0; i < SUMS; i++)
        sum_add(&s->n[i], value, w->n[i]);
}

void sums_add(struct sums *s, const struct sums *more)
{
    for (int i = 0; i < SUMS; i++)
        sum_add(&s->n[i], more->n[i], 1);
}

static void put(const struct figure_out *out, const char *field, struct slice value)
{
    commit_hset(out->commit, out->key, slice_of(field), value);
}

static void put_decimal(const struct figure_out *out, const char *field, double value)
{
    char text[64]; /* a quotient of two int64: 26 characters at most */
    int size = snprintf(text, sizeof text, "%.4f", value);

    put(out, field, arena_copy(out->commit->arena, slice_make(text, (size_t)size)));
}

static void pair_write(const struct figure_out *out, const struct names *n, int64_t num,
                       int64_t den)
{
    put(out, n->num, commit_text(out->commit, num));
    put(out, n->den, commit_text(out->commit, den));
    if (den)
        put_decimal(out, n->quotient, (double)num / (double)den);
}

void figures_write(const struct figure_out *out, const struct sums *s)
{
    for (size_t i = 0; i < sizeof plains / sizeof *plains; i++)
        if (s->n[plains[i].sum] && (out->year || !plains[i].year))
            put(out, plains[i].name, commit_text(out->commit, s->n[plains[i].sum]));
    for (unsigned i = 0; i < FIGURES; i++)
        if (i != GOVERNANCE || !out->rest)
            pair_write(out, &figure_names[i], s->n[SUM_NUM + i],
                       (figures[i].share ? out->all : s)->n[SUM_DEN + i]);
    pair_write(out, &share_seats, s->n[SUM_SEATS_P], out->all->n[SUM_SEATS_P]);
    if (out->year)
        pair_write(out, &effective, s->n[SUM_EFFECTIVE], s->n[SUM_DUTY]);
    put(out, "list", out->list);
}

/* By cross multiplication: equal rates are equal, whatever a double makes of them. */
static int rate_compare(const void *a, const void *b)
{
    const struct rate *x = a, *y = b;
    __int128 left = (__int128)x->num * y->den, right = (__int128)y->num * x->den;

    return (left > right) - (left < right);
}

static double rate_value(const struct rate *r)
{
    return (double)r->num / (double)r->den;
}

void medians_write(const struct figure_out *out, const struct sums *const *members, size_t count,
                   struct rate *room)
{
    for (size_t i = 0; i < sizeof medians / sizeof *medians; i++) {
        size_t rates = 0;
        for (size_t m = 0; m < count; m++) {
            struct rate r = {members[m]->n[SUM_NUM + medians[i].figure],
                             members[m]->n[SUM_DEN + medians[i].figure]};
            if (r.den > 0)
                room[rates++] = r;
        }
        if (rates == 0)
            continue;
        qsort(room, rates, sizeof *room, rate_compare);
        const struct rate *low = &room[(rates - 1) / 2], *high = &room[rates / 2];
        put_decimal(out, medians[i].name,
                    low == high ? rate_value(low) : (rate_value(low) + rate_value(high)) / 2);
    }
}
