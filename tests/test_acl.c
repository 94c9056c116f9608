/* Redis with users: each of them can do what scripts/redis.acl says and nothing else; whoever has a
 * wrong password is told so; and a password can be changed while workers run. */
#include "tests/redis_dump.h"
#include "tests/scene.h"
#include "tests/stack.h"

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

#define PATIENCE    4000 /* looks, 5 ms apart */
#define PARTICIPANT "person-7f31"

static const char world[] =
    "{\"type\":\"meeting\",\"id\":\"m\",\"time\":\"2026-01-01T00:00:00Z\",\"committee\":\"C\","
    "\"meeting\":\"M\",\"starts\":\"2026-02-01\",\"status\":\"held\"}\n"
    "{\"type\":\"seat\",\"id\":\"s\",\"time\":\"2026-01-01T00:00:00Z\",\"committee\":\"C\","
    "\"member\":\"KE\",\"from\":\"2020-01-01\",\"role\":\"P\"}\n"
    "{\"type\":\"member\",\"id\":\"k\",\"time\":\"2026-01-01T00:00:00Z\",\"member\":\"KE\","
    "\"developing\":true,\"groups\":[\"africa\"]}\n"
    "{\"type\":\"attendance\",\"id\":\"a\",\"time\":\"2026-02-02T00:00:00Z\",\"committee\":\"C\","
    "\"meeting\":\"M\",\"member\":\"KE\",\"participant\":\"" PARTICIPANT
    "\",\"date\":\"2026-02-01\","
    "\"status\":\"attended\"}\n"
    "{\"type\":\"adoption\",\"id\":\"d\",\"time\":\"2026-02-02T00:00:00Z\",\"member\":\"KE\","
    "\"standard\":\"S\",\"reference\":\"R\",\"degree\":\"IDT\",\"date\":\"2026-02-01\"}\n"
    "{\"type\":\"ballot\",\"id\":\"b\",\"time\":\"2026-01-01T00:00:00Z\",\"committee\":\"C\","
    "\"ballot\":\"B\",\"kind\":\"DIS\",\"closes\":\"2026-03-01\",\"status\":\"closed\"}\n"
    "{\"type\":\"ballot\",\"id\":\"o\",\"time\":\"2026-01-01T00:00:00Z\",\"committee\":\"C\","
    "\"ballot\":\"O\",\"kind\":\"DIS\",\"closes\":\"2099-03-01\"}\n"
    "{\"type\":\"committee\",\"id\":\"c\",\"time\":\"2026-01-01T00:00:00Z\",\"committee\":\"C\","
    "\"title\":\"Tests\"}\n"
    "{\"type\":\"vote\",\"id\":\"v\",\"time\":\"2026-02-01T00:00:00Z\",\"committee\":\"C\","
    "\"ballot\":\"B\",\"member\":\"KE\",\"position\":\"approve\"}\n";

/* One stack for the tests that change nothing in it. */
static struct stack *shared;

static const char *password_file(struct stack *s, const char *user)
{
    char name[64];

    snprintf(name, sizeof name, "keys/redis-%s.password", user);
    return stack_path(s, name);
}

/* A verb as a user of Redis. */
#define AS(s, user, ...)                                                                           \
    stack_run(s, slice_of(""),                                                                     \
              (const char *const[]){"turnout", __VA_ARGS__, "--redis-user", user,                  \
                                    "--redis-password-file", password_file(s, user), NULL})

static void file_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static char *file_text(const char *path)
{
    static char text[65536];
    FILE *f = fopen(path, "r");
    size_t size = f ? fread(text, 1, sizeof text - 1, f) : 0;

    text[size] = '\0';
    if (f)
        fclose(f);
    return text;
}

static struct redis *login(struct stack *s, const char *user)
{
    struct redis *r = redis_open(stack_path(s, "redis.sock"));
    char *password = file_text(password_file(s, user));

