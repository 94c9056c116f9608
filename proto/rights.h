/* The rights file: who may do what, by key.  A section for each key:
 *
 *     [election-feed]
 *     key = 64 hex digits                     # the public key
 *     may = publish                           # publish, work or watch
 *     source = election-feed                  # of its events; default: the section's name
 *     types = vote ballot                     # default: all
 *     committees = ISO/TC 207 | ISO/TC 34*    # default: all; a star at the end: all that begin so
 *     rate = 500                              # events a second; default: no limit
 *     participants = yes                      # watch: may read the journal; default: no
 *     revoked = 2026-11-22                    # from the moment this stands here
 *
 * Source, types, committees and rate are a publisher's, participants a watcher's.  Committees limit
 * the events that have one; adoption and member notices are limited by their type only.  A key, a
 * name, or a setting given twice, and a setting nobody knows, are errors: a right misspelt must not
 * quietly be another one. */
#ifndef PROTO_RIGHTS_H
#define PROTO_RIGHTS_H

#include "proto/event.h"
#include "proto/keyfile.h"
#include "proto/settings.h"
#include "proto/table.h"

#define RIGHTS_MAX_BYTES  (1 << 20)
#define RIGHTS_RATE_MOST  100000000
#define RIGHTS_MOST       4096 /* keys */
#define RIGHTS_COMMITTEES 1024 /* of one key */

enum right_may { MAY_PUBLISH = 1, MAY_WORK = 2, MAY_WATCH = 4, MAY_ALL = 7 };

struct committee_rule {
    struct slice text;
    bool prefix; /* the text and whatever follows it */
};

struct right {
    struct table_entry entry; /* its key is `key` */
    char name[NAME_MOST + 1], key[KEY_HEX + 1];
    char source[NAME_MOST + 1]; /* empty where the key publishes nothing */
    unsigned may;               /* bits of enum right_may */
    unsigned types;             /* bit 1 << enum event_type */
    bool all_committees;        /* else only: */
    const struct committee_rule *committees;
    size_t committee_count;
    bool participants; /* may read the journal and the rejects */
    bool revoked;
    date_days revoked_on; /* if so */
    int64_t rate;         /* events a second; 0: no limit */
    size_t number;        /* as rights_at counts */
};

/* Of peers at a local endpoint, which the folder's rights guard: everything, as source "local". */
extern const struct right right_local;
#define RIGHT_LOCAL (&right_local)

struct rights;

/* 0, or ERR_CONFIG and in `ret_error` (of the size given) a sentence with the line's number. */
int rights_parse(struct slice text, struct rights **ret, char *ret_error, size_t error_size);
void rights_free(struct rights *r); /* NULL is allowed */

/* What can be read of a text that is faulty somewhere: its sections, each up to its first line that
 * makes no sense.  So somebody can be shut out whatever else is wrong with the file. */
struct rights_outline {
    struct slice name, key; /* key: absent where it is not said */
    const char *begin;      /* of what follows the heading */
    bool revoked;
};
bool rights_outline_next(struct settings *s, struct rights_outline *ret);

/* Revokes those of the keys which the text, faulty as it may be, calls revoked.  Returns how many
 * were not before. */
size_t rights_take_away(struct rights *r, struct slice text);

/* By the public key, 64 hex digits; one that is revoked too.  NULL: nobody knows it. */
const struct right *rights_of_key(const struct rights *r, struct slice key);

/* Of those that may publish under this source now the first, or the next after that one;
 * RIGHT_LOCAL for "local"; NULL: no key has it, or no more. */
const struct right *rights_of_source(const struct rights *r, struct slice source,
                                     const struct right *after);

/* The rights in the order of the file, up to `rights_count`. */
size_t rights_count(const struct rights *r);
const struct right *rights_at(const struct rights *r, size_t i);

/* Judges type and committee: 0, or ERR_REFUSED with *why. */
int right_check(const struct right *r, const struct event *e, struct refusal *why);

/* Whether the journal and the rejects may be read, where participants' keys are in the open. */
bool right_reads(const struct right *r);

#endif
