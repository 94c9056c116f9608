/* Dates and times: the proleptic Gregorian calendar, years 0001 to 9999, UTC. */
#ifndef PROTO_DATE_H
#define PROTO_DATE_H

#include "proto/bytes.h"

/* Days since 1970-01-01; before it negative. */
typedef int32_t date_days;

#define DATE_NONE INT32_MIN
#define DAY_MS    ((int64_t)86400000)

struct date_civil {
    int year, month, day;
};

/* Exactly YYYY-MM-DD, a day that exists.  False otherwise; *ret is then untouched. */
bool date_parse(struct slice text, date_days *ret);

/* RFC 3339, section 5.6, with any offset; fractions beyond milliseconds are cut off, so that
 * 23:59:59.9999 stays in its day; a leap second (23:59:60 UTC) is the last millisecond of its
 * minute.  Result: Unix ms.  False otherwise; *ret is then untouched. */
bool time_parse(struct slice text, int64_t *ret_ms);

/* 1900-01-01T00:00:00Z, the earliest time an event may have (contract of events). */
#define TIME_EARLIEST_MS (-2208988800000)

date_days date_from_civil(struct date_civil c);
struct date_civil date_to_civil(date_days d);

/* The UTC day in which the millisecond lies (rounded down, also before 1970). */
date_days date_of_ms(int64_t ms);

#define DATE_TEXT 10
/* Writes YYYY-MM-DD, ten bytes and no NUL. */
void date_format(date_days d, char out[DATE_TEXT]);

#endif
