/* The inside of a diff, shared by diff.c (counting and comparing), diff_watch.c (what each event
 * moved), diff_moved.c (of a member's part in a group) and diff_causes.c (which of that made a
 * change). */
#ifndef WORKERS_AUDIT_DIFF_INNER_H
#define WORKERS_AUDIT_DIFF_INNER_H

#include "workers/apply.h"
#include "workers/audit/diff.h"
#include "workers/people.h"

/* An event moved a field of a key. */
struct diff_move {
    struct diff_move *next, *same; /* of the key; of this field of it */
    uint32_t event;                /* its number among those between the moments */
    struct slice field;
    int64_t amount;
};

/* Moves, in the order of events: all of a key, or those of one field of it. */
struct diff_moves {
    struct table_entry entry; /* by "KEY", or "KEY\nFIELD" */
    struct diff_move *first, **last;
};

/* An event between the moments that moved anything. */
struct diff_event {
    struct witness witness;
    struct slice committee, member; /* of its subject; absent where there is none */
};

/* A number of the first moment. */
struct diff_value {
    struct table_entry entry; /* by "KEY\nFIELD" */
    struct slice key, field, text;
    bool there_still;
};

/* Who there was at a moment. */
struct diff_moment {
    struct people people;
    struct table numbers; /* struct diff_value; of the first moment all that are compared */
};

/* A member in a committee where its duties or its seat moved. */
struct diff_pair {
    struct table_entry entry; /* by "C|M" */
    struct diff_pair *next;
    struct slice committee, member;
};
struct diff_pairs {
    struct table_entry entry; /* by the member */
    struct diff_pair *first;
};

/* What moved of a member's effective or dormant seats in a year; worked out once for all groups. */
struct diff_share {
    struct diff_share *next;
    uint32_t event;
    int64_t amount;
};
struct diff_shares {
    struct table_entry entry; /* by measure, member and year */
    struct diff_share *first;
};

struct diff {
    struct diff_options options;
    struct store *memory, *watched; /* the second forwards to the first, and notes */
    struct apply *apply;
    struct applied *applied;
    uint64_t *from;   /* where the second walk begins */
    uint64_t reading; /* offset of the events in hand */
    struct event_decoder *decoder;
    struct arena arena;
    struct buffer scratch;
    struct diff_moment before, after;

    /* while the events between the moments are applied */
    bool watching, moved;
    struct diff_event *events;
    uint32_t event_count;
    size_t event_room;
    struct table keys, fields; /* struct diff_moves */

    struct diff_change *changes;
    size_t change_count, change_room;

    /* while causes are looked for */
    bool paired;
    struct table pairs, pair_members; /* struct diff_pair, struct diff_pairs */
    struct table shares;              /* struct diff_shares */
    int64_t *amounts[2];              /* by event: of the sum or numerator, of the denominator */
    bool *touched;
    uint32_t *order; /* the events touched */
    uint32_t order_count;
    int64_t left_out[2]; /* what came of members that were left out, or are no more */
    struct diff_cause *causes;
};

/* A store that forwards to d->memory and notes in d what commits move. */
struct store *diff_watch_new(struct diff *d);

/* "FAMILY" a "SEPARATOR" b; good until the next use of d->scratch. */
struct slice diff_name(struct diff *d, const char *family, struct slice a, const char *separator,
                       struct slice b);

/* The first move of the key of that name, NULL when there is none; the others follow by `next`. */
const struct diff_move *diff_key_moves(struct diff *d, const char *family, struct slice a,
                                       const char *separator, struct slice b);

/* The first move of a field; the others follow by `same`. */
const struct diff_move *diff_field_moves(struct diff *d, struct slice key, struct slice field);

/* A field of the store as a number, 0 when it is not there. */
int64_t diff_number(struct diff *d, struct slice key, struct slice field);

/* What the member's part in a group's sum is at the second moment, were it in the group. */
struct target;
int64_t diff_worth(struct diff *d, const struct target *t, struct slice member);

/* How much events between the moments moved that part; with `slot` >= 0 each event's share is added
 * to its amount there. */
int64_t diff_moved(struct diff *d, const struct target *t, struct slice member, int slot);

/* Adds to what is told of an event. */
void diff_amount(struct diff *d, int slot, uint32_t event, int64_t amount);

/* The text of a compared number at the first moment. */
const struct diff_value *diff_value_before(struct diff *d, struct slice key, struct slice field);

#endif
