/* The command line and the workers in odd moments: files that cannot be read, inputs that grow, a
 * Redis of another journal, a partition that cannot be applied. */
#include "tests/redis_dump.h"
#include "tests/stack.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE 2000 /* looks, 5 ms apart */

static const struct slice no_input;

#define RUN(s, ...) stack_run(s, no_input, (const char *const[]){__VA_ARGS__, NULL})

static void pause_briefly(void)
{
    struct timespec t = {0, 5000000};

    nanosleep(&t, NULL);
}

/* One vote of a member on a ballot of a committee, as a JSON line. */
static void vote_line(struct buffer *out, const char *committee, const char *member, const char *id,
                      const char *position)
{
    char line[512];

    snprintf(line, sizeof line,
             "{\"type\":\"vote\",\"id\":\"%s\",\"time\":\"2026-01-02T03:04:05Z\",\"committee\":"
             "\"%s\",\"ballot\":\"B\",\"member\":\"%s\",\"position\":\"%s\"}\n",
             id, committee, member, position);
    buffer_add_text(out, line);
}

static int64_t votes_of(struct stack *s, const char *member)
{
    struct dump *d = stack_dump(s);
    char key[64];

    snprintf(key, sizeof key, "turnout:member:%s:2026", member);
    int64_t n = dump_number(d, key, "technical.votes");
    dump_free(d);
    return n;
}

static void await_votes(struct stack *s, const char *member, int64_t expected)
{
    for (int i = 0; i < PATIENCE && votes_of(s, member) != expected; i++)
        pause_briefly();
    assert_int_equal(votes_of(s, member), expected);
}

static void meddle(struct stack *s, const char *a, const char *b, const char *c)
{
    struct redis *r = redis_open(stack_path(s, "redis.sock"));
    const char *words[] = {a, b, c};

    assert_non_null(r);
    assert_int_not_equal(redis_command(r, c ? 3 : 2, words)->kind, '-');
    redis_close(r);
}

static void a_file_that_cannot_be_read_is_told_and_the_others_are_published(void **state)
{
    struct stack *s = stack_new(1);
    struct buffer line = {0};
    struct run r;
    FILE *f;

    (void)state;
    stack_start(s);
    vote_line(&line, "C", "KE", "v1", "approve");
    f = fopen(stack_path(s, "good"), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(line.at, 1, line.size, f), line.size);
    fclose(f);
    r = RUN(s, "turnout", "publish", "/no/such/file", s->dir, stack_path(s, "good"));
    assert_int_equal(r.status, 1);
    assert_string_equal(r.out.at, "{\"accepted\":1,\"rejected\":0}\n");
    assert_non_null(strstr(r.err.at, "/no/such/file: No such file"));
    assert_non_null(strstr(r.err.at, "Is a directory"));
    run_free(&r);
    stack_free(s);
    buffer_free(&line);
}

/* As an editor of another system may write it. */
static void a_byte_order_mark_and_blank_lines_are_passed_over(void **state)
{
    struct stack *s = stack_new(1);
    struct buffer lines = {0};
    struct run r;

    (void)state;
    stack_start(s);
    buffer_add_text(&lines, "\xef\xbb\xbf");
    vote_line(&lines, "C", "KE", "v1", "approve");
    buffer_add_text(&lines, "\n \t\r\n");
    vote_line(&lines, "C", "FR", "v2", "approve");
    buffer_add_text(&lines, "\xef\xbb\xbf{}\n");
    r = stack_run(s, buffer_slice(&lines), (const char *const[]){"turnout", "publish", NULL});
    assert_int_equal(r.status, 1);
    assert_string_equal(r.out.at, "{\"accepted\":2,\"rejected\":1}\n");
    assert_non_null(strstr(r.err.at, "-: line 5: ")); /* the mark is one only where a file begins */
    run_free(&r);
    r = stack_run(s, slice_of("{}x\n"), (const char *const[]){"turnout", "publish", "-", NULL});
    assert_int_equal(r.status, 1);
    run_free(&r);
    stack_free(s);
    buffer_free(&lines);
}

