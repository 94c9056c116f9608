/* The fold against the model: random worlds, shuffled, repeated, cut into batches and spread over
 * workers, must give what counting from scratch gives. */
#include "tests/desk.h"
#include "tests/model.h"

#include "proto/error.h"
#include "proto/json.h"
#include "proto/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define WORLDS 60
#define EVENTS 1500

#define TODAY_MS 1793923200000 /* 2026-11-06, within the worlds' years */

static struct desk *desk_of(struct slice events, uint64_t seed, unsigned repeat_percent)
{
    struct desk *d = desk_new(store_memory_new());
    struct random r = random_new(seed);
    struct buffer shuffled = {0};

    world_shuffle(seed, events, repeat_percent, &shuffled);
    desk_journal(d, buffer_slice(&shuffled));
    desk_finish(d, &r);
    desk_derive(d, TODAY_MS);
    buffer_free(&shuffled);
    return d;
}

/* Names of periods and groups may stay behind; everything else is a function of the facts. */
static enum dump_care care(struct slice key, struct slice field)
{
    (void)field;
    if (slice_is(key, "turnout:periods") || slice_is(key, "turnout:groups"))
        return DUMP_IGNORE;
    return DUMP_EXACT;
}

static void any_order_any_split_and_repeats_give_what_the_model_counts(void **state)
{
    uint64_t seed = random_seed("fold against model");

    (void)state;
    for (unsigned i = 0; i < WORLDS; i++) {
        struct model *m = model_new();
        struct buffer events = {0};

        world_events(seed + i, EVENTS, &events);
        model_add_all(m, buffer_slice(&events));
        struct desk *one = desk_of(buffer_slice(&events), seed + i, 5);
        struct desk *two = desk_of(buffer_slice(&events), seed + i + 1000000, 20);
        struct dump *a = desk_dump(one), *b = desk_dump(two);
        model_today(m, date_of_ms(TODAY_MS), &RULES_DEFAULT);
        if (model_compare(m, a, stdout) || model_compare_derived(m, a, stdout) ||
            dump_compare(a, b, care, stdout, NULL))
            fail_msg("world of seed %llu", (unsigned long long)(seed + i));
        dump_free(a);
        dump_free(b);
        desk_free(one);
        desk_free(two);
        model_free(m);
        buffer_free(&events);
    }
}

static void the_model_agrees_after_every_batch(void **state)
{
    uint64_t seed = random_seed("model after every batch");
    struct random r = random_new(seed);
    struct desk *d = desk_new(store_memory_new());
    struct model *m = model_new();
    struct buffer events = {0};
    struct slice *each;
    size_t count, at = 0;

    (void)state;
    world_events(seed, 1200, &events);
    count = world_split(buffer_slice(&events), &each);
    while (at < count) {
        size_t n = 1 + random_below(&r, 60);
        for (; n && at < count; n--, at++) {
            desk_journal(d, each[at]);
            model_add_all(m, each[at]);
        }
        desk_finish(d, &r);
        struct dump *found = desk_dump(d);
        assert_int_equal(model_compare(m, found, stdout), 0);
        dump_free(found);
    }
    free(each);
    buffer_free(&events);
    model_free(m);
    desk_free(d);
}

/* One vote; `comments` tells versions apart whose rev, time and id are equal. */
static void vote(struct buffer *out, const char *id, int64_t time_ms, const char *position,
                 int comments)
{
    pack_map(out, 8);
    pack_text(out, "type");
    pack_text(out, "vote");
    pack_text(out, "id");
    pack_text(out, id);
    pack_text(out, "time");
    pack_int(out, time_ms);
    pack_text(out, "committee");
    pack_text(out, "ISO/TC 207");
    pack_text(out, "ballot");
    pack_text(out, "B1");
    pack_text(out, "member");
    pack_text(out, "KE");
    pack_text(out, "position");
    pack_text(out, position);
    pack_text(out, "comments");
    pack_int(out, comments);
}

#define T0 1767225600000 /* 2026-01-01 */

static int64_t field_of(const struct desk *d, const char *key, const char *field)
{
    struct dump *found = desk_dump(d);
    int64_t n = dump_number(found, key, field);

    dump_free(found);
    return n;
}

/* Journals the event and applies it as a batch of its own. */
static void step(struct desk *d, const char *id, int64_t time_ms, const char *position,
                 int comments)
{
    struct buffer e = {0};

    vote(&e, id, time_ms, position, comments);
    desk_journal(d, buffer_slice(&e));
    desk_look(d, 0);
    assert_int_equal(desk_apply(d, 0, 0xff, 100), 0);
    buffer_free(&e);
}

static void a_tie_in_rev_time_and_id_is_settled_by_the_greater_bytes_in_either_order(void **state)
{
    static const char *key = "turnout:member:KE:2026";

    (void)state;
    for (int order = 0; order < 2; order++) {
        struct desk *d = desk_new(store_memory_new());
        step(d, "tie", T0, "approve", order ? 2 : 1);
        step(d, "tie", T0, "approve", order ? 1 : 2);
        assert_int_equal(d->recalls, 1);
        /* comments 2 has the greater bytes and is in both cases the vote in force */
        struct dump *found = desk_dump(d);
        struct slice fact = dump_get(found, "turnout:votes:ISO/TC 207|B1", "KE");
        assert_true(memmem(fact.at, fact.size, " comments=2 ", 12) != NULL);
        dump_free(found);
        assert_int_equal(field_of(d, key, "technical.votes"), 1);
        step(d, "tie", T0, "approve", 0); /* a third one needs no second walk */
        assert_int_equal(d->recalls, 1);
        step(d, "tie2", T0, "approve", 0); /* a greater id wins, and is not contested */
        assert_int_equal(field_of(d, key, "technical.votes.commented"), 0);
        desk_free(d);
    }
}

