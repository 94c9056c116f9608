/* The model; see model.h.  It walks the facts that hold and writes every contribution down where
 * it belongs.  Nothing here can fail: what does not decode was refused by facts_add. */
#include "tests/model.h"

#include <stdlib.h>

#include "tests/model_facts.h"

#define KEY_ROOM   256
#define FIELD_ROOM 96
#define TEXT(s)    (int)(s).size, (s).at

static const struct slice any = {0};

struct model {
    struct facts *facts;
    struct dump *dump;
};

struct model *model_new(void)
{
    struct model *m = memory_need(sizeof *m);

    *m = (struct model){.facts = facts_new()};
    return m;
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

/* ---- where a contribution goes ---- */
/* A place in the counters: who, in which committee (absent for adoptions), on which day. */
struct place {
    struct slice member, committee;
    date_days day;
    uint8_t level;
};

static void set_add(struct model *m, const char *set, struct slice name)
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
    set_add(m, "turnout:periods", slice_of(period));
}

static void member_add(struct model *m, struct place at, const char *field)
{
    period_add(m, at, false, field);
    period_add(m, at, true, field);
}

/* A counter of votes or presence: for the member and for the committee. */
static void count_add(struct model *m, struct place at, const char *name)
{
    char key[KEY_ROOM], field[FIELD_ROOM];

    snprintf(field, sizeof field, "%s.%s", level_name[at.level], name);
    member_add(m, at, field);
    snprintf(key, sizeof key, "turnout:committee:%.*s:%04d", TEXT(at.committee),
             date_to_civil(at.day).year);
    dump_add(m->dump, key, field, 1);
}

/* A counter of duty: for the seat, too. */
static void duty_add(struct model *m, struct place at, const char *name)
{
    char key[KEY_ROOM], field[FIELD_ROOM];

    count_add(m, at, name);
    snprintf(field, sizeof field, "%s.%s", level_name[at.level], name);
    snprintf(key, sizeof key, "turnout:seat:%.*s|%.*s:%04d", TEXT(at.committee), TEXT(at.member),
             date_to_civil(at.day).year);
    dump_add(m->dump, key, field, 1);
}

static void put_text(struct model *m, const char *key, const char *field, struct slice text)
{
    if (text.size > 0)
        dump_put(m->dump, slice_of(key), slice_of(field), text);
}

static void put_date(struct model *m, const char *key, const char *field, date_days day)
{
    char text[DATE_TEXT];

    if (day == DATE_NONE)
        return;
    date_format(day, text);
    put_text(m, key, field, slice_make(text, sizeof text));
}

/* What the notices of ballots and meetings have in common. */
static void put_common(struct model *m, const char *key, const struct event *notice)
{
    put_text(m, key, "level", slice_of(level_name[notice->level]));
    put_text(m, key, "mandatory", slice_of(notice->mandatory ? "1" : "0"));
    put_text(m, key, "title", notice->title);
}

/* ---- seats ---- */
/* By the notice with the latest `from` not after the day; they come in order of `from`. */
static enum role role_on(struct model *m, struct slice committee, struct slice member,
                         date_days day)
{
    struct fact_range seats = facts_of(m->facts, EVENT_SEAT, committee, member, any);
    enum role role = ROLE_NONE;

    for (size_t i = 0; i < seats.count; i++)
        if (seats.first[i].from <= day)
            role = seats.first[i].role;
    return role;
}

/* ---- ballots ---- */
struct ballot {
    struct slice committee, name;
    const struct event *notice; /* NULL: unknown */
    struct fact_range votes;
    char key[KEY_ROOM];
};

static bool answers(const struct event *vote)
{
    return vote && vote->position != POSITION_NONE;
}

static enum role seat_at(struct model *m, const struct ballot *b, const struct event *vote,
                         struct slice member)
{
    if (vote && vote->seat != ROLE_ABSENT)
        return vote->seat;
    return b->notice ? role_on(m, b->committee, member, b->notice->closes) : ROLE_NONE;
}