static void an_input_that_grows_is_published_as_it_grows(void **state)
{
    struct stack *s = stack_new(1);
    struct buffer line = {0};
    int status, fd;

    (void)state;
    stack_start(s);
    assert_int_equal(mkfifo(stack_path(s, "fifo"), 0600), 0);
    pid_t pid =
        stack_spawn(s, (const char *const[]){"turnout", "publish", stack_path(s, "fifo"), NULL});
    fd = open(stack_path(s, "fifo"), O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (int i = 1; i <= 3; i++) {
        char member[] = {'K', (char)('A' + i), '\0'};
        buffer_clear(&line);
        vote_line(&line, "C", member, member, "approve");
        assert_int_equal(write(fd, line.at, line.size), line.size);
        await_votes(s, member, 1);
    }
    close(fd);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    stack_free(s);
    buffer_free(&line);
}

/* How many bytes a process has read so far. */
static long long bytes_read(pid_t pid)
{
    char path[64];
    long long n = 0;

    snprintf(path, sizeof path, "/proc/%d/io", pid);
    FILE *f = fopen(path, "r");
    if (f) {
        if (fscanf(f, "rchar: %lld", &n) != 1)
            n = 0;
        fclose(f);
    }
    return n;
}

static void write_lines(const char *path, const char *line, int count)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    while (count--)
        fputs(line, f);
    assert_int_equal(fclose(f), 0);
}

static void assert_lines_in_order(const char *path, int count)
{
    FILE *f = fopen(path, "r");
    char line[512], expected[512];

    assert_non_null(f);
    for (int i = 1; i <= count; i++) {
        assert_non_null(fgets(line, sizeof line, f));
        int n = snprintf(expected, sizeof expected, ": line %d: ", i);
        if (!strstr(line, expected))
            fail_msg("line %d is told as: %.*s", i, n + 60, line);
    }
    fclose(f);
}

/* The broker stands still until the window is full: only then can places be confused. */
static void refusals_name_their_own_lines_also_beyond_a_full_window(void **state)
{
    enum { LINES = 150000, WINDOW = 65536 };
    static const char line[] = "{\"type\":\"opinion\"}\n";
    struct stack *s = stack_new(1);
    int status;

    (void)state;
    stack_start(s);
    write_lines(stack_path(s, "lines"), line, LINES);
    pid_t broker = stack_pid(s, "broker");
    kill(broker, SIGSTOP);
    pid_t pid =
        stack_spawn(s, (const char *const[]){"turnout", "publish", stack_path(s, "lines"), NULL});
    for (int i = 0; i < PATIENCE && bytes_read(pid) < (long long)(WINDOW * strlen(line)); i++)
        pause_briefly();
    assert_true(bytes_read(pid) >= (long long)(WINDOW * strlen(line)));
    kill(broker, SIGCONT);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_lines_in_order(stack_path(s, "spawned.log"), LINES);
    stack_free(s);
}

static void a_redis_of_another_journal_is_told_and_left_alone(void **state)
{
    struct stack *s = stack_new(1);
    struct buffer lines = {0};
    struct run r;

    (void)state;
    vote_line(&lines, "C", "KE", "v1", "approve");
    stack_start(s);
    stack_publish_lines(s, buffer_slice(&lines));
    stack_sync(s);
    /* one partition is enough, whether it had events or not */
    struct redis *redis = redis_open(stack_path(s, "redis.sock"));
    redis_do(redis, "HSET", "turnout:offset:7", "log", "00000000000000000000000000000000", "offset",
             "1", "time", "1");
    redis_close(redis);
    r = RUN(s, "turnout", "sync");
    assert_int_equal(r.status, 78);
    run_free(&r);
    r = RUN(s, "turnout", "status", "--json");
    assert_int_equal(r.status, 78);
    assert_non_null(strstr(r.out.at, "\"lag\":null"));
    run_free(&r);
    buffer_clear(&lines);
    vote_line(&lines, "D", "KE", "v2", "approve");
    stack_publish_lines(s, buffer_slice(&lines));
    r = RUN(s, "turnout", "sync", "--timeout", "1");
    assert_int_equal(r.status, 78);
    run_free(&r);
    assert_int_equal(votes_of(s, "KE"), 1);
    stack_free(s);
    buffer_free(&lines);
}

/* One with a worker, and a vote that is counted. */
static struct stack *stack_with_a_vote(void)
{
    struct stack *s = stack_new(1);
    struct buffer lines = {0};

    vote_line(&lines, "C", "KE", "v1", "approve");
    stack_start(s);
    stack_publish_lines(s, buffer_slice(&lines));
    stack_sync(s);
    buffer_free(&lines);
    return s;
}

