/* Names of connections: nobody with a key may choose one, guess one, or try them out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "broker/access.h"
#include "broker/names.h"
#include "proto/clock.h"
#include "proto/link_inner.h"
#include "proto/log.h"
#include "proto/program.h"
#include "proto/wire.h"
#include "tests/keyed.h"

/* ---- which names are ZeroMQ's ---- */

static struct slice name_of(uint32_t number)
{
    static char name[6] = {0, 0};

    for (int i = 0; i < 4; i++)
        name[2 + i] = (char)(number >> (24 - 8 * i));
    return slice_make(name, sizeof name);
}

static void a_number_is_good_if_it_is_near_the_last(void **state)
{
    struct link l = {.count = 1, .keyed = {true}, .first = {0xfffffff0}};
    struct names n = {0};

    (void)state;
    assert_true(names_take(&n, &l, name_of(0xfffffff1), 1));
    assert_true(names_take(&n, &l, name_of(5), 30)); /* it comes round to 0 */
    assert_true(names_take(&n, &l, name_of(0xfffffff2), 30));
    assert_false(names_take(&n, &l, name_of(5 + NAMES_OPEN + 1), 30));
    assert_true(names_take(&n, &l, name_of(5 + NAMES_OPEN + 1), 31));
    assert_false(names_take(&n, &l, name_of(0x80000000), 31));
    assert_false(names_take(&n, &l, slice_make("\0abc", 4), 31));
    assert_false(names_take(&n, &l, slice_make("\0abcde", 6), 31));
    assert_false(names_take(&n, &l, slice_make("\7\0bcde", 6), 31));
    assert_false(names_take(&n, &l, slice_of(""), 31));
}

static void without_a_key_a_peer_has_no_number(void **state)
{
    struct link l = {.count = 1};
    uint32_t number = 7;

    (void)state;
    assert_false(link_peer_number(&l, name_of(1), &number));
    l.keyed[0] = true;
    assert_true(link_peer_number(&l, name_of(1), &number));
    assert_int_equal(number, 1);
    assert_false(link_peer_number(&l, slice_make("\1\0bcde", 6), &number)); /* no such socket */
}

/* ---- random numbers ---- */

/* So many calls fail, with this; the others are the kernel's. */
static unsigned random_failures;
static int random_errno;

ssize_t getrandom(void *to, size_t size, unsigned flags)
{
    if (random_failures == 0)
        return syscall(SYS_getrandom, to, size, flags);
    random_failures--;
    errno = random_errno;
    return -1;
}

/* Early after the start of a machine there may be no randomness yet, and waiting for it may be
 * interrupted. */
static void a_signal_does_not_keep_from_random_numbers(void **state)
{
    (void)state;
    random_failures = 3;
    random_errno = EINTR;
    assert_true(rand() >= 0);
    assert_int_equal(random_failures, 0);
}

static void without_random_numbers_the_process_ends(void **state)
{
    int status;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        core_forbid();
        signal(SIGABRT, SIG_DFL); /* not the test's: it is meant to end */
        random_failures = 1;
        random_errno = ENOSYS;
        rand();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* What a broker that starts here and now would begin with. */
static uint32_t first_number(void)
{
    uint32_t number = 0;
    void *router;
    int ends[2];
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        router = zmq_socket(context_take(), ZMQ_ROUTER);
        _exit(socket_first_number(router, &number) == 0 &&
                      write(ends[1], &number, sizeof number) == sizeof number
                  ? 0
                  : 1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &number, sizeof number), sizeof number);
    close(ends[0]);
    waitpid(pid, NULL, 0);
    return number;
}

static void each_start_begins_with_another_number(void **state)
{
    (void)state;
    assert_int_not_equal(first_number(), first_number());
}

/* ---- at the gate ---- */

static struct access *access_of(const char *key)
{
    char path[] = "/tmp/names.XXXXXX", text[256];
    int fd = mkstemp(path);
    struct access *a = NULL;

    snprintf(text, sizeof text, "[one]\nkey = %s\nmay = publish\n", key);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    assert_int_equal(access_open(path, true, clock_mono_ms(), &a), 0);
    unlink(path);
    return a;
}

static void a_key_shakes_hands_at_its_pace(void **state)
{
    struct gate_request r = {.keyed = true};
    unsigned open = 0;
    int64_t start_ms;

    (void)state;
    memset(r.key, 'a', KEY_HEX);
    struct access *a = access_of(r.key);
    start_ms = clock_mono_ms();
    for (int i = 0; i < 10 * ACCESS_BURST; i++)
        open += access_admit(a, &r, 0) == GATE_OPEN;
    assert_true(open >= ACCESS_BURST);
    assert_true(open <= ACCESS_BURST + 1 + (clock_mono_ms() - start_ms) / ACCESS_PACE_MS + 1);
    assert_int_equal(access_admitted(a), open);
    access_free(a);
}

