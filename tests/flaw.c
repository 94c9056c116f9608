/* A damaged journal; see flaw.h. */
#include "tests/flaw.h"

#include "broker/frame.h"
#include "broker/recent.h"
#include "proto/error.h"
#include "proto/event.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

const char *const flaw_names[FLAW_OUTCOMES] = {"read as it was", "reading stopped", "refused",
                                               "WRONG"};

#define SMALL_RECORDS 270 /* of a commit each, so that lists of free pages come and go */
#define LARGE_BYTES   9000

/* ---- making it ---- */

static void small_append(struct journal *j, unsigned n)
{
    char events[512];
    struct record r = {slice_of(n % 2 ? "local" : "another"), 1000 + n, 1 + n % 3, {events, 0}};

    snprintf(events, sizeof events, "%u:%0*u", n, (int)(10 + n * 7 % 300), n);
    r.events.size = strlen(events);
    assert_int_equal(journal_append(j, n % FLAW_PARTITIONS, &r), 0);
}

static void large_append(struct journal *j, unsigned partition, char fill, size_t size)
{
    static char events[RECENT_STAGE];
    struct record r = {slice_of("local"), 7, 40, slice_make(events, size)};

    memset(events, fill, size);
    assert_int_equal(journal_append(j, partition, &r), 0);
}

static void reject_append(struct journal *j, unsigned n)
{
    static char event[EVENT_MAX_BYTES];
    struct reject r = {n,
                       slice_of("local"),
                       slice_of("missing"),
                       slice_of("type"),
                       slice_of("no type"),
                       {event, n % 5 ? 20 + n : 5000},
                       0};

    memset(event, 'a' + (int)(n % 26), sizeof event);
    assert_int_equal(journal_reject(j, &r), 0);
}

static void image_make(void)
{
    struct journal *j;

    assert_int_equal(shelf_try(FLAW_FILE, FLAW_PARTITIONS, &j), 0);
    for (unsigned n = 0; n < SMALL_RECORDS; n++) {
        small_append(j, n);
        if (n % 9 == 0)
            reject_append(j, n);
        if (n % 40 == 0)
            large_append(j, n % 2, (char)('A' + n % 26), LARGE_BYTES);
        if (n == SMALL_RECORDS / 2) /* all until now into the trees */
            large_append(j, 1, '*', RECENT_STAGE);
        assert_int_equal(journal_commit(j), 0);
    }
    journal_close(j);
}

/* ---- reading it ---- */

static void record_note(struct buffer *b, uint64_t at, const struct record *r)
{
    buffer_add_int(b, (int64_t)at);
    buffer_add_int(b, r->received_ms);
    buffer_add_int(b, r->count);
    buffer_add_slice(b, r->source);
    buffer_add_slice(b, r->events);
}

/* Returns the error that ended it, ERR_AGAIN at the end. */
static int partition_read(struct journal *j, unsigned partition, struct buffer *out)
{
    struct record r;
    uint64_t at;
    int err = journal_read_begin(j, partition, 0);

    buffer_clear(out);
    while (err == 0) {
        err = journal_next(j, &at, &r);
        if (err == 0)
            record_note(out, at, &r);
    }
    journal_read_end(j);
    return err;
}

static int rejects_read(struct journal *j, struct buffer *out)
{
    struct reject r;
    uint64_t number = 0;
    int err = journal_rejects_begin(j);

    buffer_clear(out);
    while (err == 0) {
        err = journal_next_reject(j, number + 1, &number, &r);
        if (err == 0) {
            buffer_add_int(out, (int64_t)number);
            buffer_add_slice(out, r.reason);
            buffer_add_slice(out, r.event);
        }
    }
    journal_read_end(j);
    return err;
}

static enum flaw_outcome judge(const struct buffer *expected, const struct buffer *got, int err)
{
    bool begins = got->size <= expected->size &&
                  (got->size == 0 || memcmp(expected->at, got->at, got->size) == 0);

    if (!begins || (err != ERR_AGAIN && err != ERR_CORRUPT && err != ERR_VERSION && err != ERR_IO))
        return FLAW_WRONG;
    if (err != ERR_AGAIN)
        return FLAW_STOPPED;
    return got->size == expected->size ? FLAW_WHOLE : FLAW_WRONG;
}

static enum flaw_outcome worse(enum flaw_outcome a, enum flaw_outcome b)
{
    return a > b ? a : b;
}

static enum flaw_outcome all_read(const struct flaw *f, struct journal *j)
{
    enum flaw_outcome outcome = FLAW_WHOLE;
    struct buffer got = {0};
    int err;

    for (unsigned p = 0; p < FLAW_PARTITIONS; p++) {
        err = partition_read(j, p, &got);
        outcome = worse(outcome, judge(&f->expected[p], &got, err));
    }
    err = rejects_read(j, &got);
    outcome = worse(outcome, judge(&f->rejects, &got, err));
    buffer_free(&got);
    return outcome;
}

/* ---- trying it ---- */

