/* Flushing; see flush.h. */
#include "workers/flush.h"

#include "workers/account.h"
#include "workers/row_name.h"
#include "workers/tally.h"

static struct slice key_of(struct commit *c, const char *family, struct slice name)
{
    struct slice parts[] = {slice_of(family), name};

    return commit_join(c, parts, 2);
}

static struct slice key_pair(struct commit *c, const char *family, struct slice a, struct slice b)
{
    struct slice parts[] = {slice_of(family), a, slice_of("|"), b};

    return commit_join(c, parts, 4);
}

/* A fact's line; its event's bytes are let go, unless they must be kept. */
static struct slice fact_line(struct ledger *l, struct commit *c, enum event_type type, void *fact)
{
    struct version *v = fact;

    buffer_clear(&l->scratch);
    fact_format(type, fact, &l->scratch);
    if (!v->contested)
        v->raw = (struct slice){0};
    return arena_copy(c->arena, buffer_slice(&l->scratch));
}

static struct slice date_text(struct commit *c, date_days d)
{
    char text[DATE_TEXT];

    if (d == DATE_NONE)
        return (struct slice){0};
    date_format(d, text);
    return arena_copy(c->arena, slice_make(text, sizeof text));
}

static struct slice bool_text(bool b)
{
    return slice_of(b ? "1" : "0");
}

/* A field for dashboards: absent or empty ones are not there. */
static void visible(struct commit *c, struct slice key, const char *field, bool holds,
                    struct slice value)
{
    if (holds && value.size)
        commit_hset(c, key, slice_of(field), value);
    else
        commit_hdel(c, key, slice_of(field));
}

/* Writes what moved since the store last had it. */
static void flush_numbers(struct commit *c, struct slice key, const char *const *names,
                          unsigned count, const int64_t *now, int64_t *stored)
{
    for (unsigned i = 0; i < count; i++) {
        if (now[i] == stored[i])
            continue;
        if (now[i])
            commit_hset(c, key, slice_of(names[i]), commit_text(c, now[i]));
        else
            commit_hdel(c, key, slice_of(names[i]));
        stored[i] = now[i];
    }
}

/* Where a committee's ballots and meetings stand in time; DATE_NONE: without a notice. */
static void flush_index(struct commit *c, struct slice committee, const char *kind, struct slice id,
                        date_days day)
{
    struct slice key = key_of(c, "index:", committee), field = key_pair(c, "", slice_of(kind), id);

    if (day != DATE_NONE)
        commit_hset(c, key, field, date_text(c, day));
    else
        commit_hdel(c, key, field);
}

static void flush_ballot_notice(struct ledger *l, struct commit *c, struct ballot *b,
                                struct slice key)
{
    const struct ballot_fact *n = &b->notice;
    bool holds = version_holds(&n->version), open = holds && n->stage == STAGE_OPEN;
    struct slice id = b->entry.key, committee = b->committee->entry.key;
    struct slice name = key_pair(c, "", committee, id);

    commit_hset(c, key, slice_of("notice"), fact_line(l, c, EVENT_BALLOT, &b->notice));
    visible(c, key, "kind", holds, n->kind);
    visible(c, key, "opens", holds, date_text(c, holds ? n->opens : DATE_NONE));
    visible(c, key, "closes", holds, date_text(c, holds ? n->closes : DATE_NONE));
    visible(c, key, "status", holds, slice_of(stage_name[n->stage]));
    visible(c, key, "level", holds, slice_of(level_name[n->level]));
    visible(c, key, "mandatory", holds, bool_text(n->mandatory));
    visible(c, key, "title", holds, n->title);
    if (open)
        commit_zadd(c, slice_of("ballots:open"), name, n->closes * (DAY_MS / 1000));
    else
        commit_zrem(c, slice_of("ballots:open"), name);
    b->indexed = holds ? n->closes : DATE_NONE;
    flush_index(c, committee, "ballot", id, b->indexed);
    b->notice_changed = false;
}

static void flush_verdict(struct commit *c, struct ballot *b, struct slice key)
{
    enum verdict now = tally_verdict(b);

    if (now != b->stored_verdict)
        visible(c, key, "verdict", true, slice_of(verdict_name[now]));
    b->stored_verdict = (uint8_t)now;
}

/* Votes lie anywhere: while one is written, the record after the next and the next one's text are
 * on their way. */
HINT void expect_after(const struct vote *v)
{
    const struct vote *next = v->next_changed, *after = next ? next->next_changed : NULL;

    if (!after)
        return;
    __builtin_prefetch(next->fact.version.id.at);
    __builtin_prefetch(after);
    __builtin_prefetch((const char *)after + 64);
    __builtin_prefetch((const char *)after + 128);
}