static void a_key_that_is_not_trusted_waits(void **state)
{
    struct gate_request r = {.keyed = true};

    (void)state;
    memset(r.key, 'a', KEY_HEX);
    struct access *a = access_of(r.key);
    assert_int_equal(access_admit(a, &r, 0), GATE_OPEN);
    access_distrust(a, access_right(a, slice_of(r.key)));
    assert_int_equal(access_admit(a, &r, 0), GATE_LATER);
    access_free(a);
}

/* ---- a broker ---- */

static void *context;

/* A peer with this key and this name, which may be empty. */
static void *connect_named(const char *key, const void *name, size_t size, const char *monitor)
{
    struct keyfile k = key_read(key);
    void *peer = zmq_socket(context, ZMQ_DEALER);
    int limit_ms = KEYED_LIMIT_MS;

    assert_int_equal(socket_lock(peer, &k, false), 0);
    option_set(peer, ZMQ_LINGER, 0);
    option_set(peer, ZMQ_RCVTIMEO, limit_ms);
    if (size)
        assert_int_equal(zmq_setsockopt(peer, ZMQ_ROUTING_ID, name, size), 0);
    if (monitor)
        assert_int_equal(zmq_socket_monitor(peer, monitor, ZMQ_EVENT_DISCONNECTED), 0);
    assert_int_equal(zmq_connect(peer, keyed_publish), 0);
    return peer;
}

/* Says HELLO; whether the answer is this kind, and has these words. */
static void assert_answered(void *peer, enum wire_kind kind, const char *words)
{
    struct wire_message hello = {.kind = WIRE_HELLO}, m;
    char preamble[16], header[1024];
    struct buffer out = {0};
    struct arena arena = {0};
    int n;

    hello.hello = (struct wire_hello){slice_of("producer"), slice_of("named"), 1};
    wire_encode(&hello, &out);
    zmq_send(peer, wire_preamble.at, wire_preamble.size, ZMQ_SNDMORE);
    zmq_send(peer, out.at, out.size, 0);
    assert_int_equal(zmq_recv(peer, preamble, sizeof preamble, 0), wire_preamble.size);
    n = zmq_recv(peer, header, sizeof header, 0);
    assert_true(n > 0);
    assert_int_equal(wire_decode(slice_make(header, (size_t)n), 0, &arena, &m), 0);
    assert_int_equal(m.kind, kind);
    if (kind == WIRE_ERROR)
        assert_true(slice_is(m.error.code, words));
    arena_free(&arena);
    buffer_free(&out);
}

static void a_name_that_a_peer_chose_is_denied_whatever_it_looks_like(void **state)
{
    static const struct {
        const char *key, *name;
        size_t size;
    } chosen[] = {{"chooser-1", "abc", 3}, {"chooser-2", "\0wxyz", 5}, {"chooser-3", "\0", 1}};

    (void)state;
    for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++) {
        KEYS("new", chosen[i].key);
        void *peer = connect_named(chosen[i].key, chosen[i].name, chosen[i].size, NULL);
        assert_answered(peer, WIRE_ERROR, "denied");
        zmq_close(peer);
    }
    await_log("chose the name of its connection");
    KEYS("new", "modest");
    for (int i = 0; i < 20; i++) { /* nobody waits for the others' faults */
        void *peer = connect_named("modest", "", 0, NULL);
        assert_answered(peer, WIRE_WELCOME, "");
        zmq_close(peer);
        expect(RUN("turnout", "status"), 0, "");
    }
}

static void who_has_a_key_and_says_nothing_is_cut(void **state)
{
    void *watch = zmq_socket(context, ZMQ_PAIR), *peer;
    char event[64];

    (void)state;
    KEYS("new", "silent");
    option_set(watch, ZMQ_RCVTIMEO, KEYED_LIMIT_MS);
    peer = connect_named("silent", "", 0, "inproc://silent");
    assert_int_equal(zmq_connect(watch, "inproc://silent"), 0);
    assert_true(zmq_recv(watch, event, sizeof event, 0) > 0);
    zmq_close(peer);
    zmq_close(watch);
}

static int setup(void **state)
{
    context = zmq_ctx_new();
    return keyed_setup(state);
}

static int teardown(void **state)
{
    zmq_ctx_term(context);
    return keyed_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_good_if_it_is_near_the_last),
        cmocka_unit_test(without_a_key_a_peer_has_no_number),
        cmocka_unit_test(a_signal_does_not_keep_from_random_numbers),
        cmocka_unit_test(without_random_numbers_the_process_ends),
        cmocka_unit_test(each_start_begins_with_another_number),
        cmocka_unit_test(a_key_shakes_hands_at_its_pace),
        cmocka_unit_test(a_key_that_is_not_trusted_waits),
        cmocka_unit_test(a_name_that_a_peer_chose_is_denied_whatever_it_looks_like),
        cmocka_unit_test(who_has_a_key_and_says_nothing_is_cut),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
