/* What the two halves of the decoder share: event.c, which takes an event's bytes apart, and
 * event_rules.c, which judges the values. */
#ifndef PROTO_EVENT_INNER_H
#define PROTO_EVENT_INNER_H

#include "proto/event_keys.h"
#include "proto/pack.h"

/* A value as it lies in the event's bytes, whose structure and UTF-8 have been checked. */
struct value {
    const char *at;  /* the text of a str, the first item of an array */
    uint64_t number; /* of an int (the negative ones as two's complement) or a bool; bytes of a str;
                      * items of an array */
    uint8_t kind;    /* enum pack_kind */
    bool plain;      /* a str that text_is_plain */
};

/* One event on its way through the checks. */
struct decoding {
    const struct key_index *index;
    struct arena *lists;
    int64_t now_ms;
    struct event *event;
    struct refusal *why;
    const char *end;                /* of the event's bytes */
    uint64_t given;                 /* bit per name: it has a value, and not null */
    struct value values[KEY_NAMES]; /* by name, those that are given */
};

/* From values sorted by name to an event that has passed everything: 0, or ERR_REFUSED. */
int rules_apply(struct decoding *d);

#endif
