/* Export: the fields of many keys of a store, key by key, as tidy CSV (RFC 4180): one record a
 * field, in the order of keys and fields, values as they stand.
 *
 *     export_open    which keys there are of those asked for
 *     export_next    some keys' records, again and again until there are no more
 *
 * Each key is read at one moment; different keys may be of different ones while events come in. */
#ifndef WORKERS_VIEW_EXPORT_H
#define WORKERS_VIEW_EXPORT_H

#include "workers/store.h"
#include "workers/view/name_list.h"

enum export_kind {
    EXPORT_MEMBER,
    EXPORT_COMMITTEE,
    EXPORT_SEAT,
    EXPORT_GROUP,
    EXPORT_BALLOT,
    EXPORT_VOTE,
    EXPORT_MEETING,
    EXPORT_ATTENDANCE,
    EXPORT_ADOPTION,
    EXPORT_PROFILE,
    EXPORT_MEMBER_NOTICE,
    EXPORT_SEAT_NOTICE,
    EXPORT_KINDS
};
extern const char *const export_kind_name[EXPORT_KINDS];

/* What a name list does not mention is not asked for, unless the list is empty. */
struct export_ask {
    bool kinds[EXPORT_KINDS];
    struct name_list members, committees, groups, periods, fields;
};

struct export;

/* The store and the lists are borrowed.  0, or an error of the store. */
int export_open(struct store *s, const struct export_ask *ask, struct export **ret);
void export_free(struct export *e); /* NULL is allowed */

size_t export_keys(const struct export *e);

/* kind,subject,member,committee,period,field,value */
void export_head(struct buffer *out);

/* Appends the records of the next keys; how many keys these were is in *ret_keys, 0 at the end.
 * 0, or an error of the store. */
int export_next(struct export *e, struct buffer *out, size_t *ret_keys);

#endif
