/* Changes of a commit, told and marked; see changes.h. */
#include "workers/changes.h"

#include "workers/risk.h"
#include "workers/row_name.h"

const char *const change_list_name[CHANGE_LISTS] = {
    [CHANGE_MEMBERS] = "members", [CHANGE_COMMITTEES] = "committees", [CHANGE_PERIODS] = "periods",
    [CHANGE_BALLOTS] = "ballots", [CHANGE_MEETINGS] = "meetings",     [CHANGE_GROUPS] = "groups",
    [CHANGE_WATCH] = "watch",
};

void changes_tell_all(struct commit *c, struct slice key, const char *why)
{
    commit_xadd(c, key, slice_of(why), slice_of("1"));
    for (int i = 0; i < CHANGE_LISTS; i++)
        commit_xadd(c, key, slice_of(change_list_name[i]), slice_of("*"));
}

/* Names, each once. */
struct names {
    struct table seen;
    struct buffer text;
};

/* True when the name is new. */
static bool names_add(struct ledger *l, struct names *n, struct slice name)
{
    struct table_entry *e;

    if (table_find(&n->seen, name))
        return false;
    e = arena_need(&l->batch, sizeof *e);
    e->key = name;
    table_add(&n->seen, e);
    return true;
}

static void names_list(struct ledger *l, struct names *n, struct slice name)
{
    if (n->seen.count > CHANGES_NAMED || !names_add(l, n, name))
        return;
    if (n->text.size)
        buffer_add(&n->text, "\n", 1);
    buffer_add_slice(&n->text, name);
}

static void names_tell(struct commit *c, struct names *n, enum change_list list)
{
    struct slice all = n->seen.count > CHANGES_NAMED ? slice_of("*") : buffer_slice(&n->text);

    if (n->seen.count)
        commit_xadd(c, slice_of("changes"), slice_of(change_list_name[list]),
                    arena_copy(c->arena, all));
    buffer_free(&n->text);
    table_free(&n->seen);
}

static struct slice pair(struct commit *c, struct slice a, struct slice b)
{
    struct slice parts[] = {a, slice_of("|"), b};

    return commit_join(c, parts, 3);
}

static void tell_rows(struct ledger *l, struct commit *c, struct names *members,
                      struct names *committees, struct names *periods)
{
    for (const struct row *r = l->counters.first; r; r = r->next) {
        if (!row_moves(r))
            continue;
        if (r->key.member)
            names_list(l, members, r->key.member->entry.key);
        if (r->key.committee)
            names_list(l, committees, r->key.committee->entry.key);
        if (r->key.kind == ROW_MEMBER)
            names_list(l, periods, row_period(c, r->key.period));
    }
}

static void tell_records(struct ledger *l, struct commit *c, struct names *ballots,
                         struct names *meetings)
{
    for (size_t i = 0; i < l->touched_ballots.count; i++) {
        const struct ballot *b = l->touched_ballots.items[i];
        names_list(l, ballots, pair(c, b->committee->entry.key, b->entry.key));
    }
    for (size_t i = 0; i < l->touched_meetings.count; i++) {
        const struct meeting *m = l->touched_meetings.items[i];
        names_list(l, meetings, pair(c, m->committee->entry.key, m->entry.key));
    }
}

void changes_tell(struct ledger *l, struct commit *c)
{
    struct names members = {0}, committees = {0}, periods = {0}, ballots = {0}, meetings = {0};

    tell_rows(l, c, &members, &committees, &periods);
    for (size_t i = 0; i < l->touched_members.count; i++) /* a profile, a first or a last fact */
        names_list(l, &members, ((struct member *)l->touched_members.items[i])->entry.key);
    for (size_t i = 0; i < l->touched_committees.count; i++) /* a seat, a title */
        names_list(l, &committees, ((struct committee *)l->touched_committees.items[i])->entry.key);
    tell_records(l, c, &ballots, &meetings);
    commit_xadd(c, slice_of("changes"), slice_of("moves"), commit_text(c, (int64_t)c->move_count));
    names_tell(c, &members, CHANGE_MEMBERS);
    names_tell(c, &committees, CHANGE_COMMITTEES);
    names_tell(c, &periods, CHANGE_PERIODS);
    names_tell(c, &ballots, CHANGE_BALLOTS);
    names_tell(c, &meetings, CHANGE_MEETINGS);
}

