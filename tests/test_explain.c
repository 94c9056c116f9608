/* Explaining: what adds up to a number is that number, for any number of any world; and the facts
 * that are told are those of the journal. */
#include "tests/desk.h"
#include "tests/fixtures.h"
#include "tests/season.h"

#include "proto/error.h"
#include "workers/audit/explain.h"
#include "workers/recall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TODAY_MS 1793923200000 /* 2026-11-06, within the worlds' years */
#define EVENTS   1000
#define RECEIVED 1000 /* an event's offset in its partition plus this is when it was received */

/* ---- a journal, counted and derived ---- */
struct scene {
    struct desk *desk;
    struct dump *dump;
    struct random random;
    struct arena arena;
    struct number *numbers; /* every number there is that is a sum */
    size_t count, room;
};

struct number {
    struct slice key, field, value;
};

/* Every integer but a flag is a sum that can be explained. */
static void note_number(void *arg, struct slice key, struct slice field, struct slice value)
{
    struct scene *s = arg;
    struct buffer reason = {0};
    struct target t;
    int64_t n;

    if (slice_to_int(value, &n) && !slice_is(field, "mandatory")) {
        assert_int_equal(target_parse(key, field, STORE_PREFIX, &t, &reason), 0);
        if (s->count == s->room) {
            s->room = s->room ? s->room * 2 : 1024;
            s->numbers = memory_grow(s->numbers, s->room * sizeof *s->numbers);
        }
        s->numbers[s->count++] = (struct number){
            arena_copy(&s->arena, key), arena_copy(&s->arena, field), arena_copy(&s->arena, value)};
    }
    buffer_free(&reason);
}

static struct scene scene_new(uint64_t seed, struct slice events, int64_t now_ms)
{
    static const char *const families[] = {
        "member:", "committee:", "seat:", "ballot:", "meeting:", "group:"};
    struct scene s = {.desk = desk_new(store_memory_new()), .random = random_new(seed)};

    desk_journal(s.desk, events);
    desk_finish(s.desk, &s.random);
    desk_derive(s.desk, now_ms);
    s.dump = desk_dump(s.desk);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "%s%s", STORE_PREFIX, families[i]);
        dump_each(s.dump, prefix, note_number, &s);
    }
    return s;
}

static void scene_free(struct scene *s)
{
    desk_free(s->desk);
    dump_free(s->dump);
    free(s->numbers);
    arena_free(&s->arena);
}

/* ---- explaining it ---- */
static int recall(void *arg, struct ledger *l, unsigned partition, uint64_t upto,
                  struct version *const *wanted, size_t count)
{
    struct desk *d = arg;

    recall_match(l, slice_make(d->journal[partition].at, d->starts[partition][upto]), wanted,
                 count);
    return 0;
}

/* Hands over a partition in runs of any size, from two sources; a run's bytes are gone when the
 * next one comes. */
static void explain_partition(struct scene *s, struct explain *x, unsigned p)
{
    static const char *const sources[] = {"isolutions", "gazette"};
    const struct desk *d = s->desk;

    for (uint64_t at = 0, n; at < d->ends[p]; at += n) {
        uint64_t left = d->ends[p] - at;
        n = 1 + random_below(&s->random, left < 300 ? left : 300);
        size_t start = d->starts[p][at], size = d->starts[p][at + n] - start;
        char *bytes = memcpy(memory_need(size), d->journal[p].at + start, size);
        struct walk_run run = {.partition = p,
                               .offset = at,
                               .count = n,
                               .source = slice_of(sources[at % 2]),
                               .received_ms = RECEIVED + (int64_t)at,
                               .events = slice_make(bytes, size)};
        assert_int_equal(explain_run(x, &run), 0);
        memset(bytes, 0xff, size);
        free(bytes);
    }
}

struct answer {
    struct target target;
    struct explain *explain;
    const struct explain_part *parts;
    size_t count;
    int64_t sum;
};

static void answer_free(struct answer *a)
{
    explain_free(a->explain);
    free(a);
}

/* Only the partitions that matter are read. */
static void scene_read(struct scene *s, struct explain *x, enum explain_pass pass)
{
    explain_pass(x, pass);
    for (unsigned p = 0; p < DESK_PARTITIONS; p++)
        if (explain_needs(x, p, DESK_PARTITIONS))
            explain_partition(s, x, p);
}