void flaw_open(struct flaw *f)
{
    struct journal *j;
    struct scrub_found found;
    FILE *file;

    *f = (struct flaw){0};
    snprintf(f->path, sizeof f->path, "%s/data.mdb", shelf_folder);
    shelf_recent_bytes = (size_t)32 * 1024; /* so that most of the file is not empty */
    image_make();
    assert_int_equal(shelf_try(FLAW_FILE, FLAW_PARTITIONS, &j), 0);
    for (unsigned p = 0; p < FLAW_PARTITIONS; p++)
        assert_int_equal(partition_read(j, p, &f->expected[p]), ERR_AGAIN);
    assert_int_equal(rejects_read(j, &f->rejects), ERR_AGAIN);
    f->image.size = (size_t)journal_used_bytes(j);
    journal_close(j);
    assert_int_equal(flaw_scrub(f->path, &found), 0);
    buffer_free(&found.lines);
    file = fopen(f->path, "r");
    assert_non_null(file);
    size_t size = f->image.size;
    f->image.size = 0;
    assert_int_equal(fread(buffer_room(&f->image, size), 1, size, file), size);
    f->image.size = size;
    fclose(file);
}

void flaw_close(struct flaw *f)
{
    for (unsigned p = 0; p < FLAW_PARTITIONS; p++)
        buffer_free(&f->expected[p]);
    buffer_free(&f->rejects);
    buffer_free(&f->image);
}

void flaw_restore(const struct flaw *f, size_t size)
{
    size_t most = size < f->image.size ? size : f->image.size;
    int fd = open(f->path, O_WRONLY);
    bool done = fd >= 0 && pwrite(fd, f->image.at, most, 0) == (ssize_t)most &&
                ftruncate(fd, (off_t)size) == 0;

    close(fd);
    if (!done)
        abort(); /* in a child an assertion would jump into the parent's tests */
}

void flaw_poke(const struct flaw *f, size_t at, char byte)
{
    int fd = open(f->path, O_WRONLY);
    bool done = fd >= 0 && pwrite(fd, &byte, 1, (off_t)at) == 1;

    close(fd);
    if (!done)
        abort();
}

/* Writing must do no harm either: what could be read before can be read afterwards. */
static enum flaw_outcome try_writing(const struct flaw *f, struct journal *j)
{
    struct flaw more = *f;
    enum flaw_outcome outcome;
    struct record r = {slice_of("local"), 5, 2, slice_of("more")};
    int err;

    for (unsigned p = 0; p < FLAW_PARTITIONS; p++) {
        more.expected[p] = (struct buffer){0};
        buffer_add_slice(&more.expected[p], buffer_slice(&f->expected[p]));
        record_note(&more.expected[p], journal_end(j, p), &r);
        journal_append(j, p, &r);
    }
    err = journal_commit(j);
    journal_close(j);
    if (err == 0)
        err = shelf_try(FLAW_FILE, FLAW_PARTITIONS, &j);
    outcome = err == 0 ? all_read(&more, j) : FLAW_WRONG;
    if (err == 0)
        journal_close(j);
    for (unsigned p = 0; p < FLAW_PARTITIONS; p++)
        buffer_free(&more.expected[p]);
    return outcome;
}

enum flaw_outcome flaw_try(const struct flaw *f)
{
    struct journal *j;
    enum flaw_outcome outcome, after;
    int err = shelf_try(FLAW_FILE, FLAW_PARTITIONS, &j);

    if (err < 0)
        return err == ERR_CORRUPT || err == ERR_VERSION ? FLAW_REFUSED : FLAW_WRONG;
    outcome = all_read(f, j);
    after = try_writing(f, j);
    return after == outcome ? outcome : FLAW_WRONG;
}

size_t flaw_last_frame(const struct flaw *f)
{
    uint64_t commit, last = 0;
    size_t found = 0;

    for (size_t at = 0; at + FRAME_BLOCK <= f->image.size; at += FRAME_BLOCK) {
        if (memcmp(f->image.at + at, "TRNTFRAM", 8) != 0)
            continue;
        memcpy(&commit, f->image.at + at + 8, sizeof commit);
        if (commit >= last) {
            last = commit;
            found = at;
        }
    }
    assert_true(found > 0);
    return found;
}

uint64_t flaw_scrub(const char *path, struct scrub_found *ret)
{
    struct scrub *s;
    int fd = open(path, O_RDONLY), err = fd < 0 ? ERR_IO : scrub_open(fd, &s);

    *ret = (struct scrub_found){0};
    if (err == 0) {
        err = scrub_run(s, SCRUB_ALL);
        *ret = *scrub_found(s);
        ret->lines = (struct buffer){0};
        buffer_add_slice(&ret->lines, buffer_slice(&scrub_found(s)->lines));
        scrub_close(s);
    }
    if (fd >= 0)
        close(fd);
    return err == 0 ? ret->faults : UINT64_MAX;
}

void flaw_expect_sound(const char *path, uint64_t *ret_events)
{
    struct scrub_found found;
    uint64_t faults = flaw_scrub(path, &found);

    if (faults > 0)
        print_message("%.*s", (int)found.lines.size, found.lines.at);
    assert_int_equal(faults, 0);
    *ret_events = found.events;
    buffer_free(&found.lines);
}

uint64_t flaw_faults(const struct flaw *f)
{
    struct scrub_found found;
    uint64_t faults = flaw_scrub(f->path, &found);

    buffer_free(&found.lines);
    return faults;
}
