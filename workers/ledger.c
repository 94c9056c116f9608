/* The records of the ledger; see ledger.h.  Everything comes out of one arena; nothing fails. */
#include "workers/ledger.h"

#include <stdlib.h>

const char *const tally_name[TALLIES] = {
    [TALLY_VOTES] = "votes",
    [TALLY_VOTES + POSITION_APPROVE] = "approve",
    [TALLY_VOTES + POSITION_DISAPPROVE] = "disapprove",
    [TALLY_VOTES + POSITION_ABSTAIN] = "abstain",
    [TALLY_VOTES + POSITION_CONFIRM] = "confirm",
    [TALLY_VOTES + POSITION_REVISE] = "revise",
    [TALLY_VOTES + POSITION_WITHDRAW] = "withdraw",
    [TALLY_P_VOTES] = "p.votes",
    [TALLY_P_VOTES + POSITION_APPROVE] = "p.approve",
    [TALLY_P_VOTES + POSITION_DISAPPROVE] = "p.disapprove",
    [TALLY_P_VOTES + POSITION_ABSTAIN] = "p.abstain",
    [TALLY_P_VOTES + POSITION_CONFIRM] = "p.confirm",
    [TALLY_P_VOTES + POSITION_REVISE] = "p.revise",
    [TALLY_P_VOTES + POSITION_WITHDRAW] = "p.withdraw",
    [TALLY_DUE] = "due",
    [TALLY_MISSED] = "missed",
    [TALLY_EXCUSED] = "excused",
};
const char *const verdict_name[VERDICTS] = {"", "pass", "fail"};
const char *const gathering_name[GATHERINGS] = {"members", "delegates", "due", "missed"};

/* What is judged by is looked at again and again; a vote hardly ever, and memory that is touched
 * for the first time costs more than to ask for a vote once more. */
#define KEEP_PART 2
#define MANY_PART 3

/* How much of an arena's memory stays for the next batch. */
#define BATCH_KEEP ((size_t)8 << 20)

void pointers_add(struct pointers *p, void *item)
{
    p->items = memory_room(p->items, p->count, &p->room, sizeof *p->items);
    p->items[p->count++] = item;
}

struct ledger *ledger_new(void)
{
    struct ledger *l = memory_zeroed(sizeof *l);

    counters_open(&l->counters, &l->keep, &l->batch);
    counters_open(&l->accounts, &l->keep, &l->many);
    return l;
}

static void ledger_untouch(struct ledger *l)
{
    l->touched_committees.count = l->touched_ballots.count = 0;
    l->touched_meetings.count = l->touched_members.count = 0;
}

void ledger_drop(struct ledger *l)
{
    ledger_untouch(l);
    counters_drop(&l->counters);
    counters_drop(&l->accounts);
    table_clear(&l->committees);
    table_clear(&l->members);
    table_clear(&l->listed);
    arena_reset(&l->batch, BATCH_KEEP);
    arena_reset(&l->keep, BATCH_KEEP);
    arena_reset(&l->many, BATCH_KEEP);
}

static void committee_thin(struct committee *c)
{
    struct ballot *b;
    struct meeting *m;

    for (size_t i = 0; (b = table_next(&c->ballots, &i));) {
        table_clear(&b->votes);
        b->complete = b->at_hand = false;
        b->singly = 0;
    }
    for (size_t i = 0; (m = table_next(&c->meetings, &i));) {
        table_clear(&m->delegations);
        table_clear(&m->participants);
        m->complete = false;
    }
}

/* Forgets the records of which there are many. */
static void ledger_thin(struct ledger *l)
{
    struct committee *c;
    struct member *m;

    for (size_t i = 0; (c = table_next(&l->committees, &i));)
        committee_thin(c);
    for (size_t i = 0; (m = table_next(&l->members, &i));)
        table_clear(&m->adoptions);
    counters_clear(&l->accounts);
    arena_reset(&l->many, SIZE_MAX); /* it will grow as large again */
}

