/* What Redis stands for, looked at from outside over a connection of its own: how many of a
 * partition's events are counted.  A commit changes counters, facts and offset in one step, so an
 * offset that can be read means counters that can be. */
#ifndef TESTS_GAUGE_H
#define TESTS_GAUGE_H

#include <stdint.h>

#define GAUGE_PARTITIONS 8 /* of a stack with default settings */

struct gauge;

/* From then on sleeps of this thread, and of those that it starts, end within microseconds. */
struct gauge *gauge_new(const char *redis_socket);

/* At $BENCH_REDIS, or at the stack's in $TURNOUT_DIR. */
struct gauge *gauge_of_stack(void);
void gauge_free(struct gauge *g);

/* The offsets of all partitions, 0 where nothing was ever applied.  A Redis that cannot be read
 * ends the program with a message. */
void gauge_read(struct gauge *g, uint64_t ret_offsets[GAUGE_PARTITIONS]);

/* Their sum. */
uint64_t gauge_total(struct gauge *g);

/* Waits until the sum is at least `total`, looking every millisecond; a minute without any progress
 * ends the program with a message. */
void gauge_await(struct gauge *g, uint64_t total);

/* Nanoseconds of the monotonic clock, and sleeping until then. */
int64_t gauge_now_ns(void);
void gauge_sleep_until(int64_t ns);

#endif
