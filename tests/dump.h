/* A dump: what stands in a store, key by key, as plain text.  The model fills one with what must
 * stand there, redis_dump and the memory store fill others with what does, and dump_compare lists
 * the differences.
 *
 * A set is a key whose members are fields with an empty value; a sorted set's members are fields
 * whose value is the score.  A value that is the number zero is as good as absent. */
#ifndef TESTS_DUMP_H
#define TESTS_DUMP_H

#include <stdio.h>

#include "proto/bytes.h"

struct dump;

struct dump *dump_new(void);
void dump_free(struct dump *d); /* NULL is allowed */

/* All slices are copied.  dump_put replaces a value; dump_add adds to a number that starts at 0
 * (what was put as text must not be added to). */
void dump_put(struct dump *d, struct slice key, struct slice field, struct slice value);
void dump_add(struct dump *d, const char *key, const char *field, int64_t amount);

/* The value as text, good until the next call on any dump; absent when there is none. */
struct slice dump_get(const struct dump *d, const char *key, const char *field);

/* The value as a number; 0 when there is none or it is no number. */
int64_t dump_number(const struct dump *d, const char *key, const char *field);

bool dump_has(const struct dump *d, const char *key);
size_t dump_keys(const struct dump *d);

/* Calls `each` for every value whose key begins with `prefix`, in order of key and field. */
typedef void (*dump_fn)(void *arg, struct slice key, struct slice field, struct slice value);
void dump_each(const struct dump *d, const char *prefix, dump_fn each, void *arg);

/* What a comparison does with a value of that key and field.  DUMP_LENIENT: it must be there if
 * it is expected, but may stand there unexpected too. */
enum dump_care { DUMP_IGNORE, DUMP_LENIENT, DUMP_EXACT };
typedef enum dump_care (*dump_care_fn)(struct slice key, struct slice field);

/* Compares value by value and prints the first twenty differences to `out` (NULL: none).  `care`
 * may be NULL: all exact.  Returns the number of differences, and in *ret_compared (may be NULL)
 * that of the values that were looked at: a comparison of nothing proves nothing. */
size_t dump_compare(const struct dump *expected, const struct dump *found, dump_care_fn care,
                    FILE *out, size_t *ret_compared);

#endif
