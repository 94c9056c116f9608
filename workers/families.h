/* The families of keys: all that turnout writes into a store, and how it is compared when the
 * numbers are counted again.  KEYS.md says what they hold. */
#ifndef WORKERS_FAMILIES_H
#define WORKERS_FAMILIES_H

#include "workers/store.h"

/* The keys of a rebuild under way have this before their names. */
#define FAMILY_NEW "new:"

enum family_writer {
    WRITER_EVENTS,  /* a commit of events */
    WRITER_DERIVED, /* a step of deriving */
    WRITER_PLACES,  /* both, and holds: where the store stands, and what waits */
};

enum family_care {
    CARE_IGNORED, /* tells of the way, not of the facts */
    CARE_LENIENT, /* what is expected must be there; there may be more */
    CARE_EXACT,
};

struct family {
    const char *name; /* with a colon at its end: what such keys begin with; else the one key */
    enum fetch_kind kind;
    enum family_writer writer;
    enum family_care care;
};

/* NULL for a key that turnout does not write. */
const struct family *family_of(struct slice key);

/* Whether the field is compared. */
bool family_compares(const struct family *f, struct slice field);

#endif
