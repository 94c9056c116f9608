/* Deriving against the model: groups and the watch list follow whatever the counters, seats and
 * profiles do, whoever derives and whenever he is killed. */
#include "tests/compose.h"
#include "tests/desk.h"
#include "tests/fixtures.h"
#include "tests/model.h"
#include "tests/season.h"

#include "proto/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TODAY_MS 1793923200000 /* 2026-11-06, within the worlds' years */
#define EVENTS   1200

struct scene {
    struct desk *desk;
    struct model *model;
    struct random random;
    struct slice *each; /* events still to come */
    size_t count, at;
    struct buffer events;
};

static struct scene scene_new(uint64_t seed)
{
    struct scene p = {.desk = desk_new(store_memory_new()), .model = model_new()};

    p.random = random_new(seed);
    world_events(seed, EVENTS, &p.events);
    p.count = world_split(buffer_slice(&p.events), &p.each);
    return p;
}

static void scene_free(struct scene *p)
{
    desk_free(p->desk);
    model_free(p->model);
    free(p->each);
    buffer_free(&p->events);
}

/* Some more events come and are counted. */
static void more_events(struct scene *p, size_t n)
{
    for (; n && p->at < p->count; n--, p->at++) {
        desk_journal(p->desk, p->each[p->at]);
        model_add_all(p->model, p->each[p->at]);
    }
    desk_finish(p->desk, &p->random);
}

static void assert_derived(struct scene *p, int64_t now_ms)
{
    struct dump *found = desk_dump(p->desk);

    model_today(p->model, date_of_ms(now_ms), &RULES_DEFAULT);
    assert_int_equal(model_compare_derived(p->model, found, stdout), 0);
    dump_free(found);
}

static void groups_and_watch_list_follow_every_batch(void **state)
{
    struct scene p = scene_new(random_seed("derive after every batch"));

    (void)state;
    while (p.at < p.count) {
        more_events(&p, 1 + random_below(&p.random, 40));
        desk_derive(p.desk, TODAY_MS);
        assert_derived(&p, TODAY_MS);
    }
    scene_free(&p);
}

/* Steps of two derivers and commits of events, in any order; now and then one is killed. */
static void stir(struct scene *p, unsigned turns)
{
    for (unsigned i = 0; i < turns; i++) {
        unsigned deriver = (unsigned)random_below(&p->random, DESK_DERIVERS);
        int r = desk_derive_step(p->desk, deriver, TODAY_MS);
        assert_true(r >= 0 || r == ERR_CONFLICT);
        if (random_percent(&p->random, 10))
            desk_derive_kill(p->desk, deriver);
        if (random_percent(&p->random, 30))
            more_events(p, 1 + random_below(&p->random, 20));
    }
}

static void derivers_that_compete_and_are_killed_lose_nothing(void **state)
{
    uint64_t seed = random_seed("derivers that compete");

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        struct scene p = scene_new(seed + i);

        while (p.at < p.count)
            stir(&p, 20);
        desk_derive(p.desk, TODAY_MS);
        assert_derived(&p, TODAY_MS);
        scene_free(&p);
    }
}

static void a_new_day_and_other_rules_move_the_watch_list_by_themselves(void **state)
{
    struct scene p = scene_new(random_seed("a new day"));

    (void)state;
    more_events(&p, EVENTS);
    for (int day = 0; day < 500; day += 1 + (int)random_below(&p.random, 60)) {
        desk_derive(p.desk, TODAY_MS + (day - 400) * DAY_MS);
        assert_derived(&p, TODAY_MS + (day - 400) * DAY_MS);
    }
    scene_free(&p);
}