static void tally_vote(struct model *m, const struct ballot *b, const struct event *vote)
{
    const char *position = position_name[vote->position];
    char field[FIELD_ROOM];

    dump_add(m->dump, b->key, "votes", 1);
    dump_add(m->dump, b->key, position, 1);
    if (seat_at(m, b, vote, vote->member) != ROLE_P)
        return;
    dump_add(m->dump, b->key, "p.votes", 1);
    snprintf(field, sizeof field, "p.%s", position);
    dump_add(m->dump, b->key, field, 1);
}

static void count_vote(struct model *m, const struct ballot *b, const struct event *vote)
{
    const struct event *notice = b->notice;
    struct place at = {.member = vote->member,
                       .committee = b->committee,
                       .day = notice ? notice->closes : date_of_ms(vote->time_ms),
                       .level = notice ? notice->level : vote->level};
    char name[FIELD_ROOM];

    if (!answers(vote))
        return;
    snprintf(name, sizeof name, "votes.%s", position_name[vote->position]);
    count_add(m, at, "votes");
    count_add(m, at, name);
    if (vote->comments > 0)
        count_add(m, at, "votes.commented");
    if (vote->participate)
        count_add(m, at, "votes.participate");
    if (notice && date_of_ms(vote->time_ms) > notice->closes)
        count_add(m, at, "votes.late");
    tally_vote(m, b, vote);
}

/* A duty counter and the same for the ballot's kind. */
static void duty_add_kind(struct model *m, const struct ballot *b, struct place at,
                          const char *name)
{
    char of_kind[FIELD_ROOM];

    duty_add(m, at, name);
    snprintf(of_kind, sizeof of_kind, "%s.%.*s", name, TEXT(b->notice->kind));
    duty_add(m, at, of_kind);
}

static void count_due(struct model *m, const struct ballot *b, struct place at,
                      const struct event *vote)
{
    duty_add_kind(m, b, at, "ballots.due");
    dump_add(m->dump, b->key, "due", 1);
    if (answers(vote)) {
        if (vote->position == POSITION_ABSTAIN)
            duty_add(m, at, "ballots.abstained");
    } else if (vote && vote->excused) {
        duty_add(m, at, "ballots.excused");
        dump_add(m->dump, b->key, "excused", 1);
    } else {
        duty_add_kind(m, b, at, "ballots.missed");
        dump_add(m->dump, b->key, "missed", 1);
    }
}

/* One member's duty at a closed ballot. */
static void count_ballot_duty(struct model *m, const struct ballot *b, struct slice member,
                              const struct event *vote)
{
    struct place at = {.member = member,
                       .committee = b->committee,
                       .day = b->notice->closes,
                       .level = b->notice->level};

    if (b->notice->mandatory && seat_at(m, b, vote, member) == ROLE_P)
        count_due(m, b, at, vote);
    else if (answers(vote))
        duty_add(m, at, "ballots.voluntary");
}

static const struct event *vote_of(struct model *m, const struct ballot *b, struct slice member)
{
    struct fact_range r = facts_of(m->facts, EVENT_VOTE, b->committee, b->name, member);

    return r.count ? r.first : NULL;
}

static void count_ballot_duties(struct model *m, const struct ballot *b)
{
    struct fact_range seats = facts_of(m->facts, EVENT_SEAT, b->committee, any, any);

    for (size_t i = 0; i < b->votes.count; i++)
        count_ballot_duty(m, b, b->votes.first[i].member, &b->votes.first[i]);
    for (size_t i = 0; i < seats.count; i++) {
        struct slice member = seats.first[i].member;
        bool again = i > 0 && slice_equal(seats.first[i - 1].member, member);

        if (!again && !vote_of(m, b, member))
            count_ballot_duty(m, b, member, NULL);
    }
}

