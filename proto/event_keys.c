/* The table of keys, the words, and the search for a key by its name; see event_keys.h.
 *
 * To add a key: a row here, a field in struct event, a line in PROTOCOL.md and in the tests. */
#include "proto/event_keys.h"

#include <assert.h>

const struct event event_empty = {.from = DATE_NONE,
                                  .date = DATE_NONE,
                                  .withdrawn = DATE_NONE,
                                  .opens = DATE_NONE,
                                  .closes = DATE_NONE,
                                  .starts = DATE_NONE,
                                  .ends = DATE_NONE};

const char *const event_type_name[EVENT_TYPES] = {
    [EVENT_VOTE] = "vote",     [EVENT_ATTENDANCE] = "attendance", [EVENT_ADOPTION] = "adoption",
    [EVENT_MEMBER] = "member", [EVENT_COMMITTEE] = "committee",   [EVENT_SEAT] = "seat",
    [EVENT_BALLOT] = "ballot", [EVENT_MEETING] = "meeting",
};
const char *const position_name[POSITIONS] = {
    "", "approve", "disapprove", "abstain", "confirm", "revise", "withdraw", "none",
};
const char *const role_name[ROLES] = {"", "P", "O", "none"};
const char *const level_name[LEVELS] = {"", "technical", "governance"};
const char *const presence_name[PRESENCES] = {
    "", "registered", "attended", "no-show", "excused", "correspondence",
};
const char *const mode_name[MODES] = {"", "onsite", "virtual", "unknown"};
const char *const part_name[PARTS] = {
    "", "delegate", "head", "chair", "secretary", "convenor", "expert", "observer",
};
const char *const degree_name[DEGREES] = {"", "IDT", "MOD", "NEQ"};
const char *const force_name[FORCES] = {"", "in-force", "withdrawn"};
const char *const category_name[CATEGORIES] = {"", "full", "correspondent", "subscriber"};
const char *const stage_name[STAGES] = {"", "open", "closed", "cancelled"};
const char *const planning_name[PLANNINGS] = {"", "planned", "held", "cancelled"};

bool word_equal(const char *word, struct slice text)
{
    size_t i = 0;

    while (i < text.size && word[i] != '\0' && word[i] == text.at[i])
        i++;
    return i == text.size && word[i] == '\0';
}

uint8_t name_find(const char *const *names, unsigned count, struct slice word)
{
    for (unsigned i = 1; i < count; i++)
        if (word_equal(names[i], word))
            return (uint8_t)i;
    return 0;
}

bool event_type_find(struct slice word, enum event_type *ret)
{
    for (unsigned i = 0; i < EVENT_TYPES; i++)
        if (word_equal(event_type_name[i], word)) {
            *ret = (enum event_type)i;
            return true;
        }
    return false;
}

#define VOTE       (1 << EVENT_VOTE)
#define ATTENDANCE (1 << EVENT_ATTENDANCE)
#define ADOPTION   (1 << EVENT_ADOPTION)
#define MEMBER     (1 << EVENT_MEMBER)
#define COMMITTEE  (1 << EVENT_COMMITTEE)
#define SEAT       (1 << EVENT_SEAT)
#define BALLOT     (1 << EVENT_BALLOT)
#define MEETING    (1 << EVENT_MEETING)
#define ANY        0xff

#define AT(field)      .offset = offsetof(struct event, field)
#define WORDS(list)    .words = list, .word_count = sizeof(list) / sizeof *(list)
#define DEFAULT(value) .fallback = value

/* Rules are applied from top to bottom, so that what comes first is complained of first;
 * "retracted" stands above all that it excuses. */
