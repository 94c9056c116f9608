/* Targets: one number in Redis, by its key and field, and what it is the sum of.
 *
 *     member:KE:2026-03  technical.votes      a counter
 *     group:ldc:2026  voting.num              counters of members, added and subtracted
 *     ballot:ISO/TC 1|B7  p.approve           the tally of one ballot
 *
 * Pure: text in, a struct out. */
#ifndef WORKERS_AUDIT_TARGET_H
#define WORKERS_AUDIT_TARGET_H

#include "workers/ledger.h"

enum target_family {
    TARGET_MEMBER,
    TARGET_COMMITTEE,
    TARGET_SEAT,
    TARGET_BALLOT,
    TARGET_MEETING,
    TARGET_GROUP,
    TARGET_FAMILIES
};

/* What is added up. */
enum target_measure {
    MEASURE_COUNTERS, /* the terms */
    MEASURE_TALLY,    /* of a ballot or a meeting */
    MEASURE_MEMBERS,  /* of a group, and so are all below */
    MEASURE_ACTIVE,   /* members with a vote or an attended meeting */
    MEASURE_SEATS_P,  /* held on the period's last day */
    MEASURE_SEATS_O,
    MEASURE_EFFECTIVE, /* seats with a duty that are effective */
    MEASURE_DUTY,      /* seats with a duty */
    MEASURE_DORMANT,   /* P-seats without any */
};

struct target_term {
    struct slice counter;
    int sign;
};

#define TARGET_TERMS 5

struct target {
    enum target_family family;
    struct slice key, field;                /* the key without a prefix */
    struct slice committee, member, matter; /* matter: the ballot or the meeting */
    struct slice group;
    struct slice period_text;
    uint32_t period;    /* year * 100 + month, as in a row's key */
    date_days last_day; /* of the period */
    bool year;          /* the period is one */

    enum target_measure measure;
    struct target_term terms[TARGET_TERMS];
    size_t term_count;
    unsigned tally; /* index into tally_name or gathering_name */
    bool figure;    /* the terms are those of a figure of groups */
    bool whole;     /* over all members, whatever the group: the denominator of a share */

    /* Which facts bear on it, beside the notices of ballots and meetings. */
    bool by_answer; /* votes and attendance */
    bool by_seat;   /* seats: what was due */
};

/* Reads a key, which may begin with `prefix`, and a field of it.  0; or ERR_CONFIG, with sentences
 * for people appended to `reason`: no such key, no such field and what there is, or no number that
 * is a sum.  Slices borrow from key and field. */
int target_parse(struct slice key, struct slice field, const char *prefix, struct target *ret,
                 struct buffer *reason);

#endif
