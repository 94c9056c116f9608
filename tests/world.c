/* A small world of random events; see world.h.  Each maker below writes the keys of one type; what
 * all have in common is added by event_add.  Every event is valid by the event contract. */
#include "tests/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/date.h"
#include "proto/event.h"
#include "proto/pack.h"

/* ---- writing one event ---- */
/* Three sequences make an event, so that a full tie can repeat two of them and change the third. */
struct seeds {
    struct random subject, version, content;
};

struct writer {
    struct seeds now;
    bool crowded;       /* few subjects, days and hours: almost everything meets */
    struct buffer keys; /* the map's pairs so far */
    uint32_t count;
};

#define PICK(r, list) (list)[random_below(r, sizeof(list) / sizeof *(list))]

static void key(struct writer *w, const char *name)
{
    pack_text(&w->keys, name);
    w->count++;
}

static void text_key(struct writer *w, const char *name, const char *value)
{
    key(w, name);
    pack_text(&w->keys, value);
}

static void int_key(struct writer *w, const char *name, int64_t value)
{
    key(w, name);
    pack_int(&w->keys, value);
}

static void bool_key(struct writer *w, const char *name, bool value)
{
    key(w, name);
    pack_bool(&w->keys, value);
}

/* A name such as B17. */
static void numbered_key(struct writer *w, struct random *r, const char *name, const char *prefix,
                         unsigned most)
{
    char text[32];

    snprintf(text, sizeof text, "%s%u", prefix, (unsigned)random_below(r, most) + 1);
    text_key(w, name, text);
}

static void subject_key(struct writer *w, const char *name, const char *prefix, unsigned most)
{
    numbered_key(w, &w->now.subject, name, prefix, w->crowded && most > 3 ? 3 : most);
}

static bool chance(struct writer *w, unsigned percent)
{
    return random_percent(&w->now.content, percent);
}

/* One of the words from 1 to count - 1. */
static void word_key(struct writer *w, const char *name, const char *const *words, unsigned count)
{
    text_key(w, name, words[1 + random_below(&w->now.content, count - 1)]);
}

/* The same, but `usual` more often than the others. */
static void word_key_mostly(struct writer *w, const char *name, const char *const *words,
                            unsigned count, unsigned usual)
{
    if (chance(w, 50))
        text_key(w, name, words[usual]);
    else
        word_key(w, name, words, count);
}

/* Mostly within three years, at times on their edges, rarely at an edge of the calendar. */
static void day_key(struct writer *w, struct random *r, const char *name)
{
    static const char *const edges[] = {"2022-12-31", "2023-01-01", "2024-02-29", "2024-03-01",
                                        "0001-01-01", "9999-12-31", "1969-12-31", "1970-01-01"};
    char text[DATE_TEXT + 1] = {0};

    if (random_percent(r, w->crowded ? 1 : 5)) {
        text_key(w, name, PICK(r, edges));
        return;
    }
    date_format((date_days)(19144 + random_below(r, w->crowded ? 100 : 900)), text);
    text_key(w, name, text);
}

static void date_key(struct writer *w, const char *name)
{
    day_key(w, &w->now.content, name);
}

/* Few different days and hours, so that votes tie; said in all the ways there are. */
static void time_key(struct writer *w)
{
    struct random *r = &w->now.version;
    int64_t day = 19144 + 7 * (int64_t)random_below(r, w->crowded ? 10 : 120);
    int64_t hour = 23 * (int64_t)random_below(r, 2);
    char date[DATE_TEXT + 1] = {0}, text[40];

    if (random_percent(r, 25)) {
        int_key(w, "time", (day * 24 + hour) * 3600000);
        return;
    }
    date_format((date_days)day, date);
    if (random_percent(r, 15))
        snprintf(text, sizeof text, "%sT%02d:30:00-02:00", date, (int)hour);
    else if (random_percent(r, 10))
        snprintf(text, sizeof text, "%sT%02d:00:00.0009z", date, (int)hour);
    else
        snprintf(text, sizeof text, "%sT%02d:00:00Z", date, (int)hour);
    text_key(w, "time", text);
}

static void level_key(struct writer *w)
{
    if (chance(w, 30))
        word_key(w, "level", level_name, LEVELS);
}

static void committee_key(struct writer *w)
{
    static const char *const names[] = {"ISO/TC 207", "ISO/COUNCIL", "54110", "Комитет: 1"};

    text_key(w, "committee", names[random_below(&w->now.subject, w->crowded ? 2 : 4)]);
}

static void member_key(struct writer *w)
{
    static const char *const names[] = {"KE", "RW", "BR", "FR", "DE", "US", "CSHH", "日本"};

    text_key(w, "member", names[random_below(&w->now.subject, w->crowded ? 4 : 8)]);
}

