/* Where the model's contributions go; see model_count.h. */
#include "tests/model_count.h"

const struct slice model_any = {0};

void model_name(struct model *m, const char *set, struct slice name)
{
    dump_put(m->dump, slice_of(set), name, slice_of(""));
}

static void period_add(struct model *m, struct place at, bool month, const char *field)
{
    struct date_civil c = date_to_civil(at.day);
    char key[KEY_ROOM], period[16];

    snprintf(period, sizeof period, month ? "%04d-%02d" : "%04d", c.year, c.month);
    snprintf(key, sizeof key, "turnout:member:%.*s:%s", TEXT(at.member), period);
    dump_add(m->dump, key, field, 1);
    model_name(m, "turnout:periods", slice_of(period));
}

void model_add_member(struct model *m, struct place at, const char *field)
{
    period_add(m, at, false, field);
    period_add(m, at, true, field);
}

void model_add_count(struct model *m, struct place at, const char *name)
{
    char key[KEY_ROOM], field[FIELD_ROOM];

    snprintf(field, sizeof field, "%s.%s", level_name[at.level], name);
    model_add_member(m, at, field);
    snprintf(key, sizeof key, "turnout:committee:%.*s:%04d", TEXT(at.committee),
             date_to_civil(at.day).year);
    dump_add(m->dump, key, field, 1);
}

void model_add_seat(struct model *m, struct place at, const char *field)
{
    char key[KEY_ROOM];

    snprintf(key, sizeof key, "turnout:seat:%.*s|%.*s:%04d", TEXT(at.committee), TEXT(at.member),
             date_to_civil(at.day).year);
    dump_add(m->dump, key, field, 1);
}

void model_add_duty(struct model *m, struct place at, const char *name)
{
    char field[FIELD_ROOM];

    model_add_count(m, at, name);
    snprintf(field, sizeof field, "%s.%s", level_name[at.level], name);
    model_add_seat(m, at, field);
}

int64_t model_seat_number(struct model *m, struct slice committee, struct slice member, int year,
                          const char *name)
{
    int64_t sum = 0;

    for (int level = LEVEL_TECHNICAL; level < LEVELS; level++) {
        char key[KEY_ROOM], field[FIELD_ROOM];

        snprintf(key, sizeof key, "turnout:seat:%.*s|%.*s:%04d", TEXT(committee), TEXT(member),
                 year);
        snprintf(field, sizeof field, "%s.%s", level_name[level], name);
        sum += dump_number(m->dump, key, field);
    }
    return sum;
}

void model_put_text(struct model *m, const char *key, const char *field, struct slice text)
{
    if (text.size > 0)
        dump_put(m->dump, slice_of(key), slice_of(field), text);
}

void model_put_date(struct model *m, const char *key, const char *field, date_days day)
{
    char text[DATE_TEXT];

    if (day == DATE_NONE)
        return;
    date_format(day, text);
    model_put_text(m, key, field, slice_make(text, sizeof text));
}

void model_put_common(struct model *m, const char *key, const struct event *notice)
{
    model_put_text(m, key, "level", slice_of(level_name[notice->level]));
    model_put_text(m, key, "mandatory", slice_of(notice->mandatory ? "1" : "0"));
    model_put_text(m, key, "title", notice->title);
}

enum role model_role(struct model *m, struct slice committee, struct slice member, date_days day)
{
    struct fact_range seats = facts_of(m->facts, EVENT_SEAT, committee, member, model_any);
    enum role role = ROLE_NONE;

    for (size_t i = 0; i < seats.count; i++)
        if (seats.first[i].from <= day)
            role = seats.first[i].role;
    return role;
}
