/* A small world of random events: few committees, members, ballots and meetings, so that
 * events meet and every rule is at work.  The same seed gives the same bytes everywhere. */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include "proto/bytes.h"
#include "tests/random.h"

/* Appends `count` valid events to `ret`, as consecutive msgpack maps of every type: votes,
 * attendance, adoptions and all notices with every word of every key, retractions, revisions,
 * equal times, full ties that only the bytes decide, unknown keys and nulls. */
void world_events(uint64_t seed, size_t count, struct buffer *ret);

/* The same in a world so small that almost every event meets others: two committees, four members,
 * a hundred days, a tie in every ten events; none is of later than 2022-08-03. */
void world_crowded(uint64_t seed, size_t count, struct buffer *ret);

/* Appends `events` to `ret` in random order, and `repeat_percent` of them once more somewhere. */
void world_shuffle(uint64_t seed, struct slice events, unsigned repeat_percent, struct buffer *ret);

/* Cuts consecutive events into one slice each, borrowed from `events`.  Returns their number; free
 * *ret. */
size_t world_split(struct slice events, struct slice **ret);

#endif