static void put_verdict(struct model *m, const struct ballot *b)
{
    struct slice kind = b->notice->kind;
    int64_t p_yes = dump_number(m->dump, b->key, "p.approve");
    int64_t p_no = dump_number(m->dump, b->key, "p.disapprove");
    int64_t yes = dump_number(m->dump, b->key, "approve");
    int64_t no = dump_number(m->dump, b->key, "disapprove");
    bool pass = 3 * p_yes >= 2 * (p_yes + p_no) && 4 * no <= yes + no;

    if (!slice_is(kind, "DIS") && !slice_is(kind, "FDIS") && !slice_is(kind, "CDV"))
        return;
    if (p_yes + p_no > 0)
        put_text(m, b->key, "verdict", slice_of(pass ? "pass" : "fail"));
}

static void put_ballot(struct model *m, const struct ballot *b)
{
    char name[KEY_ROOM], closes[24];

    put_text(m, b->key, "kind", b->notice->kind);
    put_date(m, b->key, "opens", b->notice->opens);
    put_date(m, b->key, "closes", b->notice->closes);
    put_text(m, b->key, "status", slice_of(stage_name[b->notice->stage]));
    put_common(m, b->key, b->notice);
    if (b->notice->stage != STAGE_OPEN)
        return;
    snprintf(name, sizeof name, "%.*s|%.*s", TEXT(b->committee), TEXT(b->name));
    snprintf(closes, sizeof closes, "%lld", b->notice->closes * 86400LL);
    put_text(m, "turnout:ballots:open", name, slice_of(closes));
}

static void count_ballot(struct model *m, struct slice committee, struct slice name,
                         const struct event *notice)
{
    struct ballot b = {.committee = committee, .name = name, .notice = notice};

    b.votes = facts_of(m->facts, EVENT_VOTE, committee, name, any);
    snprintf(b.key, sizeof b.key, "turnout:ballot:%.*s|%.*s", TEXT(committee), TEXT(name));
    if (notice)
        put_ballot(m, &b);
    if (notice && notice->stage == STAGE_CANCELLED)
        return;
    for (size_t i = 0; i < b.votes.count; i++)
        count_vote(m, &b, &b.votes.first[i]);
    if (notice && notice->stage == STAGE_CLOSED)
        count_ballot_duties(m, &b);
    if (notice)
        put_verdict(m, &b);
}

static void count_ballots(struct model *m)
{
    struct fact_range notices = facts_of(m->facts, EVENT_BALLOT, any, any, any);
    struct fact_range votes = facts_of(m->facts, EVENT_VOTE, any, any, any);

    for (size_t i = 0; i < notices.count; i++)
        count_ballot(m, notices.first[i].committee, notices.first[i].ballot, &notices.first[i]);
    for (size_t i = 0; i < votes.count; i++) {
        const struct event *v = &votes.first[i], *before = i > 0 ? v - 1 : NULL;

        if (before && slice_equal(before->committee, v->committee) &&
            slice_equal(before->ballot, v->ballot))
            continue;
        if (facts_of(m->facts, EVENT_BALLOT, v->committee, v->ballot, any).count == 0)
            count_ballot(m, v->committee, v->ballot, NULL);
    }
}

/* ---- meetings ---- */
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

    count_add(m, at, "delegates");
    if (a->mode == MODE_VIRTUAL)
        count_add(m, at, "delegates.virtual");
    if (a->part == PART_HEAD)
        count_add(m, at, "delegates.head");
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
    count_add(m, first, "meetings.attended");
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

    if (role_on(m, mt->committee, member, mt->notice->starts) != ROLE_P)
        return;
    duty_add(m, at, "meetings.due");
    dump_add(m->dump, mt->key, "due", 1);
    if (anybody(people, PRESENCE_ATTENDED))
        return;
    if (anybody(people, PRESENCE_CORRESPONDENCE)) {
        duty_add(m, at, "meetings.correspondence");
    } else if (anybody(people, PRESENCE_EXCUSED)) {
        duty_add(m, at, "meetings.excused");
    } else {
        duty_add(m, at, "meetings.missed");
        dump_add(m->dump, mt->key, "missed", 1);
    }
}

static void count_meeting_duties(struct model *m, const struct meeting *mt)
{
    struct fact_range seats = facts_of(m->facts, EVENT_SEAT, mt->committee, any, any);

    for (size_t i = 0; i < seats.count; i++)
        if (i == 0 || !slice_equal(seats.first[i - 1].member, seats.first[i].member))
            count_meeting_duty(m, mt, seats.first[i].member);
}