static void tokens_key(struct writer *w, const char *name, const char *const *tokens,
                       unsigned count)
{
    uint32_t items = (uint32_t)random_below(&w->now.content, count + 2);

    key(w, name);
    pack_array(&w->keys, items);
    for (uint32_t i = 0; i < items; i++)
        pack_text(&w->keys, tokens[random_below(&w->now.content, count)]);
}

/* ---- the eight types ---- */
static void vote_keys(struct writer *w)
{
    enum position position =
        chance(w, 40) ? POSITION_APPROVE : (enum position)(1 + random_below(&w->now.content, 7));

    committee_key(w);
    subject_key(w, "ballot", "B", 20);
    member_key(w);
    text_key(w, "position", position_name[position]);
    if (chance(w, 30))
        int_key(w, "comments", (int64_t)random_below(&w->now.content, 3));
    if (chance(w, 25))
        word_key(w, "seat", role_name, ROLES);
    if (position == POSITION_NONE ? chance(w, 60) : chance(w, 5))
        bool_key(w, "excused", position == POSITION_NONE && chance(w, 80));
    if (chance(w, 15))
        bool_key(w, "participate", chance(w, 80));
    level_key(w);
}

static void attendance_keys(struct writer *w)
{
    committee_key(w);
    subject_key(w, "meeting", "M", 8);
    member_key(w);
    subject_key(w, "participant", "p", 4);
    date_key(w, "date");
    word_key_mostly(w, "status", presence_name, PRESENCES, PRESENCE_ATTENDED);
    if (chance(w, 60))
        word_key(w, "mode", mode_name, MODES);
    if (chance(w, 40))
        word_key(w, "role", part_name, PARTS);
    level_key(w);
}

static void sdgs_key(struct writer *w)
{
    uint32_t count = (uint32_t)random_below(&w->now.content, 5);

    key(w, "sdgs");
    pack_array(&w->keys, count);
    for (uint32_t i = 0; i < count; i++)
        pack_int(&w->keys, 1 + (int64_t)random_below(&w->now.content, 17));
}

static void adoption_keys(struct writer *w)
{
    static const char *const themes[] = {"trade", "climate", "health"};

    member_key(w);
    subject_key(w, "standard", "ISO 900", 5);
    subject_key(w, "reference", "NS ", 2);
    word_key(w, "degree", degree_name, DEGREES);
    date_key(w, "date");
    if (chance(w, 30)) {
        text_key(w, "status", "withdrawn");
        date_key(w, "withdrawn");
    } else if (chance(w, 30)) {
        text_key(w, "status", "in-force");
    }
    if (chance(w, 40))
        tokens_key(w, "themes", themes, 3);
    if (chance(w, 40))
        sdgs_key(w);
}

static void member_keys(struct writer *w)
{
    static const char *const groups[] = {"africa", "asia", "ldc", "sids"};

    member_key(w);
    if (random_percent(&w->now.subject, 60))
        day_key(w, &w->now.subject, "from");
    if (chance(w, 80))
        text_key(w, "name", "Pays");
    if (chance(w, 50))
        text_key(w, "nsb", "NB");
    if (chance(w, 60))
        word_key(w, "category", category_name, CATEGORIES);
    if (chance(w, 70))
        bool_key(w, "developing", chance(w, 60));
    if (chance(w, 70))
        tokens_key(w, "groups", groups, 4);
}

static void committee_keys(struct writer *w)
{
    committee_key(w);
    if (chance(w, 60))
        numbered_key(w, &w->now.content, "title", "Environmental management ", 3);
    if (chance(w, 60))
        numbered_key(w, &w->now.content, "reference", "ISO/TC ", 3);
    level_key(w);
}

static void seat_keys(struct writer *w)
{
    committee_key(w);
    member_key(w);
    day_key(w, &w->now.subject, "from");
    word_key_mostly(w, "role", role_name, ROLES, ROLE_P);
}

static void ballot_keys(struct writer *w)
{
    static const char *const kinds[] = {"retracted", "NP",  "CD",   "CDV",     "CIB",
                                        "DTS",       "DTR", "DPAS", "DIS",     "DIS",
                                        "FDIS",      "SR",  "WDRL", "ROLLCALL"};

    committee_key(w);
    subject_key(w, "ballot", "B", 20);
    text_key(w, "kind", PICK(&w->now.content, kinds));
    date_key(w, "closes");
    if (chance(w, 40))
        date_key(w, "opens");
    if (chance(w, 85))
        text_key(w, "status",
                 stage_name[chance(w, 60) ? STAGE_CLOSED
                                          : 1 + random_below(&w->now.content, STAGES - 1)]);
    if (chance(w, 15))
        bool_key(w, "mandatory", chance(w, 50));
    if (chance(w, 40))
        numbered_key(w, &w->now.content, "title", "Ballot ", 3);
    level_key(w);
}

