/* A small journal of every kind of value, made once, and what reading a damaged copy of it gives.
 */
#ifndef TESTS_FLAW_H
#define TESTS_FLAW_H

#include "broker/scrub.h"
#include "tests/shelf.h"

#define FLAW_PARTITIONS 3
#define FLAW_FILE       ((size_t)16 * 1024 * 1024) /* bytes of the whole file, most of it unused */

enum flaw_outcome {
    FLAW_WHOLE,   /* everything was read, as it was committed */
    FLAW_STOPPED, /* reading stopped with an error; nothing behind that place was given */
    FLAW_REFUSED, /* the journal was not opened */
    FLAW_WRONG,   /* anything else: must not be */
    FLAW_OUTCOMES
};

extern const char *const flaw_names[FLAW_OUTCOMES];

struct flaw {
    char path[600];      /* of the file, in shelf_folder */
    struct buffer image; /* its pages in use */
    struct buffer expected[FLAW_PARTITIONS], rejects;
};

/* Within shelf_setup and shelf_teardown. */
void flaw_open(struct flaw *f);
void flaw_close(struct flaw *f);

/* The file as it was, of so many bytes. */
void flaw_restore(const struct flaw *f, size_t size);
void flaw_poke(const struct flaw *f, size_t at, char byte);

/* Opens the file's journal, reads all of it, writes some more, and reads it again. */
enum flaw_outcome flaw_try(const struct flaw *f);

/* Where the second copy of the log's last frame begins. */
size_t flaw_last_frame(const struct flaw *f);

/* What the scrub counts; UINT64_MAX when it gave up. */
uint64_t flaw_faults(const struct flaw *f);

/* There are none; how many events are there. */
void flaw_expect_sound(const char *path, uint64_t *ret_events);

/* Faults of a journal's file; the lines go to `lines` unless it is NULL. */
uint64_t flaw_scrub(const char *path, struct scrub_found *ret);

#endif