const struct key_rule key_rules[KEY_RULES] = {
    {"type", ANY, CHECK_TYPE, NEED_ALWAYS, AT(type)},
    {"id", ANY, CHECK_ID, NEED_ALWAYS, AT(id)},
    {"time", ANY, CHECK_TIME, NEED_ALWAYS, AT(time_ms)},
    {"rev", ANY, CHECK_COUNT, NEED_NOT, AT(rev)},
    {"retracted", ANY, CHECK_BOOL, NEED_NOT, AT(retracted)},

    {"committee", VOTE | ATTENDANCE | COMMITTEE | SEAT | BALLOT | MEETING, CHECK_IDENTIFIER,
     NEED_ALWAYS, AT(committee)},
    {"ballot", VOTE | BALLOT, CHECK_IDENTIFIER, NEED_ALWAYS, AT(ballot)},
    {"meeting", ATTENDANCE | MEETING, CHECK_IDENTIFIER, NEED_ALWAYS, AT(meeting)},
    {"member", VOTE | ATTENDANCE | ADOPTION | MEMBER | SEAT, CHECK_MEMBER, NEED_ALWAYS, AT(member)},
    {"participant", ATTENDANCE, CHECK_IDENTIFIER, NEED_ALWAYS, AT(participant)},
    {"standard", ADOPTION, CHECK_IDENTIFIER, NEED_ALWAYS, AT(standard)},
    {"reference", ADOPTION, CHECK_IDENTIFIER, NEED_ALWAYS, AT(reference)},
    {"from", SEAT, CHECK_DATE, NEED_ALWAYS, AT(from)},
    {"from", MEMBER, CHECK_DATE, NEED_NOT, AT(from)},

    {"position", VOTE, CHECK_WORD, NEED_FACT, AT(position), WORDS(position_name)},
    {"comments", VOTE, CHECK_COUNT, NEED_NOT, AT(comments)},
    {"seat", VOTE, CHECK_WORD, NEED_NOT, AT(seat), WORDS(role_name)},
    {"excused", VOTE, CHECK_BOOL, NEED_NOT, AT(excused)},
    {"participate", VOTE, CHECK_BOOL, NEED_NOT, AT(participate)},

    {"date", ATTENDANCE | ADOPTION, CHECK_DATE, NEED_FACT, AT(date)},
    {"status", ATTENDANCE, CHECK_WORD, NEED_FACT, AT(presence), WORDS(presence_name)},
    {"mode", ATTENDANCE, CHECK_WORD, NEED_NOT, AT(mode), WORDS(mode_name), DEFAULT(MODE_UNKNOWN)},
    {"role", ATTENDANCE, CHECK_WORD, NEED_NOT, AT(part), WORDS(part_name), DEFAULT(PART_DELEGATE)},

    {"degree", ADOPTION, CHECK_WORD, NEED_FACT, AT(degree), WORDS(degree_name)},
    {"status", ADOPTION, CHECK_WORD, NEED_NOT, AT(force), WORDS(force_name),
     DEFAULT(FORCE_IN_FORCE)},
    {"withdrawn", ADOPTION, CHECK_DATE, NEED_NOT, AT(withdrawn)},
    {"themes", ADOPTION, CHECK_TOKENS, NEED_NOT, AT(tokens)},
    {"sdgs", ADOPTION, CHECK_SDGS, NEED_NOT, AT(sdgs)},

    {"name", MEMBER, CHECK_TEXT, NEED_NOT, AT(name)},
    {"nsb", MEMBER, CHECK_TEXT, NEED_NOT, AT(nsb)},
    {"category", MEMBER, CHECK_WORD, NEED_NOT, AT(category), WORDS(category_name)},
    {"developing", MEMBER, CHECK_BOOL, NEED_NOT, AT(developing)},
    {"groups", MEMBER, CHECK_TOKENS, NEED_NOT, AT(tokens)},

    {"reference", COMMITTEE, CHECK_IDENTIFIER, NEED_NOT, AT(reference)},
    {"role", SEAT, CHECK_WORD, NEED_FACT, AT(role), WORDS(role_name)},

    {"kind", BALLOT, CHECK_KIND, NEED_FACT, AT(kind)},
    {"opens", BALLOT, CHECK_DATE, NEED_NOT, AT(opens)},
    {"closes", BALLOT, CHECK_DATE, NEED_FACT, AT(closes)},
    {"status", BALLOT, CHECK_WORD, NEED_NOT, AT(stage), WORDS(stage_name), DEFAULT(STAGE_OPEN)},

    {"starts", MEETING, CHECK_DATE, NEED_FACT, AT(starts)},
    {"ends", MEETING, CHECK_DATE, NEED_NOT, AT(ends)},
    {"status", MEETING, CHECK_WORD, NEED_NOT, AT(planning), WORDS(planning_name),
     DEFAULT(PLANNING_PLANNED)},

    {"mandatory", BALLOT | MEETING, CHECK_BOOL, NEED_NOT, AT(mandatory), DEFAULT(true)},
    {"level", VOTE | ATTENDANCE | COMMITTEE | BALLOT | MEETING, CHECK_WORD, NEED_NOT, AT(level),
     WORDS(level_name), DEFAULT(LEVEL_TECHNICAL)},
    {"title", COMMITTEE | BALLOT | MEETING, CHECK_TEXT, NEED_NOT, AT(title)},
};

/* The name's number, a new one if the rule is the first with it. */
static uint8_t name_need(struct key_index *index, struct slice key, uint8_t *names)
{
    uint8_t name = key_index_find(index, key, key.size);

    if (name != KEY_NOT_KNOWN)
        return name;
    assert(*names < KEY_NAMES && key.size <= KEY_LONGEST);
    struct key_words w = key_words_of(key, key.size);
    unsigned i = key_slot_first(w);
    while (index->slots[i].size)
        i = (i + 1) % KEY_SLOTS;
    index->slots[i] = (struct key_slot){w, (uint8_t)key.size, *names};
    return (*names)++;
}

void key_index_build(struct key_index *ret)
{
    uint8_t names = 0, rules[EVENT_TYPES] = {0};

    *ret = (struct key_index){.type_name = 0};
    for (const struct key_rule *rule = key_rules; rule < key_rules + KEY_RULES; rule++) {
        struct type_rule r = {rule, name_need(ret, slice_of(rule->key), &names)};
        if (rule->check == CHECK_TYPE)
            ret->type_name = r.name;
        if (strcmp(rule->key, "mandatory") == 0)
            ret->mandatory_name = r.name;
        for (unsigned type = 0; type < EVENT_TYPES; type++)
            if (rule->check != CHECK_TYPE && (rule->types & (1 << type))) {
                assert(rules[type] < KEY_OF_TYPE);
                ret->rules_of[type][rules[type]++] = r;
            }
    }
}
