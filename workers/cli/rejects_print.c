/* Refused events on paper; see rejects_print.h.  Nothing in here can fail. */
#include "workers/cli/rejects_print.h"

#include "proto/json.h"
#include "workers/audit/moment.h"

#include <stdio.h>

#define COLUMNS 7

struct text_table *rejects_table_new(void)
{
    static const char *const head[COLUMNS] = {"number", "received", "source", "code",
                                              "field",  "bytes",    "reason"};
    struct text_table *t = text_table_new(COLUMNS);

    for (int i = 0; i < COLUMNS; i++)
        text_table_add(t, slice_of(head[i]), TEXT_BOLD);
    return t;
}

static void add_number(struct text_table *t, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    text_table_add(t, slice_of(text), TEXT_PLAIN);
}

void rejects_table_add(struct text_table *t, const struct wire_reject *r)
{
    char received[MOMENT_TEXT];

    moment_format(r->received_ms, received);
    add_number(t, r->number);
    text_table_add(t, slice_of(received), TEXT_PLAIN);
    text_table_add(t, r->source, TEXT_PLAIN);
    text_table_add(t, r->code, TEXT_PLAIN);
    text_table_add(t, r->field, TEXT_PLAIN);
    add_number(t, r->size);
    text_table_add(t, r->reason, TEXT_PLAIN);
}

static void add_hex(struct slice bytes, struct buffer *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes.size; i++) {
        unsigned char c = (unsigned char)bytes.at[i];
        buffer_add(out, &digits[c >> 4], 1);
        buffer_add(out, &digits[c & 15], 1);
    }
}

/* An event of which only a part was kept is no JSON, whatever its beginning looks like. */
static bool add_event(const struct wire_reject *r, struct slice event, struct buffer *out)
{
    return r->bytes == r->size && json_from_event(event, out) == 0;
}

void reject_text(const struct wire_reject *r, struct slice event, bool colour, struct buffer *out)
{
    char received[MOMENT_TEXT], text[96];

    moment_format(r->received_ms, received);
    snprintf(text, sizeof text, "%llu", (unsigned long long)r->number);
    text_add_styled(out, slice_of(text), TEXT_BOLD, colour);
    snprintf(text, sizeof text, "  received %s from ", received);
    buffer_add_text(out, text);
    text_add_clean(out, r->source);
    buffer_add_text(out, "\n  ");
    text_add_styled(out, r->code, TEXT_RED, colour);
    buffer_add_text(out, r->field.size ? " " : "");
    text_add_clean(out, r->field);
    buffer_add_text(out, ": ");
    text_add_clean(out, r->reason);
    buffer_add_text(out, "\n  ");
    if (!add_event(r, event, out)) {
        snprintf(text, sizeof text, "%llu of %llu bytes: ", (unsigned long long)r->bytes,
                 (unsigned long long)r->size);
        buffer_add_text(out, text);
        add_hex(event, out);
    }
    buffer_add_text(out, "\n");
}

static void add_field(const char *name, struct slice text, struct buffer *out)
{
    buffer_add_text(out, ",\"");
    buffer_add_text(out, name);
    buffer_add_text(out, "\":");
    json_add_text(out, text);
}

void reject_json(const struct wire_reject *r, struct slice event, struct buffer *out)
{
    char received[MOMENT_TEXT];
    size_t before;

    moment_format(r->received_ms, received);
    buffer_add_text(out, "{\"number\":");
    buffer_add_int(out, (int64_t)r->number);
    add_field("received", slice_of(received), out);
    add_field("source", r->source, out);
    add_field("code", r->code, out);
    add_field("field", r->field, out);
    add_field("reason", r->reason, out);
    buffer_add_text(out, ",\"bytes\":");
    buffer_add_int(out, (int64_t)r->size);
    before = out->size;
    buffer_add_text(out, ",\"event\":");
    if (!event.at) {
        out->size = before;
    } else if (!add_event(r, event, out)) {
        out->size = before;
        buffer_add_text(out, ",\"hex\":\"");
        add_hex(event, out);
        buffer_add_text(out, "\"");
    }
    buffer_add_text(out, "}\n");
}
