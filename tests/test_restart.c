/* Nothing is lost and nothing counts twice, whatever is killed, stopped, flushed or rolled back.
 *
 * A publisher runs as a process of its own, while this one does the damage and starts again what
 * has gone; then `turnout sync`, and Redis must agree with the model.  In the end every event that
 * was acknowledged is looked for in the journal, over the wire.
 *
 * TURNOUT_TEST_LONG=1 makes each of it longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/turnout.h"
#include "tests/compose.h"
#include "tests/fixtures.h"
#include "tests/journal_wire.h"
#include "tests/model.h"
#include "tests/redis_dump.h"
#include "tests/season.h"
#include "tests/stack.h"
#include "tests/world.h"

static bool is_long(void)
{
    return getenv("TURNOUT_TEST_LONG") != NULL;
}

/* ---- a publisher in a process of its own ---- */
static void refused_event(void *arg, uint64_t seq, const struct turnout_refusal *why)
{
    (void)arg;
    fprintf(stderr, "event %" PRIu64 " refused: %s %s\n", seq, why->code, why->reason);
    _exit(1);
}

/* What the publisher tells the test: percent of its events that are acknowledged. */
struct progress {
    _Atomic int percent;
};

/* Takes what comes back, until it is time for the event. */
static void publisher_pace(struct turnout_producer *p, struct progress *progress, int64_t due_ms,
                           size_t count)
{
    int64_t left;

    do {
        left = due_ms - clock_mono_ms();
        turnout_poll(p, left > 0 ? (int)left : 0);
        progress->percent = (int)(turnout_counts(p).accepted * 100 / count);
    } while (left > 0);
}

/* Publishes over `for_ms`, whatever becomes of the broker meanwhile, and ends with 0 once all of
 * it is acknowledged. */
static void publisher_main(const char *endpoint, struct slice events, int64_t for_ms,
                           struct progress *progress)
{
    struct turnout_options options = {.endpoint = endpoint, .refused = refused_event};
    struct turnout_producer *p;
    struct slice *list;
    size_t count = world_split(events, &list);
    int64_t start_ms = clock_mono_ms();

    if (turnout_producer_new(&options, &p) < 0)
        _exit(2);
    for (size_t i = 0; i < count; i++) {
        if (turnout_send(p, list[i].at, list[i].size, NULL) < 0)
            _exit(3);
        if (i % 100 == 0)
            publisher_pace(p, progress, start_ms + for_ms * (int64_t)i / (int64_t)count, count);
    }
    if (turnout_flush(p, 120000) < 0)
        _exit(4);
    progress->percent = 100;
    _exit(0);
}

/* ---- a scene: a stack, a random world, and who publishes it ---- */
struct scene {
    struct stack *stack;
    struct model *model;
    struct buffer events; /* as published */
    struct random random;
    struct progress *progress; /* shared with the publisher */
    pid_t publisher;
};

#define PROGRESS_LIMIT_MS 60000

/* Takes over the events. */
static struct scene scene_of(uint64_t seed, struct buffer events, int64_t for_ms)
{
    struct scene s = {
        .stack = stack_new(2), .model = model_new(), .events = events, .random = random_new(seed)};
    char endpoint[256];

    model_add_all(s.model, buffer_slice(&events));
    s.progress =
        mmap(NULL, sizeof *s.progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(s.progress, MAP_FAILED);
    stack_start(s.stack);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/publish.sock", s.stack->dir);
    s.publisher = fork();
    if (s.publisher == 0)
        publisher_main(endpoint, buffer_slice(&s.events), for_ms, s.progress);
    return s;
}

static struct scene scene_new(const char *name, size_t count, int64_t for_ms)
{
    uint64_t seed = random_seed(name);
    struct buffer world = {0}, events = {0};