/* Somebody was booked at the wrong one of two meetings: the duties add up to what they were. */
static void attendance_that_moves_to_another_meeting_moves_the_watch_list(void **state)
{
    static const char *const before[] = {
        "{'type':'seat','id':'s','time':1,'committee':'C','member':'KE','from':'2026-01-01',"
        "'role':'P'}",
        "{'type':'meeting','id':'a','time':1,'committee':'C','meeting':'A','starts':'2026-03-01',"
        "'status':'held'}",
        "{'type':'meeting','id':'b','time':1,'committee':'C','meeting':'B','starts':'2026-06-01',"
        "'status':'held'}",
        "{'type':'attendance','id':'p','time':1,'committee':'C','meeting':'B','member':'KE',"
        "'participant':'1','date':'2026-06-01','status':'attended'}"};
    static const char *const after[] = {
        "{'type':'attendance','id':'q','time':2,'committee':'C','meeting':'B','member':'KE',"
        "'participant':'1','retracted':true}",
        "{'type':'attendance','id':'r','time':2,'committee':'C','meeting':'A','member':'KE',"
        "'participant':'1','date':'2026-03-01','status':'attended'}"};
    struct scene p = {.desk = desk_new(store_memory_new()), .model = model_new()};
    struct buffer first = {0}, second = {0};

    (void)state;
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        compose_text(before[i], &first);
    for (size_t i = 0; i < sizeof after / sizeof *after; i++)
        compose_text(after[i], &second);
    desk_journal(p.desk, buffer_slice(&first));
    model_add_all(p.model, buffer_slice(&first));
    assert_int_equal(desk_apply(p.desk, 0, ~0u, 100), 0);
    desk_derive(p.desk, TODAY_MS);
    assert_derived(&p, TODAY_MS);
    desk_journal(p.desk, buffer_slice(&second));
    model_add_all(p.model, buffer_slice(&second));
    assert_int_equal(desk_apply(p.desk, 0, ~0u, 100), 0);
    desk_derive(p.desk, TODAY_MS);
    assert_derived(&p, TODAY_MS);
    scene_free(&p);
    buffer_free(&first);
    buffer_free(&second);
}

static void journal_text(struct scene *p, const char *text)
{
    struct buffer event = {0};

    compose_text(text, &event);
    desk_journal(p->desk, buffer_slice(&event));
    model_add_all(p->model, buffer_slice(&event));
    assert_int_equal(desk_apply(p->desk, 0, ~0u, 100), 0);
    buffer_free(&event);
}

/* The groups change, and before all periods are derived the deriver is killed and they change back:
 * what they were before is what they are again, but not what the periods were derived by. */
static void groups_that_change_back_in_mid_round_leave_no_period_behind(void **state)
{
    static const char *const profiles[] = {
        "{'type':'member','id':'m','time':%d,'member':'KE','developing':true,'groups':['africa']}",
        "{'type':'member','id':'m','time':%d,'member':'KE','developing':true,'groups':[]}"};
    char text[256];

    (void)state;
    for (int steps = 1, time = 2; steps < 20; steps++) {
        struct scene p = {.desk = desk_new(store_memory_new()), .model = model_new()};

        for (int year = 2018; year < 2026; year++) {
            snprintf(text, sizeof text,
                     "{'type':'vote','id':'v','time':'%d-03-01T12:00:00Z','committee':'C',"
                     "'ballot':'B%d','member':'KE','position':'approve'}",
                     year, year);
            journal_text(&p, text);
        }
        for (int i = 0; i < 3; i++, time++) {
            snprintf(text, sizeof text, profiles[i % 2], time);
            journal_text(&p, text);
            for (int step = 0; i == 1 && step < steps; step++)
                assert_true(desk_derive_step(p.desk, 0, TODAY_MS) >= 0);
            if (i == 1)
                desk_derive_kill(p.desk, 0);
            else
                desk_derive(p.desk, TODAY_MS);
        }
        assert_derived(&p, TODAY_MS);
        scene_free(&p);
    }
}

static int64_t derivations(struct desk *d)
{
    unsigned at = PLACE_DERIVED;
    struct applied a;
    struct store_look look = {.places = &at, .count = 1, .ret_applied = &a};

    assert_int_equal(store_begin(d->store, &look), 0);
    return (int64_t)a.offset;
}

