/* The journal in bad times: a full disk is no misfortune, and what was committed survives the death
 * of the process at any moment. */
#include "broker/disk.h"
#include "broker/record.h"
#include "broker/snapshot.h"
#include "proto/clock.h"
#include "proto/error.h"
#include "tests/shelf.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- full ---- */

#define BIG 2 /* records, each as large as they may be: half a MiB together */

static void append_big(struct journal *j, char fill)
{
    static char events[RECORD_BYTES];
    struct record r = {slice_of("local"), 1, 1000 / BIG, slice_make(events, sizeof events)};

    memset(events, fill, sizeof events);
    for (int i = 0; i < BIG; i++)
        journal_append(j, 0, &r);
}

/* Commits big records until there is no room; how many went in, 0 if it ended in any other way. */
static unsigned fill(struct journal *j)
{
    unsigned n = 0;
    int err = 0;

    while (err == 0 && n < 1000) {
        append_big(j, (char)('a' + n % 26));
        err = journal_commit(j);
        n += err == 0;
    }
    return err == ERR_FULL ? n : 0;
}

/* Exactly so many big records are there, and whole. */
static bool big_are(struct journal *j, unsigned expected)
{
    struct record r;
    uint64_t at;
    unsigned n = 0;
    bool whole = journal_read_begin(j, 0, 0) == 0;

    for (; journal_next(j, &at, &r) == 0; n++)
        whole = whole && r.events.size == RECORD_BYTES &&
                r.events.at[RECORD_BYTES - 1] == (char)('a' + n / BIG % 26);
    journal_read_end(j);
    return whole && n == BIG * expected && journal_end(j, 0) == expected * 1000;
}

static void a_full_journal_keeps_nothing_half_and_goes_on_when_enlarged(void **state)
{
    struct journal *j;
    unsigned n;

    (void)state;
    assert_int_equal(shelf_try(JOURNAL_MIN_BYTES, 8, &j), 0);
    n = fill(j);
    assert_true(n > 4);
    assert_true(big_are(j, n));
    shelf_append(j, 1, "small");
    append_big(j, '?'); /* the room for the small one does not save the commit */
    assert_int_equal(journal_commit(j), ERR_FULL);
    shelf_expect(j, 1, "");
    assert_true(big_are(j, n));
    journal_close(j);
    assert_int_equal(shelf_try(2 * JOURNAL_MIN_BYTES, 8, &j), 0);
    assert_true(big_are(j, n));
    append_big(j, (char)('a' + n % 26));
    shelf_append(j, 1, "small");
    assert_int_equal(journal_commit(j), 0);
    assert_true(big_are(j, n + 1));
    shelf_expect(j, 1, "small");
    journal_close(j);
}

/* Runs a check in a process of its own, as it changes limits; true if it came to its end.  In
 * there NEED stands for assertions, which would jump into the parent's list of tests. */
static bool in_child(void (*check)(void))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        check();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void need(bool condition, int line)
{
    if (condition)
        return;
    fprintf(stderr, "child: line %d\n", line);
    _exit(1);
}
#define NEED(condition) need(condition, __LINE__)

static void limit_file(rlim_t bytes)
{
    struct rlimit l;

    getrlimit(RLIMIT_FSIZE, &l);
    l.rlim_cur = bytes;
    NEED(setrlimit(RLIMIT_FSIZE, &l) == 0);
}

static void meet_a_file_that_cannot_grow(void)
{
    struct journal *j;
    unsigned n;

    NEED(shelf_try(SHELF_BYTES, 8, &j) == 0);
    limit_file((rlim_t)DISK_STEP);
    n = fill(j);
    NEED(n > 4 && journal_used_bytes(j) < DISK_STEP);
    NEED(big_are(j, n));
    limit_file(RLIM_INFINITY);
    append_big(j, (char)('a' + n % 26));
    NEED(journal_commit(j) == 0);
    NEED(big_are(j, n + 1));
    journal_close(j);
    NEED(shelf_try(SHELF_BYTES, 8, &j) == 0);
    NEED(big_are(j, n + 1));
    journal_close(j);
}

static void a_file_that_cannot_grow_is_full_until_it_can(void **state)
{
    (void)state;
    assert_true(in_child(meet_a_file_that_cannot_grow));
}

/* The limit lies below what the journal has allocated: the write itself fails, inside LMDB. */
static void meet_a_failing_write(void)
{
    struct journal *j;

    NEED(shelf_try(SHELF_BYTES, 8, &j) == 0);
    for (char c = 'a'; c < 'a' + 10; c++)
        append_big(j, c);
    NEED(journal_commit(j) == 0);
    append_big(j, 'k');
    limit_file((rlim_t)2 * 1024 * 1024);
    NEED(journal_commit(j) == ERR_FULL);
    NEED(big_are(j, 10));
    append_big(j, 'k');
    NEED(journal_commit(j) == ERR_FULL);
    limit_file(RLIM_INFINITY);
    NEED(big_are(j, 10));
    append_big(j, 'k');
    NEED(journal_commit(j) == 0);
    NEED(big_are(j, 11));
    journal_close(j);
    NEED(shelf_try(SHELF_BYTES, 8, &j) == 0);
    NEED(big_are(j, 11));
    journal_close(j);
}

static void a_write_that_fails_for_want_of_room_harms_nothing(void **state)
{
    (void)state;
    assert_true(in_child(meet_a_failing_write));
}

/* ---- pages that somebody else holds ---- */