static struct answer *scene_ask_until(struct scene *s, struct slice key, struct slice field,
                                      int64_t as_of_ms)
{
    struct answer *a = memory_need(sizeof *a);
    struct buffer reason = {0};

    *a = (struct answer){0};
    assert_int_equal(target_parse(key, field, STORE_PREFIX, &a->target, &reason), 0);
    a->explain = explain_new(&a->target, recall, s->desk);
    explain_until(a->explain, as_of_ms);
    if (explain_narrows(a->explain)) {
        scene_read(s, a->explain, EXPLAIN_NOTICES);
        scene_read(s, a->explain, EXPLAIN_REST);
    } else {
        scene_read(s, a->explain, EXPLAIN_ALL);
    }
    a->parts = explain_finish(a->explain, &a->count, &a->sum);
    buffer_free(&reason);
    return a;
}

static struct answer *scene_ask(struct scene *s, const char *key, const char *field)
{
    return scene_ask_until(s, slice_of(key), slice_of(field), INT64_MAX);
}

/* The fact is what the journal holds at its place. */
static void assert_in_journal(const struct desk *d, const struct explain_fact *f)
{
    const struct witness *w = &f->witness;
    size_t start = d->starts[w->partition][w->offset];
    size_t size = d->starts[w->partition][w->offset + 1] - start;
    struct slice raw = slice_make(d->journal[w->partition].at + start, size);

    assert_true(w->offset < d->ends[w->partition]);
    assert_true(witness_version(w)->digest == version_digest(raw));
    assert_true(w->source.size > 0);
    if (f->replaced.at)
        assert_true(f->replaced_offset < w->offset);
}

static bool is_in_order(const struct explain_fact *a, const struct explain_fact *b)
{
    return a->witness.partition < b->witness.partition ||
           (a->witness.partition == b->witness.partition && a->witness.offset <= b->witness.offset);
}

static void assert_parts_add_up(const struct scene *s, const struct answer *a)
{
    int64_t sum = 0;

    for (size_t i = 0; i < a->count; i++) {
        const struct explain_part *part = &a->parts[i];
        sum += part->amount;
        assert_int_not_equal(part->amount, 0);
        assert_true(part->count > 0);
        for (size_t j = 0; j < part->count; j++)
            assert_in_journal(s->desk, part->facts[j]);
        assert_true(i == 0 || is_in_order(a->parts[i - 1].facts[0], part->facts[0]));
    }
    assert_true(sum == a->sum);
}

static void assert_explained(struct scene *s, struct slice key, struct slice field,
                             struct slice value)
{
    struct answer *a = scene_ask_until(s, key, field, INT64_MAX);
    int64_t expected = 0;

    assert_true(value.size == 0 || slice_to_int(value, &expected));
    assert_parts_add_up(s, a);
    if (a->sum != expected)
        fail_msg("%.*s %.*s: explained %lld, counted %lld", (int)key.size, key.at, (int)field.size,
                 field.at, (long long)a->sum, (long long)expected);
    answer_free(a);
}

/* One number that is there; and with its key another's field, which may well not be there. */
static void ask_any(struct scene *s)
{
    const struct number *n = &s->numbers[random_below(&s->random, s->count)];
    const struct number *other = &s->numbers[random_below(&s->random, s->count)];
    char key[256], field[128];
    struct buffer reason = {0};
    struct target t;

    assert_explained(s, n->key, n->field, n->value);
    if (target_parse(n->key, other->field, STORE_PREFIX, &t, &reason) == 0) {
        snprintf(key, sizeof key, "%.*s", (int)n->key.size, n->key.at);
        snprintf(field, sizeof field, "%.*s", (int)other->field.size, other->field.at);
        assert_explained(s, n->key, other->field, dump_get(s->dump, key, field));
    }
    buffer_free(&reason);
}

static void any_number_of_a_random_world_is_the_sum_of_its_facts(void **state)
{
    uint64_t seed = random_seed("explain a world");
    struct buffer events = {0};

    (void)state;
    world_events(seed, EVENTS, &events);
    struct scene s = scene_new(seed, buffer_slice(&events), TODAY_MS);
    for (int i = 0; i < 1000; i++)
        ask_any(&s);
    scene_free(&s);
    buffer_free(&events);
}

static void any_number_of_a_season_is_the_sum_of_its_facts(void **state)
{
    uint64_t seed = random_seed("explain a season");
    struct buffer events = {0};
    struct slice registry;

    (void)state;
    fixture_events("registry.jsonl.gz", &events);
    registry = buffer_slice(&events);
    struct buffer season = {0};
    season_events(seed, 2026, 2, registry, &season);
    buffer_add_slice(&events, buffer_slice(&season));
    struct scene s = scene_new(seed, buffer_slice(&events), season_today(2026) * DAY_MS);
    for (int i = 0; i < 60; i++)
        ask_any(&s);
    scene_free(&s);
    buffer_free(&season);
    buffer_free(&events);
}

