/* Full events of each type; see compose.h. */
#include "tests/compose.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/json.h"

#define KEYS 16

#define COMMON(type)                                                                               \
    {"type", "'" type "'"}, {"id", "'" type "-1'"}, {"time", "'2026-03-01T12:00:00Z'"},            \
        {"rev", "7"},                                                                              \
    {                                                                                              \
        "retracted", "false"                                                                       \
    }

static const struct change full[EVENT_TYPES][KEYS] = {
    [EVENT_VOTE] = {COMMON("vote"),
                    {"committee", "'ISO/TC 207'"},
                    {"ballot", "'DIS 14001'"},
                    {"member", "'KE'"},
                    {"position", "'none'"},
                    {"comments", "3"},
                    {"seat", "'P'"},
                    {"excused", "true"},
                    {"participate", "true"},
                    {"level", "'governance'"}},
    [EVENT_ATTENDANCE] = {COMMON("attendance"),
                          {"committee", "'ISO/TC 207'"},
                          {"meeting", "'plenary 30'"},
                          {"member", "'KE'"},
                          {"participant", "'p-77'"},
                          {"date", "'2026-05-04'"},
                          {"status", "'attended'"},
                          {"mode", "'virtual'"},
                          {"role", "'head'"},
                          {"level", "'governance'"}},
    [EVENT_ADOPTION] = {COMMON("adoption"),
                        {"member", "'KE'"},
                        {"standard", "'KS ISO 14001'"},
                        {"reference", "'ISO 14001:2015'"},
                        {"degree", "'MOD'"},
                        {"date", "'2025-06-30'"},
                        {"status", "'withdrawn'"},
                        {"withdrawn", "'2026-01-31'"},
                        {"themes", "['trade','climate']"},
                        {"sdgs", "[1,13,17]"}},
    [EVENT_MEMBER] = {COMMON("member"),
                      {"member", "'KE'"},
                      {"from", "'2024-01-01'"},
                      {"name", "'Kenya'"},
                      {"nsb", "'KEBS'"},
                      {"category", "'full'"},
                      {"developing", "true"},
                      {"groups", "['africa','ldc-2']"}},
    [EVENT_COMMITTEE] = {COMMON("committee"),
                         {"committee", "'54808'"},
                         {"reference", "'ISO/TC 207'"},
                         {"title", "'Environmental management'"},
                         {"level", "'governance'"}},
    [EVENT_SEAT] = {COMMON("seat"),
                    {"committee", "'54808'"},
                    {"member", "'KE'"},
                    {"from", "'2025-07-01'"},
                    {"role", "'O'"}},
    [EVENT_BALLOT] = {COMMON("ballot"),
                      {"committee", "'54808'"},
                      {"ballot", "'DIS 14001'"},
                      {"kind", "'DIS'"},
                      {"opens", "'2026-01-05'"},
                      {"closes", "'2026-03-30'"},
                      {"status", "'closed'"},
                      {"mandatory", "false"},
                      {"level", "'governance'"},
                      {"title", "'Requirements'"}},
    [EVENT_MEETING] = {COMMON("meeting"),
                       {"committee", "'54808'"},
                       {"meeting", "'plenary 30'"},
                       {"starts", "'2026-05-04'"},
                       {"ends", "'2026-05-08'"},
                       {"status", "'held'"},
                       {"mandatory", "false"},
                       {"level", "'governance'"},
                       {"title", "'Plenary'"}},
};

const char *compose_key(enum event_type type, unsigned index)
{
    return index < KEYS ? full[type][index].key : NULL;
}

/* A string or list of the given size, as compose.h says. */
static void add_sized(struct buffer *text, const char *value)
{
    int count = atoi(value + 1);

    buffer_add_text(text, *value == '*' ? "\"" : "[");
    for (int i = 0; i < count; i++)
        buffer_add_text(text, *value == '*'   ? "x"
                              : i + 1 < count ? (*value == '#' ? "\"a\"," : "1,")
                              : *value == '#' ? "\"a\""
                                              : "1");
    buffer_add_text(text, *value == '*' ? "\"" : "]");
}

static void add_value(struct buffer *text, const char *value)
{
    if (strchr("*#%", *value)) {
        add_sized(text, value);
        return;
    }
    for (; *value; value++)
        buffer_add_text(text, (char[]){(char)(*value == '\'' ? '"' : *value), '\0'});
}

static void add_pair(struct buffer *text, const struct change *pair)
{
    if (!pair->value)
        return;
    buffer_add_text(text, text->size > 1 ? ",\"" : "\"");
    buffer_add_text(text, pair->key);
    buffer_add_text(text, "\":");
    add_value(text, pair->value);
}

static bool is_changed(const struct change changes[CHANGES], const char *key)
{
    for (int i = 0; i < CHANGES && changes && changes[i].key; i++)
        if (strcmp(changes[i].key, key) == 0)
            return true;
    return false;
}

static void encode(struct buffer *text, struct buffer *ret)
{
    struct refusal why;

    if (json_to_event(buffer_slice(text), ret, &why) < 0) {
        fprintf(stderr, "%.*s: %s\n", (int)text->size, text->at, why.reason);
        abort(); /* the test itself is wrong */
    }
    buffer_free(text);
}

void compose_event(enum event_type type, const struct change changes[CHANGES], struct buffer *ret)
{
    struct buffer text = {0};

    buffer_add_text(&text, "{");
    for (int i = 0; i < KEYS && full[type][i].key; i++)
        if (!is_changed(changes, full[type][i].key))
            add_pair(&text, &full[type][i]);
    for (int i = 0; i < CHANGES && changes && changes[i].key; i++)
        add_pair(&text, &changes[i]);
    buffer_add_text(&text, "}");
    encode(&text, ret);
}

void compose_text(const char *text, struct buffer *ret)
{
    struct buffer json = {0};

    add_value(&json, text);
    encode(&json, ret);
}
