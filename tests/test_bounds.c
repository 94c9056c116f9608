/* Every bound of the broker reached: who is turned away, that the others are served, and that
 * nothing is lost.  PROTOCOL.md, section 12, has the list.
 *
 * The first tests turn the broker's loop themselves; those of the guard need a broker that is a
 * process of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/guard.h"
#include "broker/session.h"
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/turnout.h"
#include "tests/attack.h"
#include "tests/journal_wire.h"
#include "tests/peer.h"
#include "tests/raw.h"
#include "tests/stack.h"
#include "tests/votes.h"
#include "tests/world.h"

#define LIMIT_MS 60000
#define SILENT   1000

/* ---- sessions: the broker is in this process ---- */

static void open_small(unsigned connections, unsigned readers)
{
    struct broker_config c = {.dir = peer_folder,
                              .journal_bytes = (uint64_t)64 << 20,
                              .connections = connections,
                              .readers = readers};

    assert_int_equal(broker_open(&c, &peer_broker), 0);
}

static void say_hello(struct peer *p, const char *role)
{
    struct wire_message m = {.kind = WIRE_HELLO};

    m.hello = (struct wire_hello){slice_of(role), slice_of("one more"), 1};
    peer_say(p, &m);
}

static void publish_one(struct peer *p)
{
    peer_add_vote(p, "TC 1", (unsigned)p->next);
    peer_publish(p);
    assert_int_equal(peer_expect(p, WIRE_PUBACK)->puback.refused_count, 0);
}

static void readers_beyond_the_bound_are_told_so_by_role(void **state)
{
    (void)state;
    open_small(0, 2);
    int64_t end = clock_mono_ms() + LIMIT_MS;
    struct peer *clients[] = {peer_hello("client"), peer_hello("client")};
    struct peer *third = peer_connect("read"), *worker = peer_hello("worker");
    say_hello(third, "client");
    peer_expect_error(third, "busy", false);
    peer_say_kind(clients[0], WIRE_BYE);
    for (bool in = false; !in;) {
        assert_true(clock_mono_ms() < end);
        say_hello(third, "client");
        in = peer_hears(third, 500) && third->m.kind == WIRE_WELCOME;
    }
    peer_expect(worker, WIRE_ASSIGN); /* however many clients there are */
    peer_close(clients[0]);
    peer_close(clients[1]);
    peer_close(third);
    peer_close(worker);
}

/* All of them answer PINGs all the time; one of them has something to say now and then. */
static void the_idlest_session_gives_way_to_a_newcomer(void **state)
{
    unsigned most = guard_sessions(GUARD_CONNECTIONS_LEAST), refused = 0, gone = 0;
    struct peer **idle = memory_need(most * sizeof *idle);
    int64_t end = clock_mono_ms() + LIMIT_MS;
    bool in = false;

    (void)state;
    open_small(GUARD_CONNECTIONS_LEAST, 0);
    for (unsigned i = 0; i < most; i++)
        idle[i] = peer_hello("producer");
    struct peer *newcomer = peer_connect("publish");
    while (!in) {
        assert_true(clock_mono_ms() < end);
        publish_one(idle[0]);
        say_hello(newcomer, "producer");
        if (peer_hears(newcomer, 200)) {
            in = newcomer->m.kind == WIRE_WELCOME;
            refused += !in;
            assert_true(in || slice_is(newcomer->m.error.code, "busy"));
        }
        for (unsigned i = 1; i < most; i++)
            if (peer_hears(idle[i], 0) || link_wait(&idle[i]->link, 1, -1, 0))
                gone += peer_hears(idle[i], 1) && idle[i]->m.kind == WIRE_ERROR &&
                        idle[i]->m.error.fatal && slice_is(idle[i]->m.error.code, "busy");
    }
    print_message("%u times busy\n", refused);
    assert_true(refused > 0);
    for (unsigned i = 1; i < most && gone == 0; i++)
        gone += peer_hears(idle[i], 20) && idle[i]->m.kind == WIRE_ERROR;
    assert_int_equal(gone, 1);
    publish_one(newcomer);
    publish_one(idle[0]);
    for (unsigned i = 0; i < most; i++)
        peer_close(idle[i]);
    peer_close(newcomer);
    free(idle);
}

