/* Comparing a store with the model; see model.h.  A table says which keys and fields the model
 * answers for; whatever else stands in a store is the store's own. */
#include "tests/model.h"

#include <stdlib.h>

#include "proto/clock.h"
#include "proto/pack.h"
#include "tests/model_count.h"

void model_add_all(struct model *m, struct slice events)
{
    struct refusal why = {0};

    while (events.size > 0) {
        size_t size;

        if (pack_check(events, &size, &why) < 0 ||
            model_add(m, slice_make(events.at, size), &why) < 0) {
            fprintf(stderr, "model: a bad event: %s %s: %s\n", refusal_name(why.code), why.field,
                    why.reason);
            abort();
        }
        events = slice_make(events.at + size, events.size - size);
    }
}

/* The fields of ballots and meetings that the key reference names. */
static const char *const named_fields[] = {
    "kind",         "opens",     "closes",    "starts",   "ends",       "status",
    "level",        "mandatory", "title",     "votes",    "approve",    "disapprove",
    "abstain",      "confirm",   "revise",    "withdraw", "p.votes",    "p.approve",
    "p.disapprove", "p.abstain", "p.confirm", "p.revise", "p.withdraw", "due",
    "missed",       "excused",   "verdict",   "members",  "delegates",
};

static const struct {
    const char *prefix;
    enum dump_care care;
    bool named_only;
} families[] = {
    {"turnout:member:", DUMP_EXACT, false},   {"turnout:committee:", DUMP_EXACT, false},
    {"turnout:seat:", DUMP_EXACT, false},     {"turnout:ballot:", DUMP_EXACT, true},
    {"turnout:meeting:", DUMP_EXACT, true},   {"turnout:ballots:open", DUMP_EXACT, false},
    {"turnout:members", DUMP_LENIENT, false}, {"turnout:groups", DUMP_LENIENT, false},
    {"turnout:periods", DUMP_LENIENT, false}, {"turnout:committees", DUMP_LENIENT, false},
};

static bool key_begins(struct slice key, const char *prefix)
{
    return key.size >= strlen(prefix) && memcmp(key.at, prefix, strlen(prefix)) == 0;
}

static bool is_named(struct slice field)
{
    for (size_t i = 0; i < sizeof named_fields / sizeof *named_fields; i++)
        if (slice_is(field, named_fields[i]))
            return true;
    return false;
}

static enum dump_care model_care(struct slice key, struct slice field)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if (!key_begins(key, families[i].prefix))
            continue;
        return families[i].named_only && !is_named(field) ? DUMP_IGNORE : families[i].care;
    }
    return DUMP_IGNORE;
}

size_t model_compare(struct model *m, const struct dump *found, FILE *out)
{
    return dump_compare(model_count(m), found, model_care, out, NULL);
}

static enum dump_care derived_care(struct slice key, struct slice field)
{
    bool derived = key_begins(key, "turnout:group:") || key_begins(key, "turnout:risk:") ||
                   slice_is(key, "turnout:watch") ||
                   (slice_is(key, "turnout:meta") && slice_is(field, "groups"));

    return derived ? DUMP_EXACT : DUMP_IGNORE;
}

/* Past midnight what was found may be of the day before still, or of the new one. */
static void day_follow(struct model *m, const struct dump *found)
{
    date_days now = date_of_ms(clock_wall_ms());
    char text[DATE_TEXT + 1] = "";

    date_format(now, text);
    if (m->by_clock && slice_is(dump_get(found, "turnout:derived", "day"), text))
        m->today = now;
}

size_t model_compare_derived(struct model *m, const struct dump *found, FILE *out)
{
    day_follow(m, found);
    return dump_compare(model_count(m), found, derived_care, out, NULL);
}
