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

/* What an event is before its keys are looked at; to be copied, as gcc sets that many bytes in a
 * slow way where it sees that most are 0. */
extern const struct event event_empty;

#define KEY_RULES 45
extern const struct key_rule key_rules[KEY_RULES];

#define KEY_NAMES     39 /* different keys; several types may each have a rule for one */
#define KEY_OF_TYPE   20 /* most rules of one type */
#define KEY_SLOT_BITS 7
#define KEY_SLOTS     (1 << KEY_SLOT_BITS) /* well above KEY_NAMES */
#define KEY_NOT_KNOWN UINT8_MAX
#define KEY_FACTOR    0x2cdeec51972ab68bu

#define KEY_LONGEST 16 /* bytes of a known key, at most: two words */

/* A key of at most KEY_LONGEST bytes, filled up with zeros. */
struct key_words {
    uint64_t front, back;
};

struct key_slot {
    struct key_words words;
    uint8_t size; /* 0: a free slot */
    uint8_t name;
};

struct type_rule {
    const struct key_rule *rule; /* NULL behind the last */
    uint8_t name;
};

/* The rules arranged for use; made once per decoder. */
struct key_index {
    struct key_slot slots[KEY_SLOTS];
    struct type_rule rules_of[EVENT_TYPES][KEY_OF_TYPE + 1];
    uint8_t type_name, mandatory_name; /* the numbers of "type" and "mandatory" */
};

void key_index_build(struct key_index *ret);

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the words are cut from above");

/* The words of a key; `room` bytes from its start on may be read, at least its own. */
static inline struct key_words key_words_of(struct slice key, size_t room)
{
    struct key_words w = {0, 0};

    if (room < KEY_LONGEST) {
        memcpy(&w, key.at, key.size);
        return w;
    }
    memcpy(&w, key.at, KEY_LONGEST);
    if (key.size <= 8) {
        w.front &= UINT64_MAX >> (64 - 8 * key.size);
        w.back = 0;
    } else {
        w.back &= UINT64_MAX >> (128 - 8 * key.size);
    }
    return w;
}

/* The factor was tried out so that no two of the keys meet.  A new key that meets an old one costs
 * one more comparison, nothing else. */
static inline unsigned key_slot_first(struct key_words w)
{
    return (unsigned)((w.front + w.back) * KEY_FACTOR >> (64 - KEY_SLOT_BITS));
}

/* The number of the name, or KEY_NOT_KNOWN; `room` as above. */
static inline uint8_t key_index_find(const struct key_index *index, struct slice key, size_t room)
{
    if (key.size == 0 || key.size > KEY_LONGEST)
        return KEY_NOT_KNOWN;
    struct key_words w = key_words_of(key, room);
    const struct key_slot *s;
    for (unsigned i = key_slot_first(w); (s = &index->slots[i])->size; i = (i + 1) % KEY_SLOTS)
        if (s->words.front == w.front && s->words.back == w.back && s->size == key.size)
            return s->name;
    return KEY_NOT_KNOWN;
}

/* True when the text is the word, all of it. */
bool word_equal(const char *word, struct slice text);

#endif