/* Holds the journal as it is now until it is killed, and says so. */
static void hold_for_ever(int report)
{
    struct snapshot *s;
    uint64_t commit;

    if (snapshot_open(shelf_folder, &s) < 0 || snapshot_hold(s, &commit) < 0 ||
        write(report, "h", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static pid_t holder_start(void)
{
    int pipe_fd[2];
    char held;

    assert_int_equal(pipe(pipe_fd), 0);
    pid_t pid = fork();
    if (pid == 0)
        hold_for_ever(pipe_fd[1]);
    close(pipe_fd[1]);
    assert_int_equal(read(pipe_fd[0], &held, 1), 1);
    close(pipe_fd[0]);
    return pid;
}

/* Commits to the trees, of an event and a refused one each, until one fails. */
static int fill_slowly(struct journal *j, unsigned most)
{
    const struct reject refused = {.code = slice_of("missing"), .event = slice_of("?")};
    int err = 0;

    for (unsigned n = 0; n < most && err == 0; n++) {
        shelf_stage(j, n % 8, "x");
        journal_reject(j, &refused);
        err = journal_commit(j);
    }
    return err;
}

/* No page can be used again meanwhile, so that a journal of few events comes to its limit. */
static void what_a_reader_held_is_room_again_when_it_has_gone(void **state)
{
    struct journal *j;
    int64_t end_ms;
    pid_t holder;
    int status;

    (void)state;
    assert_int_equal(shelf_try(JOURNAL_MIN_BYTES, 8, &j), 0);
    assert_int_equal(fill_slowly(j, 10), 0);
    holder = holder_start();
    assert_int_equal(fill_slowly(j, 100000), ERR_FULL);
    assert_true(journal_used_bytes(j) <= JOURNAL_MIN_BYTES - DISK_RESERVE / 2); /* for the trees */
    kill(holder, SIGKILL);
    waitpid(holder, &status, 0);
    for (end_ms = clock_mono_ms() + 20000; fill_slowly(j, 1) == ERR_FULL;)
        assert_true(clock_mono_ms() < end_ms);
    assert_int_equal(fill_slowly(j, 2000), 0);
    assert_true(journal_used_bytes(j) <= JOURNAL_MIN_BYTES);
    journal_close(j);
}

/* ---- a file system that cannot allocate ahead ---- */
static void deny_fallocate(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fallocate, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};

    NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    NEED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/* Of 72 MiB 16 are left to others, and room is looked for 16 MiB at a time. */
static void meet_a_small_file_system(void)
{
    struct journal *j;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", shelf_folder, "tmpfs", 0, "size=72m") < 0) {
        fprintf(stderr, "not tried: who may not mount has no small file system\n");
        return;
    }
    deny_fallocate();
    NEED(shelf_try(SHELF_BYTES, 8, &j) == 0);
    NEED(fill(j) > 0);
    NEED(journal_used_bytes(j) > 40 * 1024 * 1024);
    journal_close(j);
}

static void what_cannot_be_allocated_ahead_is_asked_for_once(void **state)
{
    (void)state;
    assert_true(in_child(meet_a_small_file_system));
}

/* ---- sudden death ---- */

/* Every commit k adds one event, the letter of k, to each of a few partitions, and only then says
 * so.  A commit is there in all its partitions or in none. */
static void commit_for_ever(int report)
{
    struct journal *j;
    char letter[2] = "";

    if (shelf_try(SHELF_BYTES, 4, &j) < 0)
        _exit(1);
    for (uint64_t k = journal_end(j, 0);; k++) {
        letter[0] = (char)('a' + k % 26);
        for (unsigned p = 0; p < 4; p++)
            if (shelf_stage(j, p, letter) < 0)
                _exit(1);
        if (journal_commit(j) < 0 || write(report, &k, sizeof k) != sizeof k)
            _exit(1);
    }
}

static void assert_whole_commits(uint64_t reported)
{
    struct journal *j;
    struct buffer b = {0};

    assert_int_equal(shelf_try(SHELF_BYTES, 4, &j), 0);
    for (unsigned p = 0; p < 4; p++) {
        assert_int_equal(journal_end(j, p), journal_end(j, 0));
        assert_true(journal_end(j, p) == reported || journal_end(j, p) == reported + 1);
        assert_int_equal(shelf_read(j, p, 0, &b), 0);
        assert_int_equal(b.size, journal_end(j, p));
        for (size_t i = 0; i < b.size; i++)
            assert_int_equal(b.at[i], 'a' + (int)(i % 26));
    }
    journal_close(j);
    buffer_free(&b);
}

static void death_at_any_moment_leaves_exactly_the_commits(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    uint64_t k = 0;
    int pipe_fd[2], status;

    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 25; round++) {
        assert_int_equal(pipe(pipe_fd), 0);
        pid_t pid = fork();
        if (pid == 0)
            commit_for_ever(pipe_fd[1]);
        close(pipe_fd[1]);
        for (int commits = 1 + rand() % 8; commits > 0; commits--)
            assert_int_equal(read(pipe_fd[0], &k, sizeof k), sizeof k);
        for (volatile int spin = rand() % 2000000; spin > 0; spin--)
            ; /* somewhere within the next commit */
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        while (read(pipe_fd[0], &k, sizeof k) == sizeof k)
            ;
        close(pipe_fd[0]);
        assert_whole_commits(k + 1);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shelf_setup, shelf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_full_journal_keeps_nothing_half_and_goes_on_when_enlarged),
        TEST(a_file_that_cannot_grow_is_full_until_it_can),
        TEST(what_a_reader_held_is_room_again_when_it_has_gone),
        TEST(what_cannot_be_allocated_ahead_is_asked_for_once),
        TEST(a_write_that_fails_for_want_of_room_harms_nothing),
        TEST(death_at_any_moment_leaves_exactly_the_commits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
