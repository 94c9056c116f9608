/* The keys of events as one table: which types know a key, which require it, what its value has
 * to be, and where in struct event it goes.  Used by event.c alone. */
#ifndef PROTO_EVENT_KEYS_H
#define PROTO_EVENT_KEYS_H

#include "proto/event.h"

enum key_check {
    CHECK_TYPE,       /* seen to before all others, as it decides which rules there are */
    CHECK_TEXT,       /* str of any text, at most EVENT_MAX_TEXT bytes */
    CHECK_ID,         /* str of any text, 1 to EVENT_MAX_ID bytes */
    CHECK_IDENTIFIER, /* str, printable and without the bytes that keys in Redis need */
    CHECK_MEMBER,     /* likewise, but shorter */
    CHECK_KIND,       /* token in capitals or small letters */
    CHECK_WORD,       /* one of `words`, kept as its index */
    CHECK_BOOL,
    CHECK_COUNT, /* int, 0 to 2^63-1 */
    CHECK_DATE,
    CHECK_TIME,
    CHECK_TOKENS, /* list of tokens in small letters */
    CHECK_SDGS,   /* list of ints, 1 to 17 */
    KEY_CHECKS
};

enum key_need {
    NEED_NOT,
    NEED_FACT,  /* required unless the event is retracted */
    NEED_ALWAYS /* required */
};

struct key_rule {
    const char *key;
    uint8_t types;    /* bit per enum event_type: those that know it */
    uint8_t check;    /* enum key_check */
    uint8_t need;     /* enum key_need */
    uint8_t fallback; /* what an absent word or bool counts as */
    uint8_t word_count;
    uint16_t offset; /* in struct event */
    const char *const *words;
};

#define KEY_RULES 45
extern const struct key_rule key_rules[KEY_RULES];

#define KEY_NAMES     39  /* different keys; several types may each have a rule for one */
#define KEY_OF_TYPE   20  /* most rules of one type */
#define KEY_SLOTS     128 /* a power of two, well above KEY_NAMES */
#define KEY_NOT_KNOWN UINT8_MAX

/* The rules arranged for use; made once per decoder. */
struct key_index {
    const char *name[KEY_NAMES];
    uint8_t name_size[KEY_NAMES];
    uint8_t name_of_rule[KEY_RULES];
    uint8_t slots[KEY_SLOTS];                       /* hash of a key to its name */
    uint8_t rules_of[EVENT_TYPES][KEY_OF_TYPE + 1]; /* ended by KEY_NOT_KNOWN */
    uint8_t type_name, mandatory_name;              /* the numbers of "type" and "mandatory" */
};

void key_index_build(struct key_index *ret);

/* The number of the name, or KEY_NOT_KNOWN.  The key has at least one byte. */
uint8_t key_index_find(const struct key_index *index, struct slice key);

/* True when the text is the word, all of it. */
bool word_equal(const char *word, struct slice text);

#endif
