/* turnout rebuild, killed and stopped at any moment, and several at once: there is always one whole
 * board, and what was built is gone on with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/clock.h"
#include "tests/scene.h"
#include "tests/world.h"
#include "workers/audit/whole.h"

#define LIMIT_MS 60000

static void pause_briefly(void)
{
    struct timespec t = {0, 1000000};

    nanosleep(&t, NULL);
}

/* ---- killed in the middle ---- */
/* 0: there is none. */
static int64_t offset_of(struct scene *s, const char *prefix, int partition)
{
    char key[64];
    int64_t n = 0;

    snprintf(key, sizeof key, "%s%d", prefix, partition);
    const struct redis_reply *r = redis_do(s->redis, "HGET", key, "offset");
    if (r->number >= 0)
        slice_to_int(r->text, &n);
    return n;
}

static int64_t staged_events(struct scene *s)
{
    int64_t sum = 0;

    for (int p = 0; p < 8; p++)
        sum += offset_of(s, "turnout:new:offset:", p);
    return sum;
}

#define MANY  150000 /* events: some commits of a rebuild */
#define TRIES 10

/* What it had sent to Redis when it was stopped is done there a moment later. */
static int64_t stop_halfway(struct scene *s, pid_t pid)
{
    int64_t end_ms = clock_mono_ms() + LIMIT_MS;

    while (staged_events(s) == 0 && clock_mono_ms() < end_ms)
        pause_briefly();
    kill(pid, SIGSTOP);
    for (int i = 0; i < 20; i++) {
        pause_briefly();
        staged_events(s);
    }
    return staged_events(s);
}

