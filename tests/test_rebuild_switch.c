/* The switch of a rebuild, in this process, so that it can be stopped between any two steps:
 * another rebuild comes in between, or Redis is slow.  rebuild.h says why it must hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "proto/clock.h"
#include "proto/error.h"
#include "tests/load.h"
#include "tests/redis_server.h"
#include "tests/scene.h"
#include "tests/world.h"
#include "workers/audit/families.h"
#include "workers/audit/rebuild.h"
#include "workers/hold.h"

#define LIMIT_MS 60000
#define REDIS_MS 10000
#define EVENTS   20000

static void pause_briefly(void)
{
    struct timespec t = {0, 1000000};

    nanosleep(&t, NULL);
}

/* ---- a store with a hand in it ---- */
struct handed {
    struct store base;
    struct store *inner;
    struct scene *scene;
    void (*at_rename)(struct handed *h); /* once, before what renames is sent */
    bool slow;                           /* listing takes longer than a hold */
    int64_t held_ms;                     /* until then, when last listed a thousand */
    unsigned names, renames;             /* names listed, commits that rename */
    store_key_fn each;
    void *arg;
    pid_t other;
};

static struct handed *handed_of(struct store *s)
{
    return (struct handed *)s;
}

static int handed_begin(struct store *s, const struct store_look *look)
{
    return store_begin(handed_of(s)->inner, look);
}

static int handed_fetch(struct store *s, const struct store_fetch *fetches, size_t count,
                        void *context)
{
    return store_fetch(handed_of(s)->inner, fetches, count, context);
}

static int handed_commit(struct store *s, const struct commit *c)
{
    struct handed *h = handed_of(s);
    bool renames = false;

    for (size_t i = 0; i < c->count; i++)
        renames = renames || c->ops[i].verb == COMMIT_RENAME;
    h->renames += renames;
    if (renames && h->renames == 1 && h->at_rename)
        h->at_rename(h);
    return store_commit(h->inner, c);
}

static int64_t held_until(struct scene *s)
{
    const struct redis_reply *r = redis_do(s->redis, "HGET", "turnout:offset:0", "held");
    int64_t held_ms = 0;

    if (r->number >= 0)
        slice_to_int(r->text, &held_ms);
    return held_ms;
}

/* Most of a hold passes at every thousandth name; and if it is not renewed until the next, all of
 * it, so that a worker goes on. */
static void let_hold_pass(struct handed *h)
{
    int64_t end_ms = clock_mono_ms() + LIMIT_MS;
    bool renewed = held_until(h->scene) != h->held_ms;

    if (renewed)
        h->held_ms = held_until(h->scene);
    while (held_until(h->scene) == h->held_ms && clock_mono_ms() < end_ms &&
           (!renewed || h->held_ms > clock_wall_ms() + HOLD_MS / 3))
        pause_briefly();
}

static int handed_name(void *arg, struct slice key)
{
    struct handed *h = arg;

    if (h->slow && ++h->names % 1000 == 999)
        let_hold_pass(h);
    return h->each(h->arg, key);
}

static int handed_keys(struct store *s, store_key_fn each, void *arg)
{
    struct handed *h = handed_of(s);

    h->each = each;
    h->arg = arg;
    return store_keys(h->inner, handed_name, h);
}

static void handed_drop(struct store *s)
{
    store_drop(handed_of(s)->inner);
}

static const struct store_ops handed_ops = {.begin = handed_begin,
                                            .fetch = handed_fetch,
                                            .commit = handed_commit,
                                            .keys = handed_keys,
                                            .drop = handed_drop,
                                            .free = NULL};

static struct handed handed_new(struct scene *s, const char *prefix)
{
    return (struct handed){.base = {&handed_ops},
                           .scene = s,
                           .inner = store_at(stack_path(s->stack, "redis.sock"), prefix, REDIS_MS)};
}

/* ---- a rebuild ---- */
static struct reader *reader_open(const char *endpoint)
{
    int64_t end_ms = clock_mono_ms() + LIMIT_MS;
    struct wire_message m;
    struct slice payload;
    struct reader *r;

    assert_int_equal(reader_new(endpoint, "client", "test", &r), 0);
    while (!reader_session(r) && clock_mono_ms() < end_ms)
        reader_receive(r, -1, 5, &m, &payload);
    assert_true(reader_session(r));
    return r;
}

struct hands {
    struct handed live, staged, names;
};

