/* Hostile clients against a running broker: it stays alive and small, and a good producer beside
 * them is served.
 *
 * An attack runs in a process of its own, round after round, while this one publishes good events
 * and has them all accepted.  The bytes of ZeroMQ's own protocol are written by hand here, because
 * a library would not send what a hostile client sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/link.h"
#include "proto/wire.h"
#include "tests/stack.h"
#include "tests/world.h"

#define GOOD_EVENTS 3000
#define SILENT      1000
#define ROUNDS      20 /* of an attack, before and while the good producer works */
#define LIMIT_MS    60000

/* What the broker may grow by: 1,000 connections at some 30 KiB each in libzmq, a few messages of
 * 1 MiB under way, and the journal's pages of the good events.  AddressSanitizer keeps freed
 * memory for a while and puts zones around the rest. */
#ifdef __SANITIZE_ADDRESS__
#define GROWTH_KIB (768 * 1024)
#else
#define GROWTH_KIB (64 * 1024)
#endif

/* ---- raw connections ---- */
static int raw_connect(const char *endpoint)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval second = {.tv_sec = 1};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", endpoint + strlen("ipc://"));
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* False once the other side has closed the connection, or does not read for a second. */
static bool raw_send(int fd, const void *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        bytes = (const char *)bytes + sent;
        size -= (size_t)sent;
    }
    return true;
}

/* Receives until these words have come; false when they do not come within a second. */
static bool raw_await(int fd, const char *words)
{
    char answer[1024];
    size_t size = 0;

    while (!memmem(answer, size, words, strlen(words))) {
        ssize_t n = recv(fd, answer + size, sizeof answer - size, 0);

        if (n <= 0)
            return false;
        size += (size_t)n;
    }
    return true;
}

/* ZMTP 3.0: the greeting (mechanism NULL), then READY with the type of socket.  Whoever sends a
 * message before the other side's READY is cut off at once. */
static int zmtp_connect(const char *endpoint)
{
    static const char ready[] = "\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06"
                                "DEALER";
    char greeting[64] = "\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL";
    int fd = raw_connect(endpoint);

    if (fd >= 0 && raw_send(fd, greeting, sizeof greeting) && raw_send(fd, ready, 2 + 0x1c))
        raw_await(fd, "READY");
    return fd;
}

#define ZMTP_MORE 1
#define ZMTP_LONG 2

/* A frame's head with the size it claims. */
static bool zmtp_head(int fd, int flags, uint64_t size)
{
    unsigned char head[9] = {(unsigned char)(flags | ZMTP_LONG)};

    for (int i = 0; i < 8; i++)
        head[8 - i] = (unsigned char)(size >> 8 * i);
    return raw_send(fd, head, sizeof head);
}

/* ---- attacks: one round each ---- */
struct attack {
    const char *publish, *read; /* the broker's endpoints */
    struct random random;
};

static const char *any_endpoint(struct attack *a)
{
    return random_percent(&a->random, 50) ? a->publish : a->read;
}

static void random_fill(struct random *r, void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)bytes)[i] = (unsigned char)random_next(r);
}

static void attack_noise(struct attack *a)
{
    unsigned char bytes[4096];
    int fd = raw_connect(any_endpoint(a));

    random_fill(&a->random, bytes, sizeof bytes);
    if (random_percent(&a->random, 50))
        bytes[0] = 0xff;
    raw_send(fd, bytes, 1 + random_below(&a->random, sizeof bytes));
    close(fd);
}

static void attack_truncated(struct attack *a)
{
    int fd = zmtp_connect(any_endpoint(a));

    zmtp_head(fd, ZMTP_MORE, wire_preamble.size);
    raw_send(fd, wire_preamble.at, wire_preamble.size);
    if (random_percent(&a->random, 50))
        zmtp_head(fd, 0, 4000);
    raw_send(fd, "\x93\x03\x01", random_below(&a->random, 4));
    close(fd);
}

static void attack_huge_frame(struct attack *a)
{
    static char megabyte[1 << 20];
    int fd = zmtp_connect(any_endpoint(a));

    if (zmtp_head(fd, 0, 100 << 20))
        for (int i = 0; i < 100 && raw_send(fd, megabyte, sizeof megabyte); i++)
            ;
    close(fd);
}

