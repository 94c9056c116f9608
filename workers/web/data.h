/* Reading Redis for a page: names and whole hashes, all of one moment, and as of when that is.  A
 * key is no more than what it says: every number is checked where it is read. */
#ifndef WORKERS_WEB_DATA_H
#define WORKERS_WEB_DATA_H

#include "workers/store.h"
#include "workers/view/name_list.h"

struct pair {
    struct slice field, value;
};

struct hash {
    struct slice key; /* without the prefix */
    struct pair *pairs;
    size_t count, room;
};

struct data {
    struct store *store;
    struct arena *arena; /* of all that is read */
    int64_t now_ms;
};

/* The hashes at one moment; their keys are set.  *ret_as_of_ms (may be NULL): when what they say
 * was last changed, 0 when that is not known.  0, or an error of the store. */
int data_hashes(struct data *d, struct hash *hashes, size_t count, int64_t *ret_as_of_ms);

/* Names of a set, members of a sorted set (in its order), or fields of a hash. */
int data_names(struct data *d, const char *key, enum fetch_kind kind, struct name_list *ret);

/* Those that facts in force name: the set of members may keep one of whom all is retracted. */
int data_members(struct data *d, struct name_list *ret);

/* "profile:KE"; borrowed from the arena. */
struct slice data_key_of(struct data *d, const char *family, struct slice name, const char *end);

/* Absent when it is not there. */
struct slice hash_value(const struct hash *h, struct slice field);
struct slice hash_text(const struct hash *h, const char *field);
/* 0 when it is not there, or is no number. */
int64_t hash_int(const struct hash *h, const char *field);
bool hash_has(const struct hash *h, const char *field);

#endif
