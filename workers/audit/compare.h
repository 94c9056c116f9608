/* Comparing two stores: one that was counted again, and the one that dashboards read.
 *
 *     compare_keys    lists the keys of both
 *     compare_all     looks at all of them, and remembers what differs
 *     compare_again   looks once more at those that differed, or that were written since
 *
 * What may differ without meaning anything is said in families.h. */
#ifndef WORKERS_AUDIT_COMPARE_H
#define WORKERS_AUDIT_COMPARE_H

#include "workers/audit/families.h"
#include "workers/progress.h"

struct compare;

/* Slices live until the next look, or as long as the compare when they are kept (compare_keep). */
struct difference {
    struct difference *next;
    const struct family *family;
    struct slice key, field, expected, found; /* absent where there is none */
    bool is_type; /* of no field: the found key is of another type, and so has no fields */
};

/* What is in the place of a field when the key is of another type. */
#define COMPARE_TYPE "(type)"

/* The stores are borrowed. */
struct compare *compare_new(struct store *expected, struct store *found);
void compare_free(struct compare *c);

/* Another connection to the found store, which stays the caller's: two threads compare then.  Once
 * it fails, the first one does the rest. */
void compare_aside(struct compare *c, struct store *aside);

/* The expected store, as one that has the keys written through it looked at again.  Not to be
 * freed. */
struct store *compare_store(struct compare *c);

/* Has a key looked at, also when neither store may have it.  Of no known family: nothing. */
void compare_add(struct compare *c, struct slice key);

/* What differed in the last look stays there to be read, whatever is looked at later. */
void compare_keep(struct compare *c);

/* Each returns 0 or an error of the stores. */
int compare_keys(struct compare *c);
int compare_all(struct compare *c, struct progress *progress); /* told of every key */
int compare_again(struct compare *c);

/* Keys that were listed. */
uint64_t compare_listed(const struct compare *c);

/* Keys and fields that were compared, each once. */
void compare_counts(const struct compare *c, uint64_t *ret_keys, uint64_t *ret_fields);

/* What differed in the last look at each key, by key and field, as one array.  Free *ret. */
size_t compare_differences(const struct compare *c, const struct difference ***ret);

#endif
