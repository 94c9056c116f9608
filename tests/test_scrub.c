/* The scrub: a journal as it is written is sound, also while it is being written; what is wrong
 * with one is said with its place; a backup is a journal. */
#include "broker/frame.h"
#include "proto/error.h"
#include "proto/event.h"
#include "tests/flaw.h"
#include "tests/random.h"

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- sound ---- */

static uint64_t random_append(struct journal *j, struct random *random)
{
    static char events[40000];
    uint64_t size = 1 + random_below(random, random_percent(random, 90) ? 300 : sizeof events);
    uint32_t count = (uint32_t)(1 + random_below(random, size < 50 ? size : 50));
    struct record r = {slice_of("local"), 1, count, slice_make(events, size)};

    memset(events, (int)random_below(random, 256), size);
    return journal_append(j, (unsigned)random_below(random, journal_partitions(j)), &r) < 0 ? 0
                                                                                            : count;
}

static void random_reject(struct journal *j, struct random *random)
{
    static const char event[9000];
    struct reject r = {1,
                       slice_of("local"),
                       slice_of("missing"),
                       slice_of("type"),
                       slice_of("no type"),
                       slice_make(event, random_below(random, sizeof event)),
                       0};

    journal_reject(j, &r);
}

/* One commit of several records and refused events; what was accepted by it. */
static uint64_t random_round(struct journal *j, struct random *random)
{
    uint64_t events = 0;

    for (uint64_t n = 1 + random_below(random, 12); n > 0; n--) {
        if (random_percent(random, 30))
            random_reject(j, random);
        else
            events += random_append(j, random);
    }
    if (random_percent(random, 5)) {
        journal_abort(j);
        return 0;
    }
    return journal_commit(j) == 0 ? events : 0;
}

static void whatever_is_written_is_sound(void **state)
{
    struct random random = random_new(random_seed("whatever_is_written_is_sound"));
    struct journal *j;
    uint64_t expected = 0, events;

    (void)state;
    assert_int_equal(shelf_try(JOURNAL_MIN_BYTES, 1 + (unsigned)random_below(&random, 20), &j), 0);
    for (int i = 1; i <= 1500; i++) {
        expected += random_round(j, &random);
        if (i % 25 != 0)
            continue;
        flaw_expect_sound(shelf_path(), &events);
        assert_int_equal(events, expected);
        if (random_percent(&random, 30)) {
            journal_close(j);
            assert_int_equal(shelf_try(JOURNAL_MIN_BYTES, 1, &j), 0);
        }
    }
    journal_close(j);
}

static void a_journal_of_all_partitions_and_a_new_one_are_sound(void **state)
{
    struct journal *j;
    uint64_t events;

    (void)state;
    assert_int_equal(shelf_try(SHELF_BYTES, WIRE_MAX_PARTS, &j), 0);
    flaw_expect_sound(shelf_path(), &events);
    assert_int_equal(events, 0);
    for (unsigned p = 0; p < WIRE_MAX_PARTS; p++)
        shelf_append(j, p, "q");
    assert_int_equal(journal_commit(j), 0);
    flaw_expect_sound(shelf_path(), &events);
    assert_int_equal(events, WIRE_MAX_PARTS);
    journal_close(j);
}

/* ---- not sound ---- */

static void expect_fault(const struct flaw *f, const char *text)
{
    struct scrub_found found;

    assert_true(flaw_scrub(f->path, &found) > 0);
    buffer_add(&found.lines, "", 1);
    if (!strstr(found.lines.at, text))
        print_message("not '%s' but: %s", text, found.lines.at);
    assert_non_null(strstr(found.lines.at, text));
    buffer_free(&found.lines);
    flaw_restore(f, FLAW_FILE);
}

static size_t find(const struct flaw *f, const char *text)
{
    const char *at = memmem(f->image.at, f->image.size, text, strlen(text));

    assert_non_null(at);
    return (size_t)(at - f->image.at);
}

/* The last of them: in a tree, rather than in what was written ahead at another time. */
static size_t find_last(const struct flaw *f, const char *text)
{
    size_t last = find(f, text), n = strlen(text);

    for (size_t at = last; at + n <= f->image.size; at++)
        if (memcmp(f->image.at + at, text, n) == 0)
            last = at;
    return last;
}