static void put_meeting(struct model *m, const struct meeting *mt)
{
    put_date(m, mt->key, "starts", mt->notice->starts);
    put_date(m, mt->key, "ends", mt->notice->ends);
    put_text(m, mt->key, "status", slice_of(planning_name[mt->notice->planning]));
    put_common(m, mt->key, mt->notice);
}

static void count_delegations(struct model *m, const struct meeting *mt)
{
    struct fact_range all = facts_of(m->facts, EVENT_ATTENDANCE, mt->committee, mt->name, any);
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

static void count_meetings(struct model *m)
{
    struct fact_range notices = facts_of(m->facts, EVENT_MEETING, any, any, any);
    struct fact_range people = facts_of(m->facts, EVENT_ATTENDANCE, any, any, any);

    for (size_t i = 0; i < notices.count; i++)
        count_meeting(m, notices.first[i].committee, notices.first[i].meeting, &notices.first[i]);
    for (size_t i = 0; i < people.count; i++) {
        const struct event *a = &people.first[i], *before = i > 0 ? a - 1 : NULL;

        if (before && slice_equal(before->committee, a->committee) &&
            slice_equal(before->meeting, a->meeting))
            continue;
        if (facts_of(m->facts, EVENT_MEETING, a->committee, a->meeting, any).count == 0)
            count_meeting(m, a->committee, a->meeting, NULL);
    }
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
            member_add(m, at, field);
    }
    for (unsigned goal = 1; goal <= 17; goal++) {
        snprintf(field, sizeof field, "adoptions.sdg.%u", goal);
        if (a->sdgs >> goal & 1)
            member_add(m, at, field);
    }
}

static void count_adoption(struct model *m, const struct event *a)
{
    static const char *const degrees[DEGREES] = {[DEGREE_IDT] = "adoptions.identical",
                                                 [DEGREE_MOD] = "adoptions.modified",
                                                 [DEGREE_NEQ] = "adoptions.not-equivalent"};
    struct place at = {.member = a->member, .day = a->date};

    member_add(m, at, degrees[a->degree]);
    if (a->degree == DEGREE_NEQ)
        return;
    member_add(m, at, "adoptions");
    count_tokens(m, at, a);
    at.day = a->withdrawn;
    if (a->force == FORCE_WITHDRAWN)
        member_add(m, at, "adoptions.withdrawn");
}

static void count_adoptions(struct model *m)
{
    struct fact_range all = facts_of(m->facts, EVENT_ADOPTION, any, any, any);

    for (size_t i = 0; i < all.count; i++)
        count_adoption(m, &all.first[i]);
}

/* ---- names ---- */
static void put_members(struct model *m)
{
    static const enum event_type naming[] = {EVENT_VOTE, EVENT_ATTENDANCE, EVENT_ADOPTION,
                                             EVENT_MEMBER, EVENT_SEAT};

    for (size_t t = 0; t < sizeof naming / sizeof *naming; t++) {
        struct fact_range all = facts_of(m->facts, naming[t], any, any, any);

        for (size_t i = 0; i < all.count; i++)
            set_add(m, "turnout:members", all.first[i].member);
        if (all.count > 0)
            set_add(m, "turnout:groups", slice_of("all"));
    }
}

static void put_groups(struct model *m)
{
    struct fact_range all = facts_of(m->facts, EVENT_MEMBER, any, any, any);

    for (size_t i = 0; i < all.count; i++) {
        set_add(m, "turnout:groups", slice_of(all.first[i].developing ? "developing" : "other"));
        for (uint32_t t = 0; t < all.first[i].token_count; t++)
            set_add(m, "turnout:groups", all.first[i].tokens[t]);
    }
}

static void put_committees(struct model *m)
{
    struct fact_range all = facts_of(m->facts, EVENT_COMMITTEE, any, any, any);

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
    count_ballots(m);
    count_meetings(m);
    count_adoptions(m);
    put_members(m);
    put_groups(m);
    put_committees(m);
    return m->dump;
}
