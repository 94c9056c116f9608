/* Everything over a store that fails at any of its calls: readers say so, and whoever counts,
 * derives or holds comes to the same keys in the end, whether the call that failed had happened or
 * not. */
#include "proto/error.h"
#include "tests/desk.h"
#include "tests/frail.h"
#include "tests/world.h"
#include "workers/audit/compare.h"
#include "workers/audit/live.h"
#include "workers/audit/recount.h"
#include "workers/audit/switch.h"
#include "workers/hold.h"
#include "workers/view/board.h"
#include "workers/view/export.h"
#include "workers/view/watch_detail.h"
#include "workers/view/watch_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW_MS 1772366400000
#define EVENTS 500
#define TRIES  200

static struct buffer events;

/* ---- counting and deriving ---- */

struct spot {
    struct frail *frail;
    struct desk *desk;
    unsigned calls; /* that counting made */
};

static struct spot spot_new(void)
{
    struct spot p = {.frail = frail_new(store_memory_new())};

    p.desk = desk_new(&p.frail->base);
    desk_journal(p.desk, buffer_slice(&events));
    return p;
}

/* As a worker does: after any error it looks again, and goes on from there. */
static void count_all(struct spot *p)
{
    struct desk_worker *w = &p->desk->workers[0];
    int error = -1;

    for (unsigned i = 0; i < TRIES; i++) {
        if (error < 0) {
            apply_forget(w->apply);
            error = store_applied(p->desk->store, DESK_PARTITIONS, w->applied);
            continue;
        }
        error = desk_apply(p->desk, 0, (1u << DESK_PARTITIONS) - 1, 20);
    }
    p->calls = p->frail->calls;
    frail_fail(p->frail, 0, 0, FRAIL_BEFORE);
    assert_true(desk_done(p->desk));
}

static int derive_all(struct spot *p)
{
    int r = 1;

    for (unsigned i = 0; i < TRIES && r != 0; i++)
        r = desk_derive_step(p->desk, 0, NOW_MS);
    return r;
}

/* How often was derived may differ. */
static enum dump_care care(struct slice key, struct slice field)
{
    (void)field;
    return slice_is(key, "turnout:derived") ? DUMP_IGNORE : DUMP_EXACT;
}

struct failure {
    int error;
    enum frail_way way;
};

static void assert_same(const struct dump *expected, const struct spot *p, unsigned at,
                        const struct failure *f)
{
    struct dump *found = memory_dump(p->frail->inner);

    if (dump_compare(expected, found, care, stderr, NULL) != 0)
        fail_msg("call %u failed with %d, %s: the keys differ", at, f->error,
                 f->way == FRAIL_AFTER ? "done" : "not done");
    dump_free(found);
}

/* A conflict is known to have done nothing, and so is "not now". */
static const struct failure failures[] = {{ERR_LOST, FRAIL_BEFORE},
                                          {ERR_LOST, FRAIL_AFTER},
                                          {ERR_AGAIN, FRAIL_BEFORE},
                                          {ERR_CONFLICT, FRAIL_BEFORE}};
#define FAILURES (sizeof failures / sizeof *failures)

static void counting_comes_to_the_same_whatever_call_fails(void **state)
{
    struct spot whole = spot_new();
    struct dump *expected;
    unsigned calls;

    (void)state;
    count_all(&whole);
    calls = whole.calls;
    expected = memory_dump(whole.frail->inner);
    assert_true(calls > 20);
    for (size_t i = 0; i < FAILURES; i++)
        for (unsigned at = 1; at <= calls && at <= 120; at++) {
            struct spot p = spot_new();
            frail_fail(p.frail, at, failures[i].error, failures[i].way);
            count_all(&p);
            assert_same(expected, &p, at, &failures[i]);
            desk_free(p.desk);
        }
    dump_free(expected);
    desk_free(whole.desk);
}

static void deriving_comes_to_the_same_whatever_call_fails(void **state)
{
    struct spot whole = spot_new();
    struct dump *expected;
    unsigned calls;

    (void)state;
    count_all(&whole);
    frail_fail(whole.frail, 0, 0, FRAIL_BEFORE);
    assert_int_equal(derive_all(&whole), 0);
    calls = whole.frail->calls;
    expected = memory_dump(whole.frail->inner);
    assert_true(calls > 10);
    for (size_t i = 0; i < FAILURES; i++)
        for (unsigned at = 1; at <= calls; at++) {
            struct spot p = spot_new();
            count_all(&p);
            frail_fail(p.frail, at, failures[i].error, failures[i].way);
            if (derive_all(&p) == 0 && p.frail->calls < at)
                fail_msg("deriving made only %u calls", p.frail->calls);
            assert_int_equal(derive_all(&p), 0);
            assert_same(expected, &p, at, &failures[i]);
            desk_free(p.desk);
        }
    dump_free(expected);
    desk_free(whole.desk);
}