/* ---- the guard: the broker is a process of its own ---- */

struct post {
    struct stack *stack;
    pid_t broker;
    char publish[256], read[256];
};

static void files_raise(void)
{
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

/* `words` run a broker in this folder. */
static void post_start(struct post *p, const char *const *words)
{
    int64_t end = clock_mono_ms() + LIMIT_MS;
    int fd;

    snprintf(p->publish, sizeof p->publish, "ipc://%s/publish.sock", p->stack->dir);
    snprintf(p->read, sizeof p->read, "ipc://%s/read.sock", p->stack->dir);
    p->broker = stack_spawn(p->stack, words);
    while ((fd = zmtp_connect(p->read)) < 0) {
        assert_true(clock_mono_ms() < end);
        usleep(10000);
    }
    close(fd);
}

static void post_end(struct post *p)
{
    int status;

    kill(p->broker, SIGTERM);
    assert_int_equal(waitpid(p->broker, &status, 0), p->broker);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    stack_free(p->stack);
}

static void assert_served(struct post *p, uint64_t seed, size_t count)
{
    struct buffer events = {0};

    world_events(seed, count, &events);
    stack_publish_events(p->stack, buffer_slice(&events)); /* all accepted, or the test ends */
    buffer_free(&events);
}

static unsigned files_of(pid_t pid)
{
    char path[64];
    unsigned n = 0;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    while (folder && readdir(folder))
        n++;
    if (folder)
        closedir(folder);
    return n;
}

static bool log_has(const struct post *p, const char *words)
{
    char line[2048];
    bool found = false;
    FILE *f = fopen(stack_path(p->stack, "spawned.log"), "r");

    while (f && !found && fgets(line, sizeof line, f))
        found = strstr(line, words) != NULL;
    if (f)
        fclose(f);
    return found;
}

/* While they stand outside again and again; the broker neither dies nor spins. */
static void connections_beyond_the_bound_give_way_to_who_speaks(void **state)
{
    struct post p = {.stack = stack_new(0)};
    int64_t end = clock_mono_ms() + LIMIT_MS;
    static int fds[SILENT];

    (void)state;
    files_raise();
    post_start(&p, (const char *const[]){"turnout-broker", "--dir", p.stack->dir,
                                         "--max-connections", "64", NULL});
    unsigned files = files_of(p.broker);
    for (int i = 0; i < SILENT; i++) {
        fds[i] = raw_connect(i % 2 ? p.publish : p.read);
        if (i % 200 == 0)
            assert_served(&p, (uint64_t)i, 100);
    }
    assert_served(&p, 1, 100);
    while (files_of(p.broker) > files + 64)
        assert_true(clock_mono_ms() < end && usleep(10000) == 0);
    double cpu_s = process_cpu_s(p.broker);
    usleep(1000000); /* a second at the bound */
    cpu_s = process_cpu_s(p.broker) - cpu_s;
    print_message("%.2f CPU seconds in a second at the bound\n", cpu_s);
    assert_true(cpu_s < 0.5);
    assert_true(log_has(&p, "more than 64 connections"));
    assert_served(&p, 2, 100);
    for (int i = 0; i < SILENT; i++)
        close(fds[i]);
    post_end(&p);
}

static void a_small_limit_of_files_makes_the_bound_smaller(void **state)
{
    struct post p = {.stack = stack_new(0)};
    char broker[512];
    static int fds[SILENT];

    (void)state;
    files_raise();
    snprintf(broker, sizeof broker, "%s/bin/turnout-broker",
             getenv("TURNOUT_BUILD") ? getenv("TURNOUT_BUILD") : "build");
    post_start(&p, (const char *const[]){"/usr/bin/prlimit", "--nofile=640", broker, "--dir",
                                         p.stack->dir, NULL});
    assert_true(log_has(&p, "room for 128 connections"));
    for (int i = 0; i < SILENT; i++)
        fds[i] = raw_connect(i % 2 ? p.publish : p.read);
    assert_served(&p, 1, 1000);
    for (int i = 0; i < SILENT; i++)
        close(fds[i]);
    post_end(&p);
}

/* ---- memory ---- */

#define ENDLESS   8      /* attackers at a time: of 64 MiB each */
#define ATTACK_MS 300000 /* they and a sanitizer may leave the rest little of the machine */

#ifdef __SANITIZE_ADDRESS__
#define MEMORY_LIMIT "512M"
#define MEMORY_BYTES ((uint64_t)512 << 20)
#else
#define MEMORY_LIMIT "64M"
#define MEMORY_BYTES ((uint64_t)64 << 20)
#endif

/* What comes while the guard sleeps and while ZeroMQ frees, on a busy machine. */
#define MEMORY_MORE ((uint64_t)256 << 20)

static pid_t attacker_start(const struct post *p, attack_fn attack, uint64_t seed)
{
    struct attack a = {p->publish, p->read, random_new(seed)};
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
        for (;;)
            attack(&a);
    }
    return pid;
}

