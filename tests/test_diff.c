/* What moved between two moments: against two stores that were counted up to each of them, and by
 * small stories whose every cause is known. */
#include "tests/desk.h"
#include "tests/fixtures.h"

#include "proto/error.h"
#include "workers/audit/diff.h"
#include "workers/recall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define EVENTS    1500
#define TODAY_MS  1793923200000 /* 2026-11-06, within the worlds' years */
#define WITHOUT   "-without-top3"
#define TOGETHER  5 /* so many events are received at once */
#define AT(event) (TODAY_MS + (int64_t)(event) / TOGETHER)

/* ---- a journal with times of receipt ---- */
struct scene {
    struct desk *desk; /* for its journals only */
    struct slice *each;
    size_t count;
    int64_t *times[DESK_PARTITIONS]; /* by offset */
};

/* With `early` events before the first moment and the rest a millisecond later; or, 0, some at a
 * time. */
static struct scene scene_new(struct slice events, size_t early)
{
    struct scene s = {.desk = desk_new(store_memory_new())};
    uint64_t before[DESK_PARTITIONS];

    s.count = world_split(events, &s.each);
    for (unsigned p = 0; p < DESK_PARTITIONS; p++)
        s.times[p] = memory_need((s.count + 1) * sizeof **s.times);
    for (size_t i = 0; i < s.count; i++) {
        memcpy(before, s.desk->ends, sizeof before);
        desk_journal(s.desk, s.each[i]);
        for (unsigned p = 0; p < DESK_PARTITIONS; p++)
            if (s.desk->ends[p] > before[p])
                s.times[p][before[p]] = early ? TODAY_MS + (i >= early) : AT(i);
    }
    return s;
}

static void scene_free(struct scene *s)
{
    desk_free(s->desk);
    for (unsigned p = 0; p < DESK_PARTITIONS; p++)
        free(s->times[p]);
    free(s->each);
}

static int recall(void *arg, struct ledger *l, unsigned partition, uint64_t upto,
                  struct version *const *wanted, size_t count)
{
    struct desk *d = arg;

    recall_match(l, slice_make(d->journal[partition].at, d->starts[partition][upto]), wanted,
                 count);
    return 0;
}

/* All runs of a partition from an offset on: events that were received together.  Their bytes are
 * gone when the next ones come. */
static void lead_partition(const struct scene *s, unsigned p, uint64_t at, walk_fn each, void *arg)
{
    const struct desk *d = s->desk;

    while (at < d->ends[p]) {
        uint64_t n = 1;
        while (at + n < d->ends[p] && s->times[p][at + n] == s->times[p][at])
            n++;
        size_t start = d->starts[p][at], size = d->starts[p][at + n] - start;
        char *bytes = memcpy(memory_need(size), d->journal[p].at + start, size);
        struct walk_run run = {
            p, at, n, slice_of("local"), s->times[p][at], slice_make(bytes, size)};
        assert_int_equal(each(arg, &run), 0);
        memset(bytes, 0xff, size);
        free(bytes);
        at += n;
    }
}

struct outcome {
    struct diff *diff;
    const struct diff_change *changes;
    size_t count;
};

static struct outcome compare(const struct scene *s, int64_t from_ms, int64_t to_ms, bool all)
{
    struct diff_options o = {.log = DESK_LOG,
                             .partitions = DESK_PARTITIONS,
                             .from_ms = from_ms,
                             .to_ms = to_ms,
                             .all = all,
                             .rules = RULES_DEFAULT,
                             .recall = recall,
                             .recall_arg = s->desk};
    struct outcome out = {.diff = diff_new(&o)};
    uint64_t from[DESK_PARTITIONS];

    for (unsigned p = 0; p < DESK_PARTITIONS; p++)
        lead_partition(s, p, 0, diff_run_before, out.diff);
    assert_int_equal(diff_turn(out.diff, from), 0);
    for (unsigned p = 0; p < DESK_PARTITIONS; p++)
        lead_partition(s, p, from[p], diff_run_between, out.diff);
    assert_int_equal(diff_finish(out.diff, &out.changes, &out.count), 0);
    return out;
}

