/* The journal: what is committed is there, whatever happens to the process; what is not, is not;
 * what has changed on disk is found; and a full disk is no misfortune. */
#include "broker/journal.h"
#include "proto/error.h"
#include "proto/event.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define SMALL ((uint64_t)64 * 1024 * 1024)

static char folder[512];

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *where)
{
    (void)s, (void)type, (void)where;
    return remove(path);
}

static int folder_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    snprintf(folder, sizeof folder, "%s/test_journal.XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int folder_teardown(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int try_open(uint64_t limit, unsigned partitions, struct journal **ret)
{
    struct journal_config c = {folder, limit, partitions};

    return journal_open(&c, ret);
}

static struct journal *open_journal(void)
{
    struct journal *j = NULL;

    assert_int_equal(try_open(SMALL, 8, &j), 0);
    return j;
}

/* `count` events of one byte each: the journal does not look into them. */
static struct record record_make(const char *events, uint32_t count)
{
    return (struct record){slice_of("local"), 1700000000000 + count, count,
                           slice_make(events, strlen(events))};
}

static void append(struct journal *j, unsigned partition, const char *events)
{
    struct record r = record_make(events, (uint32_t)strlen(events));

    assert_int_equal(journal_append(j, partition, &r), 0);
}

/* All events of a partition from an offset on, one after the other. */
static int read_all(struct journal *j, unsigned partition, uint64_t offset, struct buffer *out)
{
    struct record r;
    uint64_t at;
    int err = journal_read_begin(j, partition, offset);

    buffer_clear(out);
    while (err == 0) {
        err = journal_next(j, &at, &r);
        if (err == 0)
            buffer_add_slice(out, r.events);
    }
    journal_read_end(j);
    return err == ERR_AGAIN ? 0 : err;
}

static void assert_events(struct journal *j, unsigned partition, const char *expected)
{
    struct buffer b = {0};

    assert_int_equal(read_all(j, partition, 0, &b), 0);
    assert_int_equal(b.size, strlen(expected));
    if (b.size)
        assert_memory_equal(b.at, expected, b.size);
    assert_int_equal(journal_end(j, partition), strlen(expected));
    buffer_free(&b);
}

/* ---- keeping ---- */

static void a_new_journal_has_a_log_id_and_empty_partitions(void **state)
{
    struct journal *j = open_journal();
    struct slice log = journal_log_id(j);

    (void)state;
    assert_int_equal(log.size, 32);
    assert_int_equal(strspn(log.at, "0123456789abcdef") >= 32, 1);
    assert_int_equal(journal_partitions(j), 8);
    for (unsigned p = 0; p < 8; p++)
        assert_events(j, p, "");
    assert_int_equal(journal_received_ms(j, 0, 0), 0);
    assert_int_equal(journal_rejects(j), 0);
    assert_true(journal_used_bytes(j) > 0 && journal_used_bytes(j) < journal_limit_bytes(j));
    journal_close(j);
}

static void what_was_committed_is_there_after_reopening(void **state)
{
    struct journal *j = open_journal();
    char log[JOURNAL_LOG_ID];

    (void)state;
    memcpy(log, journal_log_id(j).at, sizeof log);
    append(j, 0, "abc");
    append(j, 7, "xy");
    append(j, 0, "de");
    assert_int_equal(journal_end(j, 0), 0); /* not before the commit */
    assert_int_equal(journal_commit(j), 0);
    append(j, 0, "f");
    assert_int_equal(journal_commit(j), 0);
    assert_events(j, 0, "abcdef");
    journal_close(j);
    j = open_journal();
    assert_memory_equal(journal_log_id(j).at, log, sizeof log);
    assert_events(j, 0, "abcdef");
    assert_events(j, 7, "xy");
    assert_events(j, 3, "");
    append(j, 0, "g");
    assert_int_equal(journal_commit(j), 0);
    assert_events(j, 0, "abcdefg");
    journal_close(j);
}

static void an_old_journal_keeps_its_number_of_partitions(void **state)
{
    struct journal *j;

    (void)state;
    assert_int_equal(try_open(SMALL, 3, &j), 0);
    append(j, 2, "z");
    assert_int_equal(journal_commit(j), 0);
    journal_close(j);
    assert_int_equal(try_open(SMALL, 256, &j), 0);
    assert_int_equal(journal_partitions(j), 3);
    assert_events(j, 2, "z");
    journal_close(j);
}

static void the_most_partitions_there_can_be_all_work(void **state)
{
    struct journal *j;

    (void)state;
    assert_int_equal(try_open(SMALL, WIRE_MAX_PARTS, &j), 0);
    for (unsigned p = 0; p < WIRE_MAX_PARTS; p++)
        append(j, p, "q");
    assert_int_equal(journal_commit(j), 0);
    journal_close(j);
    assert_int_equal(try_open(SMALL, 1, &j), 0);
    for (unsigned p = 0; p < WIRE_MAX_PARTS; p++)
        assert_events(j, p, "q");
    journal_close(j);
}

static void reading_from_any_offset_begins_with_the_record_that_holds_it(void **state)
{
    static const char *const records[] = {"a", "bcd", "ef", "g", "hijkl"};
    struct journal *j = open_journal();
    struct record r;
    uint64_t at, first = 0;

    (void)state;
    for (int i = 0; i < 5; i++)
        append(j, 4, records[i]);
    assert_int_equal(journal_commit(j), 0);
    for (int i = 0; i < 5; i++) {
        for (uint64_t o = first; o < first + strlen(records[i]); o++) {
            assert_int_equal(journal_read_begin(j, 4, o), 0);
            assert_int_equal(journal_next(j, &at, &r), 0);
            assert_int_equal(at, first);
            assert_true(slice_is(r.events, records[i]));
            assert_true(slice_is(r.source, "local"));
            journal_read_end(j);
            assert_int_equal(journal_received_ms(j, 4, o), 1700000000000 + (int64_t)r.count);
        }
        first += strlen(records[i]);
    }
    assert_int_equal(journal_read_begin(j, 4, first), 0);
    assert_int_equal(journal_next(j, &at, &r), ERR_AGAIN);
    journal_read_end(j);
    journal_close(j);
}

static void an_abort_leaves_nothing(void **state)
{
    struct journal *j = open_journal();
    struct reject reject = {.code = slice_of("missing"), .event = slice_of("?")};

    (void)state;
    append(j, 0, "a");
    assert_int_equal(journal_commit(j), 0);
    append(j, 0, "b");
    assert_int_equal(journal_reject(j, &reject), 0);
    journal_abort(j);
    assert_events(j, 0, "a");
    assert_int_equal(journal_rejects(j), 0);
    append(j, 0, "c");
    assert_int_equal(journal_commit(j), 0);
    assert_events(j, 0, "ac");
    journal_close(j);
}

static void a_second_process_is_locked_out(void **state)
{
    struct journal *j = open_journal(), *other;

    (void)state;
    assert_int_equal(try_open(SMALL, 8, &other), ERR_LOCKED);
    append(j, 0, "a");
    assert_int_equal(journal_commit(j), 0);
    journal_close(j);
    journal_close(open_journal());
}

/* ---- bytes ---- */

static void the_record_in_JOURNAL_md_is_what_is_written(void **state)
{
    struct record r = {slice_of("local"), 1700000000000, 2, slice_of("\x80\x80")}, back;
    unsigned char golden[64], made[64];
    char line[256];
    size_t n = 0;
    bool inside = false;
    FILE *doc = fopen("broker/JOURNAL.md", "r");

    (void)state;
    assert_non_null(doc);
    while (fgets(line, sizeof line, doc)) {
        if (strncmp(line, "```", 3) == 0)
            inside = strcmp(line, "```golden-record\n") == 0;
        for (char *at = line, *end; inside; at = end) {
            unsigned long byte = strtoul(at, &end, 16);
            if (end == at || n == sizeof golden)
                break;
            golden[n++] = (unsigned char)byte;
        }
    }
    fclose(doc);
    assert_int_equal(n, record_size(&r));
    record_encode(&r, 3, 1000, (char *)made);
    assert_memory_equal(made, golden, n);
    assert_int_equal(record_decode(slice_make(golden, n), 3, 1000, &back), 0);
    assert_true(slice_equal(back.events, r.events) && slice_equal(back.source, r.source));
    assert_true(back.count == r.count && back.received_ms == r.received_ms);
}

static void every_changed_bit_of_a_record_is_found(void **state)
{
    struct record r = record_make("abcdefgh", 8), back;
    char bytes[64];
    size_t size = record_size(&r);

    (void)state;
    record_encode(&r, 3, 1000, bytes);
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        assert_true(record_decode(slice_make(bytes, size), 3, 1000, &back) < 0);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t cut = 0; cut < size; cut++)
        assert_true(record_decode(slice_make(bytes, cut), 3, 1000, &back) < 0);
    assert_int_equal(record_decode(slice_make(bytes, size), 3, 1000, &back), 0);
}

