/* Deriving, the watch list: the seats at risk of some committees, from three looks that each lead
 * to the next.
 *
 *     the committee's seats and its calendar, and what the list says of it today
 *     the ballots that close soon, the notices of its meetings, the duties of the year
 *     who took part in the last meetings at which somebody with a seat was due */
#include "proto/error.h"
#include "workers/calendar.h"
#include "workers/changes.h"
#include "workers/derive_round.h"
#include "workers/risk.h"

#include <stdlib.h>

#define COMMITTEES_AT_ONCE 2 /* some hundred hashes each */
#define MEETINGS_MOST      8 /* of risk.meetings_run */

struct listed {
    struct table_entry entry; /* "M|REASON" */
    int64_t score;
    bool stays;
};

/* A member that has a P-seat today. */
struct holder {
    struct holder *next;
    struct slice member;
    struct duties year;
    struct meeting *last[MEETINGS_MOST];
    size_t meetings;
};

struct watch_step {
    struct derive *derive;
    struct committee *committee;
    struct table listed; /* struct listed */
    struct holder *holders;
    struct meeting **meetings; /* held and mandatory, latest first */
    size_t meeting_count;
};

static int row_listed(void *context, void *record, struct slice field, struct slice value)
{
    struct watch_step *s = record;
    struct listed *l = arena_need(&s->derive->batch, sizeof *l);

    (void)context;
    l->entry.key = arena_copy(&s->derive->batch, field);
    table_add(&s->listed, &l->entry);
    return slice_to_int(value, &l->score) ? 0 : ERR_CORRUPT;
}

/* ---- the three looks ---- */
static struct watch_step *fetch_committee(struct derive *d, struct slice id)
{
    struct watch_step *s = arena_need(&d->batch, sizeof *s);

    *s = (struct watch_step){.derive = d, .listed = {.arena = &d->batch}};
    s->committee = ledger_committee(d->ledger, id);
    gather_committee(&d->gather, s->committee);
    gather_dates(&d->gather, s->committee);
    derive_fetch(d, derive_key(d, "risk:", id, "", slice_make("", 0)), FETCH_HASH, row_listed, s);
    return s;
}

bool derive_warns(const struct derive *d, date_days closes)
{
    return closes != DATE_NONE && closes >= d->today && closes <= d->today + d->rules.warn_days;
}

static void fetch_holder(struct watch_step *s, struct slice member)
{
    struct derive *d = s->derive;
    struct holder *h = arena_need(&d->batch, sizeof *h);
    struct slice pair = derive_key(d, "", s->committee->entry.key, "|", member);
    char year[DATE_TEXT];

    h->member = member;
    h->next = s->holders;
    s->holders = h;
    date_format(d->today, year);
    derive_fetch(d, derive_key(d, "seat:", pair, ":", slice_make(year, 4)), FETCH_HASH, duties_row,
                 &h->year);
}

static void fetch_calendar(struct watch_step *s)
{
    struct derive *d = s->derive;
    struct committee *c = s->committee;
    const struct seat_line *line;
    struct ballot *b;
    struct meeting *m;

    for (size_t i = 0; (line = table_next(&c->seats, &i));)
        if (ledger_role(c, line->entry.key, d->today) == ROLE_P)
            fetch_holder(s, line->entry.key);
    if (!s->holders)
        return;
    for (size_t i = 0; (b = table_next(&c->ballots, &i));)
        if (derive_warns(d, b->indexed))
            gather_ballot(&d->gather, b);
    for (size_t i = 0; (m = table_next(&c->meetings, &i));)
        gather_meeting_notice(&d->gather, m);
}

static void fetch_meetings(struct watch_step *s)
{
    struct committee *c = s->committee;
    size_t run = (size_t)s->derive->rules.meetings_run;
    struct meeting *m;

    s->meetings = calendar_meetings(&s->derive->batch, c, &s->meeting_count);
    for (struct holder *h = s->holders; h; h = h->next)
        for (size_t i = 0; i < s->meeting_count && h->meetings < run; i++) {
            m = s->meetings[i];
            if (ledger_role(c, h->member, m->notice.starts) != ROLE_P)
                continue;
            gather_meeting(&s->derive->gather, m);
            h->last[h->meetings++] = m;
        }
}