/* As after an older copy of the journal was put back. */
static void a_redis_ahead_of_the_journal_is_told(void **state)
{
    struct stack *s = stack_with_a_vote();
    struct redis *redis;
    struct run r;

    (void)state;
    redis = redis_open(stack_path(s, "redis.sock"));
    for (int p = 0; p < 8; p++) {
        char key[32];
        snprintf(key, sizeof key, "turnout:offset:%d", p);
        if (redis_do(redis, "EXISTS", key)->number == 1)
            redis_do(redis, "HINCRBY", key, "offset", "3");
    }
    redis_close(redis);
    r = RUN(s, "turnout", "sync");
    assert_int_equal(r.status, 78);
    run_free(&r);
    r = RUN(s, "turnout", "status");
    assert_int_equal(r.status, 78);
    run_free(&r);
    stack_await_log(s, "worker-1", "run turnout rebuild --force");
    stack_free(s);
}

/* Somebody wrote into it by hand. */
static void a_place_that_cannot_be_read_is_named(void **state)
{
    struct stack *s = stack_with_a_vote();
    struct redis *redis;
    struct run r;

    (void)state;
    redis = redis_open(stack_path(s, "redis.sock"));
    redis_do(redis, "HSET", "turnout:offset:2", "offset", "abc");
    r = RUN(s, "turnout", "sync", "--timeout", "2");
    assert_int_not_equal(r.status, 0);
    assert_non_null(strstr(r.err.at, "turnout:offset:2 holds what turnout did not write"));
    run_free(&r);
    redis_do(redis, "DEL", "turnout:offset:2");
    redis_close(redis);
    stack_sync(s);
    r = RUN(s, "turnout", "verify");
    assert_int_equal(r.status, 0);
    run_free(&r);
    stack_free(s);
}

static void a_closed_standard_input_is_an_empty_one(void **state)
{
    struct stack *s = stack_new(1);
    const char *build = getenv("TURNOUT_BUILD");
    char command[256];

    (void)state;
    stack_start(s);
    snprintf(command, sizeof command,
             "TURNOUT_DIR=%s timeout 20 %s/bin/turnout publish <&- >/dev/null", s->dir,
             build ? build : "build");
    assert_int_equal(WEXITSTATUS(system(command)), 0);
    stack_free(s);
}

/* Of an option's number every character counts: "5m" is not 5. */
static void what_is_asked_wrongly_is_told(void **state)
{
    static const struct {
        const char *words[3], *says;
    } asked[] = {
        {{"sync", "--timeout", "5m"}, "--timeout takes a number from 1 to 2147483"},
        {{"sync", "--timeout", "0"}, "--timeout takes a number from 1 to 2147483"},
        {{"publish", "--patience", "-1"}, "--patience takes a number from 0 to 2147483"},
        {{"publish", "--timeout", "2147484"}, "--timeout takes a number from 1 to 2147483"},
        {{"verify", "--max", "many"}, "--max takes a number from 0 on"},
        {{"diff", "--max", ""}, "--max takes a number from 0 on"},
        {{"top", "--count", "1000000001"}, "--count takes a number from 1 to 1000000000"},
        {{"status", "now", "then"}, "Too many arguments"},
    };
    struct stack *s = stack_new(1);

    (void)state;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        const char *const *w = asked[i].words;
        struct run r = RUN(s, "turnout", w[0], w[1], w[2]);
        assert_int_equal(r.status, 64);
        assert_non_null(strstr(r.err.at, asked[i].says));
        run_free(&r);
    }
    stack_free(s);
}

/* The one that is asked for is told, in a snapshot of many, too. */
static void a_key_that_is_not_turnouts_is_damage_and_no_answer(void **state)
{
    struct stack *s = stack_new(1);
    struct run r;

    (void)state;
    stack_start(s);
    meddle(s, "SADD", "turnout:periods", "2009");
    meddle(s, "SADD", "turnout:groups", "all");
    meddle(s, "SET", "turnout:group:all:2009", "mine");
    r = RUN(s, "turnout", "board", "--period", "2009");
    assert_int_equal(r.status, 74);
    assert_non_null(strstr(r.err.at, "redis: HGETALL turnout:group ...: WRONGTYPE"));
    assert_non_null(strstr(r.err.at, "turnout board: Redis at "));
    run_free(&r);
    stack_free(s);
}

