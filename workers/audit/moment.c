/* Moments; see moment.h.  Only the reading of foreign text can fail. */
#include "workers/audit/moment.h"

#include "proto/error.h"

#include <inttypes.h>
#include <stdio.h>

#define LEAST_MS    ((int64_t)100000000000)    /* 12 digits: 1973-03-03 */
#define EARLIEST_MS ((int64_t)-62135596800000) /* 0001-01-01 */
#define LATEST_MS   ((int64_t)253402300799999) /* the end of 9999-12-31 */

int moment_parse(struct slice text, int64_t now_ms, int64_t *ret_ms)
{
    date_days day;
    int64_t ms;

    if (slice_is(text, "now"))
        *ret_ms = now_ms;
    else if (date_parse(text, &day))
        *ret_ms = (day + (int64_t)1) * DAY_MS - 1;
    else if (slice_to_int(text, &ms) && ms >= LEAST_MS && ms <= LATEST_MS)
        *ret_ms = ms;
    else if (!time_parse(text, ret_ms))
        return ERR_CONFIG;
    return 0;
}

void moment_format(int64_t ms, char out[MOMENT_TEXT])
{
    date_days day = date_of_ms(ms);
    unsigned of_day = (unsigned)(ms - day * DAY_MS);
    char date[DATE_TEXT];

    if (ms < EARLIEST_MS || ms > LATEST_MS) {
        snprintf(out, MOMENT_TEXT, "%" PRId64, ms);
        return;
    }
    date_format(day, date);
    snprintf(out, MOMENT_TEXT, "%.*sT%02u:%02u:%02u.%03uZ", DATE_TEXT, date, of_day / 3600000 % 24,
             of_day / 60000 % 60, of_day / 1000 % 60, of_day % 1000);
}
