/* Several workers, each with a connection of its own to one real Redis, get in each other's way:
 * they serve the same partitions, leave commits unconfirmed, derive in between, are cut off, find
 * Redis flushed or its offsets moved, and cannot always read old events again.  In the end Redis
 * holds what counting from scratch gives. */
#include "tests/desk.h"
#include "tests/fixtures.h"
#include "tests/model.h"
#include "tests/redis_dump.h"
#include "tests/redis_server.h"

#include "proto/error.h"
#include "proto/pack.h"
#include "workers/recall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROUNDS   6
#define EVENTS   2500
#define HANDS    3
#define STEPS    1500 /* of disorder; then it is calm */
#define TODAY_MS 1793923200000
#define LIMIT_MS 2000

struct hand {
    struct store *store;
    struct apply *apply;
    struct derive *derive;
    struct applied at[DESK_PARTITIONS]; /* where it believes Redis stands */
};

struct crowd {
    struct redis_server *server;
    struct redis *other; /* somebody else's connection */
    struct desk *desk;   /* its journals; and in memory, what comes of them in peace */
    struct random random;
    bool calm;
    struct hand hands[HANDS];
};

static int crowd_recall(void *arg, struct ledger *l, unsigned partition, uint64_t upto,
                        struct version *const *wanted, size_t count)
{
    struct crowd *c = arg;
    const struct desk *d = c->desk;

    if (!c->calm && random_percent(&c->random, 30))
        return ERR_LOST;
    recall_match(l, slice_make(d->journal[partition].at, d->starts[partition][upto]), wanted,
                 count);
    return 0;
}

static void hand_look(struct hand *h)
{
    int error = ERR_LOST;

    apply_forget(h->apply);
    for (int i = 0; i < 5 && error < 0; i++) /* it may have been cut off */
        error = store_applied(h->store, DESK_PARTITIONS, h->at);
    assert_int_equal(error, 0);
}

static void crowd_set(struct crowd *c, uint64_t seed)
{
    static const size_t keep_bytes[HANDS] = {APPLY_KEEP_BYTES, 160 * 1024, 20000};

    *c = (struct crowd){.server = redis_server_new(NULL, NULL),
                        .desk = desk_new(store_memory_new()),
                        .random = random_new(seed)};
    c->other = redis_open(c->server->socket);
    for (int i = 0; i < HANDS; i++) {
        struct hand *h = &c->hands[i];
        h->store = store_at(c->server->socket, STORE_PREFIX, LIMIT_MS);
        h->apply = apply_new(h->store, crowd_recall, c);
        apply_limit(h->apply, keep_bytes[i]);
        apply_journal(h->apply, DESK_LOG, DESK_PARTITIONS);
        h->derive = derive_new(h->store, &RULES_DEFAULT);
        derive_journal(h->derive, DESK_LOG);
        hand_look(h);
    }
}

static void crowd_end(struct crowd *c)
{
    for (int i = 0; i < HANDS; i++) {
        apply_free(c->hands[i].apply);
        derive_free(c->hands[i].derive);
        store_free(c->hands[i].store);
    }
    redis_close(c->other);
    redis_server_free(c->server);
    desk_free(c->desk);
}

/* At most `most` events of each of the partitions; the outcome is not waited for. */
static int hand_apply(struct crowd *c, struct hand *h, unsigned partitions, uint64_t most)
{
    struct apply_batch batches[DESK_PARTITIONS];
    const struct desk *d = c->desk;
    size_t count = 0;

    for (unsigned p = 0; p < DESK_PARTITIONS; p++) {
        uint64_t at = h->at[p].offset, n = d->ends[p] - at < most ? d->ends[p] - at : most;
        size_t start = d->starts[p][at];
        if (n && partitions >> p & 1)
            batches[count++] = (struct apply_batch){
                p, h->at[p], n, slice_make(d->journal[p].at + start, d->starts[p][at + n] - start)};
    }
    int error = count ? apply_batches(h->apply, batches, count, TODAY_MS) : 0;
    for (size_t i = 0; i < count && error == 0; i++) {
        struct applied *a = &h->at[batches[i].partition];
        a->known = true;
        a->offset += batches[i].count;
        memcpy(a->log, DESK_LOG, sizeof a->log);
    }
    return error;
}

static void hand_derive(struct hand *h)
{
    int r = derive_step(h->derive, TODAY_MS, true);

    assert_true(r >= 0 || r == ERR_CONFLICT || r == ERR_LOST);
}

