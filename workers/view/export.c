/* Export; see export.h.  A key's name is taken apart by its family; what it does not say of member
 * and committee the field may. */
#include "workers/view/export.h"

#include "workers/group.h"
#include "workers/view/csv.h"

#include <stdlib.h>

#define KEYS_AT_ONCE 500

const char *const export_kind_name[EXPORT_KINDS] = {
    [EXPORT_MEMBER] = "member",
    [EXPORT_COMMITTEE] = "committee",
    [EXPORT_SEAT] = "seat",
    [EXPORT_GROUP] = "group",
    [EXPORT_BALLOT] = "ballot",
    [EXPORT_VOTE] = "vote",
    [EXPORT_MEETING] = "meeting",
    [EXPORT_ATTENDANCE] = "attendance",
    [EXPORT_ADOPTION] = "adoption",
    [EXPORT_PROFILE] = "profile",
    [EXPORT_MEMBER_NOTICE] = "member-notice",
    [EXPORT_SEAT_NOTICE] = "seat-notice",
};

/* What a family's key, and its fields, are made of. */
enum shape {
    SHAPE_MEMBER,    /* M */
    SHAPE_COMMITTEE, /* C */
    SHAPE_SEAT,      /* C|M */
    SHAPE_GROUP,     /* G */
    SHAPE_OF,        /* C|something of its own */
};

static const struct family {
    const char *name; /* before the first colon */
    enum shape shape;
    bool period;       /* a period ends the key */
    bool field_member; /* the field is, or begins with, a member */
} families[EXPORT_KINDS] = {
    [EXPORT_MEMBER] = {"member:", SHAPE_MEMBER, true, false},
    [EXPORT_COMMITTEE] = {"committee:", SHAPE_COMMITTEE, true, false},
    [EXPORT_SEAT] = {"seat:", SHAPE_SEAT, true, false},
    [EXPORT_GROUP] = {"group:", SHAPE_GROUP, true, false},
    [EXPORT_BALLOT] = {"ballot:", SHAPE_OF, false, false},
    [EXPORT_VOTE] = {"votes:", SHAPE_OF, false, true},
    [EXPORT_MEETING] = {"meeting:", SHAPE_OF, false, false},
    [EXPORT_ATTENDANCE] = {"attendance:", SHAPE_OF, false, true},
    [EXPORT_ADOPTION] = {"adoptions:", SHAPE_MEMBER, false, false},
    [EXPORT_PROFILE] = {"profile:", SHAPE_MEMBER, false, false},
    [EXPORT_MEMBER_NOTICE] = {"profiles:", SHAPE_MEMBER, false, false},
    [EXPORT_SEAT_NOTICE] = {"seats:", SHAPE_COMMITTEE, false, true},
};

struct record {
    struct slice field, value;
};

struct export_key {
    struct slice name;
    enum export_kind kind;
    struct slice subject, member, committee, group, period;
    struct record *records;
    size_t count, room;
};

struct export
{
    struct store *store;
    const struct export_ask *ask;
    struct arena names, rows;
    struct export_key *keys;
    size_t count, room, at;
};

/* ---- keys ---- */
/* False for what is of no exported family, or has only its name. */
static bool family_cut(struct slice name, enum export_kind *ret, struct slice *ret_subject)
{
    for (int i = 0; i < EXPORT_KINDS; i++)
        if (slice_cut_begin(&name, slice_of(families[i].name))) {
            *ret = (enum export_kind)i;
            *ret_subject = name;
            return name.size > 0;
        }
    return false;
}

/* False for what is no key of an exported family. */
static bool key_parse(struct slice name, struct export_key *ret)
{
    const struct family *f;
    struct slice rest;

    *ret = (struct export_key){.name = name};
    if (!family_cut(name, &ret->kind, &ret->subject))
        return false;
    f = &families[ret->kind];
    if (f->period && !period_cut(&ret->subject, &ret->period))
        return false;
    rest = ret->subject;
    switch (f->shape) {
    case SHAPE_MEMBER:
        ret->member = rest;
        return true;
    case SHAPE_COMMITTEE:
        ret->committee = rest;
        return true;
    case SHAPE_GROUP:
        ret->group = rest;
        return true;
    case SHAPE_SEAT:
        ret->member = rest;
        return slice_cut(&ret->member, '|', &ret->committee);
    case SHAPE_OF:
        return slice_cut(&rest, '|', &ret->committee);
    }
    return false;
}

