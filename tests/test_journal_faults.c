/* The journal over a disk that fails: every call of the disk below it is made to fail once, in
 * every way.  An error reaches whoever asked; what was committed is there at the next start, and
 * nothing else is.  And over a disk from which values have gone: that is found, and never read
 * across.
 *
 * The linker puts the functions here between the journal and its disk (--wrap). */
#include "tests/shelf.h"

#include "broker/meta.h"
#include "broker/recent.h"
#include "proto/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include <cmocka.h>

/* ---- the failing disk ---- */

static unsigned calls, fail_at; /* the call that fails, from 1; 0: none */
static int fail_code;
static int stuck; /* an error within a write transaction sticks until its end */

/* A value that is not there, or stands under another number. */
static struct {
    const char *table;
    uint64_t key, shown_as; /* shown_as: 0 for not at all */
    unsigned number;        /* of the table, once it is open */
} gone;
static unsigned read_table;
static const char *no_table; /* a table that is not there */

static bool is_gone(unsigned table, uint64_t key)
{
    return gone.table && table == gone.number && key == gone.key;
}

static bool due(void)
{
    return ++calls == fail_at;
}

#define SEAM(result, name, ...)                                                                    \
    result __real_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__)

SEAM(int, disk_open, const char *folder, uint64_t limit_bytes, unsigned tables, struct disk **ret)
{
    return due() ? fail_code : __real_disk_open(folder, limit_bytes, tables, ret);
}

SEAM(int, disk_table, struct disk *d, const char *name, bool create, unsigned *ret_table)
{
    int err = due() ? (stuck = fail_code) : __real_disk_table(d, name, create, ret_table);

    if (no_table && strcmp(name, no_table) == 0)
        return ERR_AGAIN;
    if (err == 0 && gone.table && strcmp(name, gone.table) == 0)
        gone.number = *ret_table;
    return err;
}

SEAM(int, disk_append, struct disk *d, unsigned table, uint64_t key, size_t size, char **ret_room)
{
    return due() ? (stuck = fail_code) : __real_disk_append(d, table, key, size, ret_room);
}

SEAM(int, disk_append_kept, struct disk *d, unsigned table, uint64_t key, size_t size,
     char **ret_room)
{
    return due() ? (stuck = fail_code) : __real_disk_append_kept(d, table, key, size, ret_room);
}

SEAM(int, disk_put, struct disk *d, unsigned table, uint64_t key, size_t size, char **ret_room)
{
    return due() ? (stuck = fail_code) : __real_disk_put(d, table, key, size, ret_room);
}

SEAM(int, disk_drop, struct disk *d, unsigned table, uint64_t key)
{
    return due() ? (stuck = fail_code) : __real_disk_drop(d, table, key);
}

SEAM(bool, disk_changed, const struct disk *d)
{
    return stuck != 0 || __real_disk_changed(d);
}

SEAM(void, disk_abort, struct disk *d)
{
    stuck = 0;
    __real_disk_abort(d);
}

SEAM(int, disk_commit, struct disk *d)
{
    int err = due() ? fail_code : stuck;

    stuck = 0;
    if (err == 0)
        return __real_disk_commit(d);
    __real_disk_abort(d);
    return err;
}

SEAM(int, disk_read_begin, struct disk *d)
{
    return due() ? fail_code : __real_disk_read_begin(d);
}

SEAM(int, disk_strip_find, struct disk *d, unsigned table, uint64_t key, struct disk_strip *ret)
{
    return due() ? fail_code : __real_disk_strip_find(d, table, key, ret);
}

SEAM(int, disk_strip_write, struct disk *d, uint64_t place, struct slice bytes)
{
    return due() ? fail_code : __real_disk_strip_write(d, place, bytes);
}

SEAM(int, disk_next, struct disk *d, struct disk_item *ret)
{
    int err = due() ? fail_code : __real_disk_next(d, ret);

    return err == 0 && is_gone(read_table, ret->key) ? __real_disk_next(d, ret) : err;
}

SEAM(int, disk_at_or_before, struct disk *d, unsigned table, uint64_t key, struct disk_item *ret)
{
    int err = due() ? fail_code : __real_disk_at_or_before(d, table, key, ret);

    read_table = table;
    if (err < 0 || !is_gone(table, ret->key))
        return err;
    return ret->key ? __real_disk_at_or_before(d, table, ret->key - 1, ret) : ERR_AGAIN;
}

