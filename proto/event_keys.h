/* The keys of events as one table: which types know a key, which require it, what its value has
 * to be, and where in struct event it goes.  Used by the decoder alone. */
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

#define KEY_NAMES     39 /* different keys; several types may each have a rule for one */
#define KEY_OF_TYPE   20 /* most rules of one type */
#define KEY_SLOT_BITS 7
#define KEY_SLOTS     (1 << KEY_SLOT_BITS) /* well above KEY_NAMES */
#define KEY_NOT_KNOWN UINT8_MAX
#define KEY_FACTOR    0x12093d26ac512b01u

#define KEY_LONGEST 16 /* bytes of a known key, at most; two words hold it */

/* A key of 1 to KEY_LONGEST bytes: its first and its last bytes, which overlap, so that no byte of
 * what is around it is read. */
struct key_words {
    uint64_t front, back;
};

struct key_slot {
    struct key_words words;
    uint8_t size; /* 0: a free slot */
    uint8_t name;
};

/* The rules arranged for use; made once per decoder. */
struct key_index {
    struct key_slot slots[KEY_SLOTS];
    uint8_t name_of_rule[KEY_RULES];
    uint8_t rules_of[EVENT_TYPES][KEY_OF_TYPE + 1]; /* ended by KEY_NOT_KNOWN */
    uint8_t type_name, mandatory_name;              /* the numbers of "type" and "mandatory" */
};

void key_index_build(struct key_index *ret);

static inline struct key_words key_words_of(struct slice key)
{
    struct key_words w = {0, 0};

    if (key.size >= 8) {
        memcpy(&w.front, key.at, 8);
        memcpy(&w.back, key.at + key.size - 8, 8);
    } else if (key.size >= 4) {
        memcpy(&w.front, key.at, 4);
        memcpy(&w.back, key.at + key.size - 4, 4);
    } else {
        w.front = (unsigned char)key.at[0];
        w.back = (unsigned)(unsigned char)key.at[key.size / 2] << 8 |
                 (unsigned char)key.at[key.size - 1];
    }
    return w;
}

/* The factor was tried out so that no two of the keys meet.  A new key that meets an old one costs
 * one more comparison, nothing else. */
static inline unsigned key_slot_first(struct key_words w, size_t size)
{
    return (unsigned)((w.front + (w.back << 5) + size) * KEY_FACTOR >> (64 - KEY_SLOT_BITS));
}

/* The number of the name, or KEY_NOT_KNOWN. */
static inline uint8_t key_index_find(const struct key_index *index, struct slice key)
{
    if (key.size == 0 || key.size > KEY_LONGEST)
        return KEY_NOT_KNOWN;
    struct key_words w = key_words_of(key);
    const struct key_slot *s;
    for (unsigned i = key_slot_first(w, key.size); (s = &index->slots[i])->size;
         i = (i + 1) % KEY_SLOTS)
        if (s->words.front == w.front && s->words.back == w.back && s->size == key.size)
            return s->name;
    return KEY_NOT_KNOWN;
}

/* True when the text is the word, all of it. */
bool word_equal(const char *word, struct slice text);

#endif
