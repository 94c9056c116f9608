/* The guard in this process, which accepts its connections itself: who makes room for whom when
 * descriptors run out, who is cut when there are too many or too much memory is held, and what is
 * known of a connection.  test_bounds has the guard of a whole broker. */
#include "broker/guard.h"
#include "proto/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_MS 60000
#define PLENTY   ((uint64_t)1 << 40) /* bytes of memory */

static struct guard *guard;

static void start(unsigned connections, uint64_t memory_bytes)
{
    struct guard_config c = {.connections = connections, .memory_bytes = memory_bytes};

    assert_int_equal(guard_start(&c, &guard), 0);
}

/* ---- connections: of local sockets, which are not cut for having said nothing ---- */

struct door {
    int fd;
    struct sockaddr_un at; /* without a name in any folder: the kernel finds one */
    socklen_t size;
};

static void door_open(struct door *d, int fd)
{
    struct sockaddr_un none = {.sun_family = AF_UNIX};

    d->fd = fd;
    d->size = sizeof d->at;
    assert_int_equal(bind(fd, (struct sockaddr *)&none, sizeof none.sun_family), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&d->at, &d->size), 0);
}

static struct door door; /* one for each test */

static int setup(void **state)
{
    (void)state;
    door_open(&door, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    guard_stop(guard);
    guard = NULL;
    return close(door.fd);
}

/* Both ends of a connection. */
struct line {
    int peer, ours;
};

static struct line line_of(const struct door *d)
{
    struct timeval limit = {LIMIT_MS / 1000, 0};
    struct line l = {.peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};

    assert_true(l.peer >= 0);
    setsockopt(l.peer, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    assert_int_equal(connect(l.peer, (const struct sockaddr *)&d->at, d->size), 0);
    l.ours = accept4(d->fd, NULL, NULL, SOCK_CLOEXEC);
    return l;
}

static void line_close(struct line l)
{
    close(l.peer);
    if (l.ours >= 0)
        close(l.ours);
}

/* It has ended, as the peer sees. */
static bool is_cut(struct line l)
{
    char byte;

    return recv(l.peer, &byte, 1, MSG_DONTWAIT) == 0;
}

/* Waits for that end. */
static void assert_cut(struct line l)
{
    char byte;

    assert_int_equal(recv(l.peer, &byte, 1, 0), 0);
}

/* ---- room ---- */

/* Descriptors are given out from the smallest on: all below this number are in use.  Returns how
 * many were taken, one behind the other in `list`. */
static unsigned fill_up_to(int least, int *list)
{
    unsigned n = 0;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && fd < least) {
        list[n++] = fd;
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    assert_true(fd >= 0);
    close(fd);
    return n;
}

/* The first two were closed: one descriptor is a file's by now, and the other a listening socket's,
 * which must not be shut down. */
static void the_oldest_silent_connection_makes_room_if_it_is_still_one(void **state)
{
    struct door other;
    struct line file, listening, oldest, late;
    static int taken[GUARD_DESCRIPTORS];
    unsigned n;

    (void)state;
    start(GUARD_CONNECTIONS_LEAST, PLENTY);
    file = line_of(&door);
    listening = line_of(&door);
    oldest = line_of(&door);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(dup3(null, file.ours, O_CLOEXEC), file.ours);
    close(null);
    int fresh = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(dup3(fresh, listening.ours, O_CLOEXEC), listening.ours);
    close(fresh);
    door_open(&other, listening.ours);

    n = fill_up_to(GUARD_CONNECTIONS_LEAST + GUARD_OWN_FILES, taken);
    assert_false(is_cut(oldest));
    late = line_of(&door);
    assert_true(late.ours >= 0);
    assert_cut(oldest);
    assert_false(is_cut(late));
    line_close(line_of(&other));
    while (n > 0)
        close(taken[--n]);
    line_close(file);
    line_close(late);
    line_close(oldest);
    line_close(listening);
}

/* Before there is none left for libzmq itself. */
static void who_comes_when_there_is_no_room_at_all_is_closed_at_once(void **state)
{
    struct line first, late;
    static int taken[GUARD_DESCRIPTORS];
    unsigned n;

    (void)state;
    start(GUARD_CONNECTIONS_LEAST, PLENTY);
    first = line_of(&door);
    assert_true(guard_greet(guard, first.ours) > 0);
    n = fill_up_to(GUARD_CONNECTIONS_LEAST + GUARD_FILES - GUARD_OWN_FILES, taken);
    errno = 0;
    late = line_of(&door);
    assert_int_equal(late.ours, -1);
    assert_int_equal(errno, ECONNABORTED);
    assert_cut(late);
    assert_false(is_cut(first));
    while (n > 0)
        close(taken[--n]);
    line_close(first);
    line_close(late);
}

/* ---- too many, and too much ---- */

/* One with a session.  The guard may have looked just before it had, and cut it; afterwards it does
 * not. */
static struct line member_new(void)
{
    struct line l = line_of(&door);

    assert_true(guard_greet(guard, l.ours) > 0);
    if (!is_cut(l))
        return l;
    line_close(l);
    return member_new();
}

static struct guard_counts await_connections(unsigned count)
{
    int64_t end_ms = clock_mono_ms() + LIMIT_MS;
    struct guard_counts c = guard_counts(guard);

    for (; c.connections != count || c.greeted != count; c = guard_counts(guard)) {
        assert_true(clock_mono_ms() < end_ms);
        usleep(5000);
    }
    return c;
}

static void for_their_number_only_those_without_a_session_are_cut(void **state)
{
    struct line in[3], silent;
    uint64_t before;

    (void)state;
    start(1, PLENTY);
    for (int i = 0; i < 3; i++)
        in[i] = member_new();
    before = await_connections(3).silent;
    silent = line_of(&door);
    assert_cut(silent);
    assert_true(guard_counts(guard).silent > before);
    line_close(silent);
    for (int i = 0; i < 3; i++) {
        assert_false(is_cut(in[i]));
        line_close(in[i]);
    }
}

/* Waits until all were cut more often than so many times. */
static void await_all_cut(uint64_t times)
{
    int64_t end_ms = clock_mono_ms() + LIMIT_MS;

    while (guard_counts(guard).all <= times) {
        assert_true(clock_mono_ms() < end_ms);
        usleep(5000);
    }
}

/* Memory that no connection explains.  At the first look there is none yet. */
static void when_nothing_else_helps_all_are_cut(void **state)
{
    struct line member;

    (void)state;
    start(GUARD_CONNECTIONS_LEAST, 1);
    await_all_cut(0);
    member = line_of(&door);
    assert_true(guard_greet(guard, member.ours) > 0);
    assert_cut(member);
    await_all_cut(guard_counts(guard).all); /* and again, while it does not help */
    assert_true(guard_counts(guard).relieved > 0);
    assert_int_equal(guard_counts(guard).emergencies, 1);
    line_close(member);
}

#define HELD_LIMIT ((uint64_t)256 << 20)
#define ALMOST     ((size_t)4 << 20)  /* so much below the limit, and then */
#define ABOVE      ((size_t)12 << 20) /* so much more: less than what counts as growing */

static void *memory_hold(size_t size)
{
    void *at =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    assert_true(at != MAP_FAILED);
    return at;
}

/* So that the memory is just below the limit; returns how much was held for it. */
static size_t memory_hold_almost(void **ret)
{
    int64_t end_ms = clock_mono_ms() + LIMIT_MS;

    while (guard_counts(guard).memory_bytes == 0) {
        assert_true(clock_mono_ms() < end_ms);
        usleep(5000);
    }
    size_t size = HELD_LIMIT - ALMOST - guard_counts(guard).memory_bytes;
    *ret = memory_hold(size);
    return size;
}

/* So much of a message has come, and no end of it. */
static void line_receive(struct line l, size_t size)
{
    static char part[4096];

    for (size_t n = 0; n < size; n += sizeof part) {
        assert_int_equal(send(l.peer, part, sizeof part, MSG_NOSIGNAL), sizeof part);
        for (size_t got = 0; got < sizeof part;) {
            ssize_t r = recv(l.ours, part, sizeof part - got, 0);
            assert_true(r > 0);
            got += (size_t)r;
        }
    }
}

static struct line receiver_new(size_t size)
{
    struct line l = line_of(&door);

    assert_true(guard_greet(guard, l.ours) > 0);
    line_receive(l, size);
    return l;
}

/* The memory of who was cut is freed three looks later, before that could have been in vain; it is
 * tried again if this process had no time to do so. */
static void while_a_cut_may_still_help_nobody_else_is_cut(void **state)
{
    void *almost;

    (void)state;
    start(GUARD_CONNECTIONS_LEAST, HELD_LIMIT);
    size_t size = memory_hold_almost(&almost);
    for (bool in_time = false; !in_time;) {
        struct line endless = receiver_new(2 << 20), honest = receiver_new(128 << 10);
        int64_t began_ms = clock_mono_ms();
        void *held = memory_hold(ABOVE);
        assert_cut(endless);
        usleep(3 * GUARD_MS * 1000);
        munmap(held, ABOVE);
        in_time = clock_mono_ms() - began_ms < 900;
        assert_false(in_time && is_cut(honest));
        line_close(endless);
        line_close(honest);
        if (!in_time)
            usleep(1100 * 1000); /* the next is no sequel */
    }
    munmap(almost, size);
}

/* ---- what is known ---- */

static void a_descriptor_is_known_only_for_the_connection_that_had_a_session(void **state)
{
    struct line one, two;
    uint64_t number;

    (void)state;
    start(GUARD_CONNECTIONS_LEAST, PLENTY);
    one = line_of(&door);
    assert_false(guard_knows(guard, one.ours));
    number = guard_greet(guard, one.ours);
    assert_true(number > 0);
    assert_true(guard_knows(guard, one.ours));
    guard_leave(guard, one.ours, number);
    assert_true(guard_knows(guard, one.ours)); /* it had one */
    line_close(one);
    two = line_of(&door);
    assert_int_equal(two.ours, one.ours); /* the smallest that is free */
    assert_false(guard_knows(guard, two.ours));
    assert_true(guard_greet(guard, two.ours) > number);
    line_close(two);
}

static void descriptors_that_are_none_are_nobodys(void **state)
{
    static const int none[] = {-1, GUARD_DESCRIPTORS, 1 << 30};

    (void)state;
    start(GUARD_CONNECTIONS_LEAST, PLENTY);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        guard_heard(guard, none[i]);
        assert_int_equal(guard_greet(guard, none[i]), 0);
        assert_false(guard_knows(guard, none[i]));
    }
    assert_int_equal(guard_greet(NULL, 0), 0); /* without a guard nobody is asked for anything */
    assert_false(guard_knows(NULL, 0));
    guard_heard(NULL, 0);
    guard_leave(NULL, 0, 1);
    assert_int_equal(guard_counts(NULL).connections, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_oldest_silent_connection_makes_room_if_it_is_still_one),
        TEST(who_comes_when_there_is_no_room_at_all_is_closed_at_once),
        TEST(for_their_number_only_those_without_a_session_are_cut),
        TEST(when_nothing_else_helps_all_are_cut),
        TEST(while_a_cut_may_still_help_nobody_else_is_cut),
        TEST(a_descriptor_is_known_only_for_the_connection_that_had_a_session),
        TEST(descriptors_that_are_none_are_nobodys),
    };
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