/* ---- against stores of both moments ---- */
static struct dump *dump_until(const struct scene *s, struct random *r, int64_t until_ms)
{
    struct desk *desk = desk_new(store_memory_new());
    struct dump *d;

    for (size_t i = 0; i < s->count; i++)
        if (AT(i) <= until_ms)
            desk_journal(desk, s->each[i]);
    desk_finish(desk, r);
    desk_derive(desk, until_ms);
    d = desk_dump(desk);
    desk_free(desk);
    return d;
}

struct search {
    const struct outcome *outcome;
    const struct dump *other;
    bool all, after; /* after: the dump gone through is that of the second moment */
    size_t differing;
};

static const struct diff_change *change_of(const struct outcome *o, struct slice key,
                                           struct slice field)
{
    for (size_t i = 0; i < o->count; i++)
        if (slice_equal(o->changes[i].key, key) && slice_equal(o->changes[i].field, field))
            return &o->changes[i];
    return NULL;
}

static bool is_zero(struct slice value)
{
    return !value.at || slice_is(value, "0");
}

/* Of a group all but the list's version; of a ballot or a meeting the tally. */
static bool is_number(struct slice key, struct slice field, struct slice value)
{
    int64_t n;

    if (key.size > 6 && memcmp(key.at, "group:", 6) == 0)
        return !slice_is(field, "list");
    return slice_to_int(value, &n) && !slice_is(field, "mandatory");
}

/* Every difference between the two dumps is among the changes, with its values, and nothing else
 * is. */
static void look_for(void *arg, struct slice full, struct slice field, struct slice value)
{
    struct search *s = arg;
    struct slice key = slice_make(full.at + strlen(STORE_PREFIX), full.size - strlen(STORE_PREFIX));
    char key_text[256], field_text[128];

    snprintf(key_text, sizeof key_text, "%.*s", (int)full.size, full.at);
    snprintf(field_text, sizeof field_text, "%.*s", (int)field.size, field.at);
    struct slice other = dump_get(s->other, key_text, field_text);
    const struct diff_change *c = change_of(s->outcome, key, field);
    if (!is_number(key, field, value))
        return;
    if (slice_equal(value, other) || (is_zero(value) && is_zero(other))) {
        assert_null(c);
        return;
    }
    if (other.at && s->after)
        return; /* was counted when the first moment was gone through */
    s->differing++;
    assert_non_null(c);
    assert_true(slice_equal(s->after ? c->to : c->from, value));
    assert_true(slice_equal(s->after ? c->from : c->to, other));
}

static void assert_changes(const struct scene *s, const struct outcome *o, struct random *r,
                           int64_t from_ms, int64_t to_ms, const char *const *families)
{
    struct dump *before = dump_until(s, r, from_ms), *after = dump_until(s, r, to_ms);
    struct search search = {.outcome = o};

    for (; *families; families++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "%s%s", STORE_PREFIX, *families);
        search.other = after;
        search.after = false;
        dump_each(before, prefix, look_for, &search);
        search.other = before;
        search.after = true;
        dump_each(after, prefix, look_for, &search);
    }
    assert_int_equal(search.differing, o->count);
    dump_free(before);
    dump_free(after);
}

static int64_t number(struct slice text)
{
    int64_t n = 0;

    assert_true(!text.at || slice_to_int(text, &n));
    return n;
}

/* The causes of a sum add up to its change; all are events between the moments, unless the group
 * itself came, went or leaves out others. */
static void assert_causes(const struct outcome *o, int64_t from_ms, int64_t to_ms)
{
    size_t count, events = 0;

    for (size_t i = 0; i < o->count; i++) {
        const struct diff_change *c = &o->changes[i];
        const struct diff_cause *causes = diff_causes(o->diff, c, &count);
        int64_t sum = 0;
        for (size_t j = 0; j < count; j++) {
            const struct witness *w = causes[j].witness;
            sum += causes[j].amount;
            events += w != NULL;
            assert_true(w || causes[j].reason);
            if (w)
                assert_true(w->received_ms > from_ms && w->received_ms <= to_ms);
            else if (c->from.at && c->to.at &&
                     !memmem(c->key.at, c->key.size, WITHOUT, strlen(WITHOUT)))
                fail_msg("%.*s %.*s %.*s -> %.*s: %s %lld of %zu", (int)c->key.size, c->key.at,
                         (int)c->field.size, c->field.at, (int)c->from.size, c->from.at,
                         (int)c->to.size, c->to.at, causes[j].reason, (long long)causes[j].amount,
                         count);
        }
        if (!c->quotient && !slice_is(c->field, "without"))
            assert_true(sum == number(c->to) - number(c->from));
    }
    assert_true(o->count == 0 || events > 0);
}

