/* The inside of an explanation, shared by explain.c (events), explain_facts.c (where facts came
 * from), explain_units.c (what contributes) and explain_group.c (who is in a group). */
#ifndef WORKERS_AUDIT_EXPLAIN_INNER_H
#define WORKERS_AUDIT_EXPLAIN_INNER_H

#include "workers/audit/explain.h"
#include "workers/audit/replay.h"

struct explain {
    const struct target *target;
    int64_t as_of_ms;
    enum explain_pass pass;
    struct ledger *ledger;
    struct replay *replay;
    struct arena arena;
    struct table facts;                       /* struct explain_fact by the address of its fact */
    struct table names;                       /* of sources */
    const struct field *fields[TARGET_TERMS]; /* the target's terms, as the ledger knows them */
    struct explain_part *parts;
    size_t part_count, part_room;
    struct pointers noted; /* the facts of the part in hand */
    struct explain_group *group;
};

/* What contributes by itself: one member's part in a ballot, a participant, one member's part in a
 * meeting, an adoption. */
struct explain_unit {
    const struct member *member;
    struct ballot *ballot;
    const struct vote *vote; /* NULL: none */
    struct meeting *meeting;
    const struct participant *participant;
    const struct adoption *adoption;
};

typedef void (*explain_unit_fn)(struct explain *x, const struct explain_unit *u);

/* Tallies one unit after the other, each alone into the ledger's counters, and hands it over. */
void explain_units(struct explain *x, explain_unit_fn each);

/* What the tallied unit adds to the target. */
int64_t explain_amount(const struct explain *x, const struct explain_unit *u);

/* Notes the facts of the unit, the one that counts first. */
void explain_note_unit(struct explain *x, const struct explain_unit *u);

/* An event has won: it is where its fact came from (`explain`: replay.h's watcher). */
void explain_fact_came(void *explain, const struct replayed *r);

/* Notes one more fact, if it has ever come. */
void explain_note(struct explain *x, const void *fact);

/* Makes a part of the facts that are noted, and forgets them. */
void explain_add(struct explain *x, int64_t amount, struct slice member);

/* NULL for a fact that never came. */
const struct explain_fact *explain_fact_of(const struct explain *x, const void *fact);

/* By partition and offset. */
bool explain_before(const struct explain_fact *a, const struct explain_fact *b);

/* The member's notice in the committee that is in force on a day; NULL where there is none. */
const struct seat *explain_seat(const struct committee *c, struct slice member, date_days day);

/* ---- groups ---- */
void explain_group_parts(struct explain *x);
void explain_group_free(struct explain_group *g); /* NULL is allowed */

/* True for members of the target's group. */
bool explain_group_has(const struct explain *x, const struct member *m);

#endif