static void meeting_keys(struct writer *w)
{
    committee_key(w);
    subject_key(w, "meeting", "M", 8);
    date_key(w, "starts");
    if (chance(w, 40))
        date_key(w, "ends");
    if (chance(w, 85))
        word_key_mostly(w, "status", planning_name, PLANNINGS, PLANNING_HELD);
    if (chance(w, 15))
        bool_key(w, "mandatory", chance(w, 30));
    if (chance(w, 40))
        numbered_key(w, &w->now.content, "title", "Plenary ", 3);
    level_key(w);
}

/* ---- events ---- */
static const struct maker {
    enum event_type type;
    unsigned percent; /* of all events */
    void (*keys)(struct writer *w);
} makers[] = {
    {EVENT_VOTE, 44, vote_keys},          {EVENT_ATTENDANCE, 20, attendance_keys},
    {EVENT_ADOPTION, 9, adoption_keys},   {EVENT_MEMBER, 4, member_keys},
    {EVENT_COMMITTEE, 3, committee_keys}, {EVENT_SEAT, 9, seat_keys},
    {EVENT_BALLOT, 8, ballot_keys},       {EVENT_MEETING, 3, meeting_keys},
};

static const struct maker *maker_pick(struct random *r)
{
    unsigned ticket = (unsigned)random_below(r, 100);
    const struct maker *m = makers;

    while (ticket >= m->percent)
        ticket -= m++->percent;
    return m;
}

static void common_keys(struct writer *w)
{
    char id[EVENT_MAX_ID];

    snprintf(id, sizeof id, "w-%" PRIx64, random_next(&w->now.version));
    text_key(w, "id", id);
    time_key(w);
    if (random_percent(&w->now.version, 10))
        int_key(w, "rev", (int64_t)random_below(&w->now.version, 3));
    if (chance(w, 6))
        bool_key(w, "retracted", chance(w, 80));
    if (chance(w, 5))
        text_key(w, "x-note", "a key that nobody knows");
    if (chance(w, 3)) {
        key(w, "x-absent");
        pack_nil(&w->keys);
    }
}

static void event_add(struct writer *w, struct buffer *ret)
{
    const struct maker *m = maker_pick(&w->now.subject);
    bool type_last = chance(w, 20);

    buffer_clear(&w->keys);
    w->count = 0;
    if (!type_last)
        text_key(w, "type", event_type_name[m->type]);
    common_keys(w);
    m->keys(w);
    if (type_last)
        text_key(w, "type", event_type_name[m->type]);
    pack_map(ret, w->count);
    buffer_add_slice(ret, buffer_slice(&w->keys));
}

#define REMEMBERED 64 /* events that a later one may tie with */

/* One in `tie_in` says something else of the same subject under the same rev, time and id. */
static void events_add(struct writer *w, uint64_t seed, size_t count, size_t remembered,
                       unsigned tie_in, struct buffer *ret)
{
    struct random r = random_new(seed);
    struct seeds past[REMEMBERED];

    for (size_t i = 0; i < count; i++) {
        struct seeds new = {{random_next(&r)}, {random_next(&r)}, {random_next(&r)}};
        bool tie = i >= remembered && random_below(&r, tie_in) == 0;

        if (tie) {
            struct random content = new.content;

            new = past[random_below(&r, remembered)];
            new.content = content;
        }
        w->now = past[i % remembered] = new;
        event_add(w, ret);
    }
    buffer_free(&w->keys);
}

void world_events(uint64_t seed, size_t count, struct buffer *ret)
{
    events_add(&(struct writer){.count = 0}, seed, count, REMEMBERED, 30, ret);
}

void world_crowded(uint64_t seed, size_t count, struct buffer *ret)
{
    events_add(&(struct writer){.crowded = true}, seed, count, 8, 10, ret);
}

size_t world_split(struct slice events, struct slice **ret)
{
    struct buffer list = {0};
    size_t count = 0;

    while (events.size > 0) {
        struct slice one = {events.at, 0};
        struct refusal why;

        if (pack_check(events, &one.size, &why) < 0)
            abort();
        buffer_add(&list, &one, sizeof one);
        events = slice_make(events.at + one.size, events.size - one.size);
        count++;
    }
    *ret = (struct slice *)(void *)list.at;
    return count;
}

void world_shuffle(uint64_t seed, struct slice events, unsigned repeat_percent, struct buffer *ret)
{
    struct random r = random_new(seed);
    struct slice *list;
    size_t count = world_split(events, &list), extra = count * repeat_percent / 100;

    list = memory_grow(list, (count + extra + 1) * sizeof *list);
    for (size_t i = 0; i < extra; i++)
        list[count + i] = list[random_below(&r, count)];
    for (size_t left = count + extra; left > 0; left--) {
        size_t chosen = random_below(&r, left);

        buffer_add_slice(ret, list[chosen]);
        list[chosen] = list[left - 1];
    }
    free(list);
}