void ledger_settle(struct ledger *l, size_t keep_bytes)
{
    if (l->keep.used > keep_bytes / KEEP_PART) {
        ledger_drop(l);
        return;
    }
    if (l->many.used > keep_bytes / MANY_PART)
        ledger_thin(l);
    for (size_t i = 0; i < l->touched_committees.count; i++)
        ((struct committee *)l->touched_committees.items[i])->touched = false;
    for (size_t i = 0; i < l->touched_ballots.count; i++)
        ((struct ballot *)l->touched_ballots.items[i])->touched = false;
    for (size_t i = 0; i < l->touched_meetings.count; i++)
        ((struct meeting *)l->touched_meetings.items[i])->touched = false;
    for (size_t i = 0; i < l->touched_members.count; i++)
        ((struct member *)l->touched_members.items[i])->touched = false;
    ledger_untouch(l);
    counters_clear(&l->counters);
    arena_reset(&l->batch, BATCH_KEEP);
}

void ledger_free(struct ledger *l)
{
    if (!l)
        return;
    counters_free(&l->counters);
    counters_free(&l->accounts);
    table_free(&l->committees);
    table_free(&l->members);
    table_free(&l->listed);
    arena_free(&l->batch);
    arena_free(&l->keep);
    arena_free(&l->many);
    buffer_free(&l->scratch);
    free(l->touched_committees.items);
    free(l->touched_ballots.items);
    free(l->touched_meetings.items);
    free(l->touched_members.items);
    free(l);
}

/* The entry with this key, or a new one of `size` bytes with a copy of the key; *ret_new says
 * which.
 */
static void *entry_of(struct arena *arena, struct table *t, struct slice key, size_t size,
                      bool *ret_new)
{
    uint64_t hash = table_hash(key);
    struct table_entry *e = table_find_hashed(t, key, hash);

    *ret_new = !e;
    if (!e) {
        e = arena_need(arena, size);
        e->key = arena_copy(arena, key);
        table_add_hashed(t, e, hash);
    }
    return e;
}

/* The same for what is found by its member, whose key and hash it shares. */
static void *entry_of_member(struct arena *arena, struct table *t, const struct member *m,
                             size_t size, bool *ret_new)
{
    struct table_entry *e = table_find_hashed(t, m->entry.key, m->entry.hash);

    *ret_new = !e;
    if (!e) {
        e = arena_need(arena, size);
        e->key = m->entry.key;
        table_add_hashed(t, e, m->entry.hash);
    }
    return e;
}

struct member *ledger_member(struct ledger *l, struct slice name)
{
    bool fresh;
    struct member *m = entry_of(&l->keep, &l->members, name, sizeof *m, &fresh);

    if (fresh)
        m->adoptions.arena = &l->many;
    return m;
}

struct committee *ledger_committee(struct ledger *l, struct slice id)
{
    bool fresh;
    struct committee *c = entry_of(&l->keep, &l->committees, id, sizeof *c, &fresh);

    if (fresh)
        c->seats.arena = c->ballots.arena = c->meetings.arena = &l->keep;
    return c;
}

struct ballot *ledger_ballot(struct ledger *l, struct committee *c, struct slice id)
{
    bool fresh;
    struct ballot *b = entry_of(&l->keep, &c->ballots, id, sizeof *b, &fresh);

    if (fresh) {
        b->committee = c;
        b->indexed = DATE_NONE;
        b->votes.arena = &l->many;
    }
    return b;
}

struct vote *ledger_vote(struct ledger *l, struct ballot *b, struct member *m)
{
    bool fresh;
    struct vote *v = entry_of_member(&l->many, &b->votes, m, sizeof *v, &fresh);

    if (fresh)
        v->member = m;
    return v;
}

struct vote *ledger_voted(const struct ballot *b, const struct member *m)
{
    return table_find_hashed(&b->votes, m->entry.key, m->entry.hash);
}

struct meeting *ledger_meeting(struct ledger *l, struct committee *c, struct slice id)
{
    bool fresh;
    struct meeting *m = entry_of(&l->keep, &c->meetings, id, sizeof *m, &fresh);

