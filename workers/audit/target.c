/* Targets; see target.h.  Fields are read by the tables that write them: names of counters by
 * counter.h, tallies by ledger.h, figures by group.h. */
#include "workers/audit/target.h"

#include "proto/error.h"
#include "proto/event_text.h"
#include "workers/group.h"

static const struct family {
    const char *name, *form;
    const char *texts; /* fields that are no numbers, each between spaces */
} families[TARGET_FAMILIES] = {
    [TARGET_MEMBER] = {"member", "member:M:PERIOD", " "},
    [TARGET_COMMITTEE] = {"committee", "committee:C:YEAR", " "},
    [TARGET_SEAT] = {"seat", "seat:C|M:YEAR", " "},
    [TARGET_BALLOT] = {"ballot", "ballot:C|B",
                       " kind opens closes status level mandatory title notice verdict "},
    [TARGET_MEETING] = {"meeting", "meeting:C|MT",
                        " starts ends status level mandatory title notice "},
    [TARGET_GROUP] = {"group", "group:G:PERIOD", " list without "},
};

static int refuse(struct buffer *reason, const char *text)
{
    buffer_add_text(reason, text);
    return ERR_CONFIG;
}

static struct slice slice_from(struct slice text, size_t at)
{
    return slice_make(text.at + at, text.size - at);
}

/* ---- the key ---- */
static int refuse_key(struct buffer *reason)
{
    buffer_add_text(reason, "there are the keys");
    for (int i = 0; i < TARGET_FAMILIES; i++) {
        buffer_add_text(reason, i ? ", " : " ");
        buffer_add_text(reason, families[i].form);
    }
    return refuse(reason, "; PERIOD is a year 2026 or a month 2026-03");
}

/* Takes the period off the end, which has to be one; a `year`, if asked for. */
static bool take_period(struct slice *name, bool year, struct target *t)
{
    struct date_civil last;

    if (!period_cut(name, &t->period_text) || !period_last_day(t->period_text, &t->last_day))
        return false;
    last = date_to_civil(t->last_day);
    t->year = t->period_text.size == 4;
    t->period = (uint32_t)(last.year * 100 + (t->year ? 0 : last.month));
    return t->year || !year;
}

static bool cut_pair(struct slice name, struct slice *ret_left, struct slice *ret_right)
{
    *ret_right = name;
    return slice_cut(ret_right, '|', ret_left) && ret_left->size && ret_right->size;
}

/* What is behind "FAMILY:". */
static bool name_parse(struct slice name, struct target *t)
{
    switch (t->family) {
    case TARGET_MEMBER:
        return take_period(&name, false, t) && (t->member = name).size;
    case TARGET_COMMITTEE:
        return take_period(&name, true, t) && (t->committee = name).size;
    case TARGET_SEAT:
        return take_period(&name, true, t) && cut_pair(name, &t->committee, &t->member);
    case TARGET_GROUP:
        return take_period(&name, false, t) && (t->group = name).size;
    case TARGET_BALLOT:
    case TARGET_MEETING:
        return cut_pair(name, &t->committee, &t->matter);
    case TARGET_FAMILIES:
        break;
    }
    return false;
}

static int key_parse(struct slice key, const char *prefix, struct target *t, struct buffer *reason)
{
    struct slice name, family;
    int f = 0;

    slice_cut_begin(&key, slice_of(prefix));
    name = t->key = key;
    if (!slice_cut(&name, ':', &family))
        return refuse_key(reason);
    while (f < TARGET_FAMILIES && !slice_is(family, families[f].name))
        f++;
    t->family = (enum target_family)f;
    return name_parse(name, t) ? 0 : refuse_key(reason);
}

/* ---- counters ---- */
/* What a counter's name says of the facts that bear on it. */
static void bear(struct target *t, int counter)
{
    bool duty =
        (counter >= COUNTER_DUE && counter <= COUNTER_VOLUNTARY) || counter >= COUNTER_MEETINGS_DUE;

    t->by_seat |= duty;
    t->by_answer |= counter != COUNTER_DUE && counter != COUNTER_MEETINGS_DUE;
}

/* True for "ballots.due" of COUNTER_DUE, and for "ballots.due.DIS" where there are such. */
static bool counter_is(struct slice name, struct slice counter, int number)
{
    if (slice_equal(name, counter))
        return true;
    if ((number != COUNTER_DUE && number != COUNTER_MISSED) || name.size <= counter.size ||
        memcmp(name.at, counter.at, counter.size) != 0 || name.at[counter.size] != '.')
        return false;
    return token_is_kind(slice_from(name, counter.size + 1));
}

/* The number of the counter "technical.ballots.due", or -1. */
static int counter_find(struct counters *names, struct slice field)
{
    for (uint8_t level = LEVEL_TECHNICAL; level < LEVELS; level++)
        for (int i = 0; i < COUNTERS; i++) {
            const struct field *f =
                counters_field(names, level, (enum counter)i, (struct slice){0});
            if (counter_is(field, f->entry.key, i))
                return i;
        }
    return -1;
}

