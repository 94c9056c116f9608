/* Dates and times; see date.h. */
#include "proto/date.h"

/* Days before March 1 of year 0, by Howard Hinnant's civil calendar arithmetic: years begin in
 * March, so that the leap day is a year's last. */
date_days date_from_civil(struct date_civil c)
{
    int y = c.month <= 2 ? c.year - 1 : c.year;
    int era = y / 400, of_era = y - era * 400; /* y is never negative here */
    int of_year = (153 * (c.month + (c.month > 2 ? -3 : 9)) + 2) / 5 + c.day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct date_civil date_to_civil(date_days d)
{
    int z = d + 719468;
    int era = z / 146097, of_era = z - era * 146097; /* from 0000-03-01 on */
    int year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = of_era - (365 * year + year / 4 - year / 100);
    int shifted = (5 * of_year + 2) / 153;
    int month = shifted < 10 ? shifted + 3 : shifted - 9;

    return (struct date_civil){.year = year + era * 400 + (month <= 2),
                               .month = month,
                               .day = of_year - (153 * shifted + 2) / 5 + 1};
}

date_days date_of_ms(int64_t ms)
{
    int64_t d = ms / DAY_MS;

    return (date_days)(ms % DAY_MS < 0 ? d - 1 : d);
}

/* `count` digits at text.at[from]; -1 if they are not digits. */
static int digits(struct slice text, size_t from, size_t count)
{
    int n = 0;

    if (from + count > text.size)
        return -1;
    for (size_t i = from; i < from + count; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return -1;
        n = n * 10 + text.at[i] - '0';
    }
    return n;
}

static int days_in(int year, int month)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

bool date_parse(struct slice text, date_days *ret)
{
    struct date_civil c = {digits(text, 0, 4), digits(text, 5, 2), digits(text, 8, 2)};

    if (text.size != DATE_TEXT || text.at[4] != '-' || text.at[7] != '-' || c.year < 1 ||
        c.month < 1 || c.month > 12 || c.day < 1 || c.day > days_in(c.year, c.month))
        return false;
    *ret = date_from_civil(c);
    return true;
}

/* "Z" or "+hh:mm" or "-hh:mm" at the end of a time, in minutes east. */
static bool offset_parse(struct slice text, int *ret_minutes)
{
    if (text.size == 1 && (text.at[0] == 'Z' || text.at[0] == 'z')) {
        *ret_minutes = 0;
        return true;
    }
    int hours = digits(text, 1, 2), minutes = digits(text, 4, 2);
    if (text.size != 6 || (text.at[0] != '+' && text.at[0] != '-') || text.at[3] != ':' ||
        hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    *ret_minutes = (hours * 60 + minutes) * (text.at[0] == '-' ? -1 : 1);
    return true;
}

/* ".digits" at `from`, if there: milliseconds, and where it ends.  False for a bare point. */
static bool fraction_parse(struct slice text, size_t *at, int *ret_ms)
{
    int ms = 0, places = 0;

    *ret_ms = 0;
    if (*at >= text.size || text.at[*at] != '.')
        return true;
    for (++*at; digits(text, *at, 1) >= 0; ++*at, places++)
        if (places < 3)
            ms = ms * 10 + digits(text, *at, 1);
    for (int i = places; i < 3; i++)
        ms *= 10;
    *ret_ms = ms;
    return places > 0;
}

/* A leap second comes after 23:59:59 UTC and nowhere else; it shares that second's last ms. */
static bool leap_fold(int64_t minute, int *second, int *ms)
{
    if (*second < 60)
        return true;
    *second = 59;
    *ms = 999;
    return ((minute % 1440) + 1440) % 1440 == 1439;
}

bool time_parse(struct slice text, int64_t *ret_ms)
{
    date_days day;
    int hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
    int ms, east;
    size_t at = 19;

    if (text.size < 20 || !date_parse(slice_make(text.at, DATE_TEXT), &day) ||
        !memchr("Tt ", text.at[10], 3) || text.at[13] != ':' || text.at[16] != ':')
        return false;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 ||
        !fraction_parse(text, &at, &ms) ||
        !offset_parse(slice_make(text.at + at, text.size - at), &east))
        return false;
    int64_t minutes = day * (int64_t)1440 + hour * 60 + minute - east;
    if (!leap_fold(minutes, &second, &ms))
        return false;
    *ret_ms = (minutes * 60 + second) * 1000 + ms;
    return true;
}

void date_format(date_days d, char out[DATE_TEXT])
{
    struct date_civil c = date_to_civil(d);
    int n[] = {c.year / 100, c.year % 100, -1, c.month, -1, c.day};

    for (int i = 0; i < 6; i++) {
        if (n[i] < 0) {
            *out++ = '-';
            continue;
        }
        *out++ = (char)('0' + n[i] / 10);
        *out++ = (char)('0' + n[i] % 10);
    }
}
