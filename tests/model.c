/* The model; see model.h.  It walks the facts that hold and writes every contribution down where
 * it belongs.  Nothing here can fail: what does not decode was refused by facts_add. */
#include "tests/model.h"

#include <stdlib.h>

#include "proto/clock.h"
#include "tests/model_count.h"

struct model *model_new(void)
{
    struct model *m = memory_need(sizeof *m);

    *m = (struct model){.facts = facts_new(),
                        .today = date_of_ms(clock_wall_ms()),
                        .rules = RULES_DEFAULT,
                        .by_clock = true};
    return m;
}

void model_today(struct model *m, date_days today, const struct rules *rules)
{
    m->today = today;
    m->by_clock = false;
    m->rules = *rules;
}

void model_free(struct model *m)
{
    if (!m)
        return;
    facts_free(m->facts);
    dump_free(m->dump);
    free(m);
}

int model_add(struct model *m, struct slice event, struct refusal *why)
{
    struct refusal unused;

    return facts_add(m->facts, event, why ? why : &unused);
}

/* ---- adoptions ---- */
static void count_tokens(struct model *m, struct place at, const struct event *a)
{
    char field[FIELD_ROOM];

    for (uint32_t i = 0; i < a->token_count; i++) {
        bool again = false;

        for (uint32_t j = 0; j < i; j++)
            again = again || slice_equal(a->tokens[j], a->tokens[i]);
        snprintf(field, sizeof field, "adoptions.theme.%.*s", TEXT(a->tokens[i]));
        if (!again)
            model_add_member(m, at, field);
    }
    for (unsigned goal = 1; goal <= 17; goal++) {
        snprintf(field, sizeof field, "adoptions.sdg.%u", goal);
        if (a->sdgs >> goal & 1)
            model_add_member(m, at, field);
    }
}

static void count_adoption(struct model *m, const struct event *a)
{
    static const char *const degrees[DEGREES] = {[DEGREE_IDT] = "adoptions.identical",
                                                 [DEGREE_MOD] = "adoptions.modified",
                                                 [DEGREE_NEQ] = "adoptions.not-equivalent"};
    struct place at = {.member = a->member, .day = a->date};

    model_add_member(m, at, degrees[a->degree]);
    if (a->degree == DEGREE_NEQ)
        return;
    model_add_member(m, at, "adoptions");
    count_tokens(m, at, a);
    at.day = a->withdrawn;
    if (a->force == FORCE_WITHDRAWN)
        model_add_member(m, at, "adoptions.withdrawn");
}

static void count_adoptions(struct model *m)
{
    struct fact_range all = facts_of(m->facts, EVENT_ADOPTION, model_any, model_any, model_any);

    for (size_t i = 0; i < all.count; i++)
        count_adoption(m, &all.first[i]);
}

/* ---- names ---- */
static void put_members(struct model *m)
{
    static const enum event_type naming[] = {EVENT_VOTE, EVENT_ATTENDANCE, EVENT_ADOPTION,
                                             EVENT_MEMBER, EVENT_SEAT};

    for (size_t t = 0; t < sizeof naming / sizeof *naming; t++) {
        struct fact_range all = facts_of(m->facts, naming[t], model_any, model_any, model_any);

        for (size_t i = 0; i < all.count; i++)
            model_name(m, "turnout:members", all.first[i].member);
        if (all.count > 0)
            model_name(m, "turnout:groups", slice_of("all"));
    }
}

static void put_groups(struct model *m)
{
    struct fact_range all = facts_of(m->facts, EVENT_MEMBER, model_any, model_any, model_any);

    for (size_t i = 0; i < all.count; i++) {
        model_name(m, "turnout:groups", slice_of(all.first[i].developing ? "developing" : "other"));
        for (uint32_t t = 0; t < all.first[i].token_count; t++)
            model_name(m, "turnout:groups", all.first[i].tokens[t]);
    }
}

static void put_committees(struct model *m)
{
    struct fact_range all = facts_of(m->facts, EVENT_COMMITTEE, model_any, model_any, model_any);

    for (size_t i = 0; i < all.count; i++) {
        const struct event *c = &all.first[i];
        struct slice label = c->title.size       ? c->title
                             : c->reference.size ? c->reference
                                                 : c->committee;

        dump_put(m->dump, slice_of("turnout:committees"), c->committee, label);
    }
}

const struct dump *model_count(struct model *m)
{
    facts_settle(m->facts);
    dump_free(m->dump);
    m->dump = dump_new();
    model_count_ballots(m);
    model_count_meetings(m);
    count_adoptions(m);
    put_members(m);
    put_groups(m);
    put_committees(m);
    model_count_groups(m);
    model_count_watch(m);
    return m->dump;
}