/* ---- readers ---- */

static struct spot filled; /* counted and derived */

typedef int (*act_fn)(struct store *s);

/* The act says so when any of its calls fails, and is well again afterwards. */
static void assert_says_so(act_fn act, const char *name)
{
    static const int errors[] = {ERR_LOST, ERR_AGAIN, ERR_CONFIG};
    unsigned calls;

    frail_fail(filled.frail, 0, 0, FRAIL_BEFORE);
    assert_int_equal(act(&filled.frail->base), 0);
    calls = filled.frail->calls;
    assert_true(calls > 0);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        for (unsigned at = 1; at <= calls; at++) {
            frail_fail(filled.frail, at, errors[i], FRAIL_BEFORE);
            int result = act(&filled.frail->base);
            if (result != errors[i])
                fail_msg("%s: call %u of %u failed with %d, and it said %d", name, at, calls,
                         errors[i], result);
        }
    frail_fail(filled.frail, 0, 0, FRAIL_BEFORE);
    assert_int_equal(act(&filled.frail->base), 0);
}

static int read_board(struct store *s)
{
    struct board_ask ask = {.now_ms = NOW_MS};
    struct board board = {0};
    int error = board_load(s, &ask, &board);

    board_free(&board);
    return error;
}

static int read_board_of_groups(struct store *s)
{
    struct board_ask ask = {.now_ms = NOW_MS, .period = slice_of("2026"), .all = true};
    struct board board = {0};
    int error;

    name_list_add(&ask.groups, slice_of("all"));
    name_list_add(&ask.groups, slice_of("nobody"));
    error = board_load(s, &ask, &board);
    name_list_free(&ask.groups);
    board_free(&board);
    return error;
}

static int read_watch(struct store *s)
{
    struct watch_ask ask = {.now_ms = NOW_MS};
    struct watch_list list = {0};
    int error = watch_load(s, &ask, &list);

    if (error == 0)
        error = watch_detail(s, &list);
    watch_free(&list);
    return error;
}

static int count_watch(struct store *s)
{
    size_t red, amber;

    return watch_count(s, &red, &amber);
}

static int read_export(struct store *s)
{
    struct export_ask ask = {0};
    struct export *e = NULL;
    struct buffer out = {0};
    size_t keys = 1;
    int error;

    for (int k = 0; k < EXPORT_KINDS; k++)
        ask.kinds[k] = true;
    error = export_open(s, &ask, &e);
    while (error == 0 && keys > 0)
        error = export_next(e, &out, &keys);
    export_free(e);
    buffer_free(&out);
    return error;
}

static int read_number(struct store *s)
{
    static struct live live;

    return live_read(s, DESK_PARTITIONS, slice_of("group:all:2026"), slice_of("members"), &live);
}

static int read_derived(struct store *s)
{
    static struct live live;

    return live_read_derived(s, DESK_PARTITIONS, slice_of("group:all:2026"), slice_of("members"), 0,
                             &live);
}

static int read_schema(struct store *s)
{
    int64_t schema;

    return store_schema(s, &schema);
}

static int see_whether_it_fits(struct store *s)
{
    bool fits;

    return switch_fits(s, DESK_PARTITIONS, &fits);
}

static int compare_with_itself(struct store *s)
{
    struct compare *c = compare_new(filled.frail->inner, s);
    int error = compare_keys(c);

    if (error == 0)
        error = compare_all(c, NULL);
    if (error == 0)
        compare_add(c, slice_of("meta"));
    if (error == 0)
        error = compare_again(c);
    compare_free(c);
    return error;
}

static int derive_once_more(struct store *s)
{
    return recount_derive(s, &RULES_DEFAULT, DESK_LOG, NOW_MS);
}

#define SAYS_SO(act) assert_says_so((act), #act)

static void readers_say_so(void **state)
{
    (void)state;
    SAYS_SO(read_board);
    SAYS_SO(read_board_of_groups);
    SAYS_SO(read_watch);
    SAYS_SO(count_watch);
    SAYS_SO(read_export);
    SAYS_SO(read_number);
    SAYS_SO(read_schema);
    SAYS_SO(see_whether_it_fits);
    SAYS_SO(compare_with_itself);
    SAYS_SO(read_derived);
    SAYS_SO(derive_once_more);
}

