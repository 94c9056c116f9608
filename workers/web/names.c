/* What people call things; see names.h. */
#include "workers/web/names.h"

#include "workers/fact.h"

#define AT_ONCE 1024 /* fields of one round trip */

struct names {
    struct data *data;
    struct store_fetch *list;
    size_t count, room;
};

static int row_reference(void *context, void *record, struct slice field, struct slice value)
{
    struct data *d = context;
    struct slice *shown = record;
    struct committee_fact fact = {.level = 0};

    (void)field;
    if (value.at && fact_parse(EVENT_COMMITTEE, value, d->arena, &fact) == 0 && fact.reference.size)
        *shown = fact.reference;
    return 0;
}

static int row_name(void *context, void *record, struct slice field, struct slice value)
{
    struct data *d = context;
    struct slice *shown = record;

    (void)field;
    if (value.size)
        *shown = arena_copy(d->arena, value);
    return 0;
}

static void want(struct names *n, struct slice identifier, bool committee, struct slice *ret_shown)
{
    static const struct slice reference = {"committee", 9}, name = {"name", 4};
    const char *family = committee ? "index:" : "profile:";

    if (n->count == n->room) {
        struct store_fetch *more;
        n->room = n->room ? n->room * 2 : 64;
        more = arena_need(n->data->arena, n->room * sizeof *more);
        if (n->count)
            memcpy(more, n->list, n->count * sizeof *more);
        n->list = more;
    }
    n->list[n->count++] = (struct store_fetch){.key = data_key_of(n->data, family, identifier, ""),
                                               .fields = committee ? &reference : &name,
                                               .field_count = 1,
                                               .row = committee ? row_reference : row_name,
                                               .record = ret_shown};
}

static void want_column(struct names *n, struct sheet *s, size_t column, bool committee)
{
    for (size_t r = 0; r < s->rows; r++) {
        struct sheet_cell *c = &s->cells[r * s->column_count + column];
        if (c->kind == CELL_NAME)
            want(n, c->text, committee, &c->shown);
    }
}

/* "54808" of a committee's page, "54808|SR 1" of a ballot's. */
static void want_subject(struct names *n, struct view *v, struct slice *ret_rest)
{
    struct slice committee = {0};

    *ret_rest = v->subject;
    if (strcmp(v->name, "committee") == 0)
        committee = v->subject;
    else if (strcmp(v->name, "ballot") == 0)
        (void)slice_cut(ret_rest, '|', &committee);
    if (committee.at)
        want(n, committee, true, &v->shown);
}

int names_fill(struct data *d, struct view *v)
{
    struct names n = {.data = d};
    struct slice rest;
    int error = 0;

    want_subject(&n, v, &rest);
    for (struct sheet *s = v->first; s; s = s->next)
        for (size_t i = 0; i < s->column_count; i++) {
            bool committee = strcmp(s->columns[i].name, "committee") == 0;
            if (committee || strcmp(s->columns[i].name, "member") == 0)
                want_column(&n, s, i, committee);
        }
    for (size_t i = 0; error == 0 && i < n.count; i += AT_ONCE)
        error = store_fetch(d->store, n.list + i, n.count - i < AT_ONCE ? n.count - i : AT_ONCE, d);
    if (v->shown.at && strcmp(v->name, "ballot") == 0)
        v->shown = view_text(v, view_text(v, v->shown, slice_of(" · ")), rest);
    return error;
}
