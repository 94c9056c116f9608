/* The families of keys: all that turnout writes into a store, and how it is compared when the
 * numbers are counted again.  KEYS.md says what they hold. */
#ifndef WORKERS_AUDIT_FAMILIES_H
#define WORKERS_AUDIT_FAMILIES_H

#include "workers/store.h"

/* The keys of a rebuild under way have this before their names. */
#define FAMILY_NEW "new:"

enum family_care {
    CARE_IGNORED, /* tells of the way, not of the facts: only its type is compared, and of marks
                     whether turnout may have written them */
    CARE_LENIENT, /* there may be more than what must be there */
    CARE_EXACT,
};

struct family {
    const char *name; /* with a colon at its end: what such keys begin with; else the one key */
    enum fetch_kind kind;
    enum family_care care;
};

/* NULL for a key that turnout does not write. */
const struct family *family_of(struct slice key);

/* Whether the field is compared. */
bool family_compares(const struct family *f, struct slice field);

/* What an absent field stands for; absent where it stands for nothing. */
struct slice family_default(const struct family *f, struct slice field);

/* The sets of marks of what is to be derived. */
bool family_is_marks(const struct family *f);

/* The sets of periods and groups: they may keep names, and which they keep is chance. */
bool family_is_list(const struct family *f);

/* Whether the name must be in that set because of this key. */
bool family_lists(struct slice set, struct slice name, struct slice key);

#endif