static void nothing_new_is_nothing_to_derive(void **state)
{
    struct scene p = scene_new(random_seed("nothing new"));

    (void)state;
    assert_int_equal(desk_derive_step(p.desk, 0, TODAY_MS), 0);
    assert_int_equal(derivations(p.desk), 0);
    more_events(&p, EVENTS);
    desk_derive(p.desk, TODAY_MS);
    int64_t before = derivations(p.desk);
    assert_int_equal(desk_derive_step(p.desk, 1, TODAY_MS + 60000), 0);
    assert_int_equal(derivations(p.desk), before);
    scene_free(&p);
}

static void rounds_begin_a_second_apart_unless_in_a_hurry(void **state)
{
    struct scene p = scene_new(random_seed("a second apart"));
    struct derive *d = p.desk->derivers[1];

    (void)state;
    more_events(&p, 100);
    desk_derive(p.desk, TODAY_MS);
    more_events(&p, 300);
    assert_int_equal(derive_step(d, TODAY_MS + DERIVE_EVERY_MS - 1, false), 0);
    assert_int_equal(derive_step(d, TODAY_MS + DERIVE_EVERY_MS, false), 1);
    scene_free(&p);
}

/* The second one is asked once where the first one's round stands; it is not to take it each time,
 * nor the first one to take it back. */
static void derivers_whose_clocks_differ_do_not_take_each_others_rounds(void **state)
{
    struct scene p = scene_new(random_seed("other clocks"));
    struct derive *right = p.desk->derivers[0], *ahead = p.desk->derivers[1];
    unsigned taken = 0;
    bool waiting = true;

    (void)state;
    more_events(&p, EVENTS);
    for (int ms = 0; waiting && ms < 20000; ms++) {
        taken += derive_step(right, TODAY_MS + ms, false) == ERR_CONFLICT;
        taken += derive_step(ahead, TODAY_MS + 10000 + ms, false) == ERR_CONFLICT;
        assert_int_equal(derive_waiting(p.desk->store, &waiting), 0);
    }
    assert_false(waiting);
    assert_in_range(taken, 0, 1);
    assert_derived(&p, TODAY_MS);
    scene_free(&p);
}

/* Part of the real registry, with a year over it, before it or behind it, and the list of groups
 * changed in between. */
static void a_registry_with_a_year_gives_what_the_model_counts(void **state)
{
    uint64_t seed = random_seed("registry and season");
    struct scene p = {.desk = desk_new(store_memory_new()), .model = model_new()};
    struct buffer registry = {0}, season = {0}, all = {0};
    int64_t today_ms = season_today(2026) * DAY_MS;

    (void)state;
    p.random = random_new(seed);
    fixture_events("registry.jsonl.gz", &registry);
    season_events(seed, 2026, 4, buffer_slice(&registry), &season);
    buffer_add_slice(&all, buffer_slice(&registry));
    buffer_add_slice(&all, buffer_slice(&season));
    world_shuffle(seed, buffer_slice(&all), 5, &p.events);
    p.count = world_split(buffer_slice(&p.events), &p.each);
    while (p.at < p.count) {
        more_events(&p, 15000);
        desk_derive_step(p.desk, 0, today_ms);
    }
    desk_derive(p.desk, today_ms);
    assert_derived(&p, today_ms);
    scene_free(&p);
    buffer_free(&registry);
    buffer_free(&season);
    buffer_free(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_and_watch_list_follow_every_batch),
        cmocka_unit_test(derivers_that_compete_and_are_killed_lose_nothing),
        cmocka_unit_test(a_new_day_and_other_rules_move_the_watch_list_by_themselves),
        cmocka_unit_test(attendance_that_moves_to_another_meeting_moves_the_watch_list),
        cmocka_unit_test(groups_that_change_back_in_mid_round_leave_no_period_behind),
        cmocka_unit_test(nothing_new_is_nothing_to_derive),
        cmocka_unit_test(rounds_begin_a_second_apart_unless_in_a_hurry),
        cmocka_unit_test(derivers_whose_clocks_differ_do_not_take_each_others_rounds),
        cmocka_unit_test(a_registry_with_a_year_gives_what_the_model_counts),
    };

    return cmocka_run_group_tests_name("derive", tests, NULL, NULL);
}
