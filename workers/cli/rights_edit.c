/* Changes of the rights file; see rights_edit.h. */
#include "workers/cli/rights_edit.h"

#include "proto/error.h"

static void setting_add(struct buffer *out, const char *name, const char *value)
{
    if (!value)
        return;
    buffer_add_text(out, name);
    buffer_add_text(out, " = ");
    buffer_add_text(out, value);
    buffer_add_text(out, "\n");
}

void rights_add(struct slice text, const char *name, const char *key,
                const struct rights_wish *wish, struct buffer *out)
{
    buffer_add_slice(out, text);
    if (text.size)
        buffer_add_text(out, text.at[text.size - 1] == '\n' ? "\n" : "\n\n");
    buffer_add_text(out, "[");
    buffer_add_text(out, name);
    buffer_add_text(out, "]\n");
    setting_add(out, "key", key);
    setting_add(out, "may", wish->may);
    setting_add(out, "source", wish->source);
    setting_add(out, "types", wish->types);
    setting_add(out, "committees", wish->committees);
    setting_add(out, "rate", wish->rate);
    setting_add(out, "participants", wish->participants ? "yes" : NULL);
}

/* The end of the section's last line that says something; NULL: no such section. */
static const char *section_end(struct slice text, const char *name)
{
    struct settings s = {text, 0};
    const char *end = NULL;
    struct setting one;
    bool within = false;

    while (settings_next(&s, &one) > 0) {
        if (one.section.at)
            within = slice_is(one.section, name);
        if (within)
            end = s.rest.at;
    }
    return end;
}

/* The text with that setting at this place. */
static void revoked_add(struct slice text, const char *at, date_days day, struct buffer *out)
{
    char date[DATE_TEXT + 1] = "";

    date_format(day, date);
    buffer_add_slice(out, slice_make(text.at, (size_t)(at - text.at)));
    if (at[-1] != '\n')
        buffer_add_text(out, "\n");
    setting_add(out, "revoked", date);
    buffer_add_slice(out, slice_make(at, (size_t)(text.at + text.size - at)));
}

int rights_revoke(struct slice text, const char *name, date_days day, struct buffer *out)
{
    const char *end = section_end(text, name);

    if (!end)
        return ERR_AGAIN;
    revoked_add(text, end, day, out);
    return 0;
}

int rights_revoke_faulty(struct slice text, const char *name, date_days day, struct buffer *out)
{
    struct settings s = {text, 0};
    struct rights_outline o;

    while (rights_outline_next(&s, &o)) {
        if (!slice_is(o.name, name))
            continue;
        if (o.revoked)
            return ERR_CONFLICT;
        revoked_add(text, o.begin, day, out);
        return 0;
    }
    return ERR_AGAIN;
}
