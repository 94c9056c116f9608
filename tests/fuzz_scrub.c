/* Fuzzing the scrub: any file is looked through to the end.  Of a journal that was changed in a few
 * places, and that the scrub finds nothing wrong with, LMDB can read and write everything.
 *
 * The input's first byte says which: the rest is the file, or changes of a small journal, four
 * bytes each (a place in the pages in use, three bytes; what is put there), and perhaps two bytes
 * at last: where the file is cut off. */
#include "broker/journal.h"
#include "broker/scrub.h"
#include "proto/error.h"
#include "proto/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PARTITIONS 2
#define FILE_BYTES ((size_t)16 * 1024 * 1024)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64], path[128];
static char *image;
static size_t image_bytes;

static void need(bool condition)
{
    if (!condition)
        abort();
}

static struct journal *journal_try(int *ret_err)
{
    struct journal_config c = {folder, FILE_BYTES, PARTITIONS, 0};
    struct journal *j = NULL;

    *ret_err = journal_open(&c, &j);
    return j;
}

static void folder_remove(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    need(system(command) == 0);
}

static void image_make(void)
{
    static char events[3000];
    struct record r = {slice_of("local"), 1, 3, {events, 0}};
    struct reject reject = {
        1, slice_of("local"), slice_of("c"), slice_of("f"), slice_of("r"), slice_make(events, 50),
        0};
    int err, fd;
    struct journal *j = journal_try(&err);

    need(err == 0);
    for (unsigned n = 0; n < 60; n++) {
        r.events.size = n % 20 ? 150 : sizeof events;
        need(journal_append(j, n % PARTITIONS, &r) == 0);
        need(n % 7 != 0 || journal_reject(j, &reject) == 0);
        need(journal_commit(j) == 0);
    }
    image_bytes = (size_t)journal_used_bytes(j);
    journal_close(j);
    image = memory_need(image_bytes);
    fd = open(path, O_RDONLY);
    need(pread(fd, image, image_bytes, 0) == (ssize_t)image_bytes);
    close(fd);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    log_open("fuzz", (enum log_level) - 1); /* what it says of every damage would be gigabytes */
    snprintf(folder, sizeof folder, "/tmp/fuzz_scrub.XXXXXX");
    need(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    image_make();
    atexit(folder_remove);
    return 0;
}

static uint64_t faults_of(int fd)
{
    uint64_t faults = UINT64_MAX;
    struct scrub *s;

    if (scrub_open(fd, &s) < 0)
        return faults;
    if (scrub_run(s, SCRUB_ALL) == 0)
        faults = scrub_found(s)->faults;
    scrub_close(s);
    return faults;
}

static void any_file(const uint8_t *data, size_t size)
{
    int fd = memfd_create("image", MFD_CLOEXEC);

    need(fd >= 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    faults_of(fd);
    close(fd);
}

static void all_read(struct journal *j)
{
    struct record r;
    uint64_t at;
    int err;

    for (unsigned p = 0; p < PARTITIONS; p++) {
        need(journal_read_begin(j, p, 0) == 0);
        do
            err = journal_next(j, &at, &r);
        while (err == 0);
        journal_read_end(j);
        need(err == ERR_AGAIN);
    }
}

/* Nothing was found, so nothing may happen. */
static void changed_journal_use(void)
{
    struct record r = {slice_of("local"), 1, 2, slice_of("abcdef")};
    int err;
    struct journal *j = journal_try(&err);

    need(err == 0);
    all_read(j);
    for (unsigned n = 0; n < 3 * PARTITIONS; n++) {
        need(journal_append(j, n % PARTITIONS, &r) == 0);
        need(journal_commit(j) == 0);
    }
    all_read(j);
    journal_close(j);
    int fd = open(path, O_RDONLY);
    need(faults_of(fd) == 0);
    close(fd);
}

static void changed_journal(const uint8_t *data, size_t size)
{
    int fd = open(path, O_RDWR);
    uint64_t faults;

    need(fd >= 0 && pwrite(fd, image, image_bytes, 0) == (ssize_t)image_bytes);
    need(ftruncate(fd, FILE_BYTES) == 0);
    for (; size >= 4; size -= 4, data += 4) {
        size_t at = (data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16) % image_bytes;
        need(pwrite(fd, data + 3, 1, (off_t)at) == 1);
    }
    if (size == 2)
        need(ftruncate(fd, (data[0] | data[1] << 8) * 128) == 0);
    faults = faults_of(fd);
    close(fd);
    if (faults == 0)
        changed_journal_use();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] & 1)
        any_file(data + 1, size - 1);
    else
        changed_journal(data + 1, size - 1);
    return 0;
}