static void a_sound_record_in_the_wrong_place_is_found(void **state)
{
    struct record r = record_make("abc", 3), back;
    char bytes[64];

    (void)state;
    record_encode(&r, 3, 1000, bytes);
    assert_int_equal(record_decode(slice_make(bytes, record_size(&r)), 2, 1000, &back),
                     ERR_CORRUPT);
    assert_int_equal(record_decode(slice_make(bytes, record_size(&r)), 3, 1001, &back),
                     ERR_CORRUPT);
}

/* ---- damage ---- */

/* Replaces one byte, `at` bytes behind each place in the data file where `mark` stands. */
static void damage(const char *mark, size_t at, char byte)
{
    char path[600];
    struct buffer b = {0};
    int found = 0;

    snprintf(path, sizeof path, "%s/data.mdb", folder);
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    size_t size = (size_t)ftell(f), n = strlen(mark);
    rewind(f);
    assert_int_equal(fread(buffer_room(&b, size), 1, size, f), size);
    for (size_t i = 0; i + n + at < size; i++)
        if (memcmp(b.at + i, mark, n) == 0) {
            fseek(f, (long)(i + at), SEEK_SET);
            fputc(byte, f);
            found++;
        }
    fclose(f);
    buffer_free(&b);
    assert_true(found > 0);
}