static void a_repeat_needs_no_recall_and_changes_nothing(void **state)
{
    struct desk *d = desk_new(store_memory_new());

    (void)state;
    step(d, "v", T0, "approve", 1);
    struct dump *before = desk_dump(d);
    step(d, "v", T0, "approve", 1);
    struct dump *after = desk_dump(d);
    assert_int_equal(d->recalls, 0);
    assert_int_equal(dump_compare(before, after, NULL, stdout, NULL), 0);
    dump_free(before);
    dump_free(after);
    desk_free(d);
}

static void a_counter_that_comes_to_zero_leaves_no_field(void **state)
{
    struct desk *d = desk_new(store_memory_new());

    (void)state;
    step(d, "v1", T0, "approve", 1);
    step(d, "v2", T0 + 1, "none", 0);
    struct dump *found = desk_dump(d);
    assert_false(dump_has(found, "turnout:member:KE:2026"));
    assert_false(dump_has(found, "turnout:committee:ISO/TC 207:2026"));
    dump_free(found);
    desk_free(d);
}

static void a_worker_that_lags_behind_conflicts_and_does_no_harm(void **state)
{
    struct desk *d = desk_new(store_memory_new());
    struct buffer e = {0};

    (void)state;
    vote(&e, "v1", T0, "approve", 0);
    desk_journal(d, buffer_slice(&e));
    desk_look(d, 0);
    desk_look(d, 1);
    assert_int_equal(desk_apply(d, 0, 0xff, 10), 0);
    assert_int_equal(desk_apply(d, 1, 0xff, 10), ERR_CONFLICT);
    assert_int_equal(field_of(d, "turnout:member:KE:2026", "technical.votes"), 1);
    desk_look(d, 1);
    assert_int_equal(desk_apply(d, 1, 0xff, 10), 0); /* nothing left to do */
    assert_int_equal(field_of(d, "turnout:member:KE:2026", "technical.votes"), 1);
    buffer_free(&e);
    desk_free(d);
}

static void bytes_that_are_no_event_stop_the_batch_and_change_nothing(void **state)
{
    struct desk *d = desk_new(store_memory_new());
    struct applied nowhere = {0};
    struct buffer e = {0};

    (void)state;
    vote(&e, "v1", T0, "approve", 0);
    size_t good = e.size;
    buffer_add(&e, "\x93\x01\x02", 3);
    struct apply_batch bad[] = {{0, nowhere, 2, buffer_slice(&e)},
                                {0, nowhere, 1, buffer_slice(&e)},
                                {0, nowhere, 2, slice_make(e.at, good)}};
    for (int i = 0; i < 3; i++)
        assert_int_equal(apply_batches(d->workers[0].apply, &bad[i], 1, 0), ERR_CORRUPT);
    struct dump *found = desk_dump(d);
    assert_int_equal(dump_keys(found), 0);
    dump_free(found);
    buffer_free(&e);
    desk_free(d);
}

static void add_json(struct desk *d, const char *json)
{
    struct buffer packed = {0};
    struct refusal why;

    assert_int_equal(json_to_event(slice_of(json), &packed, &why), 0);
    desk_journal(d, buffer_slice(&packed));
    buffer_free(&packed);
}

#define ATTENDED(participant, date, level)                                                         \
    "{\"type\":\"attendance\",\"id\":\"" participant                                               \
    "\",\"time\":1772366400000,\"committee\":\"C\",\"meeting\":\"M\",\"member\":\"KE\","           \
    "\"participant\":\"" participant "\",\"date\":\"" date                                         \
    "\",\"status\":\"attended\",\"level\":\"" level "\"}"

/* Without a notice: at the smallest date, then level, whoever was told first. */
static void a_meeting_without_a_notice_counts_at_its_first_day_and_level(void **state)
{
    static const char *const told[][3] = {
        {ATTENDED("a", "2026-05-04", "technical"), ATTENDED("b", "2026-05-04", "governance"),
         ATTENDED("c", "2026-06-01", "technical")},
        {ATTENDED("c", "2026-06-01", "technical"), ATTENDED("b", "2026-05-04", "governance"),
         ATTENDED("a", "2026-05-04", "technical")}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct desk *d = desk_new(store_memory_new());
        struct random r = random_new(i);
        struct dump *found;
        for (size_t k = 0; k < 3; k++)
            add_json(d, told[i][k]);
        desk_finish(d, &r);
        found = desk_dump(d);
        assert_int_equal(
            dump_number(found, "turnout:member:KE:2026", "governance.meetings.attended"), 1);
        assert_int_equal(
            dump_number(found, "turnout:member:KE:2026", "technical.meetings.attended"), 0);
        assert_int_equal(
            dump_number(found, "turnout:member:KE:2026-05", "governance.meetings.attended"), 1);
        dump_free(found);
        desk_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_any_split_and_repeats_give_what_the_model_counts),
        cmocka_unit_test(the_model_agrees_after_every_batch),
        cmocka_unit_test(a_tie_in_rev_time_and_id_is_settled_by_the_greater_bytes_in_either_order),
        cmocka_unit_test(a_repeat_needs_no_recall_and_changes_nothing),
        cmocka_unit_test(a_counter_that_comes_to_zero_leaves_no_field),
        cmocka_unit_test(a_worker_that_lags_behind_conflicts_and_does_no_harm),
        cmocka_unit_test(bytes_that_are_no_event_stop_the_batch_and_change_nothing),
        cmocka_unit_test(a_meeting_without_a_notice_counts_at_its_first_day_and_level),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
