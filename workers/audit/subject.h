/* Subjects: what a fact is about, as the words of its natural key, and what it states, in words
 * that people can read.
 *
 *     vote|ISO/TC 207|DIS 14001|KE    approve P comments=2 */
#ifndef WORKERS_AUDIT_SUBJECT_H
#define WORKERS_AUDIT_SUBJECT_H

#include "workers/fact.h"

#define SUBJECT_PARTS 4

struct subject {
    enum event_type type;
    struct slice parts[SUBJECT_PARTS]; /* as many as the type has, in the contract's order */
    date_days from;                    /* the last word of seat and member notices */
};

/* "COMMITTEE BALLOT MEMBER": the words that a type's subject has. */
const char *subject_words(enum event_type type);

/* The subject of an event; borrows from it. */
struct subject subject_of(const struct event *e);

/* Reads the words, the type among them; one word alone may be the whole, joined by "|".  A member's
 * `from` may be left out and is then DATE_NONE.  0, or ERR_CONFIG with a reason for people; borrows
 * from the words. */
int subject_parse(const struct slice *words, size_t count, struct subject *ret,
                  const char **ret_reason);

/* Appends "TYPE|part|part ...". */
void subject_format(const struct subject *s, struct buffer *out);

/* True for the same subject; a `from` that `s` leaves out is any. */
bool subject_is(const struct subject *s, const struct event *e);

/* The partition of the subject's events. */
unsigned subject_partition(const struct subject *s, unsigned partitions);

/* Appends what a fact of the type states: "retracted" when it no longer holds. */
void statement_format(enum event_type type, const void *fact, struct buffer *out);

#endif
