/* Texts; see text.h. */
#include "workers/web/text.h"

#include <ctype.h>
#include <stdlib.h>

const char *const lang_code[LANGS] = {"en", "fr"};
const char *const lang_name[LANGS] = {"English", "Français"};

static const struct {
    const char *name;
    const char *in[LANGS];
} texts[TEXTS] = {
    [T_NONE] = {"", {"", ""}},
#define TEXT(name, en, fr) [T_##name] = {#name, {en, fr}},
#include "workers/web/text.def"
#undef TEXT
};

const char *text_of(enum lang l, enum text t)
{
    return texts[t].in[l];
}

const char *text_script_name(enum text t, char room[64])
{
    const char *name = texts[t].name;
    size_t i = 0;

    if (strncmp(name, "JS_", 3) != 0)
        return NULL;
    for (name += 3; *name && i < 63; name++)
        room[i++] = *name == '_' ? '-' : (char)tolower((unsigned char)*name);
    room[i] = '\0';
    return room;
}

bool lang_parse(struct slice code, enum lang *ret)
{
    for (int l = 0; l < LANGS; l++)
        if (slice_is(code, lang_code[l])) {
            *ret = (enum lang)l;
            return true;
        }
    return false;
}

/* Thousandths of "q=0.8"; 1000 without one. */
static int weight_of(struct slice parameters)
{
    static const int scale[] = {100, 10, 1};
    int weight = 0;

    while (parameters.size && *parameters.at == ' ')
        parameters = slice_make(parameters.at + 1, parameters.size - 1);
    if (parameters.size < 3 || memcmp(parameters.at, "q=", 2) != 0 || parameters.at[2] == '1')
        return 1000;
    for (size_t i = 4; i < parameters.size && i < 7; i++)
        if (isdigit((unsigned char)parameters.at[i]))
            weight += (parameters.at[i] - '0') * scale[i - 4];
    return weight;
}

enum lang lang_accepted(struct slice header)
{
    enum lang best = LANG_EN, l;
    int most = 0;

    while (header.size) {
        struct slice item, tag;
        if (!slice_cut(&header, ',', &item)) {
            item = header;
            header = slice_make("", 0);
        }
        while (item.size && *item.at == ' ')
            item = slice_make(item.at + 1, item.size - 1);
        if (!slice_cut(&item, ';', &tag)) {
            tag = item;
            item = slice_make("", 0);
        }
        if (tag.size >= 2 && (tag.size == 2 || tag.at[2] == '-') &&
            lang_parse(slice_make(tag.at, 2), &l) && weight_of(item) > most) {
            most = weight_of(item);
            best = l;
        }
    }
    return best;
}