    world_events(seed, count, &world);
    world_shuffle(seed, buffer_slice(&world), 5, &events);
    buffer_free(&world);
    return scene_of(seed, events, for_ms);
}

/* Waits until so much is acknowledged. */
static void scene_await(struct scene *s, int percent)
{
    int64_t until = clock_mono_ms() + PROGRESS_LIMIT_MS;

    while (s->progress->percent < percent) {
        assert_true(clock_mono_ms() < until);
        usleep(1000);
    }
}

static void scene_await_publisher(struct scene *s)
{
    int status;

    assert_int_equal(waitpid(s->publisher, &status, 0), s->publisher);
    assert_int_equal(status, 0);
}

static void scene_compare(struct scene *s)
{
    struct dump *found;

    stack_start(s->stack);
    stack_sync(s->stack);
    found = stack_dump(s->stack);
    assert_int_equal(model_compare(s->model, found, stdout), 0);
    assert_int_equal(model_compare_derived(s->model, found, stdout), 0);
    dump_free(found);
}

static void scene_free(struct scene *s)
{
    stack_free(s->stack);
    model_free(s->model);
    buffer_free(&s->events);
    munmap(s->progress, sizeof *s->progress);
}

static void scene_kill(struct scene *s, const char *name, int signal)
{
    pid_t pid = stack_pid(s->stack, name);

    if (pid > 0)
        kill(pid, signal);
    /* one that is still dying would be taken for one that runs */
    while (pid > 0 && signal == SIGKILL && stack_pid(s->stack, name) == pid)
        ;
}

/* Every event that was published, and so acknowledged, is in the journal byte for byte. */
static void scene_assert_journal(struct scene *s)
{
    struct buffer journal = {0};
    char endpoint[256];

    snprintf(endpoint, sizeof endpoint, "ipc://%s/read.sock", s->stack->dir);
    journal_wire_read(endpoint, &journal);
    assert_int_equal(events_missing(buffer_slice(&s->events), buffer_slice(&journal)), 0);
    buffer_free(&journal);
}

/* ---- the tests ---- */
static void killing_any_of_them_every_second_changes_no_number(void **state)
{
    static const char *const victims[] = {"broker", "redis", "worker-1", "worker-2"};
    unsigned kills = is_long() ? 60 : 8;
    struct scene s = scene_new("kill", kills * 5000, kills * 1000);

    (void)state;
    for (unsigned i = 0; i < kills; i++) {
        scene_await(&s, (int)(i * 100 / kills + random_below(&s.random, 80 / kills + 1)));
        scene_kill(&s, victims[i < 4 ? i : random_below(&s.random, 4)], SIGKILL);
        stack_start(s.stack);
    }
    scene_await_publisher(&s);
    scene_compare(&s);
    scene_assert_journal(&s);
    scene_free(&s);
}

static void redis_flush(struct stack *s)
{
    struct redis *r = redis_open(stack_path(s, "redis.sock"));

    assert_non_null(r);
    assert_int_equal(redis_do(r, "FLUSHALL")->kind, '+');
    redis_close(r);
}

static void a_redis_that_is_flushed_half_way_is_filled_again(void **state)
{
    struct scene s = scene_new("flush", 20000, 2000);

    (void)state;
    scene_await(&s, 50);
    redis_flush(s.stack);
    scene_await_publisher(&s);
    scene_compare(&s);
    redis_flush(s.stack);
    scene_compare(&s);
    scene_free(&s);
}

static void run_program(struct scene *s, const char *const *words)
{
    struct run r = stack_run(s->stack, slice_of(""), words);

    assert_int_equal(r.status, 0);
    run_free(&r);
}

/* Redis comes back with an older copy of its files, as after a restore or a failover. */
static void a_redis_that_is_rolled_back_goes_on_from_where_it_stands(void **state)
{
    struct scene s = scene_new("rollback", 30000, 3000);
    char live[256], copy[256];

    (void)state;
    snprintf(live, sizeof live, "%s/redis", s.stack->dir);
    snprintf(copy, sizeof copy, "%s/redis-copy", s.stack->dir);
    scene_await(&s, 40);
    run_program(&s, (const char *const[]){"/bin/cp", "-r", live, copy, NULL});
    scene_await(&s, 70);
    scene_kill(&s, "redis", SIGKILL);
    run_program(&s, (const char *const[]){"/bin/rm", "-r", live, NULL});
    run_program(&s, (const char *const[]){"/bin/mv", copy, live, NULL});
    scene_await_publisher(&s);
    scene_compare(&s);
    scene_free(&s);
}

static bool broker_knows(struct scene *s, const char *worker, unsigned tries)
{
    struct run r = stack_run(s->stack, slice_of(""),
                             (const char *const[]){"turnout", "status", "--json", NULL});
    bool known = strstr(r.out.at, worker) != NULL;

    assert_true(r.status == 0 || (r.status == 69 && tries > 0)); /* it is busy for a moment */
    run_free(&r);
    return r.status == 0 ? known : broker_knows(s, worker, tries - 1);
}

/* Its partitions are given to the other one; when it wakes, it still holds batches of them. */
static void a_worker_that_was_frozen_does_no_harm_when_it_wakes(void **state)
{
    struct scene s = scene_new("zombie", 50000, 8000);

    (void)state;
    for (int round = 0; round < 2; round++) {
        scene_await(&s, 10 + 40 * round);
        scene_kill(&s, "worker-1", SIGSTOP);
        while (broker_knows(&s, "worker-1", 10))
            usleep(50000);
        scene_kill(&s, "worker-1", SIGCONT);
    }
    scene_await_publisher(&s);
    scene_compare(&s);
    scene_free(&s);
}

/* The broker is stopped in the middle of what it does, then all is gone at once. */
static void a_power_failure_of_everything_loses_no_acknowledged_event(void **state)
{
    struct scene s = scene_new("power", 30000, 3000);

    (void)state;
    for (int round = 1; round <= 3; round++) {
        scene_await(&s, 25 * round);
        scene_kill(&s, "broker", SIGSTOP);
        scene_kill(&s, "redis", SIGKILL);
        scene_kill(&s, "worker-1", SIGKILL);
        scene_kill(&s, "worker-2", SIGKILL);
        scene_kill(&s, "broker", SIGKILL);
        stack_start(s.stack);
    }
    scene_await_publisher(&s);
    scene_compare(&s);
    scene_assert_journal(&s);
    scene_free(&s);
}

/* Every third member of the registry is now of the other kind, and some are from a later day on. */
static void another_group_list(struct slice registry, struct buffer *out)
{
    struct event_decoder *decoder = event_decoder_new();
    struct refusal why;
    struct event e;

    for (unsigned i = 0; registry.size;) {
        char text[256];
        assert_int_equal(event_next(decoder, &registry, EVENT_ANY_TIME, &e, &why), 0);
        if (e.type != EVENT_MEMBER || i++ % 3)
            continue;
        snprintf(text, sizeof text,
                 "{'type':'member','id':'list-%u','time':'2026-06-01T00:00:00Z','member':'%.*s',"
                 "'from':'%s','developing':%s,'groups':['ldc','new-one']}",
                 i, (int)e.member.size, e.member.at, i % 2 ? "0001-01-01" : "2026-05-01",
                 e.developing ? "false" : "true");
        compose_text(text, out);
        event_decoder_reset(decoder);
    }
    event_decoder_free(decoder);
}

/* The real seats with part of a year over them, and in the middle another list of groups. */
static struct scene scene_registry(const char *name, int64_t for_ms)
{
    uint64_t seed = random_seed(name);
    struct buffer registry = {0}, all = {0}, events = {0}, half = {0};
    struct slice *each;
    size_t count;