/* ---- small stories ---- */
#define SEAT "{\"type\":\"seat\",\"committee\":\"C\",\"from\":\"2020-01-01\",\"role\":\"P\","
#define BALLOT                                                                                     \
    "{\"type\":\"ballot\",\"committee\":\"C\",\"ballot\":\"B\",\"kind\":\"DIS\",\"closes\":"       \
    "\"2026-03-31\","
#define VOTE "{\"type\":\"vote\",\"committee\":\"C\",\"ballot\":\"B\",\"member\":\"KE\","
#define MEET                                                                                       \
    "{\"type\":\"meeting\",\"committee\":\"C\",\"meeting\":\"M\",\"starts\":\"2026-06-01\","
#define COMES                                                                                      \
    "{\"type\":\"attendance\",\"committee\":\"C\",\"meeting\":\"M\",\"member\":\"KE\","            \
    "\"date\":\"2026-06-01\","
#define EARLY "\"time\":\"2026-01-01T00:00:00Z\"}\n"
#define LATE  "\"time\":\"2026-02-01T00:00:00Z\"}\n"

static struct scene story(const char *lines)
{
    struct buffer events = {0};
    struct scene s;

    lines_encode(slice_of(lines), &events);
    s = scene_new(1, buffer_slice(&events), TODAY_MS);
    buffer_free(&events);
    return s;
}

/* The subjects and ids of a part's facts, as "type:id type:id". */
static void assert_facts(const struct answer *a, size_t part, const char *expected)
{
    struct buffer out = {0};

    assert_true(part < a->count);
    for (size_t i = 0; i < a->parts[part].count; i++) {
        const struct witness *w = &a->parts[part].facts[i]->witness;
        if (i)
            buffer_add(&out, " ", 1);
        buffer_add_text(&out, event_type_name[w->type]);
        buffer_add(&out, ":", 1);
        buffer_add_slice(&out, witness_version(w)->id);
    }
    buffer_add(&out, "", 1);
    assert_string_equal(out.at, expected);
    buffer_free(&out);
}

/* One part of +1 by these facts. */
static void assert_one(struct scene *s, const char *key, const char *field, const char *facts)
{
    struct answer *a = scene_ask(s, key, field);

    assert_int_equal(a->sum, 1);
    assert_int_equal(a->count, 1);
    assert_facts(a, 0, facts);
    answer_free(a);
}

static void a_missed_duty_rests_on_the_notices_of_ballot_and_seat(void **state)
{
    struct scene s = story(SEAT "\"member\":\"KE\",\"id\":\"s\"," EARLY BALLOT
                                "\"status\":\"closed\",\"id\":\"b\"," EARLY);

    (void)state;
    assert_one(&s, "member:KE:2026", "technical.ballots.missed.DIS", "ballot:b seat:s");
    assert_one(&s, "seat:C|KE:2026", "technical.ballots.due", "ballot:b seat:s");
    assert_one(&s, "ballot:C|B", "missed", "ballot:b seat:s");
    assert_one(&s, "committee:C:2026", "technical.ballots.missed", "ballot:b seat:s");
    assert_one(&s, "group:all:2026", "effective.den", "seat:s ballot:b");
    scene_free(&s);
}

static void a_vote_that_names_its_seat_needs_no_notice_of_it(void **state)
{
    struct scene s = story(SEAT "\"member\":\"KE\",\"id\":\"s\"," EARLY BALLOT
                                "\"status\":\"closed\",\"id\":\"b\"," EARLY VOTE
                                "\"position\":\"approve\",\"seat\":\"P\",\"id\":\"v\"," EARLY);

    (void)state;
    assert_one(&s, "member:KE:2026", "technical.ballots.due", "vote:v ballot:b");
    assert_one(&s, "member:KE:2026-03", "technical.votes.approve", "vote:v ballot:b");
    assert_one(&s, "group:all:2026", "voting.num", "vote:v ballot:b");
    assert_one(&s, "group:all:2026", "members.active", "vote:v");
    scene_free(&s);
}

static void a_vote_bears_on_a_duty_only_where_it_answers(void **state)
{
    struct scene s = story(SEAT "\"member\":\"KE\",\"id\":\"s\"," EARLY BALLOT
                                "\"status\":\"closed\",\"id\":\"b\"," EARLY VOTE
                                "\"position\":\"abstain\",\"id\":\"v\"," EARLY);

    (void)state;
    assert_one(&s, "member:KE:2026", "technical.ballots.due", "ballot:b seat:s");
    assert_one(&s, "member:KE:2026", "technical.ballots.abstained", "vote:v ballot:b seat:s");
    assert_one(&s, "member:KE:2026", "technical.votes", "vote:v ballot:b");
    scene_free(&s);
}

