/* Counters of a batch; see counter.h. */
#include "workers/counter.h"

static const char *const counter_name[COUNTERS] = {
    [COUNTER_VOTES] = "votes",
    [COUNTER_VOTES + POSITION_APPROVE] = "votes.approve",
    [COUNTER_VOTES + POSITION_DISAPPROVE] = "votes.disapprove",
    [COUNTER_VOTES + POSITION_ABSTAIN] = "votes.abstain",
    [COUNTER_VOTES + POSITION_CONFIRM] = "votes.confirm",
    [COUNTER_VOTES + POSITION_REVISE] = "votes.revise",
    [COUNTER_VOTES + POSITION_WITHDRAW] = "votes.withdraw",
    [COUNTER_COMMENTED] = "votes.commented",
    [COUNTER_PARTICIPATE] = "votes.participate",
    [COUNTER_LATE] = "votes.late",
    [COUNTER_DUE] = "ballots.due",
    [COUNTER_ABSTAINED] = "ballots.abstained",
    [COUNTER_EXCUSED] = "ballots.excused",
    [COUNTER_MISSED] = "ballots.missed",
    [COUNTER_VOLUNTARY] = "ballots.voluntary",
    [COUNTER_ATTENDED] = "meetings.attended",
    [COUNTER_DELEGATES] = "delegates",
    [COUNTER_DELEGATES_VIRTUAL] = "delegates.virtual",
    [COUNTER_DELEGATES_HEAD] = "delegates.head",
    [COUNTER_MEETINGS_DUE] = "meetings.due",
    [COUNTER_MEETINGS_MISSED] = "meetings.missed",
    [COUNTER_MEETINGS_EXCUSED] = "meetings.excused",
    [COUNTER_MEETINGS_CORRESPONDENCE] = "meetings.correspondence",
};

static struct row **bucket_of(struct counters *c, const struct row_key *k)
{
    uint64_t h = (uint64_t)(uintptr_t)k->member * 0x9e3779b97f4a7c15u;

    h ^= ((uint64_t)(uintptr_t)k->committee >> 4) + k->kind + ((uint64_t)k->period << 3);
    h *= 0x9e3779b97f4a7c15u;
    return &c->buckets[h >> 51];
}
_Static_assert(FIELD_NUMBERS <= UINT8_MAX, "a field's number has a byte");
_Static_assert(ROW_BUCKETS == 1 << (64 - 51), "a bucket is the hash's top thirteen bits");

void counters_open(struct counters *c, struct arena *keep, struct arena *batch)
{
    *c = (struct counters){.keep = keep, .batch = batch};
    c->last = &c->first;
    c->civil_of = DATE_NONE;
}

void counters_clear(struct counters *c)
{
    for (const struct row *r = c->first; r; r = r->next)
        *bucket_of(c, &r->key) = NULL;
    c->first = NULL;
    c->last = &c->first;
}

void counters_drop(struct counters *c)
{
    counters_clear(c);
    table_clear(&c->fields);
    memset(c->fixed, 0, sizeof c->fixed);
}

void counters_free(struct counters *c)
{
    table_free(&c->fields);
}

static struct field *field_find(struct counters *c, struct slice name)
{
    struct field *f = table_find(&c->fields, name);

    if (!f) {
        f = arena_need(c->keep, sizeof *f);
        f->entry.key = arena_copy(c->keep, name);
        table_add(&c->fields, &f->entry);
    }
    return f;
}

const struct field *counters_named(struct counters *c, struct slice name)
{
    return field_find(c, name);
}

static const struct field *field_numbered(struct counters *c, struct slice name, uint8_t number)
{
    struct field *f = field_find(c, name);

    f->number = number;
    return f;
}

const struct field *counters_field(struct counters *c, uint8_t level, enum counter counter,
                                   struct slice suffix)
{
    const struct field **fixed = &c->fixed[level][counter];
    char room[128]; /* level 10, name 24, a kind or theme 32, points */
    struct buffer b = {room, 0, sizeof room};