    fixture_events("registry.jsonl.gz", &registry);
    buffer_add_slice(&all, buffer_slice(&registry));
    season_events(seed, 2026, 10, buffer_slice(&registry), &all);
    world_shuffle(seed, buffer_slice(&all), 5, &half);
    count = world_split(buffer_slice(&half), &each);
    for (size_t i = 0; i < count; i++) {
        if (i == count / 2)
            another_group_list(buffer_slice(&registry), &events);
        buffer_add_slice(&events, each[i]);
    }
    free(each);
    buffer_free(&registry);
    buffer_free(&all);
    buffer_free(&half);
    return scene_of(seed, events, for_ms);
}

static void groups_of_a_registry_survive_kills_and_another_group_list(void **state)
{
    static const char *const victims[] = {"worker-1", "worker-2", "redis", "broker"};
    struct scene s = scene_registry("registry", 6000);

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        scene_await(&s, (int)(i * 12 + random_below(&s.random, 10)));
        scene_kill(&s, victims[i % 4], SIGKILL);
        stack_start(s.stack);
    }
    scene_await_publisher(&s);
    scene_compare(&s);
    scene_free(&s);
}

static void a_stack_that_is_stopped_and_started_goes_on(void **state)
{
    struct scene s = scene_new("stop", 10000, 1000);

    (void)state;
    scene_await(&s, 50);
    run_program(&s, (const char *const[]){"scripts/stack", "stop", "--dir", s.stack->dir, NULL});
    assert_int_equal(stack_pid(s.stack, "broker"), 0);
    assert_int_equal(stack_pid(s.stack, "redis"), 0);
    stack_start(s.stack);
    scene_await_publisher(&s);
    scene_compare(&s);
    scene_free(&s);
}

