/* turnout-broker --check and --backup, where they find or meet what is not usual: tables and
 * entries that the journal never wrote, a file of another version, more faults than are listed, and
 * a disk or an output that takes nothing. */
#include "broker/disk.h"
#include "broker/walk.h"
#include "tests/fault/fault.h"
#include "tests/shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#define PARTITIONS 4
#define RECORDS    250

static char folder[256];
static struct buffer said; /* what the program printed last, on both outputs */

static int setup(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    snprintf(folder, sizeof folder, "%s/check.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    snprintf(shelf_folder, sizeof shelf_folder, "%s/journal", folder);
    return mkdir(shelf_folder, 0700);
}

static int teardown(void **state)
{
    buffer_free(&said);
    snprintf(shelf_folder, sizeof shelf_folder, "%s", folder);
    return shelf_teardown(state);
}

static void journal_fill(unsigned records)
{
    struct journal *j;

    assert_int_equal(shelf_try(SHELF_BYTES, PARTITIONS, &j), 0);
    for (unsigned i = 0; i < records; i++) {
        shelf_append(j, i % PARTITIONS, "event");
        if (i % 100 == 7)
            assert_int_equal(journal_commit(j), 0);
    }
    assert_int_equal(journal_commit(j), 0);
    journal_close(j);
}

/* ---- running it ---- */

static const char *build_folder(void)
{
    static char absolute[PATH_MAX];
    const char *build = getenv("TURNOUT_BUILD");

    assert_non_null(realpath(build ? build : "build", absolute));
    return absolute;
}

/* By a shell, with what is to stand before and behind the program; its exit status. */
static int run(const char *before, const char *behind)
{
    char command[4 * PATH_MAX];
    size_t n;
    FILE *out;

    snprintf(command, sizeof command, "{ %s '%s/bin/turnout-broker' --dir '%s' %s; } 2>&1", before,
             build_folder(), folder, behind);
    out = popen(command, "r");
    assert_non_null(out);
    buffer_clear(&said);
    while ((n = fread(buffer_room(&said, 4096), 1, 4096, out)) > 0)
        said.size += n;
    buffer_add(&said, "", 1);
    return WEXITSTATUS(pclose(out));
}

static void expect(int status, int expected, const char *text)
{
    if (status != expected || !strstr(said.at, text))
        fail_msg("status %d, not %d with '%s': %s", status, expected, text, said.at);
}

static const char *backup(void)
{
    static char words[PATH_MAX];

    snprintf(words, sizeof words, "--backup '%s/copy'", folder);
    return words;
}

static bool has(const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

/* ---- what the journal never wrote ---- */

/* A table more, or an entry of one: both sound as far as LMDB knows. */
struct addition {
    const char *table;
    bool made;
    uint64_t key;
    size_t size; /* of the value; 0: no entry */
    const char *told;
};

static void addition_make(const struct addition *a)
{
    struct disk *d;
    unsigned table;
    char *room;

    assert_int_equal(disk_open(shelf_folder, SHELF_BYTES, 300, &d), 0);
    assert_int_equal(disk_table(d, a->table, a->made, &table), 0);
    if (a->size) {
        assert_int_equal(disk_put(d, table, a->key, a->size, &room), 0);
        memset(room, 0, a->size);
    }
    assert_int_equal(disk_commit(d), 0);
    disk_close(d);
}

static void start_again(void **state)
{
    assert_int_equal(teardown(state), 0);
    assert_int_equal(setup(state), 0);
    journal_fill(9);
    expect(run("", "--check"), EX_OK, "9 records, 45 events, 0 faults");
}

static void what_was_added_to_the_tables_is_told(void **state)
{
    static const char odd[] = "an entry that is not one of the journal's tables";
    static const struct addition additions[] = {
        {"other", true, 0, 0, odd},
        {"q001", true, 0, 0, odd},
        {"p0x1", true, 0, 0, odd},
        {"p01/", true, 0, 0, odd},
        {"p999", true, 0, 0, odd},
        {"p004", true, 0, 0, "partition 4: should not be there"},
        {"p002", false, 1000, 20, "the record at offset 1000 is not what was written"},
        {"rejects", false, 7, 9, "refused event 7 has not been numbered yet"},
        {"rejects", false, 1, 90000, "has a value of 90000 bytes, which is too long"},
        {"recent", false, 1, 9, "write-ahead log, page"},
        {"meta", false, 77, 9, "entry 77 is not what was written"},
        {"meta", false, 78, 90000, "has a value of 90000 bytes, which is too long"},
    };

    for (size_t i = 0; i < sizeof additions / sizeof *additions; i++) {
        start_again(state);
        addition_make(&additions[i]);
        expect(run("", "--check"), EXIT_FAILURE, additions[i].told);
    }
}

static void tables_that_are_missing_are_told(void **state)
{
    static const struct {
        const char *name; /* one byte of it becomes another */
        size_t at;
        char byte;
        const char *told;
    } renamed[] = {
        {"p003", 1, '9', "partition 3: is missing"},
        {"rejects", 6, 'z', "rejects: are missing"},
        {"meta", 3, 'e', "table meta: does not say what the journal is"},
    };

    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++) {
        start_again(state);
        shelf_damage(shelf_path(), renamed[i].name, renamed[i].at, renamed[i].byte);
        expect(run("", "--check"), EXIT_FAILURE, renamed[i].told);
    }
}

/* ---- versions ---- */

static void file_poke(size_t at, char byte)
{
    int fd = open(shelf_path(), O_WRONLY | O_CLOEXEC);

    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

static void a_file_of_another_version_is_not_taken_for_damage(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    (void)state;
    journal_fill(2);
    file_poke(20, 2); /* LMDB's version, in both pages that name a commit */
    file_poke(page + 20, 2);
    expect(run("", "--check"), EX_CONFIG, "written by another version of turnout");
    expect(run("", backup()), EX_CONFIG, "written by another version of turnout");
    assert_false(has("copy") || has("copy.part"));
    file_poke(page + 20, 3); /* two versions are none */
    expect(run("", "--check"), EXIT_FAILURE, "page 0: is of an unknown version of LMDB");
}

/* ---- many faults ---- */

static void of_many_faults_the_first_are_listed_and_all_are_counted(void **state)
{
    struct journal *j;
    char text[100];
    unsigned lines = 0;

    (void)state;
    journal_fill(RECORDS);
    assert_int_equal(shelf_try(SHELF_BYTES, PARTITIONS, &j), 0);
    shelf_move(j, 0);
    journal_close(j);
    shelf_damage(shelf_path(), "event", 0, 'E');
    expect(run("", "--check"), EXIT_FAILURE, "\n251 records, 1 events, 250 faults\n");
    for (const char *at = said.at; (at = strstr(at, "is not what was written\n")); at++)
        lines++;
    assert_int_equal(lines, WALK_LINES);
    snprintf(text, sizeof text, "\n... and %u more\n", RECORDS - WALK_LINES);
    assert_non_null(strstr(said.at, text));
}

/* ---- an output, or a disk, that takes nothing ---- */

static void an_output_that_takes_nothing_is_told_by_the_status(void **state)
{
    (void)state;
    journal_fill(2);
    expect(run("", "--check >/dev/full"), EX_IOERR, "standard output: No space left on device");
    expect(run("", "--check --json >/dev/full"), EX_IOERR, "standard output: No space");
}

static struct fault_plan *plan_new(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct fault_plan *plan;

    assert_true(fd >= 0 && ftruncate(fd, sizeof *plan) == 0);
    plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(plan != MAP_FAILED);
    close(fd);
    return plan;
}

static void without_room_for_it_there_is_no_copy(void **state)
{
    static const struct {
        int write_errno, sync_errno;
        const char *told;
    } faults[] = {
        {ENOSPC, 0, "no room"},         {EDQUOT, 0, "no room"}, {EFBIG, 0, "no room"},
        {EIO, 0, "input/output error"}, {0, ENOSPC, "no room"}, {0, EDQUOT, "no room"},
        {0, EIO, "input/output error"},
    };
    char path[PATH_MAX], before[4 * PATH_MAX];
    struct fault_plan *plan;

    (void)state;
    journal_fill(9);
    snprintf(path, sizeof path, "%s/plan", folder);
    snprintf(before, sizeof before,
             "FAULT_PLAN='%s' ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 "
             "LD_PRELOAD='%s/lib/fault.so'",
             path, build_folder());
    plan = plan_new(path);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        plan->write_errno = faults[i].write_errno;
        plan->sync_errno = faults[i].sync_errno;
        expect(run(before, backup()), EX_IOERR, faults[i].told);
        assert_false(has("copy") || has("copy.part"));
    }
    plan->write_errno = plan->sync_errno = 0;
    expect(run(before, backup()), EX_OK, "/copy: 45 events\n");
    assert_true(has("copy") && !has("copy.part"));
    munmap(plan, sizeof *plan);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_added_to_the_tables_is_told),
        TEST(tables_that_are_missing_are_told),
        TEST(a_file_of_another_version_is_not_taken_for_damage),
        TEST(of_many_faults_the_first_are_listed_and_all_are_counted),
        TEST(an_output_that_takes_nothing_is_told_by_the_status),
        TEST(without_room_for_it_there_is_no_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
