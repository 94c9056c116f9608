/* Explaining: what adds up to a number is that number, for any number of any world; and the facts
 * that are told are those of the journal. */
#include "tests/desk.h"
#include "tests/fixtures.h"
#include "tests/season.h"

#include "proto/error.h"
#include "workers/explain.h"
#include "workers/recall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TODAY_MS 1793923200000 /* 2026-11-06, within the worlds' years */
#define EVENTS   1500
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

/* Hands over a partition in runs of any size, from two sources. */
static void explain_partition(struct scene *s, struct explain *x, unsigned p)
{
    static const char *const sources[] = {"isolutions", "gazette"};
    const struct desk *d = s->desk;

    for (uint64_t at = 0, n; at < d->ends[p]; at += n) {
        uint64_t left = d->ends[p] - at;
        n = 1 + random_below(&s->random, left < 300 ? left : 300);
        size_t start = d->starts[p][at];
        struct walk_run run = {
            .partition = p,
            .offset = at,
            .count = n,
            .source = slice_of(sources[at % 2]),
            .received_ms = RECEIVED + (int64_t)at,
            .events = slice_make(d->journal[p].at + start, d->starts[p][at + n] - start)};
        assert_int_equal(explain_run(x, &run), 0);
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
static struct answer *scene_ask_until(struct scene *s, struct slice key, struct slice field,
                                      int64_t as_of_ms)
{
    struct answer *a = memory_need(sizeof *a);
    struct buffer reason = {0};

    *a = (struct answer){0};
    assert_int_equal(target_parse(key, field, STORE_PREFIX, &a->target, &reason), 0);
    a->explain = explain_new(&a->target, recall, s->desk);
    explain_until(a->explain, as_of_ms);
    for (unsigned p = 0; p < DESK_PARTITIONS; p++)
        if (explain_needs(a->explain, p, DESK_PARTITIONS))
            explain_partition(s, a->explain, p);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_a_random_world_is_the_sum_of_its_facts),
        cmocka_unit_test(any_number_of_a_season_is_the_sum_of_its_facts),
    };

    (void)scene_ask;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