/* Whether a filter lets the key pass; one that it says nothing of may be for its fields. */
static bool key_wanted(const struct export_ask *a, const struct export_key *k)
{
    bool in_field = families[k->kind].field_member;

    return a->kinds[k->kind] && name_list_wants(&a->committees, k->committee) &&
           name_list_wants(&a->groups, k->group) && name_list_wants(&a->periods, k->period) &&
           (in_field || name_list_wants(&a->members, k->member));
}

static int take_key(void *arg, struct slice name)
{
    struct export *e = arg;
    struct export_key k;

    if (!key_parse(name, &k) || !key_wanted(e->ask, &k))
        return 0;
    e->keys = memory_room(e->keys, e->count, &e->room, sizeof *e->keys);
    key_parse(arena_copy(&e->names, name), &e->keys[e->count++]); /* now it points into the copy */
    return 0;
}

static int key_order(const void *a, const void *b)
{
    return slice_compare(((const struct export_key *)a)->name,
                         ((const struct export_key *)b)->name);
}

/* In order, and each once. */
static void sort_keys(struct export *e)
{
    size_t kept = 0;

    if (e->count)
        qsort(e->keys, e->count, sizeof *e->keys, key_order);
    for (size_t i = 0; i < e->count; i++)
        if (kept == 0 || !slice_equal(e->keys[kept - 1].name, e->keys[i].name))
            e->keys[kept++] = e->keys[i];
    e->count = kept;
}

int export_open(struct store *s, const struct export_ask *ask, struct export **ret)
{
    struct export *e = memory_need(sizeof *e);
    int error;

    *e = (struct export){.store = s, .ask = ask};
    error = store_keys(s, take_key, e);
    if (error < 0) {
        export_free(e);
        return error;
    }
    sort_keys(e);
    *ret = e;
    return 0;
}

void export_free(struct export *e)
{
    if (!e)
        return;
    arena_free(&e->names);
    arena_free(&e->rows);
    free(e->keys);
    free(e);
}

size_t export_keys(const struct export *e)
{
    return e->count;
}

/* ---- records ---- */

/* The member that the key, or else the field, is about. */
static struct slice member_of(const struct export_key *k, struct slice field)
{
    struct slice member;

    if (!families[k->kind].field_member)
        return k->member;
    return slice_cut(&field, '|', &member) ? member : field;
}

static int row_record(void *context, void *record, struct slice field, struct slice value)
{
    struct export *e = context;
    struct export_key *k = record;
    struct record *grown;

    if (!name_list_wants(&e->ask->fields, field) ||
        !name_list_wants(&e->ask->members, member_of(k, field)))
        return 0;
    if (k->count == k->room) {
        k->room = k->room ? k->room * 2 : 16;
        grown = arena_need(&e->rows, k->room * sizeof *grown);
        if (k->count)
            memcpy(grown, k->records, k->count * sizeof *grown);
        k->records = grown;
    }
    k->records[k->count++] =
        (struct record){arena_copy(&e->rows, field), arena_copy(&e->rows, value)};
    return 0;
}

static int record_order(const void *a, const void *b)
{
    return slice_compare(((const struct record *)a)->field, ((const struct record *)b)->field);
}

void export_head(struct buffer *out)
{
    static const char *const head[] = {"kind",   "subject", "member", "committee",
                                       "period", "field",   "value"};
    struct csv c = {out, 0};

    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        csv_add_text(&c, head[i]);
    csv_end(&c);
}

static void print_key(struct export_key *k, struct buffer *out)
{
    struct csv c = {out, 0};

    if (k->count)
        qsort(k->records, k->count, sizeof *k->records, record_order);
    for (size_t i = 0; i < k->count; i++) {
        csv_add_text(&c, export_kind_name[k->kind]);
        csv_add(&c, k->subject);
        csv_add(&c, member_of(k, k->records[i].field));
        csv_add(&c, k->committee);
        csv_add(&c, k->period);
        csv_add(&c, k->records[i].field);
        csv_add(&c, k->records[i].value);
        csv_end(&c);
    }
}

int export_next(struct export *e, struct buffer *out, size_t *ret_keys)
{
    struct store_fetch fetches[KEYS_AT_ONCE];
    size_t n = 0;
    int error;

    arena_reset(&e->rows, SIZE_MAX);
    for (; n < KEYS_AT_ONCE && e->at + n < e->count; n++)
        fetches[n] = (struct store_fetch){
            .key = e->keys[e->at + n].name, .row = row_record, .record = &e->keys[e->at + n]};
    error = store_fetch(e->store, fetches, n, e);
    for (size_t i = 0; i < n && error == 0; i++)
        print_key(&e->keys[e->at++], out);
    if (error == 0)
        *ret_keys = n;
    return error;
}