static void flush_ballot(struct ledger *l, struct commit *c, void *record)
{
    struct ballot *b = record;
    struct slice committee = b->committee->entry.key;
    struct slice key = key_pair(c, "ballot:", committee, b->entry.key);
    struct slice votes = key_pair(c, "votes:", committee, b->entry.key);

    if (b->notice_changed)
        flush_ballot_notice(l, c, b, key);
    flush_numbers(c, key, tally_name, TALLIES, b->tally, b->stored);
    flush_verdict(c, b, key);
    for (struct vote *v = b->changed_votes; v; v = v->next_changed) {
        expect_after(v);
        commit_hset(c, votes, v->entry.key, fact_line(l, c, EVENT_VOTE, &v->fact));
        v->changed = false;
    }
    b->changed_votes = NULL;
}

static void flush_meeting_notice(struct ledger *l, struct commit *c, struct meeting *m,
                                 struct slice key)
{
    const struct meeting_fact *n = &m->notice;
    bool holds = version_holds(&n->version);

    commit_hset(c, key, slice_of("notice"), fact_line(l, c, EVENT_MEETING, &m->notice));
    visible(c, key, "starts", holds, date_text(c, holds ? n->starts : DATE_NONE));
    visible(c, key, "ends", holds, date_text(c, holds ? n->ends : DATE_NONE));
    visible(c, key, "status", holds, slice_of(planning_name[n->planning]));
    visible(c, key, "level", holds, slice_of(level_name[n->level]));
    visible(c, key, "mandatory", holds, bool_text(n->mandatory));
    visible(c, key, "title", holds, n->title);
    m->indexed = holds ? n->starts : DATE_NONE;
    flush_index(c, m->committee->entry.key, "meeting", m->entry.key, m->indexed);
    m->notice_changed = false;
}

static void flush_meeting(struct ledger *l, struct commit *c, void *record)
{
    struct meeting *m = record;
    struct slice committee = m->committee->entry.key;
    struct slice key = key_pair(c, "meeting:", committee, m->entry.key);
    struct slice attendance = key_pair(c, "attendance:", committee, m->entry.key);

    if (m->notice_changed)
        flush_meeting_notice(l, c, m, key);
    flush_numbers(c, key, gathering_name, GATHERINGS, m->tally, m->stored);
    for (struct participant *p = m->changed_participants; p; p = p->next_changed) {
        commit_hset(c, attendance, p->entry.key, fact_line(l, c, EVENT_ATTENDANCE, &p->fact));
        p->changed = false;
    }
    m->changed_participants = NULL;
}

/* C -> title, or reference, or C itself. */
static struct slice committee_label(const struct committee *c)
{
    if (version_holds(&c->fact.version) && c->fact.title.size)
        return c->fact.title;
    if (version_holds(&c->fact.version) && c->fact.reference.size)
        return c->fact.reference;
    return c->entry.key;
}

static void flush_committee(struct ledger *l, struct commit *c, void *record)
{
    struct committee *com = record;
    struct slice seats = key_of(c, "seats:", com->entry.key);

    if (com->fact_changed || !com->listed) {
        struct slice line = slice_of("-");
        if (com->fact.version.known)
            line = fact_line(l, c, EVENT_COMMITTEE, &com->fact);
        commit_hset(c, key_of(c, "index:", com->entry.key), slice_of("committee"), line);
        commit_hset(c, slice_of("committees"), com->entry.key, committee_label(com));
        com->listed = true;
        com->fact_changed = false;
    }
    for (struct seat *s = com->changed_seats; s; s = s->next_changed) {
        struct slice field = key_pair(c, "", s->member->entry.key, date_text(c, s->from));
        commit_hset(c, seats, field, fact_line(l, c, EVENT_SEAT, &s->fact));
        s->changed = false;
    }
    com->changed_seats = NULL;
}

static struct slice list_text(struct ledger *l, struct commit *c, const struct slice *items,
                              uint32_t count)
{
    buffer_clear(&l->scratch);
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buffer_add(&l->scratch, ",", 1);
        buffer_add_slice(&l->scratch, items[i]);
    }
    return arena_copy(c->arena, buffer_slice(&l->scratch));
}

static void list_group(struct ledger *l, struct commit *c, struct slice group)
{
    if (ledger_first_time(l, 'g', group))
        commit_sadd(c, slice_of("groups"), arena_copy(c->arena, group));
}