static void attacker_end(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

/* A stack whose broker is another one, with little memory. */
static struct post post_of_stack(void)
{
    struct post p = {.stack = stack_new(2)};
    int64_t end = clock_mono_ms() + LIMIT_MS;
    pid_t old;

    stack_start(p.stack);
    old = stack_pid(p.stack, "broker");
    kill(old, SIGTERM);
    while (stack_pid(p.stack, "broker") == old)
        assert_true(clock_mono_ms() < end && usleep(10000) == 0);
    post_start(&p, (const char *const[]){"turnout-broker", "--dir", p.stack->dir, "--memory-limit",
                                         MEMORY_LIMIT, NULL});
    return p;
}

/* All of it is in the journal, and Redis holds what the journal adds up to. */
static void assert_nothing_lost(struct post *p, struct slice sent)
{
    struct buffer kept = {0};
    struct run r;

    journal_wire_read(p->read, &kept);
    assert_int_equal(events_missing(sent, buffer_slice(&kept)), 0);
    stack_sync(p->stack);
    r = stack_run(p->stack, slice_of(""), (const char *const[]){"turnout", "verify", NULL});
    assert_int_equal(r.status, 0);
    run_free(&r);
    buffer_free(&kept);
}

/* Until there is an answer: the guard may cut who asks. */
static struct run status_run(struct post *p, const char *option)
{
    int64_t end = clock_mono_ms() + ATTACK_MS;

    for (;;) {
        struct run r = stack_run(p->stack, slice_of(""),
                                 (const char *const[]){"turnout", "status", option, NULL});
        if (r.status == 0)
            return r;
        run_free(&r);
        assert_true(clock_mono_ms() < end);
    }
}

/* What the guard did stands in the status. */
static void assert_alarms_told(struct post *p)
{
    struct run r = status_run(p, NULL);

    assert_non_null(strstr(r.out.at, "bound     memory_alarms: "));
    assert_non_null(strstr(r.out.at, "bound     cut_memory: "));
    run_free(&r);
}

static void messages_without_end_are_cut_and_nothing_is_lost(void **state)
{
    struct post p = post_of_stack();
    uint64_t seed = random_seed("test_bounds"), most = 0;
    pid_t attackers[ENDLESS];
    struct buffer sent = {0};
    int64_t end = clock_mono_ms() + ATTACK_MS;

    (void)state;
    for (int i = 0; i < ENDLESS; i++)
        attackers[i] = attacker_start(&p, attack_endless, seed + (uint64_t)i);
    for (int i = 0; i < 20 || !log_has(&p, "MiB of memory"); i++) {
        assert_true(clock_mono_ms() < end);
        size_t before = sent.size;
        world_events(seed + (uint64_t)i, 500, &sent);
        stack_publish_events(p.stack, slice_make(sent.at + before, sent.size - before));
        uint64_t bytes = process_bytes(p.broker);
        most = bytes > most ? bytes : most;
    }
    print_message("at most %llu MiB, of " MEMORY_LIMIT "\n", (unsigned long long)most >> 20);
    assert_alarms_told(&p);
    for (int i = 0; i < ENDLESS; i++)
        attacker_end(attackers[i]);
    assert_true(most < MEMORY_BYTES + MEMORY_MORE);
    assert_nothing_lost(&p, buffer_slice(&sent));
    buffer_free(&sent);
    post_end(&p);
}

/* The value of a bound or count in `turnout status --json`. */
static uint64_t status_number(struct post *p, const char *name)
{
    struct run r = status_run(p, "--json");
    const char *at = strstr(r.out.at, name);
    uint64_t n = at ? strtoull(at + strlen(name), NULL, 10) : 0;

    run_free(&r);
    return n;
}

/* Those who have a session and misuse it are cut, and a producer beside them is not: it was, with
 * everybody, as often as there was an alarm. */
static void who_sends_messages_without_end_is_cut_and_nobody_else(void **state)
{
    struct post p = post_of_stack();
    uint64_t seed = random_seed("test_bounds"), alarms = 0, all;
    struct turnout_options o = {.endpoint = p.publish, .name = "good"};
    struct turnout_producer *good;
    pid_t attackers[ENDLESS];
    struct buffer sent = {0};
    int64_t end = clock_mono_ms() + ATTACK_MS;

    (void)state;
    assert_int_equal(turnout_producer_new(&o, &good), TURNOUT_OK);
    for (int i = 0; i < ENDLESS; i++)
        attackers[i] = attacker_start(&p, attack_endless_member, seed + (uint64_t)i);
    while (alarms < 5) {
        struct buffer some = {0};
        struct slice *each;
        assert_true(clock_mono_ms() < end);
        world_events(seed++, 200, &some);
        size_t count = world_split(buffer_slice(&some), &each);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(turnout_send(good, each[i].at, each[i].size, NULL), TURNOUT_OK);
        assert_int_equal(turnout_flush(good, ATTACK_MS), TURNOUT_OK);
        buffer_add_slice(&sent, buffer_slice(&some));
        buffer_free(&some);
        free(each);
        alarms = status_number(&p, "\"memory_alarms\":");
    }
    for (int i = 0; i < ENDLESS; i++)
        attacker_end(attackers[i]);
    alarms = status_number(&p, "\"memory_alarms\":");
    all = status_number(&p, "\"memory_cut_all\":");
    print_message("%llu alarms, all were cut at %llu; the good producer came again %llu times\n",
                  (unsigned long long)alarms, (unsigned long long)all,
                  (unsigned long long)turnout_counts(good).reconnects);
    assert_int_equal(turnout_counts(good).refused, 0);
    assert_true(all < alarms);
    turnout_producer_free(good);
    assert_nothing_lost(&p, buffer_slice(&sent));
    buffer_free(&sent);
    post_end(&p);
}

/* ---- what is no bound, but looks like one ---- */

#define VOTES 300000 /* some 35 MB */

/* The journal's pages that it has read are not kept. */
static void a_broker_does_not_grow_with_what_is_read_of_its_journal(void **state)
{
    struct votes *v = votes_new(VOTES_WINDOW, 0, 1);
    struct stack *s = stack_new(1);
    int64_t end_ms = clock_mono_ms() + LIMIT_MS;
    struct buffer events = {0};
    uint64_t before;
    pid_t broker;

    (void)state;
    for (int i = 0; i < VOTES; i++)
        votes_next(v, &events);
    stack_start(s);
    broker = stack_pid(s, "broker");
    before = process_mapped(broker);
    stack_publish_events(s, buffer_slice(&events));
    stack_sync(s);
    while (process_mapped(broker) > before + 2 * GUARD_MAPPED && clock_mono_ms() < end_ms)
        usleep(10000);
    assert_in_range(process_mapped(broker), 1, before + 2 * GUARD_MAPPED);
    buffer_free(&events);
    votes_free(v);
    stack_free(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, peer_setup, peer_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(readers_beyond_the_bound_are_told_so_by_role),
        TEST(the_idlest_session_gives_way_to_a_newcomer),
        cmocka_unit_test(connections_beyond_the_bound_give_way_to_who_speaks),
        cmocka_unit_test(a_small_limit_of_files_makes_the_bound_smaller),
        cmocka_unit_test(messages_without_end_are_cut_and_nothing_is_lost),
        cmocka_unit_test(who_sends_messages_without_end_is_cut_and_nobody_else),
        cmocka_unit_test(a_broker_does_not_grow_with_what_is_read_of_its_journal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