static void end_by_force(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* A rebuild from the beginning that has counted something, but not all, and stands still. */
static pid_t rebuild_halfway(struct scene *s)
{
    for (int i = 0; i < TRIES; i++) {
        for (char key[] = "turnout:new:offset:0"; key[19] < '8'; key[19]++)
            MEDDLE(s, "DEL", key); /* or what an earlier one has counted were taken for ours */
        pid_t pid =
            stack_spawn(s->stack, (const char *const[]){"turnout", "rebuild", "--fresh", NULL});
        int64_t staged = stop_halfway(s, pid);
        if (staged > 0 && staged < MANY)
            return pid;
        end_by_force(pid); /* we came too late */
    }
    fail_msg("a rebuild was never caught halfway");
    return 0;
}

static void a_rebuild_that_was_killed_is_gone_on_with(void **state)
{
    struct scene s = scene_new("killed", MANY);
    struct dump *before = stack_dump(s.stack);

    (void)state;
    end_by_force(rebuild_halfway(&s));
    int64_t staged = staged_events(&s);
    assert_in_range(staged, 1, MANY);
    assert_same_board(before, s.stack);
    struct rebuilt said = rebuild_well(s.stack, NULL);
    assert_int_equal(said.found, staged);
    assert_int_equal(said.events, MANY);
    assert_same_board(before, s.stack);
    assert_right(&s);
    dump_free(before);
    scene_free(&s);
}

static void what_another_version_has_built_is_not_gone_on_with(void **state)
{
    struct scene s = scene_new("versions", MANY);
    struct dump *before = stack_dump(s.stack);

    (void)state;
    end_by_force(rebuild_halfway(&s));
    MEDDLE(&s, "HSET", "turnout:new:meta", "version", "0.0.1");
    MEDDLE(&s, "HINCRBY", "turnout:new:member:KE:2026", "technical.votes", "100");
    assert_int_equal(rebuild_well(s.stack, NULL).found, 0);
    assert_same_board(before, s.stack);
    end_by_force(rebuild_halfway(&s));
    MEDDLE(&s, "HINCRBY", "turnout:new:member:KE:2026", "technical.votes", "100");
    assert_int_equal(rebuild_well(s.stack, "--fresh").found, 0);
    assert_same_board(before, s.stack);
    assert_right(&s);
    dump_free(before);
    scene_free(&s);
}

static void what_was_written_by_half_is_not_gone_on_with(void **state)
{
    struct scene s = scene_new("by half", MANY);
    struct dump *before = stack_dump(s.stack);
    char half[32];

    (void)state;
    snprintf(half, sizeof half, "%llu", (unsigned long long)WHOLE_HALF);
    end_by_force(rebuild_halfway(&s));
    MEDDLE(&s, "HSET", "turnout:new:offset:5", "offset", half);
    MEDDLE(&s, "HINCRBY", "turnout:new:member:KE:2026", "technical.votes", "100");
    assert_int_equal(rebuild_well(s.stack, NULL).found, 0);
    assert_same_board(before, s.stack);
    assert_right(&s);
    dump_free(before);
    scene_free(&s);
}

/* What is left may be of a journal that is not there any more. */
static void who_is_told_to_force_does_not_go_on(void **state)
{
    struct scene s = scene_new("forced", MANY);
    struct dump *before = stack_dump(s.stack);

    (void)state;
    end_by_force(rebuild_halfway(&s));
    MEDDLE(&s, "HINCRBY", "turnout:new:member:KE:2026", "technical.votes", "100");
    assert_int_equal(rebuild_well(s.stack, "--force").found, 0);
    assert_same_board(before, s.stack);
    assert_right(&s);
    dump_free(before);
    scene_free(&s);
}

static void copy_journal(struct scene *s, const char *from, const char *to)
{
    struct run r;

    kill(stack_pid(s->stack, "broker"), SIGKILL);
    r = RUN(s->stack, "/bin/rm", "-rf", stack_path(s->stack, to));
    assert_int_equal(r.status, 0);
    run_free(&r);
    r = RUN(s->stack, "/bin/cp", "-r", stack_path(s->stack, from), stack_path(s->stack, to));
    assert_int_equal(r.status, 0);
    run_free(&r);
    stack_start(s->stack);
}

static void end_workers(struct scene *s)
{
    kill(stack_pid(s->stack, "worker-1"), SIGKILL);
    kill(stack_pid(s->stack, "worker-2"), SIGKILL);
    unlink(stack_path(s->stack, "pids/worker-1")); /* they are not missed at the next start */
    unlink(stack_path(s->stack, "pids/worker-2"));
    s->stack->workers = 0;
}

/* An older copy of the journal is put in place, and grows beyond where the lost one was. */
static void what_was_built_from_a_lost_journal_is_not_gone_on_with(void **state)
{
    struct scene s = scene_new("lost journal", 10000);
    struct buffer lost = {0};

    (void)state;
    end_workers(&s); /* the live keys stay within the copy */
    copy_journal(&s, "journal", "copy");
    world_events(random_next(&s.random), MANY, &lost);
    stack_publish_events(s.stack, buffer_slice(&lost));
    end_by_force(rebuild_halfway(&s));
    assert_in_range(staged_events(&s), 1, MANY); /* partitions whole, with what is lost */
    copy_journal(&s, "copy", "journal");
    scene_publish(&s, MANY + 50000);
    s.stack->workers = 2;
    stack_start(s.stack);
    stack_sync(s.stack);
    assert_int_equal(rebuild_well(s.stack, NULL).found, 0);
    assert_right(&s);
    buffer_free(&lost);
    scene_free(&s);
}

/* At any moment; the board is always the one it was. */
static void killed_at_any_moment_it_leaves_a_whole_board(void **state)
{
    struct scene s = scene_new("killed anywhere", 20000);
    struct dump *before = stack_dump(s.stack);

    (void)state;
    for (int i = 0; i < 25; i++) {
        int status;
        pid_t pid = stack_spawn(s.stack, (const char *const[]){"turnout", "rebuild", NULL});
        for (uint64_t pause = random_below(&s.random, 250); pause; pause--)
            pause_briefly();
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_same_board(before, s.stack);
    }
    rebuild_well(s.stack, NULL);
    assert_same_board(before, s.stack);
    assert_right(&s);
    dump_free(before);
    scene_free(&s);
}

/* Stopped while it holds the live partitions, for longer than a hold lasts. */
static void a_rebuild_that_is_overtaken_tries_again(void **state)
{
    struct scene s = scene_new("overtaken", 20000);
    int status;

    (void)state;
    for (int i = 0; i < 2; i++) {
        pid_t pid = stack_spawn(s.stack, (const char *const[]){"turnout", "rebuild", NULL});
        int64_t end_ms = clock_mono_ms() + LIMIT_MS;
        while (redis_do(s.redis, "HEXISTS", "turnout:offset:0", "held")->number == 0 &&
               clock_mono_ms() < end_ms)
            pause_briefly();
        kill(pid, SIGSTOP);
        int64_t before = offset_of(&s, "turnout:offset:", 0);
        scene_publish(&s, 3000);
        while (offset_of(&s, "turnout:offset:", 0) == before && clock_mono_ms() < end_ms)
            pause_briefly(); /* until workers go on */
        assert_true(offset_of(&s, "turnout:offset:", 0) > before);
        kill(pid, SIGCONT);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_right(&s);
    }
    scene_free(&s);
}

/* ---- two at once ---- */
static void of_two_rebuilds_the_later_one_goes_on(void **state)
{
    struct scene s = scene_new("two", MANY);
    struct dump *before = stack_dump(s.stack);
    int status;

    (void)state;
    for (int i = 0; i < 2; i++) {
        pid_t first = rebuild_halfway(&s);
        struct rebuilt said = rebuild_well(s.stack, i ? "--fresh" : NULL);
        assert_int_equal(said.events, MANY);
        assert_same_board(before, s.stack);
        kill(first, SIGCONT);
        assert_int_equal(waitpid(first, &status, 0), first);
        assert_int_equal(WEXITSTATUS(status), 75);
        assert_same_board(before, s.stack);
        assert_right(&s);
    }
    dump_free(before);
    scene_free(&s);
}

/* True when it was done, false when another one has taken over; there is no third way to end. */
static bool ended_well(struct scene *s, pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 75)) {
        struct run r = RUN(s->stack, "/bin/cat", stack_path(s->stack, "spawned.log"));
        print_error("%s", r.out.at);
        run_free(&r);
        fail_msg("a rebuild ended with status 0x%x", (unsigned)status);
    }
    return status == 0;
}

