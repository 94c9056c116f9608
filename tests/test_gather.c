/* Which votes are fetched, and when: one by one from ballots that are seldom met, all of a ballot
 * that more will be asked of, and none once they are at hand; the counters are the same. */
#include "tests/compose.h"
#include "tests/desk.h"
#include "tests/model.h"

#include "proto/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define T0      1767225600000 /* 2026-01-01 */
#define SINGLES 8             /* votes of a ballot that are fetched one by one */
#define FEW     128           /* ballots of one batch, at most, of which all votes are fetched */

/* A memory store that counts what is fetched of votes. */
struct counting {
    struct store base;
    struct store *of;
    unsigned singly, whole;
};

static void count(struct counting *c, const struct store_fetch *fetches, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fetches[i].key.size > 6 && memcmp(fetches[i].key.at, "votes:", 6) == 0) {
            c->singly += (unsigned)fetches[i].field_count;
            c->whole += !fetches[i].fields;
        }
}

static int counting_begin(struct store *base, const struct store_look *look)
{
    struct counting *c = (struct counting *)base;

    count(c, look->fetches, look->fetch_count);
    return store_begin(c->of, look);
}

static int counting_fetch(struct store *base, const struct store_fetch *fetches, size_t n,
                          void *context)
{
    struct counting *c = (struct counting *)base;

    count(c, fetches, n);
    return store_fetch(c->of, fetches, n, context);
}

static int counting_commit(struct store *base, const struct commit *commit)
{
    return store_commit(((struct counting *)base)->of, commit);
}

static void counting_drop(struct store *base)
{
    store_drop(((struct counting *)base)->of);
}

static void counting_free(struct store *base)
{
    store_free(((struct counting *)base)->of);
    free(base);
}

static struct counting *counting_new(void)
{
    static const struct store_ops ops = {.begin = counting_begin,
                                         .fetch = counting_fetch,
                                         .commit = counting_commit,
                                         .drop = counting_drop,
                                         .free = counting_free};
    struct counting *c = memory_need(sizeof *c);

    *c = (struct counting){.base = {&ops}, .of = store_memory_new()};
    return c;
}

static void add_vote(struct buffer *out, unsigned ballot, unsigned member, int64_t time_ms)
{
    char text[32];

    pack_map(out, 7);
    pack_text(out, "type");
    pack_text(out, "vote");
    pack_text(out, "time");
    pack_int(out, time_ms);
    pack_text(out, "id");
    snprintf(text, sizeof text, "%u.%u.%lld", ballot, member, (long long)time_ms);
    pack_text(out, text);
    pack_text(out, "committee");
    pack_text(out, "C");
    pack_text(out, "ballot");
    snprintf(text, sizeof text, "B%u", ballot);
    pack_text(out, text);
    pack_text(out, "member");
    snprintf(text, sizeof text, "%c%c", 'A' + member / 26, 'A' + member % 26);
    pack_text(out, text);
    pack_text(out, "position");
    pack_text(out, time_ms % 3 ? "approve" : "abstain");
}

/* Applies what is in the buffer as one batch, by worker 0, and empties it. */
static void apply(struct desk *d, struct buffer *events)
{
    desk_journal(d, buffer_slice(events));
    assert_int_equal(desk_apply(d, 0, 0xff, UINT64_MAX), 0);
    buffer_clear(events);
}

static void one_vote_a_batch_is_asked_for_until_there_were_many(void **state)
{
    struct counting *c = counting_new();
    struct desk *d = desk_new(&c->base);
    struct buffer events = {0};

    (void)state;
    desk_look(d, 0);
    for (unsigned member = 0; member < 3 * SINGLES; member++) {
        add_vote(&events, 1, member, T0);
        apply(d, &events);
        assert_int_equal(c->singly, member < SINGLES ? member + 1 : SINGLES);
        assert_int_equal(c->whole, member < SINGLES ? 0 : 1);
    }
    desk_look(d, 0); /* and after all was forgotten */
    add_vote(&events, 1, 0, T0 + 1);
    apply(d, &events);
    assert_int_equal(c->singly, SINGLES + 1);
    buffer_free(&events);
    desk_free(d);
}