/* The newest notice is the one with the latest `from` that holds. */
static void flush_profile(struct ledger *l, struct commit *c, const struct member *m)
{
    struct slice key = key_of(c, "profile:", m->entry.key);
    const struct profile *newest = NULL;

    for (const struct profile *p = m->profiles; p; p = p->next)
        newest = version_holds(&p->fact.version) ? p : newest;
    bool holds = newest != NULL;
    const struct profile_fact nothing = {0}, *f = holds ? &newest->fact : &nothing;
    visible(c, key, "from", holds, holds ? date_text(c, newest->from) : (struct slice){0});
    visible(c, key, "name", holds, f->name);
    visible(c, key, "nsb", holds, f->nsb);
    visible(c, key, "category", holds, slice_of(category_name[f->category]));
    visible(c, key, "developing", holds, bool_text(f->developing));
    visible(c, key, "groups", holds, list_text(l, c, f->groups, f->group_count));
}

static void flush_profiles(struct ledger *l, struct commit *c, struct member *m)
{
    struct slice key = key_of(c, "profiles:", m->entry.key);
    bool changed = false;

    for (struct profile *p = m->profiles; p; p = p->next) {
        if (!p->changed)
            continue;
        commit_hset(c, key, date_text(c, p->from), fact_line(l, c, EVENT_MEMBER, &p->fact));
        changed = true;
        p->changed = false;
        if (!version_holds(&p->fact.version))
            continue;
        list_group(l, c, slice_of(p->fact.developing ? "developing" : "other"));
        for (uint32_t i = 0; i < p->fact.group_count; i++)
            list_group(l, c, p->fact.groups[i]);
    }
    if (changed)
        flush_profile(l, c, m);
}

static void flush_member(struct ledger *l, struct commit *c, void *record)
{
    struct member *m = record;
    struct slice adoptions = key_of(c, "adoptions:", m->entry.key);

    if (!m->listed) {
        commit_sadd(c, slice_of("members"), m->entry.key);
        list_group(l, c, slice_of("all"));
        m->listed = true;
    }
    if (m->facts)
        commit_hincrby(c, slice_of("facts"), m->entry.key, m->facts);
    m->facts = 0;
    flush_profiles(l, c, m);
    for (struct adoption *a = m->changed_adoptions; a; a = a->next_changed) {
        commit_hset(c, adoptions, a->entry.key, fact_line(l, c, EVENT_ADOPTION, &a->fact));
        a->changed = false;
    }
    m->changed_adoptions = NULL;
}

static void flush_row(struct ledger *l, struct commit *c, const struct row *r)
{
    struct slice key, period;

    if (!row_moves(r))
        return;
    key = row_name(c, &r->key);
    if (account_has(r)) {
        account_write(l, c, r, key);
        return;
    }
    for (uint32_t i = 0; i < r->count; i++)
        if (r->cells[i].amount && r->key.kind == ROW_TENURE)
            commit_hincrby_below(c, key, r->cells[i].field->entry.key, r->cells[i].amount);
        else if (r->cells[i].amount)
            commit_hincrby(c, key, r->cells[i].field->entry.key, r->cells[i].amount);
    if (r->key.kind != ROW_MEMBER)
        return;
    period = row_period(c, r->key.period);
    if (ledger_first_time(l, 'p', period))
        commit_sadd(c, slice_of("periods"), period);
}

/* Each list of records with what writes one of them. */
static bool flush_records(struct ledger *l, struct commit *c, struct flush_place *at, size_t most)
{
    static void (*const flush[])(struct ledger *, struct commit *, void *) = {
        flush_committee, flush_ballot, flush_meeting, flush_member};
    const struct pointers *lists[] = {&l->touched_committees, &l->touched_ballots,
                                      &l->touched_meetings, &l->touched_members};

    for (; at->list < sizeof lists / sizeof *lists; at->list++, at->next = 0)
        while (at->next < lists[at->list]->count) {
            if (c->count >= most)
                return true;
            flush[at->list](l, c, lists[at->list]->items[at->next++]);
        }
    return false;
}

bool flush_part(struct ledger *l, struct commit *c, struct flush_place *at, size_t most)
{
    if (flush_records(l, c, at, most))
        return true;
    for (const struct row *r = at->row ? at->row->next : l->counters.first; r; r = r->next) {
        if (c->count >= most)
            return true;
        flush_row(l, c, r);
        at->row = r;
    }
    return false;
}

void flush_ledger(struct ledger *l, struct commit *c)
{
    struct flush_place at = {0};

    flush_part(l, c, &at, SIZE_MAX);
}

void flush_meta(struct ledger *l, struct commit *c, unsigned partitions)
{
    struct slice key = slice_of("meta");

    if (!ledger_first_time(l, 'm', key))
        return;
    commit_hset(c, key, slice_of("schema"), commit_text(c, STORE_SCHEMA));
    commit_hset(c, key, slice_of("version"), slice_of(TURNOUT_VERSION));
    commit_hset(c, key, slice_of("partitions"), commit_text(c, partitions));
}
