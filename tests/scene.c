/* A scene; see scene.h. */
#include "tests/scene.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/world.h"

struct scene scene_new(const char *name, size_t events)
{
    struct scene s = {
        .stack = stack_new(2), .model = model_new(), .random = random_new(random_seed(name))};

    stack_start(s.stack);
    scene_publish(&s, events);
    stack_sync(s.stack);
    s.redis = redis_open(stack_path(s.stack, "redis.sock"));
    assert_non_null(s.redis);
    return s;
}

void scene_free(struct scene *s)
{
    redis_close(s->redis);
    stack_free(s->stack);
    model_free(s->model);
}

void scene_publish(struct scene *s, size_t events)
{
    struct buffer world = {0};

    world_events(random_next(&s->random), events, &world);
    stack_publish_events(s->stack, buffer_slice(&world));
    model_add_all(s->model, buffer_slice(&world));
    buffer_free(&world);
}

static bool begins(struct slice text, const char *prefix)
{
    return text.size >= strlen(prefix) && memcmp(text.at, prefix, strlen(prefix)) == 0;
}

enum dump_care board_care(struct slice key, struct slice field)
{
    if (begins(key, "turnout:new:") || begins(key, "turnout:offset:") ||
        slice_is(key, "turnout:dirty") || slice_is(key, "turnout:deriving"))
        return DUMP_IGNORE;
    if (slice_is(key, "turnout:periods") || slice_is(key, "turnout:groups"))
        return DUMP_IGNORE;
    return stack_care(key, field);
}

void assert_same_board(const struct dump *expected, struct stack *s)
{
    struct dump *now = stack_dump(s);
    size_t compared;

    assert_int_equal(dump_compare(expected, now, board_care, stdout, &compared), 0);
    assert_true(compared > 100);
    dump_free(now);
}

void assert_right(struct scene *s)
{
    struct dump *d;
    struct run r;

    stack_sync(s->stack);
    d = stack_dump(s->stack);
    assert_int_equal(model_compare(s->model, d, stdout), 0);
    assert_int_equal(model_compare_derived(s->model, d, stdout), 0);
    dump_free(d);
    r = RUN(s->stack, "turnout", "verify");
    if (r.status != 0)
        fail_msg("verify ended with %d: %s%s", r.status, r.out.at, r.err.at);
    run_free(&r);
    assert_int_equal(redis_do(s->redis, "KEYS", "turnout:new:*")->number, 0);
}

struct rebuilt rebuild(struct stack *s, const char *option)
{
    struct run r = RUN(s, "turnout", "rebuild", "--json", option);
    struct rebuilt said = {.status = r.status, .err = r.err};
    json_t *j = json_loads(r.out.at, 0, NULL);

    said.keys = json_integer_value(json_object_get(j, "keys"));
    said.events = json_integer_value(json_object_get(j, "events"));
    said.found = json_integer_value(json_object_get(j, "found"));
    json_decref(j);
    buffer_free(&r.out);
    return said;
}

struct rebuilt rebuild_well(struct stack *s, const char *option)
{
    struct rebuilt said = rebuild(s, option);

    if (said.status != 0)
        fail_msg("rebuild ended with %d: %s", said.status, said.err.at);
    buffer_free(&said.err);
    return said;
}
