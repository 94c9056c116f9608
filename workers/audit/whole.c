/* Counting partitions whole; see whole.h.  Each thread takes the largest partition that is
 * left until there is none, the caller's among them.
 *
 * What can fail: the walk, a recall, bytes that are no event, and the store; the first error ends
 * the others' walks too.  A thread that cannot be made, or gets no session, leaves its share to the
 * others. */
#include "workers/audit/whole.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "workers/audit/replay.h"
#include "workers/changes.h"
#include "workers/client.h"
#include "workers/flush.h"
#include "workers/tally.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define CONNECT_MS 10000
#define MOST_HANDS 64
#define WORTH_IT   50000 /* events that are counted in less time than a session takes */

/* A key has four sessions of clients (PROTOCOL.md): of each hand, and one more for its ties. */
#define KEYED_HANDS 2

/* What the threads share. */
struct shop {
    const struct whole *whole;
    pthread_mutex_t lock; /* of all below, the store and what the caller gave */
    bool taken[WIRE_MAX_PARTS];
    int error;
};

struct hand {
    struct shop *shop;
    struct reader *reader;
    struct ledger *ledger; /* of the partition in hand */
    struct replay *replay;
    struct arena texts; /* of the commit */
    struct commit commit;
    unsigned partition;
    uint64_t taken, passed;
};

/* ---- what the threads share ---- */
static void shop_fail(struct shop *s, int error)
{
    pthread_mutex_lock(&s->lock);
    if (s->error == 0)
        s->error = error;
    pthread_mutex_unlock(&s->lock);
}

/* The largest one first, so that all end at about the same time.  False when there is none left, or
 * no sense in it. */
static bool shop_take(struct shop *s, unsigned *ret)
{
    const struct whole *w = s->whole;
    bool found = false;

    pthread_mutex_lock(&s->lock);
    for (unsigned p = 0; p < w->partitions && s->error == 0; p++)
        if (w->wanted[p] && !s->taken[p] && (!found || w->end[p] > w->end[*ret])) {
            *ret = p;
            found = true;
        }
    if (found)
        s->taken[*ret] = true;
    pthread_mutex_unlock(&s->lock);
    return found;
}

/* The first error of any thread. */
static int shop_progress(struct shop *s, uint64_t count)
{
    int error;

    pthread_mutex_lock(&s->lock);
    error = s->error;
    if (s->whole->progress && error == 0)
        progress_add(s->whole->progress, count);
    pthread_mutex_unlock(&s->lock);
    return error;
}

/* ---- the ledger, once all its facts are there ---- */
/* A fact that counts for the member. */
static void count_fact(struct ledger *l, struct member *m, const struct version *v)
{
    m->facts += version_holds(v);
    ledger_touch_member(l, m);
}

static void count_seats(struct ledger *l, struct committee *c)
{
    const struct seat_line *line;

    for (size_t i = 0; (line = table_next(&c->seats, &i));) {
        tally_tenure(l, c, line->member, +1);
        for (struct seat *s = line->first; s; s = s->next) {
            count_fact(l, s->member, &s->fact.version);
            s->next_changed = c->changed_seats;
            c->changed_seats = s;
        }
    }
}

static void count_ballot(struct ledger *l, struct ballot *b)
{
    struct vote *v;

    ledger_touch_ballot(l, b);
    b->notice_changed = b->notice.version.known;
    tally_ballot(l, b, +1);
    for (size_t i = 0; (v = table_next(&b->votes, &i));) {
        count_fact(l, v->member, &v->fact.version);
        v->next_changed = b->changed_votes;
        b->changed_votes = v;
    }
}

static void count_meeting(struct ledger *l, struct meeting *m)
{
    struct participant *p;

    ledger_touch_meeting(l, m);
    m->notice_changed = m->notice.version.known;
    tally_meeting(l, m, +1);
    for (size_t i = 0; (p = table_next(&m->participants, &i));) {
        count_fact(l, p->delegation->member, &p->fact.version);
        p->next_changed = m->changed_participants;
        m->changed_participants = p;
    }
}

