/* Facts: what the newest version of an event says, as a struct and as one line of plain text.
 *
 * The text is what stands in Redis (KEYS.md draws it): words separated by single spaces.  What is
 * stated, in one word; time and digest of the version; whatever else is not as usual, by name; the
 * version's id:
 *
 *     approve 1767225600000 9f86d081884c7d65 seat=P comments=2 id=r1-17
 *     retracted 1767225600000 9f86d081884c7d65 id=r1-18
 *
 * "-" stands for an absent value; a space, a percent sign and control characters inside a value
 * are written %20, %25 ...  A contested version (version.h) has its bytes in hex.  Short
 * lines are worth it: they are most of what Redis holds, and of what goes there. */
#ifndef WORKERS_FACT_H
#define WORKERS_FACT_H

#include "workers/version.h"

struct vote_fact {
    struct version version;
    uint8_t position, seat, level;
    bool excused, participate;
    int64_t comments;
};

struct attendance_fact {
    struct version version;
    uint8_t presence, mode, part, level;
    date_days date;
};

struct adoption_fact {
    struct version version;
    uint8_t degree, force;
    date_days date, withdrawn;
    uint32_t sdgs, theme_count;
    const struct slice *themes;
};

struct profile_fact {
    struct version version;
    uint8_t category;
    bool developing;
    struct slice name, nsb;
    uint32_t group_count;
    const struct slice *groups;
};

struct committee_fact {
    struct version version;
    uint8_t level;
    struct slice reference, title;
};

struct seat_fact {
    struct version version;
    uint8_t role;
};

struct ballot_fact {
    struct version version;
    uint8_t stage, level;
    bool mandatory;
    date_days opens, closes;
    struct slice kind, title;
};

struct meeting_fact {
    struct version version;
    uint8_t planning, level;
    bool mandatory;
    date_days starts, ends;
    struct slice title;
};

/* Room for a fact of any type. */
union any_fact {
    struct version version;
    struct vote_fact vote;
    struct attendance_fact attendance;
    struct adoption_fact adoption;
    struct profile_fact profile;
    struct committee_fact committee;
    struct seat_fact seat;
    struct ballot_fact ballot;
    struct meeting_fact meeting;
};

/* `fact` is the struct of that type; they all begin with their version.  What must outlive the
 * event is copied into `keep`; the version's `raw` goes on borrowing from the event. */
void fact_from_event(const struct event *e, uint64_t digest, struct arena *keep, void *fact);

/* Appends the line. */
void fact_format(enum event_type type, const void *fact, struct buffer *out);

/* Reads the line back; ERR_CORRUPT when it is not one.  Slices are copied into `keep`. */
int fact_parse(enum event_type type, struct slice text, struct arena *keep, void *fact);

#endif