static struct run run_script(struct scene *s, const char *verb)
{
    return stack_run(s->stack, slice_of(""),
                     (const char *const[]){"scripts/stack", verb, "--dir", s->stack->dir, NULL});
}

/* Redis stands for more than the journal of before holds. */
static void a_stack_with_an_older_journal_starts_and_says_what_to_do(void **state)
{
    struct scene s = {.stack = stack_new(2)};
    struct buffer events = {0};
    char backup[200];
    struct run r;

    (void)state;
    stack_start(s.stack);
    snprintf(backup, sizeof backup, "%s/backup", s.stack->dir);
    run_program(&s, (const char *const[]){"turnout", "backup", backup, NULL});
    world_events(random_seed("restored"), 1000, &events);
    stack_publish_events(s.stack, buffer_slice(&events));
    buffer_free(&events);
    stack_sync(s.stack);
    run_program(&s, (const char *const[]){"scripts/stack", "stop", "--dir", s.stack->dir, NULL});
    run_program(&s, (const char *const[]){"/bin/cp", backup,
                                          stack_path(s.stack, "journal/data.mdb"), NULL});
    r = run_script(&s, "start");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.err.at, "turnout rebuild --force"));
    run_free(&r);
    assert_int_not_equal(stack_pid(s.stack, "worker-2"), 0);
    run_program(&s, (const char *const[]){"turnout", "rebuild", "--force", NULL});
    run_program(&s, (const char *const[]){"turnout", "sync", NULL});
    run_program(&s, (const char *const[]){"turnout", "verify", NULL});
    stack_free(s.stack);
}

static void a_stack_without_its_workers_does_not_run(void **state)
{
    struct scene s = scene_new("workers", 10, 0);
    struct run r;

    (void)state;
    scene_await_publisher(&s);
    for (int i = 1; i <= 2; i++) {
        const char *name = i == 1 ? "worker-1" : "worker-2";
        kill(stack_pid(s.stack, name), SIGKILL);
        assert_int_equal(unlink(stack_path(s.stack, i == 1 ? "pids/worker-1" : "pids/worker-2")),
                         0);
    }
    r = run_script(&s, "status");
    assert_int_equal(r.status, 1);
    assert_non_null(strstr(r.err.at, "not all runs"));
    run_free(&r);
    scene_free(&s);
}

static void a_stack_is_started_again_as_it_was_started(void **state)
{
    const char *const ended[] = {"worker-1", "worker-3", "broker", "web"};
    struct stack *s = stack_new(3);
    struct slice none = slice_of("");
    struct run r;

    (void)state;
    s->option = "--web=127.0.0.1:0";
    stack_start(s);
    for (int i = 0; i < 4; i++)
        kill(stack_pid(s, ended[i]), SIGKILL);
    r = stack_run(s, none, (const char *const[]){"scripts/stack", "start", NULL});
    assert_int_equal(r.status, 0);
    run_free(&r);
    r = stack_run(s, none, (const char *const[]){"scripts/stack", "status", NULL});
    assert_int_equal(r.status, 0);
    run_free(&r);
    for (int i = 0; i < 4; i++)
        assert_int_not_equal(stack_pid(s, ended[i]), 0);
    stack_free(s);
}

static void a_stack_with_fewer_workers_ends_the_others(void **state)
{
    struct stack *s = stack_new(3);

    (void)state;
    stack_start(s);
    s->workers = 1;
    stack_start(s);
    assert_int_not_equal(stack_pid(s, "worker-1"), 0);
    assert_int_equal(stack_pid(s, "worker-2"), 0);
    assert_int_equal(stack_pid(s, "worker-3"), 0);
    stack_free(s);
}