static bool adoptions_is(struct slice field)
{
    static const char *const whole[] = {"adoptions", "adoptions.identical", "adoptions.modified",
                                        "adoptions.not-equivalent", "adoptions.withdrawn"};
    int64_t goal;

    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (slice_is(field, whole[i]))
            return true;
    if (slice_cut_begin(&field, slice_of("adoptions.theme.")))
        return token_is_small(field);
    return slice_cut_begin(&field, slice_of("adoptions.sdg.")) && slice_to_int(field, &goal) &&
           goal >= 1 && goal <= 17;
}

static void add_term(struct target *t, struct slice counter, int sign)
{
    t->terms[t->term_count++] = (struct target_term){counter, sign};
}

/* A counter that keys of the family have. */
static bool counter_parse(struct counters *names, struct target *t)
{
    bool seat = t->family == TARGET_SEAT, committee = t->family == TARGET_COMMITTEE;
    int counter = counter_find(names, t->field);

    if (counter >= 0)
        bear(t, counter);
    if (counter < 0 || (seat && !t->by_seat)) {
        bool adopted = !seat && !committee && adoptions_is(t->field);
        if (!adopted && !(seat && slice_is(t->field, "ballots.commented")))
            return false;
        t->by_answer = true;
        t->by_seat = seat;
    }
    t->measure = MEASURE_COUNTERS;
    add_term(t, t->field, 1);
    return true;
}

/* ---- fields of groups ---- */
static const struct plain {
    const char *name;
    enum target_measure measure;
    bool whole;
} plains[] = {
    {"members", MEASURE_MEMBERS, false},         {"members.active", MEASURE_ACTIVE, false},
    {"seats.P", MEASURE_SEATS_P, false},         {"seats.O", MEASURE_SEATS_O, false},
    {"share.seats.num", MEASURE_SEATS_P, false}, {"share.seats.den", MEASURE_SEATS_P, true},
    {"effective.num", MEASURE_EFFECTIVE, false}, {"effective.den", MEASURE_DUTY, false},
    {"seats.dormant", MEASURE_DORMANT, false},
};

/* "voting.num" of "voting": 1; its ".den": 2; itself: 3; else 0. */
static int figure_part(struct slice field, const char *name)
{
    if (!slice_cut_begin(&field, slice_of(name)))
        return 0;
    return slice_is(field, ".num") ? 1 : slice_is(field, ".den") ? 2 : field.size == 0 ? 3 : 0;
}

static bool figure_parse(struct counters *names, struct target *t)
{
    for (int i = 0; i < FIGURES; i++) {
        int part = figure_part(t->field, figures[i].name);
        const struct figure_term *term = part == 1 ? figures[i].num : figures[i].den;
        if (part != 1 && part != 2)
            continue;
        t->measure = MEASURE_COUNTERS;
        t->figure = true;
        t->whole = part == 2 && figures[i].share;
        for (; term->counter; term++) {
            add_term(t, slice_of(term->counter), term->sign);
            bear(t, counter_find(names, slice_of(term->counter)));
        }
        return true;
    }
    return false;
}

static bool plain_parse(struct target *t)
{
    for (size_t i = 0; i < sizeof plains / sizeof *plains; i++) {
        if (!slice_is(t->field, plains[i].name))
            continue;
        t->measure = plains[i].measure;
        t->whole = plains[i].whole;
        t->by_answer = t->by_seat = true;
        return true;
    }
    return false;
}

/* A quotient: it has a numerator and a denominator to ask for. */
static bool quotient_is(const struct target *t, struct slice *ret_figure)
{
    static const char *const medians[] = {"voting.median", "presence.median"};
    struct slice name = t->field;

    for (int i = 0; i < 2; i++)
        if (slice_is(name, medians[i]))
            slice_cut_end(&name, slice_of(".median"));
    *ret_figure = name;
    for (int i = 0; i < FIGURES; i++)
        if (slice_is(name, figures[i].name))
            return true;
    return slice_is(name, "share.seats") || slice_is(name, "effective");
}

/* ---- tallies ---- */
static bool tally_parse(struct target *t)
{
    bool ballot = t->family == TARGET_BALLOT;
    const char *const *names = ballot ? tally_name : gathering_name;
    unsigned count = ballot ? TALLIES : GATHERINGS;

    for (unsigned i = 0; i < count; i++) {
        if (!slice_is(t->field, names[i]))
            continue;
        t->measure = MEASURE_TALLY;
        t->tally = i;
        t->by_seat = ballot ? i >= TALLY_P_VOTES : i >= GATHERING_DUE;
        t->by_answer = i != (ballot ? (unsigned)TALLY_DUE : (unsigned)GATHERING_DUE);
        return true;
    }
    return false;
}