SEAM(int, disk_at_or_after, struct disk *d, unsigned table, uint64_t key, struct disk_item *ret)
{
    int err = due() ? fail_code : __real_disk_at_or_after(d, table, key, ret);

    read_table = table;
    if (err < 0 || !is_gone(table, ret->key))
        return err;
    if (!gone.shown_as)
        return __real_disk_at_or_after(d, table, ret->key + 1, ret);
    ret->key = gone.shown_as;
    return 0;
}

SEAM(ssize_t, getrandom, void *to, size_t size, unsigned flags)
{
    return due() ? -1 : __real_getrandom(to, size, flags);
}

/* ---- a journal's life ---- */

struct life {
    char events[32]; /* of partition 0, as committed */
    uint64_t rejects;
    unsigned errors; /* told to us */
};

static const struct reject refused = {.received_ms = 1700000000000,
                                      .source = {"local", 5},
                                      .code = {"bad-value", 9},
                                      .field = {"position", 8},
                                      .reason = {"no such position", 16},
                                      .event = {"\x80", 1}};

/* Adds events and a refused one, and commits. */
static void live_round(struct life *l, struct journal *j, const char *events)
{
    int staged = shelf_stage(j, 0, events), other = shelf_stage(j, 5, "z");
    int kept = journal_reject(j, &refused), err = journal_commit(j);

    l->errors += err < 0;
    if (staged < 0 || other < 0 || kept < 0)
        assert_int_not_equal(err, 0); /* it sticks */
    if (err < 0)
        return;
    strcat(l->events, events);
    l->rejects++;
}

/* A commit that is large enough for all before it to go into the trees of their partitions. */
static void live_move(struct life *l, struct journal *j)
{
    static const char event[RECENT_STAGE];
    struct record r = {slice_of("local"), 1700000000000, 1, slice_make(event, sizeof event)};
    int staged = journal_append(j, 6, &r), err = journal_commit(j);

    l->errors += err < 0;
    if (staged < 0)
        assert_int_not_equal(err, 0);
}

/* Drops the oldest refused event; and stages what is then given up. */
static void live_drop(struct life *l, struct journal *j)
{
    int dropped = journal_drop_reject(j, 1), err;

    if (dropped == ERR_AGAIN && l->rejects) /* its commit had failed */
        dropped = 0;
    err = journal_commit(j);
    l->errors += err < 0 || dropped < 0;
    if (err == 0 && dropped == 0)
        l->rejects = journal_rejects(j);
    l->errors += shelf_stage(j, 0, "given up") < 0;
    journal_abort(j);
}

/* Reads everything that there is, as far as that goes; all that is given is true. */
static void live_read(struct life *l, struct journal *j)
{
    struct buffer out = {0};
    struct reject reject;
    uint64_t number;
    int err = shelf_read(j, 0, 0, &out);

    l->errors += err < 0;
    assert_int_equal(journal_end(j, 0), strlen(l->events));
    if (err < 0)
        assert_true(out.size <= strlen(l->events) &&
                    memcmp(out.at ? out.at : "", l->events, out.size) == 0);
    else
        assert_true(slice_is(buffer_slice(&out), l->events));
    buffer_free(&out);
    if (l->events[0] && journal_received_ms(j, 0, 0) == 0)
        l->errors++;
    assert_int_equal(journal_received_ms(j, 0, 1000), 0);
    err = journal_rejects_begin(j);
    if (err == 0)
        err = journal_next_reject(j, 1, &number, &reject);
    if (err == 0)
        assert_true(slice_equal(reject.reason, refused.reason));
    l->errors += err < 0 && err != ERR_AGAIN;
    journal_read_end(j);
}

static struct life live(void)
{
    struct life l = {.events = ""};
    struct journal *j = NULL;

    if (shelf_try(SHELF_BYTES, 8, &j) < 0) {
        assert_null(j);
        l.errors++;
        return l;
    }
    live_round(&l, j, "abc");
    live_move(&l, j);
    live_round(&l, j, "de");
    live_read(&l, j);
    live_drop(&l, j);
    journal_close(j);
    j = NULL;
    if (shelf_try(SHELF_BYTES, 8, &j) < 0) {
        l.errors++;
        return l;
    }
    live_move(&l, j);
    live_read(&l, j);
    journal_close(j);
    return l;
}

static void assert_as_lived(const struct life *l)
{
    struct journal *j = shelf_open();

    shelf_expect(j, 0, l->events);
    if (journal_rejects(j) != l->rejects)
        fail_msg("failed at call %u: %u refused events, not %u", fail_at,
                 (unsigned)journal_rejects(j), (unsigned)l->rejects);
    journal_close(j);
}