/* Mostly those of its own, sometimes all. */
static unsigned own_partitions(struct crowd *c, const struct hand *h)
{
    static const unsigned own[HANDS] = {0x07, 0x38, 0xc0};
    bool all = c->calm || random_percent(&c->random, 4);
    unsigned some = random_percent(&c->random, 50) ? 0xff : (unsigned)random_below(&c->random, 256);

    return (all ? 0xff : own[h - c->hands]) & some;
}

static void step(struct crowd *c)
{
    struct hand *h = &c->hands[random_below(&c->random, HANDS)];
    uint64_t most = 1 + random_below(&c->random, random_percent(&c->random, 80) ? 6 : 60);
    uint64_t dice = random_below(&c->random, 1000);
    int error = 0;

    if (dice < 840) {
        error = hand_apply(c, h, own_partitions(c, h), most);
        assert_true(error == 0 || error == ERR_CONFLICT || error == ERR_LOST);
    } else if (dice < 970) {
        error = apply_confirm(h->apply);
        if (error == 0)
            hand_derive(h);
    } else {
        hand_look(h);
    }
    if (error < 0)
        hand_look(h);
}

static void disturb(struct crowd *c)
{
    char key[32];

    snprintf(key, sizeof key, "turnout:offset:%u",
             (unsigned)random_below(&c->random, DESK_PARTITIONS));
    if (random_percent(&c->random, 55)) {
        if (redis_do(c->other, "EXISTS", key)->number == 1)
            redis_do(c->other, "HINCRBY", key, "epoch", "1");
    } else if (random_percent(&c->random, 90)) {
        redis_do(c->other, "CLIENT", "KILL", "TYPE", "normal"); /* all but this one */
    } else {
        redis_do(c->other, "FLUSHALL");
    }
}

static bool is_done(struct crowd *c)
{
    bool done = true;

    for (int i = 0; i < HANDS; i++)
        if (apply_confirm(c->hands[i].apply) < 0)
            hand_look(&c->hands[i]);
    hand_look(&c->hands[0]);
    for (unsigned p = 0; p < DESK_PARTITIONS; p++)
        done &= c->hands[0].at[p].offset >= c->desk->ends[p];
    return done;
}

static void derive_all(struct crowd *c)
{
    int r;

    while ((r = derive_step(c->hands[0].derive, TODAY_MS, true)) != 0)
        assert_true(r > 0 || r == ERR_CONFLICT || r == ERR_LOST);
}

/* Names in sets may stay behind; the feed, marks and offsets tell how it came, not what is. */
static enum dump_care care(struct slice key, struct slice field)
{
    static const char *const others[] = {"periods", "groups", "changes",  "derived",
                                         "meta",    "dirty",  "deriving", "offset:"};

    (void)field;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        size_t size = strlen(others[i]);
        if (key.size >= 8 + size && memcmp(key.at + 8, others[i], size) == 0)
            return DUMP_IGNORE;
    }
    return DUMP_EXACT;
}

static void assert_counted(struct crowd *c, struct model *m, uint64_t seed)
{
    struct dump *found = dump_new(), *expected;

    assert_int_equal(redis_dump(c->other, found), 0);
    desk_finish(c->desk, &c->random);
    desk_derive(c->desk, TODAY_MS);
    expected = desk_dump(c->desk);
    model_today(m, date_of_ms(TODAY_MS), &RULES_DEFAULT);
    if (model_compare(m, found, stdout) || model_compare_derived(m, found, stdout) ||
        dump_compare(expected, found, care, stdout, NULL))
        fail_msg("seed %llu", (unsigned long long)seed);
    dump_free(found);
    dump_free(expected);
}

static void workers_in_each_others_way_count_everything_once(void **state)
{
    uint64_t seed = random_seed("crowded");

    (void)state;
    for (uint64_t round = seed; round < seed + ROUNDS; round++) {
        struct buffer events = {0}, shuffled = {0};
        struct model *m = model_new();
        struct crowd c;

        crowd_set(&c, round);
        (round % 2 ? world_crowded : world_events)(round, EVENTS, &events);
        model_add_all(m, buffer_slice(&events));
        world_shuffle(round, buffer_slice(&events), 10, &shuffled);
        desk_journal(c.desk, buffer_slice(&shuffled));
        for (unsigned i = 0; i < STEPS; i++) {
            step(&c);
            if (random_percent(&c.random, 3))
                disturb(&c);
        }
        c.calm = true;
        while (!is_done(&c))
            for (unsigned i = 0; i < 50; i++)
                step(&c);
        derive_all(&c);
        assert_counted(&c, m, round);
        model_free(m);
        buffer_free(&events);
        buffer_free(&shuffled);
        crowd_end(&c);
    }
}

