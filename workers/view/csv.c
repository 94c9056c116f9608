/* Comma-separated values; see csv.h.  Nothing in here can fail. */
#include "workers/view/csv.h"

static bool needs_quotes(struct slice value)
{
    for (size_t i = 0; i < value.size; i++)
        if (strchr(",\"\r\n", value.at[i]) && value.at[i])
            return true;
    return false;
}

void csv_add(struct csv *c, struct slice value)
{
    if (c->fields++)
        buffer_add(c->out, ",", 1);
    if (!needs_quotes(value)) {
        buffer_add_slice(c->out, value);
        return;
    }
    buffer_add(c->out, "\"", 1);
    for (size_t i = 0; i < value.size; i++)
        buffer_add(c->out, value.at[i] == '"' ? "\"\"" : &value.at[i], 1 + (value.at[i] == '"'));
    buffer_add(c->out, "\"", 1);
}

void csv_add_text(struct csv *c, const char *value)
{
    csv_add(c, slice_of(value));
}

void csv_add_int(struct csv *c, int64_t value)
{
    char room[24];
    struct buffer digits = {room, 0, sizeof room};

    buffer_add_int(&digits, value);
    csv_add(c, buffer_slice(&digits));
}

void csv_end(struct csv *c)
{
    buffer_add(c->out, "\r\n", 2);
    c->fields = 0;
}