    if (suffix.size == 0 && *fixed)
        return *fixed;
    buffer_add_text(&b, level_name[level]);
    buffer_add(&b, ".", 1);
    buffer_add_text(&b, counter_name[counter]);
    if (suffix.size == 0)
        return *fixed =
                   field_numbered(c, buffer_slice(&b), (uint8_t)(level * COUNTERS + counter + 1));
    buffer_add(&b, ".", 1);
    buffer_add_slice(&b, suffix);
    return counters_named(c, buffer_slice(&b));
}

static bool is_row_of(const struct row *r, const struct row_key *k)
{
    return r->key.member == k->member && r->key.committee == k->committee &&
           r->key.kind == k->kind && r->key.period == k->period;
}

struct row *counters_row(struct counters *c, const struct row_key *key)
{
    struct row **bucket = bucket_of(c, key), *r = *bucket;

    while (r && !is_row_of(r, key))
        r = r->twin;
    if (r)
        return r;
    r = arena_need(c->batch, sizeof *r);
    r->key = *key;
    r->cells = r->first;
    r->room = ROW_CELLS;
    r->twin = *bucket;
    *bucket = r;
    *c->last = r;
    c->last = &r->next;
    return r;
}

static void row_widen(struct counters *c, struct row *r)
{
    struct cell *cells = arena_need(c->batch, r->room * 2 * sizeof *cells);

    memcpy(cells, r->cells, r->count * sizeof *cells);
    r->cells = cells;
    r->room *= 2;
}

static struct cell *cell_of(struct counters *c, struct row *r, const struct field *f)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (r->cells[i].field == f)
            return &r->cells[i];
    if (r->count == r->room)
        row_widen(c, r);
    r->cells[r->count] = (struct cell){.field = f};
    return &r->cells[r->count++];
}

/* The usual counters are found without a search, after the first time. */
static struct cell *numbered_cell(struct counters *c, struct row *r, const struct field *f)
{
    uint8_t *at = &r->cell_of[f->number - 1];
    struct cell *cell;

    if (*at)
        return &r->cells[*at - 1];
    cell = cell_of(c, r, f);
    if (cell - r->cells < UINT8_MAX)
        *at = (uint8_t)(cell - r->cells + 1);
    return cell;
}

int64_t row_add(struct counters *c, struct row *r, const struct field *f, int64_t amount)
{
    struct cell *cell = f->number ? numbered_cell(c, r, f) : cell_of(c, r, f);

    return cell->amount += amount;
}

int64_t row_value(const struct row *r, const struct field *f)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (r->cells[i].field == f)
            return r->cells[i].amount;
    return 0;
}

bool row_moves(const struct row *r)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (r->cells[i].amount)
            return true;
    return false;
}

/* Most days that follow each other are the same. */
static struct date_civil civil_of(struct counters *c, date_days day)
{
    if (day != c->civil_of)
        c->civil = date_to_civil(day);
    c->civil_of = day;
    return c->civil;
}

static void place_find(struct counters *c, struct place *at)
{
    struct date_civil day = civil_of(c, at->day);
    uint32_t year = (uint32_t)day.year * 100;
    struct row_key key = {at->member, NULL, ROW_MEMBER, year};

    at->of_year = counters_row(c, &key);
    key.period += (uint32_t)day.month;
    at->of_month = counters_row(c, &key);
    if (!at->committee)
        return;
    key = (struct row_key){NULL, at->committee, ROW_COMMITTEE, year};
    at->of_committee = counters_row(c, &key);
}

void counters_add(struct counters *c, struct place *at, const struct field *f, int64_t amount)
{
    if (!at->of_year)
        place_find(c, at);
    row_add(c, at->of_year, f, amount);
    row_add(c, at->of_month, f, amount);
    if (!at->committee)
        return;
    row_add(c, at->of_committee, f, amount);
    if (at->duty)
        counters_add_seat(c, at, f, amount);
}

void counters_add_seat(struct counters *c, struct place *at, const struct field *f, int64_t amount)
{
    struct row_key key = {at->member, at->committee, ROW_SEAT, 0};

    if (!at->of_seat) {
        key.period = (uint32_t)civil_of(c, at->day).year * 100;
        at->of_seat = counters_row(c, &key);
    }
    row_add(c, at->of_seat, f, amount);
}