static void many_votes_on_a_ballot_in_one_batch_are_fetched_at_once(void **state)
{
    struct counting *c = counting_new();
    struct desk *d = desk_new(&c->base);
    struct buffer events = {0};

    (void)state;
    desk_look(d, 0);
    for (unsigned member = 0; member <= SINGLES; member++)
        add_vote(&events, 1, member, T0);
    apply(d, &events);
    assert_int_equal(c->singly, 0);
    assert_int_equal(c->whole, 1);
    buffer_free(&events);
    desk_free(d);
}

static void votes_on_very_many_ballots_are_asked_for_one_by_one(void **state)
{
    (void)state;
    for (unsigned ballots = FEW; ballots <= FEW + 1; ballots++) {
        struct counting *c = counting_new();
        struct desk *d = desk_new(&c->base);
        struct buffer events = {0};

        desk_look(d, 0);
        for (unsigned i = 0; i < ballots * (SINGLES + 1); i++)
            add_vote(&events, i % ballots, i / ballots, T0);
        apply(d, &events);
        assert_int_equal(c->whole, ballots > FEW ? 0 : ballots);
        assert_int_equal(c->singly, ballots > FEW ? ballots * (SINGLES + 1) : 0);
        buffer_free(&events);
        desk_free(d);
    }
}

static void add_seats(struct buffer *out, unsigned rev)
{
    char text[256];

    for (unsigned i = 0; i < 100; i++) {
        snprintf(text, sizeof text,
                 "{'type':'seat','id':'s%u','time':1,'rev':%u,'committee':'C','member':'%c%c',"
                 "'from':'2026-01-01','role':'P'}",
                 i, rev, 'A' + i / 26, 'A' + i % 26);
        compose_text(text, out);
    }
}

/* A registry is sent again as a whole, year by year: only what is new in it is worth the votes. */
static void seats_that_are_as_they_were_ask_for_no_votes(void **state)
{
    struct counting *c = counting_new();
    struct desk *d = desk_new(&c->base);
    struct buffer events = {0};

    (void)state;
    desk_look(d, 0);
    compose_text("{'type':'ballot','id':'b','time':1,'committee':'C','ballot':'B1','kind':'DIS',"
                 "'closes':'2026-05-01'}",
                 &events);
    add_vote(&events, 1, 0, T0);
    apply(d, &events);
    add_seats(&events, 1);
    apply(d, &events);
    for (unsigned again = 0; again < 2; again++) {
        desk_look(d, 0);
        c->singly = c->whole = 0;
        add_seats(&events, 1 + again);
        apply(d, &events);
        assert_int_equal(c->whole, again);
        assert_int_equal(c->singly, 0);
    }
    buffer_free(&events);
    desk_free(d);
}

/* By workers that forget much and little, one after the other, so that what one has at hand
 * another has changed; after every few batches all is counted from scratch. */
static void however_they_come_the_votes_are_counted_once(void **state)
{
    uint64_t seed = random_seed("votes at hand");
    struct random r = random_new(seed);
    struct desk *d = desk_new(&counting_new()->base);
    struct model *m = model_new();
    struct buffer events = {0};

    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        unsigned count = 1 + (unsigned)random_below(&r, random_percent(&r, 30) ? 400 : 20);
        for (unsigned i = 0; i < count; i++)
            add_vote(&events, (unsigned)random_below(&r, 20), (unsigned)random_below(&r, 60),
                     T0 + (int64_t)random_below(&r, 400) * 86400000);
        model_add_all(m, buffer_slice(&events));
        desk_journal(d, buffer_slice(&events));
        buffer_clear(&events);
        desk_finish(d, &r);
        struct counting *c = (struct counting *)d->store;
        struct dump *found = memory_dump(c->of);
        if (model_compare(m, found, stdout))
            fail_msg("seed %llu, round %u", (unsigned long long)seed, round);
        dump_free(found);
    }
    buffer_free(&events);
    model_free(m);
    desk_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_vote_a_batch_is_asked_for_until_there_were_many),
        cmocka_unit_test(many_votes_on_a_ballot_in_one_batch_are_fetched_at_once),
        cmocka_unit_test(votes_on_very_many_ballots_are_asked_for_one_by_one),
        cmocka_unit_test(seats_that_are_as_they_were_ask_for_no_votes),
        cmocka_unit_test(however_they_come_the_votes_are_counted_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
