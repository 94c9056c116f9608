/* The list of keys, printed; see keys_print.h. */
#include "workers/cli/keys_print.h"

#include "workers/json_out.h"
#include "workers/table_text.h"

#include <stdio.h>

static const char *may_name(const struct right *r)
{
    return r->may == MAY_PUBLISH ? "publish" : r->may == MAY_WORK ? "work" : "watch";
}

static void types_add(const struct right *r, struct buffer *out)
{
    for (int i = 0; i < EVENT_TYPES; i++)
        if (r->types & 1U << i) {
            buffer_add_text(out, out->size ? " " : "");
            buffer_add_text(out, event_type_name[i]);
        }
}

static void committees_add(const struct right *r, struct buffer *out)
{
    for (size_t i = 0; i < r->committee_count; i++) {
        buffer_add_text(out, i ? " | " : "");
        buffer_add_slice(out, r->committees[i].text);
        buffer_add_text(out, r->committees[i].prefix ? "*" : "");
    }
}

/* What the key may, in words of the rights file; "all" and "-" where nothing limits it. */
static void row_cells(const struct right *r, struct buffer cells[5])
{
    bool publishes = r->may == MAY_PUBLISH;
    char date[DATE_TEXT + 1] = "";

    buffer_add_text(&cells[0], publishes ? r->source : "-");
    if (publishes && r->types != RIGHT_LOCAL->types)
        types_add(r, &cells[1]);
    else
        buffer_add_text(&cells[1], publishes ? "all" : "-");
    if (!r->all_committees)
        committees_add(r, &cells[2]);
    else
        buffer_add_text(&cells[2], publishes ? "all" : "-");
    if (r->rate)
        buffer_add_int(&cells[3], r->rate);
    else
        buffer_add_text(&cells[3], "-");
    if (r->revoked)
        date_format(r->revoked_on, date);
    buffer_add_text(&cells[4], r->revoked ? date : "-");
}

static void row_add(struct text_table *t, const struct right *r)
{
    enum text_style style = r->revoked ? TEXT_RED : TEXT_PLAIN;
    struct buffer cells[5] = {{0}};
    const char *may = r->participants ? "watch, participants" : may_name(r);

    row_cells(r, cells);
    text_table_add(t, slice_of(r->name), style);
    text_table_add(t, slice_of(may), style);
    for (int i = 0; i < 5; i++) {
        text_table_add(t, buffer_slice(&cells[i]), style);
        buffer_free(&cells[i]);
    }
}

void keys_print_text(const struct rights *rights, struct buffer *out)
{
    static const char *const heads[] = {"key",        "may",  "source", "types",
                                        "committees", "rate", "revoked"};
    struct text_table *t = text_table_new(7);

    for (int i = 0; i < 7; i++)
        text_table_add(t, slice_of(heads[i]), TEXT_BOLD);
    for (size_t i = 0; i < rights_count(rights); i++)
        row_add(t, rights_at(rights, i));
    text_table_print(t, text_colour_wanted(stdout), out);
    text_table_free(t);
}

static json_t *words_json(const struct right *r)
{
    json_t *all = json_array();

    for (int i = 0; i < EVENT_TYPES; i++)
        if (r->may == MAY_PUBLISH && r->types & 1U << i)
            json_array_append_new(all, json_string(event_type_name[i]));
    return all;
}

static json_t *committees_json(const struct right *r)
{
    json_t *all = json_array();

    for (size_t i = 0; i < r->committee_count; i++)
        json_array_append_new(all, json_sprintf("%.*s%s", (int)r->committees[i].text.size,
                                                r->committees[i].text.at,
                                                r->committees[i].prefix ? "*" : ""));
    return all;
}

static json_t *right_json(const struct right *r)
{
    char date[DATE_TEXT + 1] = "";
    bool publishes = r->may == MAY_PUBLISH;

    if (r->revoked)
        date_format(r->revoked_on, date);
    return json_pack("{s:s,s:s,s:s,s:s?,s:o,s:o?,s:o?,s:b,s:s?}", "name", r->name, "key", r->key,
                     "may", may_name(r), "source", publishes ? r->source : NULL, "types",
                     words_json(r), "committees", r->all_committees ? NULL : committees_json(r),
                     "rate", r->rate ? json_integer(r->rate) : NULL, "participants",
                     r->participants, "revoked", r->revoked ? date : NULL);
}

void keys_print_json(const struct rights *rights, struct buffer *out)
{
    json_t *all = json_array();

    for (size_t i = 0; i < rights_count(rights); i++)
        json_array_append_new(all, right_json(rights_at(rights, i)));
    json_line(json_pack("{s:o}", "keys", all), out);
}
