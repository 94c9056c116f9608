/* Refused events by source; see reject_counts.h.  Happy path: reject_counts_add, and when there are
 * too many, reject_counts_displace; then reject_counts_settle.  Cannot fail.
 *
 * Sources with the same count stand in a ring; there is a ring for every count, and `top` is the
 * greatest that is not empty.  A count changes by one at a time, and so does `top`.
 *
 *     rings   [0] [1] [2] ... [top]
 *                  |           |
 *                  b <-> c     a      (a floods)
 *
 * Sources are never forgotten while the broker runs: there are as many as the rights file has named
 * since it started, and those whose refused events are kept. */
#include "broker/reject_counts.h"

#include "proto/table.h"
#include "proto/wire.h"

#include <assert.h>
#include <stdlib.h>

struct source {
    struct table_entry entry; /* by its name */
    char name[WIRE_NAME];
    struct source *before, *after; /* in its ring */
    uint64_t *numbers;             /* `count` of them from `first` on, rising */
    size_t first, count, room;
};

struct step { /* to undo */
    struct source *source;
    uint64_t number;
    bool added;
};

struct reject_counts {
    struct table by_name;
    struct source **list;
    size_t sources, source_room;
    struct source **rings; /* by count: the one that has had it for longest */
    size_t ring_count, top;
    uint64_t total;
    struct step *steps; /* since the last settling */
    size_t step_count, step_room;
};

struct reject_counts *reject_counts_new(void)
{
    return memory_zeroed(sizeof(struct reject_counts));
}

void reject_counts_free(struct reject_counts *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->sources; i++) {
        free(c->list[i]->numbers);
        free(c->list[i]);
    }
    table_free(&c->by_name);
    free(c->list);
    free(c->rings);
    free(c->steps);
    free(c);
}

/* ---- rings ---- */

static void ring_leave(struct reject_counts *c, struct source *s)
{
    struct source **ring = &c->rings[s->count];

    if (s->after == s) {
        *ring = NULL;
        return;
    }
    s->before->after = s->after;
    s->after->before = s->before;
    if (*ring == s)
        *ring = s->after;
}

static void rings_grow(struct reject_counts *c)
{
    size_t old = c->ring_count;

    c->ring_count = old ? old * 2 : 64;
    c->rings = memory_grow(c->rings, c->ring_count * sizeof *c->rings);
    memset(c->rings + old, 0, (c->ring_count - old) * sizeof *c->rings);
}

static void ring_join(struct reject_counts *c, struct source *s)
{
    struct source **ring;

    if (s->count >= c->ring_count)
        rings_grow(c);
    ring = &c->rings[s->count];
    if (!*ring) {
        *ring = s->before = s->after = s;
        return;
    }
    s->after = *ring;
    s->before = s->after->before;
    s->before->after = s->after->before = s;
}

static void count_change(struct reject_counts *c, struct source *s, bool more)
{
    ring_leave(c, s);
    s->count += more ? 1 : (size_t)-1;
    c->total += more ? 1 : (uint64_t)-1;
    ring_join(c, s);
    if (s->count > c->top)
        c->top = s->count;
    if (c->top > 0 && !c->rings[c->top])
        c->top--;
}

/* ---- numbers ---- */

/* Where the number is, or where it would be. */
static size_t number_find(const struct source *s, uint64_t number)
{
    size_t low = 0, high = s->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->numbers[s->first + middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Room for one more behind the last: by moving all to the front if that frees half, as it does
 * where the oldest go while others come; else by growing. */
static void number_room(struct source *s)
{
    if (s->first + s->count < s->room)
        return;
    if (s->first > s->room / 2) {
        memmove(s->numbers, s->numbers + s->first, s->count * sizeof *s->numbers);
        s->first = 0;
        return;
    }
    s->numbers = memory_more(s->numbers, &s->room, sizeof *s->numbers);
}

static void number_add(struct reject_counts *c, struct source *s, uint64_t number)
{
    bool last = s->count == 0 || s->numbers[s->first + s->count - 1] < number;
    size_t at = last ? s->count : number_find(s, number);

    number_room(s);
    uint64_t *place = s->numbers + s->first + at;
    memmove(place + 1, place, (s->count - at) * sizeof *place);
    *place = number;
    count_change(c, s, true);
}

/* Moves the shorter side, which for the oldest is nothing. */
static void number_remove(struct reject_counts *c, struct source *s, size_t at)
{
    uint64_t *from = s->numbers + s->first;

    if (at < s->count / 2) {
        memmove(from + 1, from, at * sizeof *from);
        s->first++;
    } else {
        memmove(from + at, from + at + 1, (s->count - at - 1) * sizeof *from);
    }
    count_change(c, s, false);
}

/* ---- the verbs ---- */

static struct source *source_make(struct reject_counts *c, struct slice name)
{
    struct source *s = memory_zeroed(sizeof *s);

    assert(name.size <= WIRE_NAME);
    if (name.size)
        memcpy(s->name, name.at, name.size);
    s->entry.key = slice_make(s->name, name.size);
    table_add(&c->by_name, &s->entry);
    ring_join(c, s);
    c->list = memory_room(c->list, c->sources, &c->source_room, sizeof *c->list);
    return c->list[c->sources++] = s;
}

static void step_note(struct reject_counts *c, struct source *s, uint64_t number, bool added)
{
    c->steps = memory_room(c->steps, c->step_count, &c->step_room, sizeof *c->steps);
    c->steps[c->step_count++] = (struct step){s, number, added};
}

void reject_counts_add(struct reject_counts *c, struct slice source, uint64_t number)
{
    struct source *s = table_find(&c->by_name, source);

    if (!s)
        s = source_make(c, source);
    number_add(c, s, number);
    step_note(c, s, number, true);
}

bool reject_counts_remove(struct reject_counts *c, uint64_t number)
{
    for (size_t i = 0; i < c->sources; i++) {
        struct source *s = c->list[i];
        size_t at = number_find(s, number);
        if (at < s->count && s->numbers[s->first + at] == number) {
            number_remove(c, s, at);
            step_note(c, s, number, false);
            return true;
        }
    }
    return false;
}

uint64_t reject_counts_displace(struct reject_counts *c)
{
    struct source *s;
    uint64_t number;

    assert(c->top > 0);
    s = c->rings[c->top];
    number = s->numbers[s->first];
    number_remove(c, s, 0);
    step_note(c, s, number, false);
    return number;
}

uint64_t reject_counts_total(const struct reject_counts *c)
{
    return c->total;
}

uint64_t reject_counts_of(const struct reject_counts *c, struct slice source)
{
    const struct source *s = table_find(&c->by_name, source);

    return s ? s->count : 0;
}

void reject_counts_settle(struct reject_counts *c, bool keep)
{
    while (!keep && c->step_count > 0) {
        struct step *last = &c->steps[--c->step_count];
        if (last->added)
            number_remove(c, last->source, number_find(last->source, last->number));
        else
            number_add(c, last->source, last->number);
    }
    c->step_count = 0;
}