static uint64_t number_at(const struct flaw *f, size_t at)
{
    uint64_t n;

    memcpy(&n, f->image.at + at, sizeof n);
    return n;
}

static void poke_number(const struct flaw *f, size_t at, uint64_t n)
{
    for (size_t i = 0; i < sizeof n; i++)
        flaw_poke(f, at + i, (char)(n >> 8 * i));
}

#define META_COMMIT 144 /* within a meta page: see page.h */
#define META_LAST   136
#define META_SIZE   40

static size_t newer_meta(const struct flaw *f)
{
    size_t page = number_at(f, META_SIZE) & 0xffffffff;

    return number_at(f, page + META_COMMIT) > number_at(f, META_COMMIT) ? page : 0;
}

static void faults_are_told_with_their_places(void **state)
{
    struct flaw f;
    size_t page, newer, at;
    char text[100];

    (void)state;
    flaw_open(&f);
    page = number_at(&f, META_SIZE) & 0xffffffff;
    newer = newer_meta(&f);

    at = find_last(&f, "260:00000"); /* in partition 2, where it has offset 258 */
    flaw_poke(&f, at, '?');
    snprintf(text, sizeof text,
             "partition 2, page %zu: the record at offset 258 is not what was written", at / page);
    expect_fault(&f, text);

    at = find(&f, "bbbbbbbb"); /* the second refused event: all are of another letter */
    flaw_poke(&f, at, '?');
    expect_fault(&f, "refused event");

    poke_number(&f, newer + META_COMMIT, number_at(&f, newer + META_COMMIT) - 2);
    expect_fault(&f, "pages 0 and 1: do not show the last commit as the last");
    poke_number(&f, newer + META_COMMIT, number_at(&f, newer + META_COMMIT) + 2);
    expect_fault(&f, "pages 0 and 1: are not of two commits that follow one another");
    flaw_poke(&f, newer + 20, 9);
    expect_fault(&f,
                 newer ? "page 1: is of an unknown version" : "page 0: is of an unknown version");
    poke_number(&f, newer + META_LAST, UINT32_MAX);
    expect_fault(&f, "the file: is cut off");

    for (size_t i = 0; i + 8 < f.image.size; i++) /* in all states that are still in the file */
        if (memcmp(f.image.at + i, "TRNTENDS", 8) == 0)
            flaw_poke(&f, i + 9, (char)~f.image.at[i + 9]); /* of the salt: any byte */
    expect_fault(&f, "table meta, page ");
    flaw_restore(&f, page);
    expect_fault(&f, "page 1: is not in the file");
    flaw_close(&f);
}

#define META_TABLES 88 /* within a meta page: the table of tables, with its depth and its root */
#define TABLE_DEPTH 6
#define TABLE_ROOT  40

/* Of what was written ahead there are two copies, one behind the other. */
static void one_copy_that_is_damaged_does_no_harm_and_two_are_told(void **state)
{
    struct flaw f;
    size_t first, second;

    (void)state;
    flaw_open(&f);
    first = find(&f, "265:00000");
    second = find_last(&f, "265:00000");
    assert_int_equal(second - first, FRAME_BLOCK);
    for (int i = 0; i < 2; i++) {
        flaw_poke(&f, i == 0 ? first : second, '?');
        assert_int_equal(flaw_faults(&f), 0);
        assert_int_equal(flaw_try(&f), FLAW_WHOLE);
        flaw_restore(&f, FLAW_FILE);
    }
    flaw_poke(&f, first, '?');
    flaw_poke(&f, second, '?');
    assert_int_equal(flaw_try(&f), FLAW_REFUSED);
    expect_fault(&f,
                 "write-ahead log: commit 267 is not what was written, and later ones are there");
    for (size_t i = 0; i + 8 < f.image.size; i++)
        if (memcmp(f.image.at + i, "TRNTWALS", 8) == 0)
            flaw_poke(&f, i + 9, (char)~f.image.at[i + 9]); /* of the salt: any byte */
    assert_int_equal(flaw_try(&f), FLAW_REFUSED);
    expect_fault(&f, "write-ahead log: is not what was written");
    flaw_close(&f);
}

