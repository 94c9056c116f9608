/* Risks: why a seat is on the watch list, and whether a seat is effective.  Pure; the rules are
 * those of KEYS.md, "Seats at risk" and "Effective participation". */
#ifndef WORKERS_RISK_H
#define WORKERS_RISK_H

#include "workers/rules.h"

#include <stddef.h>

/* The duties of one seat in one year, both levels added up. */
struct duties {
    int64_t ballots_due, abstained, excused, missed, commented;
    int64_t due_cib, missed_cib;
    int64_t missed_dis, missed_fdis, missed_sr;
    int64_t meetings_due, meetings_missed, meetings_excused;
};

/* Adds a field of seat:C|M:YEAR; what is no duty is passed over. */
void duties_add(struct duties *d, struct slice field, int64_t value);

/* The same of a row that a store gives (store.h); `record` is the struct duties.  ERR_CORRUPT for
 * what is no number. */
int duties_row(void *context, void *record, struct slice field, struct slice value);

bool duties_any(const struct duties *d);
bool duties_effective(const struct duties *d); /* only for duties_any */

enum risk_reason { RISK_MISSED_BALLOT, RISK_MISSED_SHARE, RISK_MISSED_MEETINGS, RISKS };
extern const char *const risk_name[RISKS];

enum risk_score { RISK_NONE, RISK_AMBER, RISK_RED };

struct risk_seat {
    struct duties year; /* of the calendar year of today */
    bool open_ballot; /* a ballot that counts here closes soon, and is neither answered nor excused
                       */
    const bool *missed; /* of the last meetings at which it was due, latest first */
    size_t meetings;    /* at most rules.meetings_run of them matter */
};

void risk_scores(const struct rules *r, const struct risk_seat *s, enum risk_score ret[RISKS]);

/* DIS, FDIS and SR: one of them missed puts a seat at risk. */
bool risk_kind(struct slice kind);

#endif
