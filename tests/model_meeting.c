/* Counting meetings from scratch: delegates, delegations and duties of one after the other. */
#include "tests/model_count.h"

struct meeting {
    struct slice committee, name;
    const struct event *notice; /* NULL: unknown */
    char key[KEY_ROOM];
};

static struct place meeting_place(const struct meeting *mt, const struct event *attendance)
{
    const struct event *notice = mt->notice;

    return (struct place){.member = attendance->member,
                          .committee = mt->committee,
                          .day = notice ? notice->starts : attendance->date,
                          .level = notice ? notice->level : attendance->level};
}

static void count_delegate(struct model *m, const struct meeting *mt, const struct event *a)
{
    struct place at = meeting_place(mt, a);

    model_add_count(m, at, "delegates");
    if (a->mode == MODE_VIRTUAL)
        model_add_count(m, at, "delegates.virtual");
    if (a->part == PART_HEAD)
        model_add_count(m, at, "delegates.head");
    dump_add(m->dump, mt->key, "delegates", 1);
}

/* The earlier day; on one day the level whose name comes first. */
static bool place_before(struct place a, struct place b)
{
    if (a.day != b.day)
        return a.day < b.day;
    return strcmp(level_name[a.level], level_name[b.level]) < 0;
}

/* All participants of one member at one meeting. */
static void count_delegation(struct model *m, const struct meeting *mt, struct fact_range people)
{
    struct place first = {0};
    bool attended = false;

    for (size_t i = 0; i < people.count; i++) {
        struct place at = meeting_place(mt, &people.first[i]);

        if (people.first[i].presence != PRESENCE_ATTENDED)
            continue;
        count_delegate(m, mt, &people.first[i]);
        if (!attended || place_before(at, first))
            first = at;
        attended = true;
    }
    if (!attended)
        return;
    model_add_count(m, first, "meetings.attended");
    dump_add(m->dump, mt->key, "members", 1);
}

static bool anybody(struct fact_range people, enum presence presence)
{
    for (size_t i = 0; i < people.count; i++)
        if (people.first[i].presence == presence)
            return true;
    return false;
}

static void count_meeting_duty(struct model *m, const struct meeting *mt, struct slice member)
{
    struct fact_range people =
        facts_of(m->facts, EVENT_ATTENDANCE, mt->committee, mt->name, member);
    struct place at = {.member = member,
                       .committee = mt->committee,
                       .day = mt->notice->starts,
                       .level = mt->notice->level};

    if (model_role(m, mt->committee, member, mt->notice->starts) != ROLE_P)
        return;
    model_add_duty(m, at, "meetings.due");
    dump_add(m->dump, mt->key, "due", 1);
    if (anybody(people, PRESENCE_ATTENDED))
        return;
    if (anybody(people, PRESENCE_CORRESPONDENCE)) {
        model_add_duty(m, at, "meetings.correspondence");
    } else if (anybody(people, PRESENCE_EXCUSED)) {
        model_add_duty(m, at, "meetings.excused");
    } else {
        model_add_duty(m, at, "meetings.missed");
        dump_add(m->dump, mt->key, "missed", 1);
    }
}

static void count_meeting_duties(struct model *m, const struct meeting *mt)
{
    struct fact_range seats = facts_of(m->facts, EVENT_SEAT, mt->committee, model_any, model_any);

    for (size_t i = 0; i < seats.count; i++)
        if (i == 0 || !slice_equal(seats.first[i - 1].member, seats.first[i].member))
            count_meeting_duty(m, mt, seats.first[i].member);
}

static void put_meeting(struct model *m, const struct meeting *mt)
{
    model_put_date(m, mt->key, "starts", mt->notice->starts);
    model_put_date(m, mt->key, "ends", mt->notice->ends);
    model_put_text(m, mt->key, "status", slice_of(planning_name[mt->notice->planning]));
    model_put_common(m, mt->key, mt->notice);
}

static void count_delegations(struct model *m, const struct meeting *mt)
{
    struct fact_range all =
        facts_of(m->facts, EVENT_ATTENDANCE, mt->committee, mt->name, model_any);
    size_t i = 0;

    while (i < all.count) {
        struct fact_range people = {all.first + i, 1};

        while (i + people.count < all.count &&
               slice_equal(all.first[i].member, all.first[i + people.count].member))
            people.count++;
        count_delegation(m, mt, people);
        i += people.count;
    }
}

static void count_meeting(struct model *m, struct slice committee, struct slice name,
                          const struct event *notice)
{
    struct meeting mt = {.committee = committee, .name = name, .notice = notice};

    snprintf(mt.key, sizeof mt.key, "turnout:meeting:%.*s|%.*s", TEXT(committee), TEXT(name));
    if (notice)
        put_meeting(m, &mt);
    if (notice && notice->planning == PLANNING_CANCELLED)
        return;
    count_delegations(m, &mt);
    if (notice && notice->planning == PLANNING_HELD && notice->mandatory)
        count_meeting_duties(m, &mt);
}

void model_count_meetings(struct model *m)
{
    struct fact_range notices = facts_of(m->facts, EVENT_MEETING, model_any, model_any, model_any);
    struct fact_range people =
        facts_of(m->facts, EVENT_ATTENDANCE, model_any, model_any, model_any);

    for (size_t i = 0; i < notices.count; i++)
        count_meeting(m, notices.first[i].committee, notices.first[i].meeting, &notices.first[i]);
    for (size_t i = 0; i < people.count; i++) {
        const struct event *a = &people.first[i], *before = i > 0 ? a - 1 : NULL;

        if (before && slice_equal(before->committee, a->committee) &&
            slice_equal(before->meeting, a->meeting))
            continue;
        if (facts_of(m->facts, EVENT_MEETING, a->committee, a->meeting, model_any).count == 0)
            count_meeting(m, a->committee, a->meeting, NULL);
    }
}