static void compare_any(const struct scene *s, struct random *r, bool all)
{
    static const char *const groups[] = {"group:", NULL};
    static const char *const families[] = {
        "group:", "member:", "committee:", "seat:", "ballot:", "meeting:", NULL};
    size_t a = random_below(r, s->count), left = s->count - a;
    size_t b = a + random_below(r, random_percent(r, 50) && left > 30 ? 30 : left);
    struct outcome o = compare(s, AT(a), AT(b), all);

    assert_changes(s, &o, r, AT(a), AT(b), all ? families : groups);
    assert_causes(&o, AT(a), AT(b));
    diff_free(o.diff);
}

static void changes_are_those_between_two_stores_and_causes_add_up_to_them(void **state)
{
    uint64_t seed = random_seed("diff of a world");
    struct random r = random_new(seed);
    struct buffer events = {0};

    (void)state;
    world_events(seed, EVENTS, &events);
    struct scene s = scene_new(buffer_slice(&events), 0);
    for (int i = 0; i < 30; i++)
        compare_any(&s, &r, i % 3 == 0);
    scene_free(&s);
    buffer_free(&events);
}

/* ---- small stories ---- */
#define VOTE  "{\"type\":\"vote\",\"committee\":\"C\",\"ballot\":\"B\","
#define OF    "{\"type\":\"member\",\"developing\":true,"
#define EARLY "\"time\":\"2026-01-01T00:00:00Z\"}\n"
#define LATE  "\"time\":\"2026-02-01T00:00:00Z\"}\n"

/* The first lines before the moments, the others between them. */
struct story {
    struct scene scene;
    struct outcome outcome;
    struct buffer events;
};

static struct story story(const char *before, const char *between)
{
    struct story s = {.events = {0}};
    size_t early = lines_encode(slice_of(before), &s.events);

    lines_encode(slice_of(between), &s.events);
    s.scene = scene_new(buffer_slice(&s.events), early);
    s.outcome = compare(&s.scene, TODAY_MS, TODAY_MS + 1, true);
    assert_causes(&s.outcome, TODAY_MS, TODAY_MS + 1);
    return s;
}

static void story_free(struct story *s)
{
    diff_free(s->outcome.diff);
    scene_free(&s->scene);
    buffer_free(&s->events);
}

/* "FROM -> TO: +1 v" with the amounts and ids of the causes; "same" for what did not change. */
static void assert_change(const struct story *s, const char *key, const char *field,
                          const char *expected)
{
    const struct diff_change *c = change_of(&s->outcome, slice_of(key), slice_of(field));
    struct buffer out = {0};
    size_t count = 0;
    const struct diff_cause *causes = c ? diff_causes(s->outcome.diff, c, &count) : NULL;

    if (c) {
        buffer_add_slice(&out, c->from.at ? c->from : slice_of("-"));
        buffer_add_text(&out, " -> ");
        buffer_add_slice(&out, c->to.at ? c->to : slice_of("-"));
        buffer_add_text(&out, ":");
    } else {
        buffer_add_text(&out, "same");
    }
    for (size_t i = 0; i < count; i++) {
        buffer_add_text(&out, causes[i].amount < 0 ? " " : " +");
        buffer_add_int(&out, causes[i].amount);
        if (c->quotient) {
            buffer_add_text(&out, "/");
            buffer_add_int(&out, causes[i].den);
        }
        buffer_add_text(&out, " ");
        if (causes[i].witness)
            buffer_add_slice(&out, witness_version(causes[i].witness)->id);
        else
            buffer_add_text(&out, "(else)");
    }
    buffer_add(&out, "", 1);
    assert_string_equal(out.at, expected);
    buffer_free(&out);
}