/* ---- what there is ---- */
static void add_name(struct buffer *out, struct slice name)
{
    if (out->size && out->at[out->size - 1] != ' ')
        buffer_add_text(out, ", ");
    buffer_add_slice(out, name);
}

static void list_counters(struct counters *names, bool seat, struct buffer *out)
{
    size_t level = strlen("technical");

    for (int i = 0; i < COUNTERS; i++) {
        struct target t = {.family = TARGET_MEMBER};
        bear(&t, i);
        if (seat && !t.by_seat)
            continue;
        struct slice name =
            counters_field(names, LEVEL_TECHNICAL, (enum counter)i, (struct slice){0})->entry.key;
        add_name(out, slice_of("L"));
        buffer_add_slice(out, slice_from(name, level));
        if (i == COUNTER_DUE || i == COUNTER_MISSED) {
            add_name(out, slice_of("L"));
            buffer_add_slice(out, slice_from(name, level));
            buffer_add_text(out, ".KIND");
        }
    }
}

static void list_tally(const char *const *names, unsigned count, struct buffer *out)
{
    for (unsigned i = 0; i < count; i++)
        add_name(out, slice_of(names[i]));
}

static void list_group(struct buffer *out)
{
    for (size_t i = 0; i < sizeof plains / sizeof *plains; i++)
        add_name(out, slice_of(plains[i].name));
    for (int i = 0; i < FIGURES; i++) {
        add_name(out, slice_of(figures[i].name));
        buffer_add_text(out, ".num");
        add_name(out, slice_of(figures[i].name));
        buffer_add_text(out, ".den");
    }
}

static int refuse_field(struct counters *names, const struct target *t, struct buffer *reason)
{
    buffer_add_text(reason, "the fields of ");
    buffer_add_text(reason, families[t->family].form);
    buffer_add_text(reason, " that are sums: ");
    if (t->family == TARGET_BALLOT)
        list_tally(tally_name, TALLIES, reason);
    else if (t->family == TARGET_MEETING)
        list_tally(gathering_name, GATHERINGS, reason);
    else
        list_counters(names, t->family == TARGET_SEAT, reason);
    if (t->family == TARGET_SEAT)
        add_name(reason, slice_of("ballots.commented"));
    if (t->family == TARGET_MEMBER || t->family == TARGET_GROUP)
        add_name(reason, slice_of("adoptions, adoptions.identical, adoptions.modified, "
                                  "adoptions.not-equivalent, adoptions.withdrawn, "
                                  "adoptions.theme.T, adoptions.sdg.N"));
    if (t->family == TARGET_GROUP)
        list_group(reason);
    return t->family == TARGET_BALLOT || t->family == TARGET_MEETING
               ? ERR_CONFIG
               : refuse(reason, "; L is technical or governance");
}

static bool text_is(const struct target *t)
{
    const char *texts = families[t->family].texts, *at;
    size_t size = t->field.size;

    for (at = texts; size && (at = strchr(at, ' ')) && at[1]; at++)
        if (strncmp(at + 1, t->field.at, size) == 0 && at[1 + size] == ' ')
            return true;
    return false;
}

static int refuse_quotient(struct slice field, struct slice figure, struct buffer *reason)
{
    if (!slice_equal(field, figure))
        return refuse(reason, "that is the median of members' own rates and no sum: ask for each "
                              "member's own, member:M:PERIOD");
    buffer_add_text(reason, "that is a quotient and no sum: ask for ");
    buffer_add_slice(reason, figure);
    buffer_add_text(reason, ".num and ");
    buffer_add_slice(reason, figure);
    return refuse(reason, ".den");
}

static int field_parse(struct counters *names, struct target *t, struct buffer *reason)
{
    struct slice figure;
    bool group = t->family == TARGET_GROUP;

    if (t->family == TARGET_BALLOT || t->family == TARGET_MEETING) {
        if (tally_parse(t))
            return 0;
    } else if ((group && (plain_parse(t) || figure_parse(names, t))) || counter_parse(names, t)) {
        return 0;
    }
    if (text_is(t))
        return refuse(reason, "that field is no number");
    if (group && quotient_is(t, &figure))
        return refuse_quotient(t->field, figure, reason);
    return refuse_field(names, t, reason);
}

int target_parse(struct slice key, struct slice field, const char *prefix, struct target *ret,
                 struct buffer *reason)
{
    struct target t = {.field = field};
    struct arena arena = {0};
    struct counters names;
    int error = key_parse(key, prefix, &t, reason);

    if (error == 0) {
        counters_open(&names, &arena, &arena);
        error = field_parse(&names, &t, reason);
        counters_free(&names);
        arena_free(&arena);
    }
    if (error == 0)
        *ret = t;
    return error;
}
