/* Mappings of files: found by the file, let go and still there; and the guard that sees when there
 * is too much of them. */
#include "broker/guard.h"
#include "broker/mapped.h"
#include "proto/clock.h"
#include "tests/raw.h"
#include "tests/shelf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define FILE_BYTES ((size_t)64 << 20)
#define LIMIT_MS   60000

/* Without a name; the last byte of each page is 'x'. */
static int file_new(void)
{
    const char *tmp = getenv("TMPDIR");
    char path[256];
    int fd;

    snprintf(path, sizeof path, "%s/mapped.XXXXXX", tmp ? tmp : "/tmp");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ftruncate(fd, (off_t)FILE_BYTES), 0);
    for (size_t at = 4095; at < FILE_BYTES; at += 4096)
        assert_int_equal(pwrite(fd, "x", 1, (off_t)at), 1);
    return fd;
}

static struct slice map_file(int fd, int protection, int flags)
{
    char *at = mmap(NULL, FILE_BYTES, protection, flags, fd, 0);

    assert_true(at != MAP_FAILED);
    return slice_make(at, FILE_BYTES);
}

static void unmap(struct slice map)
{
    munmap((void *)(uintptr_t)map.at, map.size);
}

static void look_at(struct slice map)
{
    for (size_t at = 4095; at < map.size; at += 4096)
        assert_int_equal(((const volatile char *)map.at)[at], 'x');
}

static void a_mapping_is_found_by_its_file_and_no_other_is(void **state)
{
    int fd = file_new(), other = file_new();
    struct slice map, found;

    (void)state;
    assert_int_equal(mapped_find(fd).size, 0);
    map = map_file(other, PROT_READ, MAP_SHARED);
    assert_int_equal(mapped_find(fd).size, 0);
    unmap(map);
    map = map_file(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE); /* what is let go of that is lost */
    assert_int_equal(mapped_find(fd).size, 0);
    unmap(map);
    map = map_file(fd, PROT_READ, MAP_SHARED);
    found = mapped_find(fd);
    assert_ptr_equal(found.at, map.at);
    assert_int_equal(found.size, map.size);
    unmap(map);
    assert_int_equal(mapped_find(-1).size, 0);
    close(fd);
    close(other);
}

static void what_is_let_go_is_still_there(void **state)
{
    struct slice map;
    uint64_t before;
    int fd = file_new();

    (void)state;
    map = map_file(fd, PROT_READ, MAP_SHARED);
    before = process_mapped(getpid());
    look_at(map);
    assert_true(process_mapped(getpid()) > before + FILE_BYTES / 2);
    mapped_let_go(map);
    assert_true(process_mapped(getpid()) < before + FILE_BYTES / 4);
    look_at(map);
    mapped_let_go((struct slice){0});
    unmap(map);
    close(fd);
}

static void what_is_too_much_for_the_guard_is_let_go(void **state)
{
    struct guard_config c = {.connections = GUARD_CONNECTIONS, .memory_bytes = GUARD_MEMORY};
    int64_t end_ms = clock_mono_ms() + LIMIT_MS;
    struct guard *guard;
    uint64_t before;
    int fd = file_new();

    (void)state;
    c.map = map_file(fd, PROT_READ, MAP_SHARED);
    before = process_mapped(getpid());
    assert_int_equal(guard_start(&c, &guard), 0);
    look_at(c.map);
    while (process_mapped(getpid()) > before + 2 * GUARD_MAPPED && clock_mono_ms() < end_ms) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        guard_settle(guard);
    }
    assert_true(process_mapped(getpid()) <= before + 2 * GUARD_MAPPED);
    look_at(c.map);
    guard_stop(guard);
    unmap(c.map);
    close(fd);
}

static void a_journal_says_where_its_records_stand(void **state)
{
    static char events[RECORD_BYTES];
    struct record r = {slice_of("local"), 1, 1000, slice_make(events, sizeof events)};
    struct journal *j;
    struct slice map;
    uint64_t at;

    (void)state;
    shelf_setup(state);
    assert_int_equal(shelf_try(JOURNAL_MIN_BYTES, 8, &j), 0);
    map = journal_map(j);
    assert_true(map.size >= JOURNAL_MIN_BYTES);
    for (int i = 0; i < 8; i++) /* more than are kept apart from the trees */
        assert_int_equal(journal_append(j, 0, &r), 0);
    assert_int_equal(journal_commit(j), 0);
    assert_int_equal(journal_read_begin(j, 0, 0), 0);
    assert_int_equal(journal_next(j, &at, &r), 0);
    assert_true(r.events.at > map.at && r.events.at + r.events.size < map.at + map.size);
    journal_read_end(j);
    journal_close(j);
    shelf_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mapping_is_found_by_its_file_and_no_other_is),
        cmocka_unit_test(what_is_let_go_is_still_there),
        cmocka_unit_test(what_is_too_much_for_the_guard_is_let_go),
        cmocka_unit_test(a_journal_says_where_its_records_stand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