/* ---- holds ---- */

static int64_t held_at_ms = NOW_MS;

/* Every step of a hold, from taking to releasing; each time later than any hold before lasts. */
static int hold_and_release(struct store *s)
{
    static struct hold h;
    int error;

    h = (struct hold){0};
    held_at_ms += 2 * HOLD_MS;
    error = hold_take(&h, s, DESK_PARTITIONS, DESK_LOG, held_at_ms);
    if (error == 0)
        error = hold_renew(&h, held_at_ms + 1);
    if (error == 0)
        error = hold_watch(&h);
    return error < 0 ? error : hold_release(&h, held_at_ms + 2);
}

static void a_hold_says_so_and_ends_by_its_time(void **state)
{
    (void)state;
    SAYS_SO(hold_and_release);
}

/* A conflict is tried again, and one that never ends is given up. */
static int always_conflict(struct store *s, const struct commit *c)
{
    (void)s;
    (void)c;
    return ERR_CONFLICT;
}

static void a_hold_that_never_comes_in_between_is_given_up(void **state)
{
    struct store_ops ops = *filled.frail->base.ops;
    const struct store_ops *before = filled.frail->base.ops;
    static struct hold h, taken;

    (void)state;
    held_at_ms += 2 * HOLD_MS;
    assert_int_equal(hold_take(&taken, &filled.frail->base, DESK_PARTITIONS, DESK_LOG, held_at_ms),
                     0);
    ops.commit = always_conflict;
    filled.frail->base.ops = &ops;
    assert_int_equal(
        hold_take(&h, &filled.frail->base, DESK_PARTITIONS, DESK_LOG, held_at_ms + 2 * HOLD_MS),
        ERR_AGAIN);
    assert_int_equal(hold_renew(&taken, held_at_ms), ERR_CONFLICT);
    assert_int_equal(hold_release(&taken, held_at_ms), ERR_CONFLICT);
    filled.frail->base.ops = before;
    assert_int_equal(hold_release(&taken, held_at_ms), 0);
}

static void two_looks_are_the_same_only_in_all(void **state)
{
    const struct applied one = {.known = true, .log = DESK_LOG, .offset = 7, .epoch = 3};
    struct applied two = one;

    (void)state;
    two.time_ms = 5; /* when it was is of no matter */
    assert_true(applied_same(&one, &two));
    two.log[0] ^= 1;
    assert_false(applied_same(&one, &two));
    two = one, two.epoch++;
    assert_false(applied_same(&one, &two));
    two = one, two.offset++;
    assert_false(applied_same(&one, &two));
    two = one, two.known = false;
    assert_false(applied_same(&one, &two));
    assert_false(applied_foreign(&two, slice_of("x"), 0));
    assert_true(applied_foreign(&one, slice_of("x"), 7));
    assert_true(applied_foreign(&one, slice_of(DESK_LOG), 6));
    assert_false(applied_foreign(&one, slice_of(DESK_LOG), 7));
}

/* By which everybody tells whether a place has moved. */
static void a_place_is_the_same_only_in_all_that_it_says(void **state)
{
    const struct applied a = {.known = true, .log = DESK_LOG, .offset = 5, .epoch = 2};
    struct applied b[5] = {a, a, a, a, a};

    (void)state;
    b[0].known = false;
    b[1].offset++;
    b[2].epoch++;
    b[3].log[LOG_ID - 1] = 'x'; /* of another journal */
    for (int i = 0; i < 4; i++)
        assert_false(applied_same(&a, &b[i]));
    b[4].time_ms = b[4].held_ms = 7; /* when it was there is no matter */
    assert_true(applied_same(&a, &b[4]));
}

static int setup(void **state)
{
    (void)state;
    world_events(7, EVENTS, &events);
    filled = spot_new();
    count_all(&filled);
    return derive_all(&filled);
}

static int teardown(void **state)
{
    (void)state;
    desk_free(filled.desk);
    buffer_free(&events);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counting_comes_to_the_same_whatever_call_fails),
        cmocka_unit_test(deriving_comes_to_the_same_whatever_call_fails),
        cmocka_unit_test(readers_say_so),
        cmocka_unit_test(two_looks_are_the_same_only_in_all),
        cmocka_unit_test(a_hold_says_so_and_ends_by_its_time),
        cmocka_unit_test(a_hold_that_never_comes_in_between_is_given_up),
        cmocka_unit_test(a_place_is_the_same_only_in_all_that_it_says),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