/* Committees for all partitions; one of them meets a key that is not turnout's. */
static void a_partition_that_cannot_be_applied_does_not_stop_the_others(void **state)
{
    struct stack *s = stack_new(1);
    struct buffer lines = {0};

    (void)state;
    stack_start(s);
    meddle(s, "SET", "turnout:votes:C0|B", "mine");
    for (int i = 0; i < 40; i++) {
        char committee[8], id[8];
        snprintf(committee, sizeof committee, "C%d", i);
        snprintf(id, sizeof id, "v%d", i);
        vote_line(&lines, committee, i == 0 ? "ZA" : "KE", id, "approve");
    }
    stack_publish_lines(s, buffer_slice(&lines));
    for (int i = 0; i < PATIENCE && votes_of(s, "KE") < 25; i++)
        pause_briefly();
    assert_true(votes_of(s, "KE") >= 25); /* those of one partition wait */
    assert_int_equal(votes_of(s, "ZA"), 0);
    meddle(s, "DEL", "turnout:votes:C0|B", NULL);
    stack_sync(s);
    assert_int_equal(votes_of(s, "KE"), 39);
    assert_int_equal(votes_of(s, "ZA"), 1);
    stack_free(s);
    buffer_free(&lines);
}

/* Both versions tie in rev, time and id; the worker reads the first one again from the journal. */
static void a_tie_is_settled_by_the_bytes_in_the_journal(void **state)
{
    struct buffer first = {0}, second = {0};

    (void)state;
    vote_line(&first, "C", "KE", "same", "approve");
    vote_line(&second, "C", "KE", "same", "withdraw"); /* a longer word: the greater bytes */
    for (int order = 0; order < 2; order++) {
        struct stack *s = stack_new(1);
        stack_start(s);
        stack_publish_lines(s, buffer_slice(order ? &first : &second));
        stack_sync(s);
        stack_publish_lines(s, buffer_slice(order ? &second : &first));
        stack_sync(s);
        struct dump *d = stack_dump(s);
        assert_int_equal(dump_number(d, "turnout:member:KE:2026", "technical.votes.withdraw"), 1);
        assert_int_equal(dump_number(d, "turnout:member:KE:2026", "technical.votes"), 1);
        dump_free(d);
        stack_free(s);
    }
    buffer_free(&first);
    buffer_free(&second);
}

static void an_answer_that_cannot_be_printed_is_an_error(void **state)
{
    static const char *const asked[] = {"publish", "status", "status --json", "board --csv"};
    struct stack *s = stack_new(1);
    const char *build = getenv("TURNOUT_BUILD");
    char command[256];
    struct run r;

    (void)state;
    stack_start(s);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        snprintf(command, sizeof command, "TURNOUT_DIR=%s %s/bin/turnout %s </dev/null >/dev/full",
                 s->dir, build ? build : "build", asked[i]);
        r = stack_run(s, no_input, (const char *const[]){"/bin/sh", "-c", command, NULL});
        assert_int_equal(r.status, 74);
        assert_non_null(strstr(r.err.at, ": standard output: No space left on device\n"));
        run_free(&r);
    }
    r = RUN(s, "turnout", "publish", "/dev/null");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out.at, "{\"accepted\":0,\"rejected\":0}\n");
    run_free(&r);
    stack_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_cannot_be_read_is_told_and_the_others_are_published),
        cmocka_unit_test(a_byte_order_mark_and_blank_lines_are_passed_over),
        cmocka_unit_test(an_input_that_grows_is_published_as_it_grows),
        cmocka_unit_test(refusals_name_their_own_lines_also_beyond_a_full_window),
        cmocka_unit_test(a_redis_of_another_journal_is_told_and_left_alone),
        cmocka_unit_test(a_redis_ahead_of_the_journal_is_told),
        cmocka_unit_test(a_place_that_cannot_be_read_is_named),
        cmocka_unit_test(a_closed_standard_input_is_an_empty_one),
        cmocka_unit_test(what_is_asked_wrongly_is_told),
        cmocka_unit_test(a_key_that_is_not_turnouts_is_damage_and_no_answer),
        cmocka_unit_test(a_partition_that_cannot_be_applied_does_not_stop_the_others),
        cmocka_unit_test(a_tie_is_settled_by_the_bytes_in_the_journal),
        cmocka_unit_test(an_answer_that_cannot_be_printed_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
