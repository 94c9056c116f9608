/* Witnesses; see witness.h.  Nothing here can fail. */
#include "workers/audit/witness.h"

#include "workers/audit/moment.h"
#include "workers/audit/subject.h"
#include "workers/json_out.h"
#include "workers/table_text.h"

void witness_place(unsigned partition, uint64_t offset, struct buffer *out)
{
    buffer_add_int(out, partition);
    buffer_add(out, ":", 1);
    buffer_add_int(out, (int64_t)offset);
}

static void add_pair(struct buffer *out, const char *name, struct slice value)
{
    buffer_add_text(out, name);
    text_add_clean(out, value);
}

static void add_moment(struct buffer *out, const char *name, int64_t ms)
{
    char text[MOMENT_TEXT];

    moment_format(ms, text);
    add_pair(out, name, slice_of(text));
}

void witness_text(const struct witness *w, struct buffer *out)
{
    struct buffer states = {0};

    statement_format(w->type, w->fact, &states);
    text_add_clean(out, w->subject);
    add_pair(out, "  ", buffer_slice(&states));
    add_pair(out, "  id=", witness_version(w)->id);
    add_pair(out, " source=", w->source);
    add_moment(out, " time=", witness_version(w)->time_ms);
    buffer_add_text(out, " at=");
    witness_place(w->partition, w->offset, out);
    buffer_free(&states);
}

void witness_brief(const struct witness *w, struct buffer *out)
{
    text_add_clean(out, w->subject);
    if (witness_version(w)->retracted)
        buffer_add_text(out, " retracted");
    add_pair(out, " id=", witness_version(w)->id);
    buffer_add_text(out, " at=");
    witness_place(w->partition, w->offset, out);
}

static json_t *moment_json(int64_t ms)
{
    char text[MOMENT_TEXT];

    moment_format(ms, text);
    return json_string(text);
}

json_t *witness_json(const struct witness *w)
{
    const struct version *v = witness_version(w);
    struct buffer states = {0};
    json_t *object;

    statement_format(w->type, w->fact, &states);
    object =
        json_pack("{s:o,s:o,s:o,s:o,s:o,s:I,s:o,s:I,s:I,s:b}", "fact", json_text(w->subject),
                  "states", json_text(buffer_slice(&states)), "id", json_text(v->id), "source",
                  json_text(w->source), "time", moment_json(v->time_ms), "rev", (json_int_t)v->rev,
                  "received", moment_json(w->received_ms), "partition", (json_int_t)w->partition,
                  "offset", (json_int_t)w->offset, "retracted", (int)v->retracted);
    buffer_free(&states);
    return object;
}
