/* Moments: points in time as people give them on the command line, and as they are shown. */
#ifndef WORKERS_AUDIT_MOMENT_H
#define WORKERS_AUDIT_MOMENT_H

#include "proto/date.h"

/* What may stand for TIME, as a phrase for help texts. */
#define MOMENT_FORMS "RFC 3339, YYYY-MM-DD (its end, UTC), Unix ms, or now"

/* Reads `now`, an RFC 3339 time, a date (its last millisecond in UTC), or Unix milliseconds of at
 * least 12 digits, so that neither a year nor a number of seconds passes for them.  0, or
 * ERR_CONFIG for anything else; *ret_ms is then untouched. */
int moment_parse(struct slice text, int64_t now_ms, int64_t *ret_ms);

#define MOMENT_TEXT 32 /* "2026-11-22T09:30:00.125Z" and the end */

/* Writes the moment as RFC 3339 in UTC, with milliseconds; one that no such text can say is written
 * as Unix ms. */
void moment_format(int64_t ms, char out[MOMENT_TEXT]);

#endif