static void count_committee(struct ledger *l, struct committee *c)
{
    struct ballot *b;
    struct meeting *m;

    ledger_touch_committee(l, c);
    c->fact_changed = c->fact.version.known;
    count_seats(l, c);
    for (size_t i = 0; (b = table_next(&c->ballots, &i));)
        count_ballot(l, b);
    for (size_t i = 0; (m = table_next(&c->meetings, &i));)
        count_meeting(l, m);
}

static void count_member(struct ledger *l, struct member *m)
{
    struct adoption *a;

    ledger_touch_member(l, m);
    for (struct profile *p = m->profiles; p; p = p->next) {
        count_fact(l, m, &p->fact.version);
        p->changed = true;
    }
    for (size_t i = 0; (a = table_next(&m->adoptions, &i));) {
        tally_adoption(l, m, &a->fact, +1);
        count_fact(l, m, &a->fact.version);
        a->next_changed = m->changed_adoptions;
        m->changed_adoptions = a;
    }
}

/* Everything there is has changed. */
static void count_all(struct ledger *l)
{
    struct committee *c;
    struct member *m;

    for (size_t i = 0; (c = table_next(&l->committees, &i));)
        count_committee(l, c);
    for (size_t i = 0; (m = table_next(&l->members, &i));)
        count_member(l, m);
}

/* ---- into the store ---- */
/* No partition stands for another journal, and ours stands where we left it. */
static int store_look_again(struct hand *h)
{
    const struct whole *w = h->shop->whole;
    struct applied now[WIRE_MAX_PARTS];
    unsigned places[WIRE_MAX_PARTS] = {h->partition}, n = 1;
    struct store_look look = {
        .places = places, .count = w->partitions, .watched = 1, .ret_applied = now};
    int error;

    for (unsigned p = 0; p < w->partitions; p++)
        if (p != h->partition)
            places[n++] = p;
    error = store_begin(w->store, &look);
    for (unsigned i = 0; i < w->partitions && error == 0; i++)
        if (now[i].known && strcmp(now[i].log, reader_log(w->reader)) != 0)
            error = ERR_FOREIGN;
    return error == 0 && !applied_same(&now[0], &w->applied[h->partition]) ? ERR_CONFLICT : error;
}

/* Some operations, in one commit; `to` is where the partition stands then. */
static int put_some(struct hand *h, struct commit_op *ops, size_t count, uint64_t to)
{
    const struct whole *w = h->shop->whole;
    struct applied *at = &w->applied[h->partition];
    struct commit_move move = {.place = h->partition};
    struct commit c = {
        .ops = ops, .count = count, .moves = &move, .move_count = 1, .unawaited = true};
    int error;

    pthread_mutex_lock(&h->shop->lock);
    error = h->shop->error ? h->shop->error : store_look_again(h);
    move.from = *at;
    move.to = (struct applied){
        .known = true, .offset = to, .time_ms = clock_wall_ms(), .epoch = at->epoch};
    memcpy(move.to.log, reader_log(w->reader), LOG_ID);
    if (error == 0)
        error = store_commit(w->store, &c);
    if (error == 0)
        *at = move.to;
    pthread_mutex_unlock(&h->shop->lock);
    return error;
}

static size_t ops_most(const struct hand *h)
{
    return h->shop->whole->ops ? h->shop->whole->ops : WHOLE_OPS;
}

static int put_commit(struct hand *h, bool last)
{
    size_t count = h->commit.count, most = ops_most(h), n;
    int error = 0;

    for (size_t i = 0; i < count && error == 0; i += n) {
        bool end = count - i <= most;
        n = end ? count - i : most;
        error = put_some(h, h->commit.ops + i, n, end && last ? h->taken : WHOLE_HALF);
    }
    commit_clear(&h->commit);
    arena_reset(&h->texts, SIZE_MAX);
    return error;
}