static void a_format_it_does_not_know_is_refused(void **state)
{
    struct journal *j;

    (void)state;
    journal_close(open_journal());
    damage("TRNTJRNL", 8, 2);
    assert_int_equal(try_open(SMALL, 8, &j), ERR_VERSION);
    damage("TRNTJRNL", 8, 1);
    journal_close(open_journal());
    damage("TRNTJRNL", 30, '!');
    assert_int_equal(try_open(SMALL, 8, &j), ERR_CORRUPT);
}

static void a_damaged_record_is_told_apart_from_its_neighbours(void **state)
{
    struct journal *j = open_journal();
    struct buffer b = {0};

    (void)state;
    append(j, 0, "first-record");
    append(j, 0, "second-record");
    append(j, 0, "third-record");
    append(j, 1, "elsewhere");
    assert_int_equal(journal_commit(j), 0);
    journal_close(j);
    damage("second-record", 3, 'O');
    j = open_journal();
    assert_int_equal(read_all(j, 0, 0, &b), ERR_CORRUPT);
    assert_true(slice_is(buffer_slice(&b), "first-record"));
    assert_int_equal(read_all(j, 0, 13, &b), ERR_CORRUPT);
    assert_int_equal(read_all(j, 0, 25, &b), 0);
    assert_true(slice_is(buffer_slice(&b), "third-record"));
    assert_events(j, 1, "elsewhere");
    assert_int_equal(journal_received_ms(j, 0, 13), 0);
    journal_close(j);
    buffer_free(&b);
}

static void a_damaged_end_is_found_when_opening(void **state)
{
    struct journal *j = open_journal();

    (void)state;
    append(j, 0, "only-record");
    assert_int_equal(journal_commit(j), 0);
    journal_close(j);
    damage("only-record", 0, 'O');
    assert_int_equal(try_open(SMALL, 8, &j), ERR_CORRUPT);
}

/* ---- full ---- */

#define BIG (512 * 1024)

static void append_big(struct journal *j, char fill)
{
    static char events[BIG];
    struct record r = {slice_of("local"), 1, 1000, slice_make(events, BIG)};

    memset(events, fill, BIG);
    journal_append(j, 0, &r);
}

/* Commits big records until there is no room; how many went in. */
static unsigned fill(struct journal *j)
{
    unsigned n = 0;
    int err = 0;

    while (err == 0 && n < 1000) {
        append_big(j, (char)('a' + n % 26));
        err = journal_commit(j);
        n += err == 0;
    }
    assert_int_equal(err, ERR_FULL);
    return n;
}