static void many_rebuilds_at_once_spoil_nothing(void **state)
{
    struct scene s = scene_new("many at once", 20000);
    struct dump *before = stack_dump(s.stack);
    pid_t pids[4];
    int good = 0;

    (void)state;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 4; i++) {
            pids[i] = stack_spawn(s.stack, (const char *const[]){"turnout", "rebuild", NULL});
            for (uint64_t pause = random_below(&s.random, 60); pause; pause--)
                pause_briefly();
        }
        for (int i = 0; i < 4; i++)
            good += ended_well(&s, pids[i]);
        assert_same_board(before, s.stack);
    }
    assert_true(good > 0);
    rebuild_well(s.stack, NULL);
    assert_same_board(before, s.stack);
    assert_right(&s);
    dump_free(before);
    scene_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rebuild_that_was_killed_is_gone_on_with),
        cmocka_unit_test(what_another_version_has_built_is_not_gone_on_with),
        cmocka_unit_test(what_was_written_by_half_is_not_gone_on_with),
        cmocka_unit_test(who_is_told_to_force_does_not_go_on),
        cmocka_unit_test(what_was_built_from_a_lost_journal_is_not_gone_on_with),
        cmocka_unit_test(killed_at_any_moment_it_leaves_a_whole_board),
        cmocka_unit_test(a_rebuild_that_is_overtaken_tries_again),
        cmocka_unit_test(of_two_rebuilds_the_later_one_goes_on),
        cmocka_unit_test(many_rebuilds_at_once_spoil_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