static int put_partition(struct hand *h)
{
    struct flush_place at = {0};
    bool more = true;
    int error = 0;

    changes_mark(h->ledger, &h->commit);
    while (more && error == 0) {
        more = flush_part(h->ledger, &h->commit, &at, ops_most(h));
        if (!more) {
            flush_meta(h->ledger, &h->commit, h->shop->whole->partitions);
            changes_tell(h->ledger, &h->commit);
        }
        error = put_commit(h, !more);
    }
    return error;
}

/* ---- one partition after the other ---- */
static int take_run(void *arg, const struct walk_run *run)
{
    struct hand *h = arg;
    int error = shop_progress(h->shop, run->count);

    if (error < 0)
        return error;
    if (run->received_ms > h->shop->whole->until_ms) {
        if (run->offset < h->passed)
            h->passed = run->offset;
        return 0;
    }
    h->taken += run->count;
    return replay_run(h->replay, run);
}

static int count_partition(struct hand *h)
{
    static const struct replay_watch nobody;
    const struct whole *w = h->shop->whole;
    uint64_t from[WIRE_MAX_PARTS] = {0}, end[WIRE_MAX_PARTS] = {0};
    int error;

    end[h->partition] = w->end[h->partition];
    h->taken = 0;
    h->passed = w->passed[h->partition];
    h->ledger = ledger_new();
    h->replay = replay_new(h->ledger, &nobody, recall_from_broker,
                           (void *)(uintptr_t)h->shop->whole->endpoint);
    error = walk_journal(h->reader, from, end, h->partition + 1, take_run, h, NULL);
    replay_free(h->replay);
    if (error == 0)
        count_all(h->ledger);
    if (error == 0 && h->taken)
        error = put_partition(h);
    w->passed[h->partition] = h->passed;
    ledger_free(h->ledger);
    return error;
}

static void hand_work(struct hand *h)
{
    int error = 0;

    h->commit.arena = &h->texts;
    while (error == 0 && shop_take(h->shop, &h->partition))
        error = count_partition(h);
    if (error < 0)
        shop_fail(h->shop, error);
    commit_free(&h->commit);
    arena_free(&h->texts);
}

static void *hand_main(void *arg)
{
    struct shop *s = arg;
    struct hand h = {.shop = s};

    if (client_connect(s->whole->endpoint, CONNECT_MS, &h.reader) < 0)
        return NULL;
    hand_work(&h);
    reader_free(h.reader);
    return NULL;
}

/* As many as there are processors, where there is enough to do. */
static unsigned hands_worth(const struct whole *w)
{
    unsigned most = 0;
    uint64_t events = 0;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    for (unsigned p = 0; p < w->partitions; p++)
        if (w->wanted[p]) {
            most++;
            events += w->end[p];
        }
    if (w->threads)
        most = w->threads < most ? w->threads : most;
    else if (events < WORTH_IT || processors < 2)
        most = 1;
    else if (most > WHOLE_THREADS || most > processors)
        most = processors < WHOLE_THREADS ? (unsigned)processors : WHOLE_THREADS;
    if (reader_has_key() && most > KEYED_HANDS)
        most = KEYED_HANDS;
    return most < MOST_HANDS ? most : MOST_HANDS;
}

int whole_count(const struct whole *w)
{
    struct shop shop = {.whole = w, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct hand own = {.shop = &shop, .reader = w->reader};
    pthread_t others[MOST_HANDS];
    unsigned count = 0, hands = hands_worth(w);

    while (count + 1 < hands && pthread_create(&others[count], NULL, hand_main, &shop) == 0)
        count++;
    hand_work(&own);
    while (count > 0)
        pthread_join(others[--count], NULL);
    if (shop.error == 0)
        shop.error = store_confirm(w->store);
    pthread_mutex_destroy(&shop.lock);
    return shop.error;
}
