/* The rules by which a seat counts as at risk: thresholds that the operator may set, by lines
 * `risk.NAME = NUMBER` of the configuration (config.h). */
#ifndef WORKERS_RULES_H
#define WORKERS_RULES_H

#include "proto/bytes.h"

struct rules {
    int64_t missed_dis;   /* so many DIS, FDIS or SR missed in the calendar year: red */
    int64_t cib_percent;  /* more than this share of the internal ballots missed ... */
    int64_t cib_min;      /* ... and at least so many: red */
    int64_t meetings_run; /* so many meetings in a row missed: red */
    int64_t warn_days;    /* an open ballot is pointed out so many days before it closes */
};

#define RULES_DEFAULT ((struct rules){1, 20, 2, 2, 14})

/* "missed_dis=1 cib_percent=20 cib_min=2 meetings_run=2 warn_days=14" */
void rules_format(const struct rules *r, struct buffer *out);

/* The same read again: all of them must be there, as rules_format writes them.  False, and nothing
 * set, otherwise. */
bool rules_parse(struct slice text, struct rules *ret);

/* Sets the rule of this name ("risk.warn_days").  0, or ERR_CONFIG with a reason for people. */
int rules_set(struct rules *r, struct slice name, struct slice value, const char **ret_reason);

#endif
