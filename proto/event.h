/* An event: one fact about one subject, as bytes and as fields.
 *
 * Every check of the event contract (PROTOCOL.md, "Events") is made here and nowhere else.  What
 * event_decode accepts can always be folded. */
#ifndef PROTO_EVENT_H
#define PROTO_EVENT_H

#include "proto/arena.h"
#include "proto/date.h"
#include "proto/refusal.h"

/* Limits, all in bytes unless said otherwise. */
#define EVENT_MAX_BYTES      8192
#define EVENT_MAX_ID         64
#define EVENT_MAX_IDENTIFIER 64
#define EVENT_MAX_MEMBER     16
#define EVENT_MAX_TEXT       512
#define EVENT_MAX_TOKEN      32
#define EVENT_MAX_KEYS       128 /* keys of one event, known and unknown */
#define EVENT_MAX_KEY        64
#define EVENT_MAX_LIST       64 /* items of themes, sdgs or groups */
#define EVENT_AHEAD_MS       DAY_MS

enum event_type {
    EVENT_VOTE,
    EVENT_ATTENDANCE,
    EVENT_ADOPTION,
    EVENT_MEMBER,
    EVENT_COMMITTEE,
    EVENT_SEAT,
    EVENT_BALLOT,
    EVENT_MEETING,
    EVENT_TYPES
};

/* 0 always means that the key was absent and has no default. */
enum position {
    POSITION_ABSENT,
    POSITION_APPROVE,
    POSITION_DISAPPROVE,
    POSITION_ABSTAIN,
    POSITION_CONFIRM,
    POSITION_REVISE,
    POSITION_WITHDRAW,
    POSITION_NONE,
    POSITIONS
};
enum role { ROLE_ABSENT, ROLE_P, ROLE_O, ROLE_NONE, ROLES };            /* of a seat */
enum level { LEVEL_ABSENT, LEVEL_TECHNICAL, LEVEL_GOVERNANCE, LEVELS }; /* default technical */
/* attendance.status */
enum presence {
    PRESENCE_ABSENT,
    PRESENCE_REGISTERED,
    PRESENCE_ATTENDED,
    PRESENCE_NO_SHOW,
    PRESENCE_EXCUSED,
    PRESENCE_CORRESPONDENCE,
    PRESENCES
};
enum mode { MODE_ABSENT, MODE_ONSITE, MODE_VIRTUAL, MODE_UNKNOWN, MODES }; /* default unknown */
/* attendance.role */
enum part {
    PART_ABSENT,
    PART_DELEGATE, /* default */
    PART_HEAD,
    PART_CHAIR,
    PART_SECRETARY,
    PART_CONVENOR,
    PART_EXPERT,
    PART_OBSERVER,
    PARTS
};
enum degree { DEGREE_ABSENT, DEGREE_IDT, DEGREE_MOD, DEGREE_NEQ, DEGREES };
enum force { FORCE_ABSENT, FORCE_IN_FORCE, FORCE_WITHDRAWN, FORCES }; /* adoption.status */
enum category {
    CATEGORY_ABSENT,
    CATEGORY_FULL,
    CATEGORY_CORRESPONDENT,
    CATEGORY_SUBSCRIBER,
    CATEGORIES
};
enum stage { STAGE_ABSENT, STAGE_OPEN, STAGE_CLOSED, STAGE_CANCELLED, STAGES }; /* ballot.status */
enum planning { PLANNING_ABSENT, PLANNING_PLANNED, PLANNING_HELD, PLANNING_CANCELLED, PLANNINGS };

/* The word of a value as it stands in events and in Redis; "" for 0. */
extern const char *const event_type_name[EVENT_TYPES];
extern const char *const position_name[POSITIONS];
extern const char *const role_name[ROLES];
extern const char *const level_name[LEVELS];
extern const char *const presence_name[PRESENCES];
extern const char *const mode_name[MODES];
extern const char *const part_name[PARTS];
extern const char *const degree_name[DEGREES];
extern const char *const force_name[FORCES];
extern const char *const category_name[CATEGORIES];
extern const char *const stage_name[STAGES];
extern const char *const planning_name[PLANNINGS];

/* The index of the word among `names` (from 1 on), 0 if it is none of them. */
uint8_t name_find(const char *const *names, unsigned count, struct slice word);

/* False when the word is no type. */
bool event_type_find(struct slice word, enum event_type *ret);

/* All slices borrow from the encoded bytes, or from the decoder (lists).  Defaults are filled
 * in; a key that is absent, null or not of this type's is an absent slice, 0, or DATE_NONE. */
struct event {
    struct slice raw; /* the encoded event, all of it */
    enum event_type type;
    bool retracted;
    struct slice id;
    int64_t time_ms, rev;

    /* the subject, by type */
    struct slice committee, member;
    union {
        struct slice ballot, meeting, standard;
    };
    union {
        struct slice participant, reference; /* an adoption's reference, or a committee's label */
    };
    date_days from; /* seat, member; a member's default is 0001-01-01 */

    uint8_t level; /* enum level; technical by default */
    union {
        uint8_t position; /* vote */
        uint8_t presence; /* attendance */
        uint8_t degree;   /* adoption */
        uint8_t category; /* member */
        uint8_t role;     /* seat */
        uint8_t stage;    /* ballot */
        uint8_t planning; /* meeting */
    };
    uint8_t seat;              /* vote: enum role, ROLE_ABSENT when the source does not know */
    uint8_t mode, part;        /* attendance */
    uint8_t force;             /* adoption */
    bool excused, participate; /* vote */
    bool developing;           /* member */
    bool mandatory;            /* ballot, meeting; default by the contract */
    int64_t comments;          /* vote */

    /* dates: attendance.date, adoption.date; adoption.withdrawn; ballot opens and closes; meeting
     * starts and ends */
    date_days date, withdrawn, opens, closes, starts, ends;

    struct slice kind;             /* ballot */
    struct slice title, name, nsb; /* texts */
    const struct slice *tokens;    /* adoption.themes or member.groups, as given */
    uint32_t token_count;
    uint32_t sdgs; /* adoption: bit n is set for goal n, 1 to 17 */
};

struct event_decoder; /* the reused memory of decoding; one per thread */

struct event_decoder *event_decoder_new(void);
void event_decoder_free(struct event_decoder *d);

/* Forgets the lists of all events decoded so far. */
void event_decoder_reset(struct event_decoder *d);

/* The latest moment there is: for those who judge an event again that was judged before. */
#define EVENT_ANY_TIME (INT64_MAX - EVENT_AHEAD_MS)

/* `raw` must be exactly one event.  `now_ms` is the wall clock (EVENT_ANY_TIME to pass over the
 * check of the future).  Returns 0, or ERR_REFUSED with *why; *ret is then undefined. */
int event_decode(struct event_decoder *d, struct slice raw, int64_t now_ms, struct event *ret,
                 struct refusal *why);

/* The same for the event at the start of *rest, of consecutive ones; moves *rest past it,
 * unless it is refused. */
int event_next(struct event_decoder *d, struct slice *rest, int64_t now_ms, struct event *ret,
               struct refusal *why);

/* What decides the partition: the committee, or for adoption and member the member. */
struct slice event_partition_key(const struct event *e);

/* XXH3-64 of that key modulo `partitions`.  Part of the journal's format: never changes. */
unsigned event_partition(const struct event *e, unsigned partitions);

#endif