static void a_retracted_vote_is_told_of_the_duty_that_it_leaves(void **state)
{
    struct scene s = story(SEAT "\"member\":\"KE\",\"id\":\"s\"," EARLY BALLOT
                                "\"status\":\"closed\",\"id\":\"b\"," EARLY VOTE
                                "\"position\":\"approve\",\"id\":\"v\"," EARLY VOTE
                                "\"retracted\":true,\"id\":\"w\"," LATE);

    (void)state;
    assert_one(&s, "member:KE:2026", "technical.ballots.missed", "ballot:b seat:s vote:w");
    scene_free(&s);
}

static void a_correction_tells_what_it_replaced_and_a_repeat_replaces_nothing(void **state)
{
    struct scene s = story(VOTE "\"position\":\"approve\",\"id\":\"v\"," EARLY VOTE
                                "\"position\":\"abstain\",\"id\":\"w\"," LATE VOTE
                                "\"position\":\"approve\",\"id\":\"v\"," EARLY VOTE
                                "\"position\":\"abstain\",\"id\":\"w\"," LATE);
    struct answer *a = scene_ask(&s, "turnout:ballot:C|B", "abstain");
    const struct explain_fact *f = a->parts[0].facts[0];

    (void)state;
    assert_int_equal(a->sum, 1);
    assert_int_equal(f->witness.offset, 1);
    assert_true(slice_is(f->replaced, "v"));
    assert_int_equal(f->replaced_offset, 0);
    assert_true(slice_is(f->witness.subject, "vote|C|B|KE"));
    assert_true(slice_is(a->parts[0].member, "KE"));
    answer_free(a);
    scene_free(&s);
}

static void a_meeting_is_attended_once_by_all_who_came(void **state)
{
    struct scene s =
        story(MEET "\"status\":\"held\",\"id\":\"m\"," EARLY COMES
                   "\"participant\":\"p\",\"status\":\"attended\",\"id\":\"p\"," EARLY COMES
                   "\"participant\":\"q\",\"status\":\"no-show\",\"id\":\"q\"," EARLY COMES
                   "\"participant\":\"r\",\"status\":\"attended\",\"id\":\"r\"," EARLY);
    struct answer *a = scene_ask(&s, "member:KE:2026", "technical.meetings.attended");

    (void)state;
    assert_int_equal(a->sum, 1);
    assert_int_equal(a->count, 1);
    assert_int_equal(a->parts[0].count, 3);
    answer_free(a);
    a = scene_ask(&s, "meeting:C|M", "delegates");
    assert_int_equal(a->sum, 2);
    assert_facts(a, 0, "attendance:p meeting:m");
    assert_facts(a, 1, "attendance:r meeting:m");
    answer_free(a);
    scene_free(&s);
}

static void a_part_of_a_group_rests_on_the_members_notice(void **state)
{
    struct scene s =
        story("{\"type\":\"member\",\"member\":\"KE\",\"groups\":[\"ldc\"],\"developing\":true,"
              "\"id\":\"n\"," EARLY VOTE "\"position\":\"approve\",\"id\":\"v\"," EARLY
              "{\"type\":\"adoption\",\"member\":\"KE\",\"standard\":\"S\",\"reference\":\"R\","
              "\"degree\":\"IDT\",\"date\":\"2026-02-03\",\"id\":\"a\"," EARLY);

    (void)state;
    assert_one(&s, "group:ldc:2026", "technical.votes", "vote:v member:n");
    assert_one(&s, "group:developing:2026-02", "adoptions.identical", "adoption:a member:n");
    assert_one(&s, "group:ldc:2026", "members", "member:n");
    assert_one(&s, "group:all:2026", "technical.votes", "vote:v");
    assert_one(&s, "group:ldc:2026", "share.votes.den", "vote:v");
    scene_free(&s);
}

static void a_group_that_is_really_named_so_is_not_one_without_its_largest(void **state)
{
    struct scene s = story("{\"type\":\"member\",\"member\":\"KE\",\"groups\":[\"ldc\","
                           "\"ldc-without-top3\"],\"id\":\"n\"," EARLY VOTE
                           "\"position\":\"approve\",\"id\":\"v\"," EARLY);
    struct answer *a = scene_ask(&s, "group:other-without-top3:2026", "members");

    (void)state;
    assert_int_equal(a->sum, 0);
    answer_free(a);
    assert_one(&s, "group:ldc-without-top3:2026", "technical.votes", "vote:v member:n");
    assert_one(&s, "group:ldc-without-top3:2026", "members", "member:n");
    scene_free(&s);
}

