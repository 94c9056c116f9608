/* The event files of tests/data: real votes, attendance, adoptions and seats, with the totals that
 * their sources publish (tests/data/README.md). */
#ifndef TESTS_FIXTURES_H
#define TESTS_FIXTURES_H

#include "proto/bytes.h"

#define FIXTURES 7
extern const char *const fixture_names[FIXTURES];

/* Appends the file's JSON Lines, unpacked if it is .gz.  A file that cannot be read is a bug of
 * the test and ends it with a message. */
void fixture_lines(const char *name, struct buffer *ret);

/* Appends the file's events, encoded.  Returns their number. */
size_t fixture_events(const char *name, struct buffer *ret);

/* Appends the lines in random order, and `repeat_percent` of them once more somewhere. */
void lines_shuffle(uint64_t seed, struct slice lines, unsigned repeat_percent, struct buffer *ret);

/* JSON Lines to consecutive events; returns their number.  All lines must be good. */
size_t lines_encode(struct slice lines, struct buffer *ret);

#endif
