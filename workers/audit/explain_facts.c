/* Explaining: where facts came from, and what is made of those that contribute; see
 * explain_inner.h.  Nothing fails. */
#include "workers/audit/explain_inner.h"
#include "workers/audit/subject.h"

static struct slice fact_key(const void *const *fact)
{
    return slice_make(fact, sizeof *fact);
}

const struct explain_fact *explain_fact_of(const struct explain *x, const void *fact)
{
    return table_find(&x->facts, fact_key(&fact));
}

bool explain_before(const struct explain_fact *a, const struct explain_fact *b)
{
    const struct witness *x = &a->witness, *y = &b->witness;

    return x->partition != y->partition ? x->partition < y->partition : x->offset < y->offset;
}

/* A source's name, kept once. */
static struct slice name_keep(struct explain *x, struct slice name)
{
    struct table_entry *e = table_find(&x->names, name);

    if (!e) {
        e = arena_need(&x->arena, sizeof *e);
        e->key = arena_copy(&x->arena, name);
        table_add(&x->names, e);
    }
    return e->key;
}

static struct explain_fact *fact_new(struct explain *x, const struct event *e, const void *fact)
{
    struct explain_fact *f = arena_need(&x->arena, sizeof *f);
    struct subject subject = subject_of(e);
    struct buffer *text = &x->ledger->scratch;

    buffer_clear(text);
    subject_format(&subject, text);
    f->witness.subject = arena_copy(&x->arena, buffer_slice(text));
    f->witness.type = e->type;
    f->witness.fact = fact;
    f->entry.key = fact_key(&f->witness.fact);
    table_add(&x->facts, &f->entry);
    return f;
}

void explain_fact_came(void *explain, const struct replayed *r)
{
    struct explain *x = explain;
    const void *fact = r->fact;
    struct explain_fact *f = table_find(&x->facts, fact_key(&fact));

    if (f) {
        f->replaced = r->id_before;
        f->replaced_offset = f->witness.offset;
    } else {
        f = fact_new(x, r->event, fact);
    }
    f->witness.partition = r->run->partition;
    f->witness.offset = r->offset;
    f->witness.received_ms = r->run->received_ms;
    f->witness.source = name_keep(x, r->run->source);
}

void explain_note(struct explain *x, const void *fact)
{
    const struct explain_fact *f = explain_fact_of(x, fact);

    if (f)
        pointers_add(&x->noted, (void *)(uintptr_t)f);
}

void explain_add(struct explain *x, int64_t amount, struct slice member)
{
    size_t count = x->noted.count;
    const struct explain_fact **facts = arena_need(&x->arena, (count + 1) * sizeof *facts);

    for (size_t i = 0; i < count; i++)
        facts[i] = x->noted.items[i];
    x->noted.count = 0;
    x->parts = memory_room(x->parts, x->part_count, &x->part_room, sizeof *x->parts);
    x->parts[x->part_count++] = (struct explain_part){amount, member, facts, count};
}