/* Who is in the group of all an April's vote may tell, and so who is left over in March. */
static void who_is_left_of_all_may_be_told_by_another_month(void **state)
{
    struct scene s =
        story("{\"type\":\"vote\",\"committee\":\"C\",\"ballot\":\"MARCH\",\"member\":\"KE\","
              "\"position\":\"approve\",\"id\":\"v\"," EARLY
              "{\"type\":\"ballot\",\"committee\":\"C\",\"ballot\":\"MARCH\",\"kind\":\"NP\","
              "\"closes\":\"2026-03-09\",\"id\":\"m\"," EARLY
              "{\"type\":\"vote\",\"committee\":\"C\",\"ballot\":\"APRIL\",\"member\":\"UG\","
              "\"position\":\"approve\",\"id\":\"w\"," EARLY
              "{\"type\":\"ballot\",\"committee\":\"C\",\"ballot\":\"APRIL\",\"kind\":\"NP\","
              "\"closes\":\"2026-04-09\",\"id\":\"a\"," EARLY);

    (void)state;
    assert_one(&s, "group:all-without-top3:2026-03", "share.votes.den", "vote:v ballot:m");
    scene_free(&s);
}

/* Of a group's number in a month the facts of that month are kept; who is in the group of all, any
 * fact may tell. */
static void a_number_takes_the_memory_of_its_period(void **state)
{
    struct buffer events = {0};
    struct answer *month, *members;

    (void)state;
    world_events(random_seed("memory of a period"), 4000, &events);
    struct scene s = scene_new(1, buffer_slice(&events), TODAY_MS);
    month = scene_ask(&s, "group:all:2021-05", "technical.votes");
    members = scene_ask(&s, "group:all:2021-05", "members");
    assert_true(explain_bytes(month->explain) < explain_bytes(members->explain) * 3 / 4);
    answer_free(month);
    answer_free(members);
    scene_free(&s);
    buffer_free(&events);
}

static void as_of_a_moment_only_what_had_come_counts(void **state)
{
    struct scene s = story(VOTE "\"position\":\"approve\",\"id\":\"v\"," EARLY VOTE
                                "\"retracted\":true,\"id\":\"w\"," LATE);
    static const int64_t expected[] = {0, 1, 0};
    struct answer *a;

    (void)state;
    for (int i = 0; i < 3; i++) {
        a = scene_ask_until(&s, slice_of("ballot:C|B"), slice_of("votes"), RECEIVED - 1 + i);
        assert_int_equal(a->sum, expected[i]);
        answer_free(a);
    }
    scene_free(&s);
}

static void bytes_that_are_no_event_are_corrupt(void **state)
{
    struct target t;
    struct buffer reason = {0};
    struct walk_run run = {0, 0, 1, slice_of("local"), 0, slice_of("\x81\xa1")};

    (void)state;
    assert_int_equal(
        target_parse(slice_of("member:KE:2026"), slice_of("adoptions"), "", &t, &reason), 0);
    struct explain *x = explain_new(&t, recall, NULL);
    assert_int_equal(explain_run(x, &run), ERR_CORRUPT);
    explain_free(x);
    explain_free(NULL);
    buffer_free(&reason);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missed_duty_rests_on_the_notices_of_ballot_and_seat),
        cmocka_unit_test(a_vote_that_names_its_seat_needs_no_notice_of_it),
        cmocka_unit_test(a_vote_bears_on_a_duty_only_where_it_answers),
        cmocka_unit_test(a_retracted_vote_is_told_of_the_duty_that_it_leaves),
        cmocka_unit_test(a_correction_tells_what_it_replaced_and_a_repeat_replaces_nothing),
        cmocka_unit_test(a_meeting_is_attended_once_by_all_who_came),
        cmocka_unit_test(a_part_of_a_group_rests_on_the_members_notice),
        cmocka_unit_test(a_group_that_is_really_named_so_is_not_one_without_its_largest),
        cmocka_unit_test(who_is_left_of_all_may_be_told_by_another_month),
        cmocka_unit_test(a_number_takes_the_memory_of_its_period),
        cmocka_unit_test(as_of_a_moment_only_what_had_come_counts),
        cmocka_unit_test(bytes_that_are_no_event_are_corrupt),
        cmocka_unit_test(any_number_of_a_random_world_is_the_sum_of_its_facts),
        cmocka_unit_test(any_number_of_a_season_is_the_sum_of_its_facts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