static void trees_that_lead_astray_are_told(void **state)
{
    struct flaw f;
    size_t tables;

    (void)state;
    flaw_open(&f);
    tables = newer_meta(&f) + META_TABLES;
    for (char root = 0; root < 2; root++) { /* a meta page is no tree's */
        poke_number(&f, tables + TABLE_ROOT, (uint64_t)root);
        expect_fault(&f, root ? "table of tables: points to page 1, which is not in use"
                              : "table of tables: points to page 0, which is not in use");
    }
    flaw_poke(&f, tables + TABLE_DEPTH, 2); /* it is one leaf */
    expect_fault(&f, "is not at the depth of a page of its kind");
    flaw_poke(&f, tables + TABLE_DEPTH, 0);
    expect_fault(&f, newer_meta(&f) ? "page 1: a tree whose depth and root do not fit"
                                    : "page 0: a tree whose depth and root do not fit");
    flaw_close(&f);
}

#define NODE_FLAGS 4 /* within a node: see page.h */
#define NODE_KEY   6

static unsigned short_at(const struct flaw *f, size_t at)
{
    return (unsigned char)f->image.at[at] | (unsigned)(unsigned char)f->image.at[at + 1] << 8;
}

/* Changes one byte of every node whose key is a number and whose value is of an even size: with one
 * byte less of key such a node takes the same place.  In all states that are still in the file. */
static void nodes_poke(const struct flaw *f, size_t page, size_t within, char byte)
{
    for (size_t at = 2 * page; at + page <= f->image.size; at += page) {
        unsigned count = (short_at(f, at + 12) - 16) / 2;
        if (short_at(f, at + 10) != 2) /* not a leaf */
            continue;
        for (unsigned i = 0; i < count; i++) {
            size_t node = at + short_at(f, at + 16 + 2 * (size_t)i);
            if (short_at(f, node + NODE_KEY) == 8 && short_at(f, node + NODE_FLAGS) == 0 &&
                short_at(f, node) % 2 == 0)
                flaw_poke(f, node + within, byte);
        }
    }
}

static void entries_of_another_kind_are_told(void **state)
{
    struct flaw f;
    size_t page;

    (void)state;
    flaw_open(&f);
    page = number_at(&f, META_SIZE) & 0xffffffff;
    nodes_poke(&f, page, NODE_KEY, 7);
    expect_fault(&f, "has a key of a wrong size");
    nodes_poke(&f, page, NODE_FLAGS, 2); /* as if it described a table */
    expect_fault(&f, "has a value of another kind");
    flaw_close(&f);
}

/* ---- emptied, and never finished ---- */

static void an_emptied_or_missing_file_is_not_taken_for_a_new_journal(void **state)
{
    struct journal *j = shelf_open();

    (void)state;
    shelf_append(j, 0, "abc");
    assert_int_equal(journal_commit(j), 0);
    journal_close(j);
    assert_int_equal(truncate(shelf_path(), 0), 0);
    assert_int_equal(shelf_try(SHELF_BYTES, 8, &j), ERR_CORRUPT);
    assert_int_equal(unlink(shelf_path()), 0);
    assert_int_equal(shelf_try(SHELF_BYTES, 8, &j), ERR_CORRUPT);
}

static void a_creation_that_was_interrupted_is_begun_again(void **state)
{
    static const off_t sizes[] = {0, 1, 100, 4096, 5000, 8192, 16 * 1024 * 1024};
    struct journal *j;
    int fd;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fd = open(shelf_path(), O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0 && ftruncate(fd, sizes[i]) == 0);
        close(fd);
        j = shelf_open();
        shelf_append(j, 0, "abc");
        assert_int_equal(journal_commit(j), 0);
        shelf_expect(j, 0, "abc");
        journal_close(j);
        journal_close(shelf_open());
        assert_int_equal(shelf_teardown(state), 0);
        assert_int_equal(shelf_setup(state), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shelf_setup, shelf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whatever_is_written_is_sound),
        TEST(a_journal_of_all_partitions_and_a_new_one_are_sound),
        TEST(faults_are_told_with_their_places),
        TEST(one_copy_that_is_damaged_does_no_harm_and_two_are_told),
        TEST(trees_that_lead_astray_are_told),
        TEST(entries_of_another_kind_are_told),
        TEST(an_emptied_or_missing_file_is_not_taken_for_a_new_journal),
        TEST(a_creation_that_was_interrupted_is_begun_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