/* ---- marks ---- */
static void mark(struct ledger *l, struct commit *c, struct names *n, struct slice name)
{
    if (names_add(l, n, name))
        commit_sadd(c, slice_of("dirty"), name);
}

static void mark_named(struct ledger *l, struct commit *c, struct names *n, const char *kind,
                       struct slice name)
{
    mark(l, c, n, pair(c, slice_of(kind), name));
}

static void mark_seat(struct ledger *l, struct commit *c, struct names *n,
                      const struct row_key *key)
{
    struct slice parts[] = {slice_of("seat|"), key->committee->entry.key,
                            slice_of("|"),     key->member->entry.key,
                            slice_of("|"),     row_period(c, key->period)};

    mark(l, c, n, commit_join(c, parts, 6));
}

static void mark_rows(struct ledger *l, struct commit *c, struct names *n)
{
    for (const struct row *r = l->counters.first; r; r = r->next) {
        if (!row_moves(r))
            continue;
        if (r->key.kind == ROW_MEMBER)
            mark_named(l, c, n, "period", row_period(c, r->key.period));
        else if (r->key.kind == ROW_SEAT)
            mark_seat(l, c, n, &r->key);
    }
}

static void mark_dated(struct ledger *l, struct commit *c, struct names *n, const char *kind,
                       const struct committee *com, date_days day)
{
    char date[DATE_TEXT];

    date_format(day, date);
    mark_named(l, c, n, kind,
               pair(c, com->entry.key, arena_copy(c->arena, slice_make(date, sizeof date))));
}

static void mark_seats(struct ledger *l, struct commit *c, struct names *n,
                       const struct committee *com)
{
    for (const struct seat *s = com->changed_seats; s; s = s->next_changed)
        mark_dated(l, c, n, "seats", com, s->from);
}

/* A vote moves duties, which are marked by themselves, or answers a ballot that is still open. */
static bool vote_bears(const struct ballot *b)
{
    return version_holds(&b->notice.version) && b->notice.stage == STAGE_OPEN &&
           b->notice.mandatory && risk_kind(b->notice.kind);
}

/* Of two meetings in one commit the duties may add up to nothing, and yet other ones were missed.
 */
static bool attendance_bears(const struct meeting *m)
{
    return version_holds(&m->notice.version) && m->notice.planning == PLANNING_HELD &&
           m->notice.mandatory;
}

static void mark_records(struct ledger *l, struct commit *c, struct names *n)
{
    for (size_t i = 0; i < l->touched_ballots.count; i++) {
        const struct ballot *b = l->touched_ballots.items[i];
        if (b->notice_changed)
            mark_named(l, c, n, "watch", b->committee->entry.key);
        else if (b->changed_votes && vote_bears(b))
            mark_dated(l, c, n, "answer", b->committee, b->notice.closes);
    }
    for (size_t i = 0; i < l->touched_meetings.count; i++) {
        const struct meeting *m = l->touched_meetings.items[i];
        if (m->notice_changed || (m->changed_participants && attendance_bears(m)))
            mark_named(l, c, n, "watch", m->committee->entry.key);
    }
}

static bool member_changed(const struct member *m)
{
    for (const struct profile *p = m->profiles; p; p = p->next)
        if (p->changed)
            return true;
    return m->facts != 0;
}

void changes_mark(struct ledger *l, struct commit *c)
{
    struct names n = {0};
    bool members = false;

    mark_rows(l, c, &n);
    mark_records(l, c, &n);
    for (size_t i = 0; i < l->touched_committees.count; i++)
        mark_seats(l, c, &n, l->touched_committees.items[i]);
    for (size_t i = 0; i < l->touched_members.count; i++)
        members |= member_changed(l->touched_members.items[i]);
    if (members)
        mark(l, c, &n, slice_of("members"));
    table_free(&n.seen);
}