    assert_non_null(r);
    password[strcspn(password, "\n")] = '\0';
    assert_int_equal(redis_do(r, "AUTH", user, password)->kind, '+');
    return r;
}

static void await_votes(struct stack *s, const char *expected)
{
    struct redis *r = login(s, "writer");
    const struct redis_reply *reply = NULL;
    struct timespec pause = {0, 5000000};

    for (int i = 0; i < PATIENCE; i++) {
        reply = redis_do(r, "HGET", "turnout:member:KE:2026", "technical.votes");
        if (reply->kind == '$' && slice_is(reply->text, expected))
            break;
        nanosleep(&pause, NULL);
    }
    assert_true(reply->kind == '$' && slice_is(reply->text, expected));
    redis_close(r);
}

static struct stack *stack_with_users(void)
{
    struct stack *s = stack_new(2);

    s->option = "--redis-acl";
    stack_start(s);
    stack_publish_lines(s, slice_of(world));
    await_votes(s, "1");
    struct run r = AS(s, "writer", "sync");
    assert_int_equal(r.status, 0);
    run_free(&r);
    return s;
}

/* ---- who may do what ---- */
static void is_denied(struct redis *r, const char *user, const char *line)
{
    char copy[256], *rest = NULL;
    const char *words[16];
    unsigned count = 0;

    snprintf(copy, sizeof copy, "%s", line);
    for (char *w = strtok_r(copy, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
        words[count++] = w;
    const struct redis_reply *reply = redis_command(r, count, words);
    if (reply->kind != '-' || !memmem(reply->text.at, reply->text.size, "NOPERM", 6))
        fail_msg("%s may: %s", user, line);
}

static void all_are_denied(const char *user, const char *const *lines)
{
    struct redis *r = login(shared, user);

    for (; *lines; lines++)
        is_denied(r, user, *lines);
    redis_close(r);
}

static void without_a_password_there_is_nothing(void **state)
{
    struct redis *r = redis_open(stack_path(shared, "redis.sock"));

    (void)state;
    assert_int_equal(redis_do(r, "PING")->kind, '-');
    assert_int_equal(redis_do(r, "HGETALL", "turnout:member:KE:2026")->kind, '-');
    assert_int_equal(redis_do(r, "AUTH", "default", "")->kind, '-');
    assert_int_equal(redis_do(r, "AUTH", "")->kind, '-');
    redis_close(r);
    struct run run =
        stack_run(shared, slice_of(""), (const char *const[]){"turnout", "watch", NULL});
    assert_int_equal(run.status, 78);
    assert_non_null(strstr(run.err.at, "--redis-user"));
    run_free(&run);
}

static void the_writer_can_do_nothing_but_its_work(void **state)
{
    static const char *const lines[] = {"CONFIG GET maxmemory",
                                        "CONFIG SET maxmemory 1",
                                        "FLUSHALL",
                                        "FLUSHDB",
                                        "KEYS *",
                                        "SET turnout:x 1",
                                        "HSET other:x f 1",
                                        "HGETALL other:x",
                                        "RENAME turnout:meta other:meta",
                                        "DEL turnout:meta",
                                        "ACL LIST",
                                        "ACL LOAD",
                                        "OBJECT ENCODING turnout:meta",
                                        "SHUTDOWN NOSAVE",
                                        "SAVE",
                                        "MONITOR",
                                        "CLIENT LIST",
                                        "SUBSCRIBE x",
                                        "PUBLISH x y",
                                        "SELECT 1",
                                        "SCRIPT FLUSH",
                                        "FUNCTION LIST",
                                        "MIGRATE h 1 turnout:meta 0 1",
                                        "REPLICAOF h 1",
                                        NULL};
    struct redis *r = login(shared, "writer");
    const struct redis_reply *reply;

    (void)state;
    all_are_denied("writer", lines);
    /* a script has no more rights than who sends it */
    reply = redis_do(r, "EVAL", "return redis.call('FLUSHALL')", "0");
    assert_int_equal(reply->kind, '-');
    reply = redis_do(r, "EVAL", "return redis.call('HSET', 'other:x', 'f', '1')", "0");
    assert_int_equal(reply->kind, '-');
    redis_close(r);
}

static void the_reader_can_only_read(void **state)
{
    static const char *const lines[] = {"HSET turnout:meta schema 1",
                                        "HDEL turnout:meta schema",
                                        "UNLINK turnout:meta",
                                        "DEL turnout:meta",
                                        "SADD turnout:members XX",
                                        "XADD turnout:changes * a b",
                                        "ZADD turnout:watch 1 x",
                                        "EXPIRE turnout:meta 1",
                                        "RENAME turnout:meta turnout:committees",
                                        "EVAL return 0",
                                        "SCAN 0",
                                        "KEYS *",
                                        "RANDOMKEY",
                                        "DBSIZE",
                                        "FLUSHALL",
                                        "CONFIG GET dir",
                                        "ACL LIST",
                                        "HGETALL turnout:new:member:KE:2026",
                                        "HGETALL other:x",
                                        NULL};

    (void)state;
    all_are_denied("reader", lines);
}

/* What a key holds, by the command of its kind. */
static const struct redis_reply *key_read(struct redis *r, const char *key, struct slice type)
{
    if (slice_is(type, "hash"))
        return redis_do(r, "HGETALL", key);
    if (slice_is(type, "set"))
        return redis_do(r, "SMEMBERS", key);
    if (slice_is(type, "zset"))
        return redis_do(r, "ZRANGE", key, "0", "-1");
    return redis_do(r, "XRANGE", key, "-", "+");
}

static bool names_the_participant(const struct redis_reply *r)
{
    for (int64_t i = 0; r->kind == '*' && i < r->number; i++)
        if (names_the_participant(&r->items[i]))
            return true;
    return r->text.at && memmem(r->text.at, r->text.size, PARTICIPANT, strlen(PARTICIPANT));
}

static bool is_attendance(const char *key)
{
    return strncmp(key, "turnout:attendance:", 19) == 0;
}

static void the_reader_sees_every_key_but_those_that_name_participants(void **state)
{
    struct redis *auditor = login(shared, "auditor"), *reader = login(shared, "reader");
    const struct redis_reply *names = redis_do(auditor, "SCAN", "0", "COUNT", "10000");
    char keys[256][128];
    size_t count = 0, participants = 0;

    (void)state;
    assert_int_equal(names->kind, '*');
    assert_true(slice_is(names->items[0].text, "0"));
    for (int64_t i = 0; i < names->items[1].number; i++) {
        struct slice key = names->items[1].items[i].text;
        assert_true(count < 256);
        snprintf(keys[count++], sizeof keys[0], "%.*s", (int)key.size, key.at);
    }
    assert_true(count > 20);
    for (size_t i = 0; i < count; i++) {
        char type[16];
        const struct redis_reply *r = redis_do(auditor, "TYPE", keys[i]);
        snprintf(type, sizeof type, "%.*s", (int)r->text.size, r->text.at);
        r = key_read(auditor, keys[i], slice_of(type));
        assert_int_equal(r->kind, '*');
        participants += names_the_participant(r);
        assert_int_equal(names_the_participant(r), is_attendance(keys[i]));
        r = key_read(reader, keys[i], slice_of(type));
        if (r->kind != (is_attendance(keys[i]) ? '-' : '*'))
            fail_msg("the reader and %s: %.*s", keys[i], (int)r->text.size, r->text.at);
    }
    assert_int_equal(participants, 1);
    redis_close(auditor);
    redis_close(reader);
}

static void the_auditor_and_the_keeper_change_nothing(void **state)
{
    static const char *const auditor[] = {"HSET turnout:meta schema 1",
                                          "UNLINK turnout:meta",
                                          "UNLINK turnout:verified",
                                          "EVAL return 0",
                                          "FLUSHALL",
                                          "CONFIG GET dir",
                                          "ACL LIST",
                                          "HGETALL other:x",
                                          NULL};
    static const char *const keeper[] = {"HGETALL turnout:meta",
                                         "SCAN 0",
                                         "CONFIG GET dir",
                                         "ACL LIST",
                                         "ACL SETUSER x",
                                         "ACL GETUSER writer",
                                         "FLUSHALL",
                                         NULL};

    (void)state;
    all_are_denied("auditor", auditor);
    all_are_denied("keeper", keeper);
}

/* The verbs, and the user with the least rights that can run each. */
static void every_verb_works_with_the_rights_that_are_documented(void **state)
{
    static const struct {
        const char *least, *words[4];
    } verbs[] = {
        {"reader", {"status"}},
        {"reader", {"sync"}},
        {"reader", {"board", "--period", "2026"}},
        {"reader", {"watch"}},
        {"reader", {"top", "--count", "1"}},
        {"reader", {"why", "member:KE:2026", "technical.votes"}},
        {"reader", {"why", "meeting:C|M", "delegates"}},
        {"reader", {"history", "vote|C|B|KE"}},
        {"reader", {"diff", "--from", "2026-06-30"}},
        {"auditor", {"export", "--period", "2026"}},
        {"auditor", {"verify"}},
        {"writer", {"rebuild"}},
    };
    static const char *const users[] = {"reader", "auditor", "writer"};

    (void)state;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        bool may = false;

        for (int u = 0; u < 3; u++) {
            char path[256];
            const char *words[12] = {"turnout"};
            unsigned n = 1;

            for (int w = 0; w < 4 && verbs[i].words[w]; w++)
                words[n++] = verbs[i].words[w];
            snprintf(path, sizeof path, "%s", password_file(shared, users[u]));
            words[n++] = "--redis-user";
            words[n++] = users[u];
            words[n++] = "--redis-password-file";
            words[n++] = path;
            struct run r = stack_run(shared, slice_of(""), words);
            may |= strcmp(users[u], verbs[i].least) == 0;
            if (r.status != (may ? 0 : 78))
                fail_msg("turnout %s as %s ended with %d: %s", verbs[i].words[0], users[u],
                         r.status, r.err.at);
            if (!may && !strstr(r.err.at, "may not"))
                fail_msg("turnout %s as %s: %s", verbs[i].words[0], users[u], r.err.at);
            run_free(&r);
        }
    }
}

static void the_auditor_finds_what_differs_while_events_come(void **state)
{
    static const char another[] =
        "{\"type\":\"vote\",\"id\":\"w\",\"time\":\"2026-02-01T00:00:00Z\",\"committee\":\"D\","
        "\"ballot\":\"B\",\"member\":\"NG\",\"position\":\"approve\"}\n";
    struct stack *s = stack_with_users();
    struct redis *r;
    struct run found;

    (void)state;
    r = login(s, "writer");
    assert_int_equal(redis_do(r, "HSET", "turnout:ballot:C|B", "votes", "99")->kind, ':');
    redis_close(r);
    stack_publish_lines(s, slice_of(another)); /* offsets move, and marks wait to be derived */
    found = AS(s, "auditor", "verify");
    assert_int_equal(found.status, 1);
    assert_non_null(strstr(found.out.at, "ballot:C|B"));
    assert_non_null(strstr(found.out.at, " 1 differences")); /* those of NG are only on their way */
    run_free(&found);
    found = AS(s, "auditor", "verify", "--repair");
    assert_int_equal(found.status, 78);
    run_free(&found);
    found = AS(s, "writer", "verify", "--repair");
    assert_int_equal(found.status, 0);
    run_free(&found);
    found = AS(s, "auditor", "verify");
    assert_int_equal(found.status, 0);
    run_free(&found);
    stack_free(s);
}

/* ---- passwords ---- */
static void a_worker_with_a_wrong_password_says_whose_and_ends(void **state)
{
    char path[256], missing[256];

    (void)state;
    snprintf(path, sizeof path, "%s", stack_path(shared, "wrong.password"));
    snprintf(missing, sizeof missing, "%s", stack_path(shared, "no.password"));
    file_write(path, "Geheimnis-4711\n");
    for (int i = 0; i < 2; i++) {
        const char *file = i ? missing : path;
        struct run r = stack_run(shared, slice_of(""),
                                 (const char *const[]){"turnout-worker", "--redis-user", "writer",
                                                       "--redis-password-file", file, NULL});
        assert_int_equal(r.status, 78);
        assert_non_null(strstr(r.err.at, "user writer"));
        assert_non_null(strstr(r.err.at, file));
        assert_null(strstr(r.err.at, "Geheimnis"));
        run_free(&r);
    }
}

static void a_password_file_that_others_can_read_is_warned_of(void **state)
{
    static const mode_t modes[] = {0644, 0640, 0600};
    char path[256];

    (void)state;
    snprintf(path, sizeof path, "%s", stack_path(shared, "open.password"));
    file_write(path, "wrong\n");
    for (int i = 0; i < 3; i++) {
        chmod(path, modes[i]);
        struct run r = stack_run(shared, slice_of(""),
                                 (const char *const[]){"turnout-worker", "--redis-user", "reader",
                                                       "--redis-password-file", path, NULL});
        assert_int_equal(r.status, 78);
        assert_true((strstr(r.err.at, "can be opened by others") != NULL) == (i < 2));
        run_free(&r);
    }
}

/* Redis takes over what the files say now; connections end with it. */
static void users_reload(struct stack *s, const char *keeper_password)
{
    char keys[256], list[256];
    struct redis *r;

    snprintf(keys, sizeof keys, "%s", stack_path(s, "keys"));
    snprintf(list, sizeof list, "%s", stack_path(s, "redis/users.acl"));
    struct run run =
        stack_run(s, slice_of(""), (const char *const[]){"scripts/redis-acl", keys, list, NULL});
    assert_int_equal(run.status, 0);
    run_free(&run);
    r = redis_open(stack_path(s, "redis.sock"));
    assert_int_equal(redis_do(r, "AUTH", "keeper", keeper_password)->kind, '+');
    assert_int_equal(redis_do(r, "ACL", "LOAD")->kind, '+');
    redis_close(r);
}

static void await_in_log(struct stack *s, const char *log, const char *text)
{
    struct timespec pause = {0, 5000000};

    for (int i = 0; i < PATIENCE && !strstr(file_text(stack_path(s, log)), text); i++)
        nanosleep(&pause, NULL);
    assert_non_null(strstr(file_text(stack_path(s, log)), text));
}

static void a_password_can_be_changed_while_workers_run(void **state)
{
    struct stack *s = stack_with_users();
    pid_t before = stack_pid(s, "worker-1");
    char keeper[128], hidden[300], shown[256];

    (void)state;
    snprintf(shown, sizeof shown, "%s", password_file(s, "writer"));
    snprintf(hidden, sizeof hidden, "%s.away", shown);
    snprintf(keeper, sizeof keeper, "%.100s", file_text(password_file(s, "keeper")));
    keeper[strcspn(keeper, "\n")] = '\0';

    /* Redis is ahead of the workers: their file still has the old one, and they keep trying */
    assert_int_equal(rename(shown, hidden), 0);
    users_reload(s, keeper);
    char *fresh = strdup(file_text(shown));
    assert_string_not_equal(fresh, file_text(hidden));
    assert_int_equal(rename(hidden, shown), 0);
    {
        struct redis *r = redis_open(stack_path(s, "redis.sock"));
        assert_int_equal(redis_do(r, "AUTH", "keeper", keeper)->kind, '+');
        assert_int_equal(redis_do(r, "ACL", "LOAD")->kind, '+'); /* a worker may have been quick */
        redis_close(r);
    }
    await_in_log(s, "log/worker-1.log", "user writer");
    file_write(shown, fresh);
    free(fresh);

    stack_publish_lines(s, slice_of("{\"type\":\"vote\",\"id\":\"w\",\"time\":"
                                    "\"2026-02-01T00:00:00Z\",\"committee\":\"C\",\"ballot\":\"O\","
                                    "\"member\":\"KE\",\"position\":\"approve\"}\n"
                                    "{\"type\":\"vote\",\"id\":\"x\",\"time\":"
                                    "\"2026-02-01T00:00:00Z\",\"committee\":\"D\",\"ballot\":\"O\","
                                    "\"member\":\"KE\",\"position\":\"approve\"}\n"));
    await_votes(s, "2"); /* the ballot that closes in 2099 counts there */
    assert_int_equal(stack_pid(s, "worker-1"), before);
    stack_free(s);
}

/* It learns so from the outcome of a commit that nothing follows. */
static void a_worker_that_may_write_no_more_ends(void **state)
{
    struct timespec pause = {0, 5000000};
    struct scene s = scene_new("no more", 100);
    pid_t one = stack_pid(s.stack, "worker-1"), two = stack_pid(s.stack, "worker-2");

    (void)state;
    MEDDLE(&s, "ACL", "SETUSER", "default", "-hset");
    scene_publish(&s, 1);
    for (int i = 0; i < PATIENCE && kill(one, 0) == 0 && kill(two, 0) == 0; i++)
        nanosleep(&pause, NULL);
    assert_true(kill(one, 0) != 0 || kill(two, 0) != 0);
    MEDDLE(&s, "ACL", "SETUSER", "default", "+hset");
    stack_start(s.stack);
    stack_sync(s.stack);
    assert_right(&s);
    scene_free(&s);
}

/* Redis reads its file as the user "default": without rights it would pass over every commit. */
static void what_is_stored_survives_a_restart_with_users(void **state)
{
    struct stack *s = stack_with_users();

    (void)state;
    s->option = NULL; /* once with users, always */
    struct run r = stack_run(s, slice_of(""),
                             (const char *const[]){"scripts/stack", "stop", "--dir", s->dir, NULL});
    run_free(&r);
    s->workers = 0;
    stack_start(s);
    struct redis *auditor = login(s, "auditor");
    const struct redis_reply *votes =
        redis_do(auditor, "HGET", "turnout:member:KE:2026", "technical.votes");
    assert_int_equal(votes->kind, '$');
    assert_true(slice_is(votes->text, "1"));
    redis_close(auditor);
    stack_free(s);
}

static int start_shared(void **state)
{
    (void)state;
    shared = stack_with_users();
    return 0;
}

static int end_shared(void **state)
{
    (void)state;
    stack_free(shared);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_password_there_is_nothing),
        cmocka_unit_test(the_writer_can_do_nothing_but_its_work),
        cmocka_unit_test(the_reader_can_only_read),
        cmocka_unit_test(the_reader_sees_every_key_but_those_that_name_participants),
        cmocka_unit_test(the_auditor_and_the_keeper_change_nothing),
        cmocka_unit_test(every_verb_works_with_the_rights_that_are_documented),
        cmocka_unit_test(the_auditor_finds_what_differs_while_events_come),
        cmocka_unit_test(a_worker_with_a_wrong_password_says_whose_and_ends),
        cmocka_unit_test(a_password_file_that_others_can_read_is_warned_of),
        cmocka_unit_test(a_password_can_be_changed_while_workers_run),
        cmocka_unit_test(a_worker_that_may_write_no_more_ends),
        cmocka_unit_test(what_is_stored_survives_a_restart_with_users),
    };

    return cmocka_run_group_tests(tests, start_shared, end_shared);
}