    if (fresh) {
        m->committee = c;
        m->indexed = DATE_NONE;
        m->delegations.arena = m->participants.arena = &l->many;
    }
    return m;
}

static struct delegation *ledger_delegation(struct ledger *l, struct meeting *m,
                                            struct member *member)
{
    bool fresh;
    struct delegation *d = entry_of_member(&l->many, &m->delegations, member, sizeof *d, &fresh);

    if (fresh)
        d->member = member;
    return d;
}

struct participant *ledger_participant(struct ledger *l, struct meeting *m, struct member *member,
                                       struct slice key)
{
    bool fresh;
    struct participant *p = entry_of(&l->many, &m->participants, key, sizeof *p, &fresh);

    if (fresh) {
        p->delegation = ledger_delegation(l, m, member);
        p->next = p->delegation->first;
        p->delegation->first = p;
    }
    return p;
}

const struct seat_line *ledger_line(const struct committee *c, const struct member *m)
{
    return table_find_hashed(&c->seats, m->entry.key, m->entry.hash);
}

struct seat *ledger_seat(struct ledger *l, struct committee *c, struct member *m, date_days from)
{
    bool fresh;
    struct seat_line *line = entry_of_member(&l->keep, &c->seats, m, sizeof *line, &fresh);
    struct seat **at = &line->first, *s;

    if (fresh)
        line->member = m;
    while (*at && (*at)->from < from)
        at = &(*at)->next;
    if (*at && (*at)->from == from)
        return *at;
    s = arena_need(&l->keep, sizeof *s);
    s->member = line->member;
    s->from = from;
    s->next = *at;
    return *at = s;
}

struct profile *ledger_profile(struct ledger *l, struct member *m, date_days from)
{
    struct profile **at = &m->profiles, *p;

    while (*at && (*at)->from < from)
        at = &(*at)->next;
    if (*at && (*at)->from == from)
        return *at;
    p = arena_need(&l->keep, sizeof *p);
    p->from = from;
    p->next = *at;
    return *at = p;
}

struct adoption *ledger_adoption(struct ledger *l, struct member *m, struct slice key)
{
    bool fresh;

    return entry_of(&l->many, &m->adoptions, key, sizeof(struct adoption), &fresh);
}

struct slice ledger_pair(struct ledger *l, struct slice a, struct slice b)
{
    buffer_clear(&l->scratch);
    buffer_add_slice(&l->scratch, a);
    buffer_add(&l->scratch, "|", 1);
    buffer_add_slice(&l->scratch, b);
    return buffer_slice(&l->scratch);
}

bool ledger_first_time(struct ledger *l, char kind, struct slice name)
{
    bool fresh;

    buffer_clear(&l->scratch);
    buffer_add(&l->scratch, &kind, 1);
    buffer_add_slice(&l->scratch, name);
    entry_of(&l->keep, &l->listed, buffer_slice(&l->scratch), sizeof(struct table_entry), &fresh);
    return fresh;
}

static void touch(struct pointers *list, bool *touched, void *record)
{
    if (!*touched)
        pointers_add(list, record);
    *touched = true;
}

void ledger_touch_committee(struct ledger *l, struct committee *c)
{
    touch(&l->touched_committees, &c->touched, c);
}

void ledger_touch_ballot(struct ledger *l, struct ballot *b)
{
    touch(&l->touched_ballots, &b->touched, b);
}

void ledger_touch_meeting(struct ledger *l, struct meeting *m)
{
    touch(&l->touched_meetings, &m->touched, m);
}

void ledger_touch_member(struct ledger *l, struct member *m)
{
    touch(&l->touched_members, &m->touched, m);
}

enum role seat_role(const struct seat_line *line, date_days day)
{
    enum role role = ROLE_NONE;

    for (const struct seat *s = line ? line->first : NULL; s && s->from <= day; s = s->next)
        if (version_holds(&s->fact.version))
            role = (enum role)s->fact.role;
    return role;
}

enum role ledger_role(const struct committee *c, struct slice member, date_days day)
{
    return seat_role(table_find(&c->seats, member), day);
}