static void attack_many_parts(struct attack *a)
{
    int fd = zmtp_connect(any_endpoint(a));
    bool sent = true;

    for (int i = 0; i < 5000 && sent; i++)
        sent = zmtp_head(fd, i < 4999 ? ZMTP_MORE : 0, 1) && raw_send(fd, "x", 1);
    close(fd);
}

/* Well framed and well begun, but the rest is made up. */
static void attack_headers(struct attack *a)
{
    unsigned char header[200], payload[200];
    struct slice part = {(char *)payload, sizeof payload};
    struct link *l;

    if (link_connect(any_endpoint(a), &l) < 0)
        return;
    link_wait(&l, 1, -1, 50); /* until it is connected; nothing else comes unasked */
    for (int i = 0; i < 200; i++) {
        random_fill(&a->random, header, sizeof header);
        random_fill(&a->random, payload, sizeof payload);
        header[0] = (unsigned char)(0x90 + i % 16);
        header[1] = (unsigned char)(i % 16);
        link_send(l, slice_of(""), slice_make(header, 2 + random_below(&a->random, 190)), &part,
                  i % 2);
    }
    link_close(l, 100);
}

/* A session as it should be, but its events ask for gigabytes. */
static void attack_bombs(struct attack *a)
{
    static const char *const bombs[] = {"\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff",
                                        "\xdb\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff",
                                        "\xc9\xff\xff\xff\xff", "\x91\x91\x91\x91\x91"};
    struct wire_message hello = {.kind = WIRE_HELLO,
                                 .hello = {slice_of("producer"), slice_of("bomb"), 0}};
    struct wire_message m = {.kind = WIRE_PUBLISH};
    struct buffer header = {0};
    uint32_t size = 5;
    struct link *l;

    if (link_connect(a->publish, &l) < 0)
        return;
    link_wait(&l, 1, -1, 50);
    wire_encode(&hello, &header);
    link_send(l, slice_of(""), buffer_slice(&header), NULL, 0);
    for (uint64_t i = 0; i < 100; i++) {
        struct slice bomb = {bombs[i % 6], 5};

        m.publish = (struct wire_publish){.first = i + 1, .count = 1, .sizes = &size};
        buffer_clear(&header);
        wire_encode(&m, &header);
        link_send(l, slice_of(""), buffer_slice(&header), &bomb, 1);
    }
    link_close(l, 100);
    buffer_free(&header);
}

