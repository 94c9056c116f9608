/* turnout sync: what it waits for, and what it says when that does not come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/scene.h"

static void assert_sync(struct stack *s, const char *option, int status, const char *sentence)
{
    /* What is to come may take its time on a busy machine. */
    struct run r = RUN(s, "turnout", "sync", "--timeout", status ? "1" : "60", option);

    assert_int_equal(r.status, status);
    if (!strstr(r.err.at, sentence))
        fail_msg("expected %s, found %s", sentence, r.err.at);
    run_free(&r);
}

static void signal_workers(struct scene *s, int number)
{
    kill(stack_pid(s->stack, "worker-1"), number);
    kill(stack_pid(s->stack, "worker-2"), number);
}

static void it_waits_for_counters_and_for_what_follows_from_them(void **state)
{
    struct scene s = scene_new("synced", 3000);

    (void)state;
    for (int i = 0; i < 3; i++) {
        scene_publish(&s, 500);
        assert_sync(s.stack, NULL, 0, "");
        assert_int_equal(redis_do(s.redis, "EXISTS", "turnout:dirty", "turnout:deriving")->number,
                         0);
        assert_right(&s);
    }
    scene_free(&s);
}

static void events_that_nobody_applies_are_told(void **state)
{
    struct scene s = scene_new("stopped", 500);

    (void)state;
    signal_workers(&s, SIGSTOP);
    scene_publish(&s, 100);
    assert_sync(s.stack, NULL, 75, "not in Redis: 100 events");
    assert_sync(s.stack, "--counters", 75, "not in Redis: 100 events");
    signal_workers(&s, SIGCONT);
    assert_sync(s.stack, NULL, 0, "");
    scene_free(&s);
}

static void what_nobody_derives_is_told_to_who_waits_for_it(void **state)
{
    struct scene s = scene_new("underived", 500);

    (void)state;
    signal_workers(&s, SIGSTOP);
    MEDDLE(&s, "SADD", "turnout:dirty", "members");
    assert_sync(s.stack, NULL, 75, "nobody derives groups");
    assert_sync(s.stack, "--counters", 0, "");
    signal_workers(&s, SIGCONT);
    assert_sync(s.stack, NULL, 0, "");
    scene_free(&s);
}

static void assert_status(struct stack *s, const char *words, bool told)
{
    struct run r = RUN(s, "turnout", "status", NULL, NULL);

    assert_int_equal(strstr(r.out.at, words) != NULL, told);
    run_free(&r);
}

/* Rounds of deriving begin all the time, and none ends. */
static pid_t move_in_vain(struct stack *s)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct redis *redis = redis_open(stack_path(s, "redis.sock"));
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            redis_do(redis, "HINCRBY", "turnout:derived", "offset", "1");
            usleep(100000);
        }
    }
    return pid;
}

static void what_cannot_be_derived_is_told_and_not_waited_for(void **state)
{
    struct scene s = scene_new("faulty", 2000);
    pid_t mover;

    (void)state;
    scene_publish(&s, 500);
    assert_sync(s.stack, NULL, 0, "");
    redis_do(s.redis, "HSET", "turnout:profiles:KE", "2000-01-01", "nonsense");
    redis_do(s.redis, "SADD", "turnout:dirty", "members");
    while (redis_do(s.redis, "HEXISTS", "turnout:derived", "fault")->number == 0)
        usleep(10000);
    assert_status(s.stack, "STAND STILL", true);
    mover = move_in_vain(s.stack);
    assert_sync(s.stack, NULL, 75, "a key there holds what turnout did not write");
    kill(mover, SIGKILL);
    assert_int_equal(waitpid(mover, NULL, 0), mover);
    redis_do(s.redis, "HDEL", "turnout:profiles:KE", "2000-01-01");
    assert_sync(s.stack, NULL, 0, "");
    assert_status(s.stack, "STAND STILL", false);
    assert_int_equal(redis_do(s.redis, "HEXISTS", "turnout:derived", "fault")->number, 0);
    scene_free(&s);
}

static void a_key_of_another_type_is_told_like_any_that_turnout_did_not_write(void **state)
{
    struct scene s = scene_new("another type", 500);

    (void)state;
    signal_workers(&s, SIGSTOP);
    MEDDLE(&s, "SET", "turnout:dirty", "x");
    assert_sync(s.stack, NULL, 75, "a key there holds what turnout did not write");
    redis_do(s.redis, "DEL", "turnout:dirty");
    signal_workers(&s, SIGCONT);
    assert_sync(s.stack, NULL, 0, "");
    scene_free(&s);
}

static void who_does_not_answer_is_told(void **state)
{
    struct scene s = scene_new("not there", 500);

    (void)state;
    signal_workers(&s, SIGSTOP);
    kill(stack_pid(s.stack, "redis"), SIGKILL);
    assert_sync(s.stack, NULL, 69, "Redis at ");
    kill(stack_pid(s.stack, "broker"), SIGKILL);
    assert_sync(s.stack, NULL, 69, "the broker at ipc://");
    scene_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_waits_for_counters_and_for_what_follows_from_them),
        cmocka_unit_test(events_that_nobody_applies_are_told),
        cmocka_unit_test(what_nobody_derives_is_told_to_who_waits_for_it),
        cmocka_unit_test(what_cannot_be_derived_is_told_and_not_waited_for),
        cmocka_unit_test(a_key_of_another_type_is_told_like_any_that_turnout_did_not_write),
        cmocka_unit_test(who_does_not_answer_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