static void a_broker_is_started_again_with_its_options(void **state)
{
    struct stack *s = stack_new(1);
    struct run r;

    (void)state;
    setenv("TURNOUT_BROKER_OPTIONS", "--journal-size 96M", 1);
    stack_start(s);
    unsetenv("TURNOUT_BROKER_OPTIONS");
    kill(stack_pid(s, "broker"), SIGKILL);
    stack_start(s);
    r = stack_run(s, slice_of(""), (const char *const[]){"turnout", "status", "--json", NULL});
    assert_non_null(strstr(r.out.at, "\"limit_bytes\":100663296"));
    run_free(&r);
    setenv("TURNOUT_BROKER_OPTIONS", "--journal-size 128M", 1);
    r = stack_run(s, slice_of(""), (const char *const[]){"scripts/stack", "start", NULL});
    unsetenv("TURNOUT_BROKER_OPTIONS");
    assert_int_equal(r.status, 69);
    assert_non_null(strstr(r.err.at, "the broker runs with other options"));
    run_free(&r);
    stack_free(s);
}

/* Another process stands in for `name`, which was killed, and ends a moment after we return. */
static pid_t ending_as(struct stack *s, const char *name)
{
    pid_t killed = stack_pid(s, name), pid;
    char command[256], byte;
    int begin[2];

    kill(killed, SIGKILL);
    while (stack_pid(s, name) != 0)
        ;
    assert_int_equal(pipe2(begin, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        close(begin[1]);
        if (read(begin[0], &byte, 1) == 0)
            usleep(1500000);
        _exit(0);
    }
    close(begin[0]);
    snprintf(command, sizeof command, "echo %d $(cut -d' ' -f22 /proc/%d/stat) >'%s/pids/%s'",
             (int)pid, (int)pid, s->dir, name);
    assert_int_equal(system(command), 0);
    assert_int_equal(stack_pid(s, name), pid);
    close(begin[1]);
    return pid;
}

static void what_was_just_ending_is_started_after_all(void **state)
{
    const char *const names[] = {"redis", "broker", "worker-1", "web"};
    struct stack *s = stack_new(1);

    (void)state;
    s->option = "--web=127.0.0.1:0";
    stack_start(s);
    for (int i = 0; i < 4; i++) {
        pid_t ending = ending_as(s, names[i]), now;
        stack_start(s);
        assert_int_equal(waitpid(ending, NULL, 0), ending);
        now = stack_pid(s, names[i]);
        assert_true(now > 0 && now != ending);
    }
    stack_sync(s);
    stack_free(s);
}

static void an_option_of_a_stack_without_a_value_is_told(void **state)
{
    struct stack *s = stack_new(1);
    struct run r = stack_run(s, slice_of(""),
                             (const char *const[]){"scripts/stack", "start", "--workers", NULL});

    (void)state;
    assert_int_equal(r.status, 64);
    assert_non_null(strstr(r.err.at, "--workers needs a number"));
    run_free(&r);
    stack_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killing_any_of_them_every_second_changes_no_number),
        cmocka_unit_test(a_redis_that_is_flushed_half_way_is_filled_again),
        cmocka_unit_test(a_redis_that_is_rolled_back_goes_on_from_where_it_stands),
        cmocka_unit_test(a_worker_that_was_frozen_does_no_harm_when_it_wakes),
        cmocka_unit_test(a_power_failure_of_everything_loses_no_acknowledged_event),
        cmocka_unit_test(groups_of_a_registry_survive_kills_and_another_group_list),
        cmocka_unit_test(a_stack_that_is_stopped_and_started_goes_on),
        cmocka_unit_test(a_stack_with_an_older_journal_starts_and_says_what_to_do),
        cmocka_unit_test(a_stack_without_its_workers_does_not_run),
        cmocka_unit_test(a_stack_is_started_again_as_it_was_started),
        cmocka_unit_test(a_stack_with_fewer_workers_ends_the_others),
        cmocka_unit_test(a_broker_is_started_again_with_its_options),
        cmocka_unit_test(what_was_just_ending_is_started_after_all),
        cmocka_unit_test(an_option_of_a_stack_without_a_value_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