/* Whether that call was ever made. */
static bool fail_once(int code, unsigned at)
{
    void *none = NULL;
    struct life l;
    bool reached;

    assert_int_equal(shelf_setup(&none), 0);
    calls = 0;
    fail_at = at;
    fail_code = code;
    stuck = 0;
    l = live();
    reached = calls >= at;
    fail_at = 0;
    if (reached && l.errors == 0 && code != ERR_AGAIN)
        fail_msg("call %u failed with %d, and nobody was told", at, code);
    assert_as_lived(&l);
    assert_int_equal(shelf_teardown(&none), 0);
    return reached;
}

static void an_error_of_any_call_is_told_and_what_was_committed_stays(void **state)
{
    static const int codes[] = {ERR_IO, ERR_FULL, ERR_CORRUPT};

    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        unsigned at = 1;
        while (fail_once(codes[i], at))
            at++;
        assert_true(at > 50);
    }
}

/* ---- values that have gone ---- */

static void remove_value(const char *table, uint64_t key, uint64_t shown_as)
{
    gone.table = table;
    gone.key = key;
    gone.shown_as = shown_as;
}

static int undo(void **state)
{
    gone.table = no_table = NULL;
    fail_at = 0;
    return shelf_teardown(state);
}

static void fill(void)
{
    struct journal *j = shelf_open();

    shelf_append(j, 0, "abc");
    shelf_append(j, 0, "de");
    shelf_append(j, 0, "f");
    assert_int_equal(journal_commit(j), 0);
    shelf_move(j, 7);
    journal_close(j);
}

static void assert_not_opened(void)
{
    struct journal *j = NULL;

    assert_int_equal(shelf_try(SHELF_BYTES, 8, &j), ERR_CORRUPT);
    assert_null(j);
}

static void a_journal_without_its_description_is_not_opened(void **state)
{
    (void)state;
    fill();
    remove_value("meta", META_KEY, 0);
    assert_not_opened();
}

static void a_journal_without_its_ends_is_not_opened(void **state)
{
    (void)state;
    fill();
    remove_value("meta", ENDS_KEY, 0);
    assert_not_opened();
}

static void a_journal_with_something_else_for_its_ends_is_not_opened(void **state)
{
    (void)state;
    fill();
    remove_value("meta", ENDS_KEY, ENDS_KEY + 1);
    assert_not_opened();
}

static void a_journal_without_its_last_record_is_not_opened(void **state)
{
    (void)state;
    fill();
    remove_value("p000", 5, 0);
    assert_not_opened();
}

/* What can be read from an offset on, and how that ends. */
static void assert_reads(uint64_t from, int result, const char *events)
{
    struct journal *j = shelf_open();
    struct buffer out = {0};

    assert_int_equal(shelf_read(j, 0, from, &out), result);
    assert_int_equal(out.size, strlen(events));
    assert_true(out.size == 0 || memcmp(out.at, events, out.size) == 0);
    buffer_free(&out);
    journal_close(j);
}

static void a_record_missing_in_the_middle_ends_the_reading(void **state)
{
    (void)state;
    fill();
    remove_value("p000", 3, 0);
    assert_reads(0, ERR_CORRUPT, "abc");
    assert_reads(4, ERR_CORRUPT, "");
    assert_reads(5, 0, "f");
    assert_reads(6, 0, "");
}

static void a_first_record_that_is_missing_is_not_an_empty_journal(void **state)
{
    (void)state;
    fill();
    remove_value("p000", 0, 0);
    assert_reads(0, ERR_CORRUPT, "");
    assert_reads(3, 0, "def");
}

static void a_journal_without_one_of_its_tables_is_not_opened(void **state)
{
    (void)state;
    fill();
    no_table = "p003";
    assert_not_opened();
    no_table = "meta";
    assert_not_opened();
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, shelf_setup, undo)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_of_any_call_is_told_and_what_was_committed_stays),
        WITH_FOLDER(a_journal_without_its_description_is_not_opened),
        WITH_FOLDER(a_journal_without_its_ends_is_not_opened),
        WITH_FOLDER(a_journal_with_something_else_for_its_ends_is_not_opened),
        WITH_FOLDER(a_journal_without_its_last_record_is_not_opened),
        WITH_FOLDER(a_journal_without_one_of_its_tables_is_not_opened),
        WITH_FOLDER(a_record_missing_in_the_middle_ends_the_reading),
        WITH_FOLDER(a_first_record_that_is_missing_is_not_an_empty_journal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