/* ---- the broker meanwhile ---- */
static long broker_kib(pid_t pid)
{
    char path[64], line[256];
    long kib = -1;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    f = fopen(path, "r");
    assert_non_null(f);
    while (kib < 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %ld kB", &kib) != 1)
            kib = -1;
    fclose(f);
    assert_true(kib > 0);
    return kib;
}

struct siege {
    struct stack *stack;
    pid_t broker;
    long kib; /* before */
    uint64_t seed;
    char publish[256], read[256];
    _Atomic unsigned *rounds; /* shared with the attacker */
};

static int siege_new(void **state)
{
    struct siege *s = memory_need(sizeof *s);

    *s = (struct siege){.stack = stack_new(1), .seed = random_seed("test_hostile")};
    s->rounds =
        mmap(NULL, sizeof *s->rounds, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(s->rounds, MAP_FAILED);
    snprintf(s->publish, sizeof s->publish, "ipc://%s/publish.sock", s->stack->dir);
    snprintf(s->read, sizeof s->read, "ipc://%s/read.sock", s->stack->dir);
    stack_start(s->stack);
    s->broker = stack_pid(s->stack, "broker");
    s->kib = broker_kib(s->broker);
    *state = s;
    return 0;
}

static int siege_free(void **state)
{
    struct siege *s = *state;

    stack_free(s->stack);
    munmap(s->rounds, sizeof *s->rounds);
    free(s);
    return 0;
}

static void siege_serve_good_producer(struct siege *s)
{
    struct buffer events = {0};

    world_events(s->seed, GOOD_EVENTS, &events);
    stack_publish_events(s->stack,
                         buffer_slice(&events)); /* ends the test unless all are accepted */
    buffer_free(&events);
}

static void siege_assert_unharmed(struct siege *s)
{
    long grown = broker_kib(s->broker) - s->kib;

    print_message("the broker grew by %ld KiB\n", grown);
    assert_int_equal(stack_pid(s->stack, "broker"), s->broker);
    assert_true(grown < GROWTH_KIB);
}

static void siege_await_rounds(struct siege *s, unsigned rounds)
{
    int64_t until = clock_mono_ms() + LIMIT_MS;

    while (*s->rounds < rounds) {
        assert_true(clock_mono_ms() < until);
        usleep(1000);
    }
}

static void siege_run(struct siege *s, void (*attack)(struct attack *a))
{
    struct attack a = {s->publish, s->read, random_new(s->seed)};
    pid_t attacker;
    int status;

    *s->rounds = 0;
    attacker = fork();
    if (attacker == 0)
        for (;; ++*s->rounds)
            attack(&a);
    siege_await_rounds(s, ROUNDS);
    siege_serve_good_producer(s);
    siege_await_rounds(s, 2 * ROUNDS);
    kill(attacker, SIGKILL);
    assert_int_equal(waitpid(attacker, &status, 0), attacker);
    siege_assert_unharmed(s);
}

/* ---- the tests ---- */
/* If the handshake by hand were wrong, no attack would get past it. */
static void the_broker_answers_a_hello_that_is_written_by_hand(void **state)
{
    static const char hello[] = "\x94\x01\xa6"
                                "client\xa1x\0";
    struct siege *s = *state;
    int fd = zmtp_connect(s->read);

    assert_true(zmtp_head(fd, ZMTP_MORE, wire_preamble.size));
    assert_true(raw_send(fd, wire_preamble.at, wire_preamble.size));
    assert_true(zmtp_head(fd, 0, sizeof hello - 1));
    assert_true(raw_send(fd, hello, sizeof hello - 1));
    assert_true(raw_await(fd, "turnout-broker/"));
    close(fd);
}

static void random_bytes_do_no_harm(void **state)
{
    siege_run(*state, attack_noise);
}

static void frames_that_break_off_do_no_harm(void **state)
{
    siege_run(*state, attack_truncated);
}

static void frames_of_100_megabytes_do_no_harm(void **state)
{
    siege_run(*state, attack_huge_frame);
}

static void messages_of_5000_frames_do_no_harm(void **state)
{
    siege_run(*state, attack_many_parts);
}

static void made_up_headers_do_no_harm(void **state)
{
    siege_run(*state, attack_headers);
}

static void events_that_ask_for_gigabytes_are_refused(void **state)
{
    struct siege *s = *state;
    struct run r;

    siege_run(s, attack_bombs);
    r = stack_run(s->stack, slice_of(""),
                  (const char *const[]){"turnout", "status", "--json", NULL});
    assert_null(strstr(r.out.at, "\"rejects\":0,"));
    run_free(&r);
}

static void a_thousand_connections_that_say_nothing_do_no_harm(void **state)
{
    struct siege *s = *state;
    struct rlimit files;
    int fds[SILENT];

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (int i = 0; i < SILENT; i++) {
        fds[i] = raw_connect(i % 2 ? s->publish : s->read);
        assert_true(fds[i] >= 0);
    }
    siege_serve_good_producer(s);
    siege_assert_unharmed(s);
    for (int i = 0; i < SILENT; i++)
        close(fds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_broker_answers_a_hello_that_is_written_by_hand),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(frames_that_break_off_do_no_harm),
        cmocka_unit_test(frames_of_100_megabytes_do_no_harm),
        cmocka_unit_test(messages_of_5000_frames_do_no_harm),
        cmocka_unit_test(made_up_headers_do_no_harm),
        cmocka_unit_test(events_that_ask_for_gigabytes_are_refused),
        cmocka_unit_test(a_thousand_connections_that_say_nothing_do_no_harm),
    };

    return cmocka_run_group_tests(tests, siege_new, siege_free);
}