static void add_vote(struct buffer *out, const char *id, const char *member, const char *position)
{
    pack_map(out, 7);
    pack_text(out, "type");
    pack_text(out, "vote");
    pack_text(out, "time");
    pack_int(out, 1767225600000);
    pack_text(out, "id");
    pack_text(out, id);
    pack_text(out, "committee");
    pack_text(out, "C");
    pack_text(out, "ballot");
    pack_text(out, "B");
    pack_text(out, "member");
    pack_text(out, member);
    pack_text(out, "position");
    pack_text(out, position);
}

/* The one that is overtaken fetches the vote that the other has written, which its own batch ties
 * with; it is told of a conflict, not of data that is corrupt. */
static void who_is_overtaken_at_a_tie_meets_a_conflict(void **state)
{
    struct buffer events = {0};
    struct crowd c;
    struct hand *first, *second;

    (void)state;
    crowd_set(&c, 1);
    c.calm = true;
    first = &c.hands[0];
    second = &c.hands[1];
    add_vote(&events, "a", "KE", "approve");
    add_vote(&events, "e", "FR", "approve");
    add_vote(&events, "e", "FR", "disapprove");
    desk_journal(c.desk, buffer_slice(&events));
    assert_int_equal(hand_apply(&c, first, 0xff, 1), 0);
    assert_int_equal(apply_confirm(first->apply), 0);
    hand_look(second);
    assert_int_equal(hand_apply(&c, second, 0xff, 1), 0);
    assert_int_equal(apply_confirm(second->apply), 0);
    int error = hand_apply(&c, first, 0xff, 2);
    if (error == 0)
        error = apply_confirm(first->apply);
    assert_int_equal(error, ERR_CONFLICT);
    buffer_free(&events);
    crowd_end(&c);
}

#define AT_C "\"time\":1767225600000,\"committee\":\"C\","

/* Between its two looks the ballot was put off, as far as the second can tell: now the second
 * notice bears on it, too. */
static void a_ballot_that_is_put_off_between_two_looks_is_looked_at_again(void **state)
{
    static const char lines[] =
        "{\"type\":\"ballot\",\"id\":\"b\"," AT_C "\"ballot\":\"B\",\"kind\":\"DIS\","
        "\"closes\":\"2026-06-30\",\"status\":\"closed\"}\n"
        "{\"type\":\"seat\",\"id\":\"k\"," AT_C "\"member\":\"KE\",\"from\":\"2026-01-01\","
        "\"role\":\"P\"}\n"
        "{\"type\":\"seat\",\"id\":\"f\"," AT_C "\"member\":\"FR\",\"from\":\"2026-03-01\","
        "\"role\":\"P\"}\n";
    struct buffer events = {0};
    struct crowd c;

    (void)state;
    crowd_set(&c, 1);
    c.calm = true;
    lines_encode(slice_of(lines), &events);
    desk_journal(c.desk, buffer_slice(&events));
    assert_int_equal(hand_apply(&c, &c.hands[0], 0xff, 1), 0);
    assert_int_equal(apply_confirm(c.hands[0].apply), 0);
    redis_do(c.other, "HSET", "turnout:index:C", "ballot|B", "2026-02-01");
    hand_look(&c.hands[1]);
    assert_int_equal(hand_apply(&c, &c.hands[1], 0xff, 2), 0);
    assert_int_equal(apply_confirm(c.hands[1].apply), 0);
    for (int i = 0; i < 2; i++) {
        const char *seat = i ? "turnout:seat:C|KE:2026" : "turnout:seat:C|FR:2026";
        assert_true(
            slice_is(redis_do(c.other, "HGET", seat, "technical.ballots.missed")->text, "1"));
    }
    buffer_free(&events);
    crowd_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_in_each_others_way_count_everything_once),
        cmocka_unit_test(who_is_overtaken_at_a_tie_meets_a_conflict),
        cmocka_unit_test(a_ballot_that_is_put_off_between_two_looks_is_looked_at_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