static void assert_big(struct journal *j, unsigned expected)
{
    struct record r;
    uint64_t at;
    unsigned n = 0;

    assert_int_equal(journal_end(j, 0), expected * 1000);
    assert_int_equal(journal_read_begin(j, 0, 0), 0);
    for (; journal_next(j, &at, &r) == 0; n++)
        assert_true(r.events.size == BIG && r.events.at[BIG - 1] == (char)('a' + n % 26));
    journal_read_end(j);
    assert_int_equal(n, expected);
}

static void a_full_journal_keeps_nothing_half_and_goes_on_when_enlarged(void **state)
{
    struct journal *j;
    unsigned n;

    (void)state;
    assert_int_equal(try_open(JOURNAL_MIN_BYTES, 8, &j), 0);
    n = fill(j);
    assert_true(n > 4);
    assert_big(j, n);
    append(j, 1, "small");
    append_big(j, '?'); /* the room for the small one does not save the commit */
    assert_int_equal(journal_commit(j), ERR_FULL);
    assert_events(j, 1, "");
    assert_big(j, n);
    journal_close(j);
    assert_int_equal(try_open(2 * JOURNAL_MIN_BYTES, 8, &j), 0);
    assert_big(j, n);
    append_big(j, (char)('a' + n % 26));
    append(j, 1, "small");
    assert_int_equal(journal_commit(j), 0);
    assert_big(j, n + 1);
    assert_events(j, 1, "small");
    journal_close(j);
}

/* Runs a check in a process of its own, as it changes limits; true if it came to its end. */
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

    NEED(try_open(SMALL, 8, &j) == 0);
    limit_file((rlim_t)DISK_STEP);
    n = fill(j);
    NEED(n > 4 && journal_used_bytes(j) < DISK_STEP);
    assert_big(j, n);
    limit_file(RLIM_INFINITY);
    append_big(j, (char)('a' + n % 26));
    NEED(journal_commit(j) == 0);
    assert_big(j, n + 1);
    journal_close(j);
    NEED(try_open(SMALL, 8, &j) == 0);
    assert_big(j, n + 1);
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

    NEED(try_open(SMALL, 8, &j) == 0);
    for (char c = 'a'; c < 'a' + 10; c++)
        append_big(j, c);
    NEED(journal_commit(j) == 0);
    append_big(j, 'k');
    limit_file((rlim_t)2 * 1024 * 1024);
    NEED(journal_commit(j) == ERR_FULL);
    assert_big(j, 10);
    append_big(j, 'k');
    NEED(journal_commit(j) == ERR_FULL);
    limit_file(RLIM_INFINITY);
    assert_big(j, 10);
    append_big(j, 'k');
    NEED(journal_commit(j) == 0);
    assert_big(j, 11);
    journal_close(j);
    NEED(try_open(SMALL, 8, &j) == 0);
    assert_big(j, 11);
    journal_close(j);
}

static void a_write_that_fails_for_want_of_room_harms_nothing(void **state)
{
    (void)state;
    assert_true(in_child(meet_a_failing_write));
}

/* ---- rejects ---- */

static void refused_events_are_kept_with_their_reasons(void **state)
{
    static char large[EVENT_MAX_BYTES + 1000];
    struct journal *j = open_journal();
    struct reject r = {1700000000000,
                       slice_of("local"),
                       slice_of("bad-value"),
                       slice_of("closes"),
                       slice_of("because"),
                       slice_make(large, sizeof large),
                       0};
    struct buffer copy = {0};
    uint64_t number;

    (void)state;
    memset(large, 'x', sizeof large);
    assert_int_equal(journal_reject(j, &r), 0);
    r.event = slice_of("small");
    assert_int_equal(journal_reject(j, &r), 0);
    assert_int_equal(journal_rejects(j), 0);
    assert_int_equal(journal_commit(j), 0);
    journal_close(j);
    j = open_journal();
    assert_int_equal(journal_rejects(j), 2);
    assert_int_equal(journal_next_reject(j, 0, &copy, &number, &r), 0);
    assert_int_equal(number, 1);
    assert_int_equal(r.size, sizeof large);
    assert_int_equal(r.event.size, EVENT_MAX_BYTES);
    assert_memory_equal(r.event.at, large, EVENT_MAX_BYTES);
    assert_int_equal(r.received_ms, 1700000000000);
    assert_true(slice_is(r.source, "local") && slice_is(r.code, "bad-value"));
    assert_true(slice_is(r.field, "closes") && slice_is(r.reason, "because"));
    assert_int_equal(journal_next_reject(j, 2, &copy, &number, &r), 0);
    assert_true(number == 2 && slice_is(r.event, "small") && r.size == 5);
    assert_int_equal(journal_next_reject(j, 3, &copy, &number, &r), ERR_AGAIN);
    journal_close(j);
    buffer_free(&copy);
}