static struct hands hands_new(struct scene *s)
{
    return (struct hands){.live = handed_new(s, STORE_PREFIX),
                          .staged = handed_new(s, STORE_PREFIX FAMILY_NEW),
                          .names = handed_new(s, STORE_PREFIX)};
}

static int rebuild_with(struct scene *s, struct hands *hands)
{
    struct rebuild_result result;
    char endpoint[256];
    int error;

    snprintf(endpoint, sizeof endpoint, "ipc://%s/read.sock", s->stack->dir);
    struct reader *reader = reader_open(endpoint);
    struct rebuild_options o = {.live = &hands->live.base,
                                .staged = &hands->staged.base,
                                .names = &hands->names.base,
                                .reader = reader,
                                .endpoint = endpoint,
                                .rules = RULES_DEFAULT,
                                .fresh = true};
    error = rebuild_run(&o, &result);
    reader_free(reader);
    store_free(hands->live.inner);
    store_free(hands->staged.inner);
    store_free(hands->names.inner);
    return error;
}

/* ---- another rebuild in between ---- */
/* Less is counted there than we have counted: nothing yet, or some of it anew. */
static bool is_wiped(struct scene *s)
{
    int64_t sum = 0, n;

    for (char key[] = "turnout:new:offset:0"; key[19] < '8'; key[19]++) {
        const struct redis_reply *r = redis_do(s->redis, "HGET", key, "offset");
        if (r->number >= 0 && slice_to_int(r->text, &n))
            sum += n;
    }
    return sum < EVENTS;
}

/* It waits until the holds are over by their time, and is stopped once it has wiped. */
static void another_wipes(struct handed *h)
{
    int64_t end_ms = clock_mono_ms() + LIMIT_MS;

    h->other =
        stack_spawn(h->scene->stack, (const char *const[]){"turnout", "rebuild", "--fresh", NULL});
    while (!is_wiped(h->scene) && clock_mono_ms() < end_ms)
        pause_briefly();
    kill(h->other, SIGSTOP);
    assert_true(clock_mono_ms() < end_ms);
}

/* The one that was in between goes on, and ends well. */
static void assert_other_ends_well(struct handed *h, struct dump *before)
{
    int status;

    assert_int_equal(h->renames, 1);
    assert_same_board(before, h->scene->stack);
    kill(h->other, SIGCONT);
    assert_int_equal(waitpid(h->other, &status, 0), h->other);
    assert_int_equal(status, 0);
    assert_same_board(before, h->scene->stack);
    assert_right(h->scene);
}

static void another_rebuild_that_wipes_makes_the_switch_fail(void **state)
{
    struct scene s = scene_new("wiped", EVENTS);
    struct dump *before = stack_dump(s.stack);
    struct hands hands = hands_new(&s);

    (void)state;
    hands.live.at_rename = another_wipes;
    assert_int_equal(rebuild_with(&s, &hands), ERR_CONFLICT);
    assert_other_ends_well(&hands.live, before);
    dump_free(before);
    scene_free(&s);
}

/* Between the look at what is to be derived, of which nothing is derived yet, and its taking. */
static void another_rebuild_that_wipes_makes_deriving_fail(void **state)
{
    struct scene s = scene_new("derived", EVENTS);
    struct dump *before = stack_dump(s.stack);
    struct hands hands = hands_new(&s);

    (void)state;
    hands.staged.at_rename = another_wipes;
    assert_int_equal(rebuild_with(&s, &hands), ERR_CONFLICT);
    assert_other_ends_well(&hands.staged, before);
    dump_free(before);
    scene_free(&s);
}

/* ---- a large board ---- */
static void the_hold_goes_on_however_long_listing_takes(void **state)
{
    struct scene s = scene_new("slow listing", 8000);
    struct hands hands = hands_new(&s);
    struct buffer more = {0};
    struct load load;

    (void)state;
    world_events(random_next(&s.random), 60000, &more);
    load = load_start(s.stack, buffer_slice(&more), 1000);
    load_await(&load, 1000);
    hands.names.slow = true;
    assert_int_equal(rebuild_with(&s, &hands), 0);
    assert_true(hands.names.names > 2000);
    assert_int_equal(hands.live.renames, 1);
    model_add_all(s.model, load_stop(&load));
    assert_right(&s);
    buffer_free(&more);
    scene_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_rebuild_that_wipes_makes_the_switch_fail),
        cmocka_unit_test(another_rebuild_that_wipes_makes_deriving_fail),
        cmocka_unit_test(the_hold_goes_on_however_long_listing_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
