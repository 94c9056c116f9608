/* Watching what events move; see diff_inner.h.  A store in front of the one in memory: whatever is
 * committed while an event is in hand is noted as that event's doing. */
#include "workers/audit/diff_inner.h"
#include "workers/audit/tap.h"
#include "workers/audit/target.h"

/* ---- notes ---- */
static struct diff_moves *moves_of(struct diff *d, struct table *t, struct slice name)
{
    struct diff_moves *m = table_find(t, name);

    if (!m) {
        m = arena_need(&d->arena, sizeof *m);
        m->entry.key = arena_copy(&d->arena, name);
        m->last = &m->first;
        table_add(t, &m->entry);
    }
    return m;
}

static struct slice field_name(struct diff *d, struct slice key, struct slice field)
{
    return diff_name(d, "", key, "\n", field);
}

static void note(struct diff *d, struct slice key, struct slice field, int64_t amount)
{
    struct diff_moves *of_key = moves_of(d, &d->keys, key);
    struct diff_moves *of_field = moves_of(d, &d->fields, field_name(d, key, field));
    struct diff_move *m = arena_need(&d->arena, sizeof *m);

    m->event = d->event_count;
    m->field = slice_make(of_field->entry.key.at + key.size + 1, field.size);
    m->amount = amount;
    *of_key->last = m;
    of_key->last = &m->next;
    *of_field->last = m;
    of_field->last = &m->same;
    d->moved = true;
}

struct slice diff_name(struct diff *d, const char *family, struct slice a, const char *separator,
                       struct slice b)
{
    buffer_clear(&d->scratch);
    buffer_add_text(&d->scratch, family);
    buffer_add_slice(&d->scratch, a);
    buffer_add_text(&d->scratch, separator);
    buffer_add_slice(&d->scratch, b);
    return buffer_slice(&d->scratch);
}

const struct diff_move *diff_key_moves(struct diff *d, const char *family, struct slice a,
                                       const char *separator, struct slice b)
{
    const struct diff_moves *m = table_find(&d->keys, diff_name(d, family, a, separator, b));

    return m ? m->first : NULL;
}

const struct diff_move *diff_field_moves(struct diff *d, struct slice key, struct slice field)
{
    const struct diff_moves *m = table_find(&d->fields, field_name(d, key, field));

    return m ? m->first : NULL;
}

/* ---- numbers of the store ---- */
static int row_number(void *context, void *record, struct slice field, struct slice value)
{
    (void)context, (void)field;
    if (!value.at || !slice_to_int(value, record))
        *(int64_t *)record = 0;
    return 0;
}

int64_t diff_number(struct diff *d, struct slice key, struct slice field)
{
    int64_t number = 0;
    struct store_fetch f = {.key = key,
                            .kind = FETCH_HASH,
                            .fields = &field,
                            .field_count = 1,
                            .row = row_number,
                            .record = &number};

    store_fetch(d->memory, &f, 1, NULL);
    return number;
}

/* ---- operations ---- */
/* A number that is set, not added to: what it was is still in the store. */
static void note_number(struct diff *d, const struct commit_op *op)
{
    int64_t now = 0;

    if (op->verb == COMMIT_HDEL || slice_to_int(op->value, &now))
        note(d, op->key, op->field, now - diff_number(d, op->key, op->field));
}

static bool is_tally(const struct commit_op *op)
{
    struct buffer reason = {0};
    struct target t;
    bool is = target_parse(op->key, op->field, "", &t, &reason) == 0;

    buffer_free(&reason);
    return is;
}

/* A number that is told of, and set rather than added to. */
static bool is_set(const struct diff *d, const struct commit_op *op)
{
    bool tallied = slice_begins(op->key, "ballot:") || slice_begins(op->key, "meeting:");

    return slice_begins(op->key, "seat:") ||
           (d->options.all && (slice_begins(op->key, "committee:") || (tallied && is_tally(op))));
}

static void note_op(struct diff *d, const struct commit_op *op)
{
    bool set = op->verb == COMMIT_HSET || op->verb == COMMIT_HDEL;

    if (op->verb == COMMIT_HINCRBY)
        note(d, op->key, op->field, op->amount);
    else if (set && slice_begins(op->key, "profiles:"))
        note(d, op->key, op->field, 0);
    else if (set && is_set(d, op))
        note_number(d, op);
}

static void watch(void *diff, const struct commit *c)
{
    struct diff *d = diff;

    for (size_t i = 0; d->watching && i < c->count; i++)
        note_op(d, &c->ops[i]);
}

struct store *diff_watch_new(struct diff *d)
{
    return tap_new(d->memory, watch, d);
}
