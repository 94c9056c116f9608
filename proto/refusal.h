/* Why an event was refused: a code for programs, the field, and a reason for people. */
#ifndef PROTO_REFUSAL_H
#define PROTO_REFUSAL_H

#include "proto/bytes.h"

enum refusal_code {
    REFUSAL_NONE,
    REFUSAL_MALFORMED,     /* "malformed": not one complete msgpack map with string keys */
    REFUSAL_TOO_LARGE,     /* "too-large": an event above 8 KiB, or too many keys or list items */
    REFUSAL_BAD_UTF8,      /* "bad-utf8": text that is not UTF-8 */
    REFUSAL_DUPLICATE_KEY, /* "duplicate-key" */
    REFUSAL_UNKNOWN_TYPE,  /* "unknown-type" */
    REFUSAL_MISSING,       /* "missing": a required key is absent or null */
    REFUSAL_BAD_TYPE,      /* "bad-type": a string where a number belongs, and so on */
    REFUSAL_BAD_VALUE,    /* "bad-value": not one of the values, no token, no identifier, no date */
    REFUSAL_OUT_OF_RANGE, /* "out-of-range": a number, date or length outside its limits */
    REFUSAL_NOT_ALLOWED,  /* "not-allowed": right in itself, wrong beside another key */
    REFUSAL_BAD_JSON,     /* "bad-json": a line that is no JSON object (command line only) */
    REFUSAL_JOURNAL_FULL, /* "journal-full": no room; a retry can help */
    REFUSAL_TYPE_DENIED,  /* "type-denied": this key may not publish this type */
    REFUSAL_COMMITTEE_DENIED, /* "committee-denied": ... nor for this committee */
    REFUSAL_RATE_LIMIT,       /* "rate-limit": above the key's rate; a retry can help */
    REFUSAL_CODES
};

#define REFUSAL_FIELD  64  /* bytes of a field's name kept; longer ones are cut at a character */
#define REFUSAL_REASON 160 /* likewise */

struct refusal {
    enum refusal_code code;
    char field[REFUSAL_FIELD + 1]; /* "" when it is about the event as a whole */
    char reason[REFUSAL_REASON + 1];
};

/* The name on the wire; never NULL. */
const char *refusal_name(enum refusal_code code);

/* True when sending the same event again later can succeed. */
bool refusal_can_retry(enum refusal_code code);

/* Fills *r and returns ERR_REFUSED, so that a check can `return refusal_set(...)`.  The field's
 * bytes may be anything; what is not valid UTF-8 or not printable is replaced by '?'. */
int refusal_set(struct refusal *r, enum refusal_code code, struct slice field, const char *format,
                ...) __attribute__((format(printf, 4, 5)));

/* Likewise, of the bytes as a whole: "malformed". */
int refusal_malformed(struct refusal *r, const char *reason);

#endif
