/* Digests; see digest.h. */
#include "workers/web/digest.h"

#include "workers/json_out.h"

#include <inttypes.h>
#include <stdio.h>

static void names_take(struct digest *d, int list, struct slice names)
{
    struct slice name;

    if (slice_is(names, "*"))
        d->all[list] = true;
    while (!d->all[list] && names.size) {
        if (!slice_cut(&names, '\n', &name)) {
            name = names;
            names = slice_make("", 0);
        }
        if (name_list_has(&d->lists[list], name))
            continue;
        d->all[list] = d->lists[list].count == CHANGES_NAMED;
        if (!d->all[list])
            name_list_add(&d->lists[list], arena_copy(&d->arena, name));
    }
}

void digest_take(void *digest, struct change_id id, struct slice field, struct slice value)
{
    struct digest *d = digest;

    if (change_id_compare(d->id, id) != 0) {
        d->commits++;
        d->id = id;
    }
    if (slice_is(field, "rebuilt") || slice_is(field, "repaired"))
        d->rebuilt = true;
    for (int i = 0; i < CHANGE_LISTS; i++)
        if (slice_is(field, change_list_name[i]))
            names_take(d, i, value);
}

static json_t *list_json(const struct digest *d, int list, bool brief)
{
    json_t *names;

    if (d->all[list] || brief)
        return json_string("*");
    names = json_array();
    for (size_t i = 0; i < d->lists[list].count; i++)
        json_array_append_new(names, json_text(d->lists[list].items[i]));
    return names;
}

static void data_text(const struct digest *d, bool brief, struct buffer *out)
{
    json_t *all = json_pack("{s:I}", "commits", (json_int_t)d->commits);

    for (int i = 0; i < CHANGE_LISTS; i++)
        if (d->all[i] || d->lists[i].count)
            json_object_set_new(all, change_list_name[i], list_json(d, i, brief));
    json_line(all, out);
}

void digest_text(const struct digest *d, struct buffer *out)
{
    char head[96];
    size_t begin = out->size;

    snprintf(head, sizeof head, "id: %" PRIu64 "-%" PRIu64 "\nevent: change\ndata: ", d->id.ms,
             d->id.seq);
    buffer_add_text(out, head);
    data_text(d, false, out);
    if (out->size - begin > DIGEST_BYTES) {
        out->size = begin;
        buffer_add_text(out, head);
        data_text(d, true, out);
    }
    buffer_add_text(out, "\n");
}

void digest_clear(struct digest *d)
{
    arena_reset(&d->arena, 65536);
    for (int i = 0; i < CHANGE_LISTS; i++) {
        d->lists[i].count = 0;
        d->all[i] = false;
    }
    d->rebuilt = false;
    d->commits = 0;
}

void digest_free(struct digest *d)
{
    arena_free(&d->arena);
    for (int i = 0; i < CHANGE_LISTS; i++)
        name_list_free(&d->lists[i]);
}