static void a_retracted_vote_is_the_cause_of_all_that_it_moved(void **state)
{
    struct story s = story(OF "\"member\":\"KE\",\"groups\":[\"ldc\"],\"id\":\"n\"," EARLY VOTE
                              "\"member\":\"KE\",\"position\":\"approve\",\"id\":\"v\"," EARLY VOTE
                              "\"member\":\"BR\",\"position\":\"approve\",\"id\":\"b\"," EARLY,
                           VOTE "\"member\":\"KE\",\"retracted\":true,\"id\":\"w\"," LATE);

    (void)state;
    assert_change(&s, "group:all:2026", "technical.votes", "2 -> 1: -1 w");
    assert_change(&s, "group:all:2026-01", "share.votes.num", "2 -> 1: -1 w");
    assert_change(&s, "group:all:2026", "members.active", "2 -> 1: -1 w");
    assert_change(&s, "group:all:2026", "members", "same");
    assert_change(&s, "group:ldc:2026", "share.votes", "0.5000 -> 0.0000: -1/-1 w");
    assert_change(&s, "member:KE:2026", "technical.votes", "1 -> -: -1 w");
    assert_change(&s, "ballot:C|B", "approve", "2 -> 1: -1 w");
    assert_change(&s, "committee:C:2026", "technical.votes", "2 -> 1: -1 w");
    assert_change(&s, "member:BR:2026", "technical.votes", "same");
    story_free(&s);
}

static void a_member_that_joins_a_group_brings_its_part_by_its_notice(void **state)
{
    struct story s = story(OF "\"member\":\"KE\",\"groups\":[\"ldc\"],\"id\":\"n\"," EARLY OF
                              "\"member\":\"BR\",\"id\":\"m\"," EARLY VOTE
                              "\"member\":\"BR\",\"position\":\"approve\",\"id\":\"b\"," EARLY,
                           OF "\"member\":\"BR\",\"groups\":[\"ldc\"],\"id\":\"k\"," LATE);

    (void)state;
    assert_change(&s, "group:ldc:2026", "members", "1 -> 2: +1 k");
    assert_change(&s, "group:ldc:2026", "technical.votes", "- -> 1: +1 k");
    assert_change(&s, "group:ldc:2026", "share.votes.num", "0 -> 1: +1 k");
    assert_change(&s, "group:developing:2026", "technical.votes", "same");
    assert_change(&s, "group:all:2026", "technical.votes", "same");
    story_free(&s);
}

static void a_repeat_and_an_older_version_move_nothing(void **state)
{
    struct story s = story(VOTE "\"member\":\"KE\",\"position\":\"approve\",\"id\":\"v\"," LATE,
                           VOTE "\"member\":\"KE\",\"position\":\"abstain\",\"id\":\"u\"," EARLY);

    (void)state;
    assert_int_equal(s.outcome.count, 0);
    story_free(&s);
}

#define VOTES_OF(member, id)                                                                       \
    VOTE "\"member\":\"" member "\",\"position\":\"approve\",\"id\":\"" id "\"," EARLY

static void who_is_left_out_of_a_group_is_told_as_a_cause(void **state)
{
    struct story s = story(VOTES_OF("A", "a") VOTES_OF("B", "b") VOTES_OF("D", "d")
                               VOTES_OF("Y", "y") VOTES_OF("Z", "z"),
                           VOTE "\"member\":\"A\",\"retracted\":true,\"id\":\"x\"," LATE);

    (void)state;
    assert_change(&s, "group:all-without-top3:2026", "without", "A,B,D -> B,D,Y:");
    assert_change(&s, "group:all-without-top3:2026", "share.votes.num", "2 -> 1: -1 (else)");
    assert_change(&s, "group:all-without-top3:2026", "share.votes.den", "5 -> 4: -1 x");
    story_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_retracted_vote_is_the_cause_of_all_that_it_moved),
        cmocka_unit_test(a_member_that_joins_a_group_brings_its_part_by_its_notice),
        cmocka_unit_test(a_repeat_and_an_older_version_move_nothing),
        cmocka_unit_test(who_is_left_out_of_a_group_is_told_as_a_cause),
        cmocka_unit_test(changes_are_those_between_two_stores_and_causes_add_up_to_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