/* ---- what follows ---- */
static bool has_open_ballot(const struct watch_step *s, struct slice member)
{
    const struct ballot *b;

    for (size_t i = 0; (b = table_next(&s->committee->ballots, &i));)
        if (risk_kind(b->notice.kind) && calendar_awaits(b, member))
            return true;
    return false;
}

static void score_holder(const struct watch_step *s, const struct holder *h,
                         enum risk_score ret[RISKS])
{
    bool run[MEETINGS_MOST];
    struct risk_seat seat = {.year = h->year, .missed = run, .meetings = h->meetings};

    for (size_t i = 0; i < h->meetings; i++)
        run[i] = calendar_missed(h->last[i], h->member);
    seat.open_ballot = has_open_ballot(s, h->member);
    risk_scores(&s->derive->rules, &seat, ret);
}

/* An entry of the change feed names at most so many. */
static void tell(struct derive *d, struct slice name)
{
    if (++d->told > CHANGES_NAMED)
        return;
    if (d->scratch.size)
        buffer_add(&d->scratch, "\n", 1);
    buffer_add_slice(&d->scratch, name);
}

static void tell_end(struct derive *d)
{
    struct slice names =
        d->told > CHANGES_NAMED ? slice_of("*") : arena_copy(&d->batch, buffer_slice(&d->scratch));

    if (d->told)
        commit_xadd(&d->commit, slice_of("changes"), slice_of(change_list_name[CHANGE_WATCH]),
                    names);
}

static void write_entry(struct watch_step *s, struct slice member, enum risk_reason reason,
                        enum risk_score score)
{
    struct derive *d = s->derive;
    struct slice committee = s->committee->entry.key;
    struct slice field = derive_key(d, "", member, "|", slice_of(risk_name[reason]));
    struct slice name = derive_key(d, "", committee, "|", field);
    struct listed *l = table_find(&s->listed, field);

    if (score == RISK_NONE)
        return;
    if (l)
        l->stays = true;
    if (l && l->score == (int64_t)score)
        return;
    commit_zadd(&d->commit, slice_of("watch"), name, score);
    commit_hset(&d->commit, derive_key(d, "risk:", committee, "", slice_make("", 0)), field,
                commit_text(&d->commit, score));
    tell(d, name);
}

static void write_committee(struct watch_step *s)
{
    struct derive *d = s->derive;
    struct slice committee = s->committee->entry.key;
    enum risk_score scores[RISKS];
    const struct listed *l;

    for (const struct holder *h = s->holders; h; h = h->next) {
        score_holder(s, h, scores);
        for (int r = 0; r < RISKS; r++)
            write_entry(s, h->member, (enum risk_reason)r, scores[r]);
    }
    for (size_t i = 0; (l = table_next(&s->listed, &i));) {
        struct slice name = derive_key(d, "", committee, "|", l->entry.key);
        if (l->stays)
            continue;
        commit_zrem(&d->commit, slice_of("watch"), name);
        commit_hdel(&d->commit, derive_key(d, "risk:", committee, "", slice_make("", 0)),
                    l->entry.key);
        tell(d, name);
    }
}

int derive_watch(struct derive *d)
{
    struct work *w = &d->committees;
    struct watch_step *steps[COMMITTEES_AT_ONCE];
    size_t n = 0;
    int error;

    for (; w->at < w->list.count && n < COMMITTEES_AT_ONCE; n++)
        steps[n] = fetch_committee(d, ((struct table_entry *)w->list.items[w->at++])->key);
    error = derive_look(d);
    for (size_t i = 0; i < n && error == 0; i++)
        fetch_calendar(steps[i]);
    if (error == 0)
        error = derive_look(d);
    for (size_t i = 0; i < n && error == 0; i++)
        fetch_meetings(steps[i]);
    if (error == 0)
        error = derive_look(d);
    buffer_clear(&d->scratch);
    d->told = 0;
    for (size_t i = 0; i < n && error == 0; i++)
        write_committee(steps[i]);
    if (error == 0)
        tell_end(d);
    return error;
}
