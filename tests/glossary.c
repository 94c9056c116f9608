/* Looking fields up; see glossary.h. */
#include "tests/glossary.h"

#include "proto/event.h"

static bool is_level(struct slice word)
{
    return name_find(level_name, LEVELS, word) != 0;
}

static bool is_position(struct slice word)
{
    return name_find(position_name, POSITIONS, word) != 0;
}

static bool is_figure(struct slice word)
{
    static const char *const names[] = {"effective", "voting",    "substantive",
                                        "commented", "presence",  "governance",
                                        "votes",     "delegates", "seats"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_is(word, names[i]))
            return true;
    return false;
}

/* A part of a pattern that stands for other words, or for any word. */
static const struct placeholder {
    const char *name;
    bool (*fits)(struct slice word);
} placeholders[] = {
    {"L", is_level},    {"POSITION", is_position}, {"FIGURE", is_figure},
    {"KIND", NULL},     {"THEME", NULL},           {"GOAL", NULL},
    {"MEMBER", NULL},   {"PARTICIPANT", NULL},     {"DATE", NULL},
    {"STANDARD", NULL}, {"REFERENCE", NULL},
};

static bool word_fits(struct slice part, struct slice word)
{
    for (size_t i = 0; i < sizeof placeholders / sizeof *placeholders; i++)
        if (slice_is(part, placeholders[i].name))
            return !placeholders[i].fits || placeholders[i].fits(word);
    return slice_equal(part, word);
}

/* The part before the next `between`, or all that is left. */
static struct slice part_cut(struct slice *rest, char between)
{
    struct slice part;

    if (slice_cut(rest, between, &part))
        return part;
    part = *rest;
    *rest = (struct slice){0};
    return part;
}

static bool field_fits(const char *pattern, struct slice field)
{
    struct slice left = slice_of(pattern), word;
    char between = strchr(pattern, '|') ? '|' : '.';

    if (!strchr(pattern, between))
        return word_fits(left, field);
    while (left.at && field.at) {
        word = part_cut(&field, between);
        if (!word_fits(part_cut(&left, between), word))
            return false;
    }
    return !left.at && !field.at;
}

static bool kind_listed(const char *kinds, const char *kind)
{
    struct slice rest = slice_of(kinds);

    while (rest.at)
        if (slice_is(part_cut(&rest, ' '), kind))
            return true;
    return false;
}

const struct dictionary_entry *glossary_find(const char *kind, struct slice field)
{
    for (size_t i = 0; i < dictionary_count; i++)
        if (kind_listed(dictionary[i].kinds, kind) && field_fits(dictionary[i].field, field))
            return &dictionary[i];
    return NULL;
}
