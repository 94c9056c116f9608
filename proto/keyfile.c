/* Key files; see keyfile.h. */
#include "proto/keyfile.h"

#include "proto/error.h"
#include "proto/file.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

bool key_is_hex(struct slice text)
{
    if (text.size != KEY_HEX)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (!memchr("0123456789abcdef", text.at[i], 16))
            return false;
    return true;
}

void key_to_hex(const uint8_t key[KEY_BYTES], char out[KEY_HEX + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < KEY_BYTES; i++) {
        out[2 * i] = digits[key[i] >> 4];
        out[2 * i + 1] = digits[key[i] & 15];
    }
    out[KEY_HEX] = '\0';
}

static uint8_t digit_value(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

void key_from_hex(const char hex[KEY_HEX], uint8_t out[KEY_BYTES])
{
    for (int i = 0; i < KEY_BYTES; i++)
        out[i] = (uint8_t)(digit_value(hex[2 * i]) << 4 | digit_value(hex[2 * i + 1]));
}

/* ---- the file ---- */

enum kind { KIND_NAME, KIND_KEY, KIND_ENDPOINT };

static const struct field {
    const char *name;
    enum kind kind;
    size_t at, size;
    bool wanted;
} fields[] = {
#define FIELD(name, kind, wanted)                                                                  \
    {                                                                                              \
#name, kind, offsetof(struct keyfile, name), sizeof((struct keyfile *)NULL)->name, wanted  \
    }
    FIELD(name, KIND_NAME, true),         FIELD(public, KIND_KEY, true),
    FIELD(secret, KIND_KEY, true),        FIELD(broker, KIND_KEY, false),
    FIELD(publish, KIND_ENDPOINT, false), FIELD(read, KIND_ENDPOINT, false),
#undef FIELD
};

#define FIELDS (sizeof fields / sizeof *fields)

static bool is_printable(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] <= ' ' || text.at[i] > '~')
            return false;
    return true;
}

/* One with a # in front would be a comment once it is written behind a blank. */
static bool is_endpoint(struct slice text, size_t room)
{
    return text.size >= 1 && text.size < room && *text.at != '#' && is_printable(text);
}

/* What is wrong with the value; NULL if nothing is. */
static const char *value_fault(const struct field *f, struct slice value)
{
    switch (f->kind) {
    case KIND_NAME:
        return name_is_plain(value) ? NULL : "is no name";
    case KIND_KEY:
        return key_is_hex(value) ? NULL : "is not 64 hexadecimal digits in small letters";
    default:
        return is_endpoint(value, f->size) ? NULL : "is no endpoint";
    }
}

static const char *setting_take(struct keyfile *k, const struct setting *s, const char **ret_name)
{
    for (size_t i = 0; i < FIELDS; i++) {
        char *to = (char *)k + fields[i].at;
        if (!slice_is(s->name, fields[i].name))
            continue;
        *ret_name = fields[i].name;
        if (*to)
            return "is given twice";
        const char *fault = value_fault(&fields[i], s->value);
        if (!fault)
            memcpy(to, s->value.at, s->value.size);
        return fault;
    }
    *ret_name = "this line";
    return "is not one of a key file";
}

static int settings_take(struct settings *from, struct keyfile *k, char *ret_error,
                         size_t error_size)
{
    const char *name = NULL, *fault = NULL;
    struct setting s;
    int got;

    while (!fault && (got = settings_next(from, &s)) != 0) {
        name = "this line";
        fault = got < 0 || s.section.at ? "is not `name = value`" : setting_take(k, &s, &name);
    }
    if (fault)
        snprintf(ret_error, error_size, "line %zu: %s %s", from->line, name, fault);
    return fault ? ERR_CONFIG : 0;
}

int keyfile_parse(struct slice text, struct keyfile *ret, char *ret_error, size_t error_size)
{
    struct settings from = {text, 0};
    struct keyfile k = {.name = ""};
    int err;

    if (text.size > KEYFILE_MOST) {
        snprintf(ret_error, error_size, "longer than %d bytes", KEYFILE_MOST);
        return ERR_CONFIG;
    }
    err = settings_take(&from, &k, ret_error, error_size);
    for (size_t i = 0; i < FIELDS && err == 0; i++)
        if (fields[i].wanted && !*((char *)&k + fields[i].at)) {
            snprintf(ret_error, error_size, "there is no %s", fields[i].name);
            err = ERR_CONFIG;
        }
    if (err == 0)
        *ret = k;
    keyfile_forget(&k);
    return err;
}

void keyfile_format(const struct keyfile *k, struct buffer *out)
{
    for (size_t i = 0; i < FIELDS; i++) {
        const char *value = (const char *)k + fields[i].at;
        if (!*value)
            continue;
        buffer_add_text(out, fields[i].name);
        buffer_add_text(out, " = ");
        buffer_add_text(out, value);
        buffer_add_text(out, "\n");
    }
}

static void text_forget(struct buffer *text)
{
    if (text->at)
        explicit_bzero(text->at, text->room);
    buffer_free(text);
}

int keyfile_read(const char *path, struct keyfile *ret, bool *ret_wide, char *ret_error,
                 size_t error_size)
{
    struct buffer text = {0};
    struct stat s;
    char why[160];
    int err = 0;

    buffer_room(&text, 2 * KEYFILE_MOST); /* grown no further: no copies are left behind */
    if (file_read(path, KEYFILE_MOST, &text, &s) < 0) {
        snprintf(ret_error, error_size, "%s: %s", path, strerror(errno));
        err = ERR_CONFIG;
    } else if (keyfile_parse(buffer_slice(&text), ret, why, sizeof why) < 0) {
        snprintf(ret_error, error_size, "%s: %s", path, why);
        err = ERR_CONFIG;
    } else if (ret_wide) {
        *ret_wide = s.st_mode & (S_IRWXG | S_IRWXO);
    }
    text_forget(&text);
    return err;
}

int keyfile_write(const char *path, const struct keyfile *k)
{
    struct buffer text = {0};
    int err;

    buffer_room(&text, KEYFILE_MOST);
    buffer_add_text(&text,
                    "# A key of turnout.  Who has this file has its rights: show it to nobody.\n");
    keyfile_format(k, &text);
    err = file_write(path, buffer_slice(&text), S_IRUSR | S_IWUSR, false);
    text_forget(&text);
    return err;
}

void keyfile_forget(struct keyfile *k)
{
    explicit_bzero(k->secret, sizeof k->secret);
}
