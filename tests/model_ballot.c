/* Counting ballots from scratch: votes, duties, tally and verdict of one after the other. */
#include "tests/model_count.h"

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
    return b->notice ? model_role(m, b->committee, member, b->notice->closes) : ROLE_NONE;
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
    model_add_count(m, at, "votes");
    model_add_count(m, at, name);
    if (vote->comments > 0)
        model_add_count(m, at, "votes.commented");
    if (vote->participate)
        model_add_count(m, at, "votes.participate");
    if (notice && date_of_ms(vote->time_ms) > notice->closes)
        model_add_count(m, at, "votes.late");
    tally_vote(m, b, vote);
}

/* A duty counter and the same for the ballot's kind. */
static void duty_add_kind(struct model *m, const struct ballot *b, struct place at,
                          const char *name)
{
    char of_kind[FIELD_ROOM];

    model_add_duty(m, at, name);
    snprintf(of_kind, sizeof of_kind, "%s.%.*s", name, TEXT(b->notice->kind));
    model_add_duty(m, at, of_kind);
}

static void count_due(struct model *m, const struct ballot *b, struct place at,
                      const struct event *vote)
{
    duty_add_kind(m, b, at, "ballots.due");
    dump_add(m->dump, b->key, "due", 1);
    if (answers(vote)) {
        if (vote->position == POSITION_ABSTAIN)
            model_add_duty(m, at, "ballots.abstained");
        if (vote->comments > 0)
            model_add_seat(m, at, "ballots.commented");
    } else if (vote && vote->excused) {
        model_add_duty(m, at, "ballots.excused");
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
        model_add_duty(m, at, "ballots.voluntary");
}

static const struct event *vote_of(struct model *m, const struct ballot *b, struct slice member)
{
    struct fact_range r = facts_of(m->facts, EVENT_VOTE, b->committee, b->name, member);

    return r.count ? r.first : NULL;
}

static void count_ballot_duties(struct model *m, const struct ballot *b)
{
    struct fact_range seats = facts_of(m->facts, EVENT_SEAT, b->committee, model_any, model_any);

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
        model_put_text(m, b->key, "verdict", slice_of(pass ? "pass" : "fail"));
}

static void put_ballot(struct model *m, const struct ballot *b)
{
    char name[KEY_ROOM], closes[24];

    model_put_text(m, b->key, "kind", b->notice->kind);
    model_put_date(m, b->key, "opens", b->notice->opens);
    model_put_date(m, b->key, "closes", b->notice->closes);
    model_put_text(m, b->key, "status", slice_of(stage_name[b->notice->stage]));
    model_put_common(m, b->key, b->notice);
    if (b->notice->stage != STAGE_OPEN)
        return;
    snprintf(name, sizeof name, "%.*s|%.*s", TEXT(b->committee), TEXT(b->name));
    snprintf(closes, sizeof closes, "%lld", b->notice->closes * 86400LL);
    model_put_text(m, "turnout:ballots:open", name, slice_of(closes));
}

static void count_ballot(struct model *m, struct slice committee, struct slice name,
                         const struct event *notice)
{
    struct ballot b = {.committee = committee, .name = name, .notice = notice};

    b.votes = facts_of(m->facts, EVENT_VOTE, committee, name, model_any);
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

void model_count_ballots(struct model *m)
{
    struct fact_range notices = facts_of(m->facts, EVENT_BALLOT, model_any, model_any, model_any);
    struct fact_range votes = facts_of(m->facts, EVENT_VOTE, model_any, model_any, model_any);

    for (size_t i = 0; i < notices.count; i++)
        count_ballot(m, notices.first[i].committee, notices.first[i].ballot, &notices.first[i]);
    for (size_t i = 0; i < votes.count; i++) {
        const struct event *v = &votes.first[i], *before = i > 0 ? v - 1 : NULL;

        if (before && slice_equal(before->committee, v->committee) &&
            slice_equal(before->ballot, v->ballot))
            continue;
        if (facts_of(m->facts, EVENT_BALLOT, v->committee, v->ballot, model_any).count == 0)
            count_ballot(m, v->committee, v->ballot, NULL);
    }
}
