/* A worker that lives but cannot use its Redis does not keep its partitions from the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/clock.h"
#include "tests/model.h"
#include "tests/random.h"
#include "tests/redis_server.h"
#include "tests/stack.h"
#include "tests/world.h"

#define LIMIT_MS 60000

/* False as well when there is no answer just now. */
static bool is_known(struct stack *s, const char *worker, bool known)
{
    struct run r =
        stack_run(s, slice_of(""), (const char *const[]){"turnout", "status", "--json", NULL});
    bool so = r.status == 0 && (strstr(r.out.at, worker) != NULL) == known;

    assert_true(r.status == 0 || r.status == 69);
    run_free(&r);
    return so;
}

static void await_known(struct stack *s, const char *worker, bool known)
{
    int64_t until = clock_mono_ms() + LIMIT_MS;

    while (!is_known(s, worker, known)) {
        assert_true(clock_mono_ms() < until);
        usleep(50000);
    }
}

static void assert_all_is_counted(struct stack *s, struct slice events)
{
    struct model *model = model_new();
    struct dump *found;

    model_add_all(model, events);
    stack_sync(s);
    found = stack_dump(s);
    assert_int_equal(model_compare(model, found, stdout), 0);
    dump_free(found);
    model_free(model);
}

/* The stray worker has a Redis of its own, so that it alone can lose it. */
static void a_worker_without_its_redis_leaves_and_comes_back(void **state)
{
    struct stack *s = stack_new(1);
    struct redis_server *other = redis_server_new(NULL, NULL);
    struct buffer events = {0};
    pid_t stray;
    int status;

    (void)state;
    world_events(random_seed("leave"), 2000, &events);
    stack_start(s);
    redis_server_start(other);
    stray = stack_spawn(s, (const char *const[]){"turnout-worker", "--name", "stray", "--redis",
                                                 other->socket, NULL});
    await_known(s, "stray", true);
    redis_server_kill(other);
    stack_publish_events(s, buffer_slice(&events));
    await_known(s, "stray", false);
    assert_all_is_counted(s, buffer_slice(&events));
    redis_server_start(other);
    await_known(s, "stray", true);
    kill(stray, SIGTERM);
    assert_int_equal(waitpid(stray, &status, 0), stray);
    assert_int_equal(status, 0);
    redis_server_free(other);
    stack_free(s);
    buffer_free(&events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_without_its_redis_leaves_and_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
