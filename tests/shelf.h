/* A journal in a folder of its own, for one test after the other. */
#ifndef TESTS_SHELF_H
#define TESTS_SHELF_H

#include "broker/journal.h"
#include "broker/meta.h"

#define SHELF_BYTES ((uint64_t)64 * 1024 * 1024)

extern char shelf_folder[512];
extern size_t shelf_recent_bytes; /* as in journal.h; 0 from the setup on */

const char *shelf_path(void); /* of the journal's file there */

/* cmocka's setup and teardown: make and remove the folder. */
int shelf_setup(void **state);
int shelf_teardown(void **state);

int shelf_try(uint64_t limit, unsigned partitions, struct journal **ret);
struct journal *shelf_open(void); /* SHELF_BYTES, 8 partitions */

/* Stages one record of events of one byte each: the journal does not look into them. */
int shelf_stage(struct journal *j, unsigned partition, const char *events);
void shelf_append(struct journal *j, unsigned partition, const char *events);

/* Commits one event that is large enough for all records until now, and this one, to go into the
 * trees of their partitions. */
void shelf_move(struct journal *j, unsigned partition);

/* All events of a partition from an offset on, one after the other. */
int shelf_read(struct journal *j, unsigned partition, uint64_t offset, struct buffer *out);
void shelf_expect(struct journal *j, unsigned partition, const char *expected);

/* A journal of two partitions with three events "abc" in the first, made as another program would:
 * with these ends unless there are none. */
void shelf_forge(const struct ends *ends);

/* Replaces one byte, `at` bytes behind each place in the file where `mark` stands. */
void shelf_damage(const char *file, const char *mark, size_t at, char byte);

/* The bytes that JOURNAL.md gives as ```golden-NAME; how many. */
size_t shelf_golden(const char *name, unsigned char *out, size_t most);

#endif