static void of_too_many_refused_events_the_newest_are_kept(void **state)
{
    const uint64_t most = JOURNAL_MIN_BYTES / REJECTS_PART / REJECTS_MAX_BYTES;
    struct reject r = {.code = slice_of("missing"), .event = slice_of("event")};
    struct journal *j;
    struct buffer copy = {0};
    uint64_t number;

    (void)state;
    assert_int_equal(try_open(JOURNAL_MIN_BYTES, 8, &j), 0);
    for (unsigned i = 0; i < most * 3; i++) {
        assert_int_equal(journal_reject(j, &r), 0);
        if (i % 100 == 99)
            assert_int_equal(journal_commit(j), 0);
        if (i == most * 2) {
            assert_int_equal(journal_commit(j), 0);
            journal_close(j);
            assert_int_equal(try_open(JOURNAL_MIN_BYTES, 8, &j), 0);
        }
    }
    assert_int_equal(journal_commit(j), 0);
    assert_int_equal(journal_rejects(j), most);
    assert_int_equal(journal_next_reject(j, 0, &copy, &number, &r), 0);
    assert_int_equal(number, most * 2 + 1);
    journal_close(j);
    buffer_free(&copy);
}

/* ---- sudden death ---- */

/* Every commit k adds one event, the letter of k, to each of a few partitions, and only then says
 * so.  A commit is there in all its partitions or in none. */
static void commit_for_ever(int report)
{
    struct journal *j;
    char letter[2] = "";

    if (try_open(SMALL, 4, &j) < 0)
        _exit(1);
    for (uint64_t k = journal_end(j, 0);; k++) {
        letter[0] = (char)('a' + k % 26);
        for (unsigned p = 0; p < 4; p++)
            append(j, p, letter);
        if (journal_commit(j) < 0 || write(report, &k, sizeof k) != sizeof k)
            _exit(1);
    }
}

static void assert_whole_commits(uint64_t reported)
{
    struct journal *j;
    struct buffer b = {0};

    assert_int_equal(try_open(SMALL, 4, &j), 0);
    for (unsigned p = 0; p < 4; p++) {
        assert_int_equal(journal_end(j, p), journal_end(j, 0));
        assert_true(journal_end(j, p) == reported || journal_end(j, p) == reported + 1);
        assert_int_equal(read_all(j, p, 0, &b), 0);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_journal_has_a_log_id_and_empty_partitions),
        TEST(what_was_committed_is_there_after_reopening),
        TEST(an_old_journal_keeps_its_number_of_partitions),
        TEST(the_most_partitions_there_can_be_all_work),
        TEST(reading_from_any_offset_begins_with_the_record_that_holds_it),
        TEST(an_abort_leaves_nothing),
        TEST(a_second_process_is_locked_out),
        TEST(the_record_in_JOURNAL_md_is_what_is_written),
        TEST(every_changed_bit_of_a_record_is_found),
        TEST(a_sound_record_in_the_wrong_place_is_found),
        TEST(a_format_it_does_not_know_is_refused),
        TEST(a_damaged_record_is_told_apart_from_its_neighbours),
        TEST(a_damaged_end_is_found_when_opening),
        TEST(a_full_journal_keeps_nothing_half_and_goes_on_when_enlarged),
        TEST(a_file_that_cannot_grow_is_full_until_it_can),
        TEST(a_write_that_fails_for_want_of_room_harms_nothing),
        TEST(refused_events_are_kept_with_their_reasons),
        TEST(of_too_many_refused_events_the_newest_are_kept),
        TEST(death_at_any_moment_leaves_exactly_the_commits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
