/* Whether a seat was effective in a year: the four conditions one after the other, from what has
 * been counted for the seat. */
#include "tests/model_group.h"

struct duties {
    struct model *m;
    struct slice committee, member;
    int year;
};

static int64_t number(const struct duties *d, const char *name)
{
    return model_seat_number(d->m, d->committee, d->member, d->year, name);
}

/* Ballots answered with a comment: a field of the seat without a level. */
static int64_t commented(const struct duties *d)
{
    char key[KEY_ROOM];

    snprintf(key, sizeof key, "turnout:seat:%.*s|%.*s:%04d", TEXT(d->committee), TEXT(d->member),
             d->year);
    return dump_number(d->m->dump, key, "ballots.commented");
}

bool seat_has_duty(struct model *m, struct slice committee, struct slice member, int year)
{
    struct duties d = {m, committee, member, year};

    return number(&d, "ballots.due") > 0 || number(&d, "meetings.due") > 0;
}

static bool drafts_answered(const struct duties *d)
{
    return number(d, "ballots.missed.DIS") == 0 && number(d, "ballots.missed.FDIS") == 0 &&
           number(d, "ballots.missed.SR") == 0;
}

static bool internal_answered(const struct duties *d)
{
    return 100 * number(d, "ballots.missed.CIB") <= 20 * number(d, "ballots.due.CIB");
}

static bool seen_at_meetings(const struct duties *d)
{
    int64_t due = number(d, "meetings.due");
    int64_t absent = number(d, "meetings.missed") + number(d, "meetings.excused");

    return due == 0 || absent < due;
}

static bool said_something(const struct duties *d)
{
    int64_t answered =
        number(d, "ballots.due") - number(d, "ballots.excused") - number(d, "ballots.missed");

    return answered - number(d, "ballots.abstained") > 0 || commented(d) > 0;
}

bool seat_is_effective(struct model *m, struct slice committee, struct slice member, int year)
{
    struct duties d = {m, committee, member, year};

    return drafts_answered(&d) && internal_answered(&d) && seen_at_meetings(&d) &&
           said_something(&d);
}
