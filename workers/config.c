/* The configuration file; see config.h.  A file is read whole, its lines are cut and stripped, and
 * each that says something sets one rule.  The first error ends it; nothing is set then. */
#include "workers/config.h"

#include "proto/error.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define NAMES 5 /* those of rules.h: no more can be set once each */

struct names {
    struct slice name[NAMES];
    size_t count;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct slice strip(struct slice text)
{
    while (text.size && is_blank(text.at[0]))
        text = slice_make(text.at + 1, text.size - 1);
    while (text.size && is_blank(text.at[text.size - 1]))
        text.size--;
    return text;
}

static bool names_have(const struct names *set, struct slice name)
{
    for (size_t i = 0; i < set->count; i++)
        if (slice_equal(set->name[i], name))
            return true;
    return false;
}

/* One line; NULL when it is well, else what is wrong with it. */
static const char *line_parse(struct slice line, struct names *set, struct config *config)
{
    struct slice before, name;
    const char *reason;

    if (slice_cut(&line, '#', &before))
        line = before;
    line = strip(line);
    if (line.size == 0)
        return NULL;
    if (!slice_cut(&line, '=', &name))
        return "this is not `name = value`";
    name = strip(name);
    if (names_have(set, name))
        return "this name is given twice";
    if (rules_set(&config->rules, name, strip(line), &reason) < 0)
        return reason;
    assert(set->count < NAMES);
    set->name[set->count++] = name;
    return NULL;
}

int config_parse(struct slice text, struct config *ret, char *ret_error, size_t error_size)
{
    struct config config = {RULES_DEFAULT};
    struct names set = {.count = 0};

    if (text.size > CONFIG_MAX_BYTES) {
        snprintf(ret_error, error_size, "longer than %d bytes", CONFIG_MAX_BYTES);
        return ERR_CONFIG;
    }
    for (size_t number = 1; text.size; number++) {
        struct slice line;
        if (!slice_cut(&text, '\n', &line)) {
            line = text;
            text.size = 0;
        }
        const char *wrong = line_parse(line, &set, &config);
        if (wrong) {
            snprintf(ret_error, error_size, "line %zu: %s", number, wrong);
            return ERR_CONFIG;
        }
    }
    *ret = config;
    return 0;
}

/* Reads until the end, or until it is too much.  False: errno says why. */
static bool read_all(int fd, struct buffer *out)
{
    ssize_t n;

    do {
        n = read(fd, buffer_room(out, 4096), 4096);
        if (n > 0)
            out->size += (size_t)n;
    } while (out->size <= CONFIG_MAX_BYTES && (n > 0 || (n < 0 && errno == EINTR)));
    return n >= 0;
}

static int fail(const char *path, const char *why, char *ret_error, size_t error_size)
{
    snprintf(ret_error, error_size, "%s: %s", path, why);
    return ERR_CONFIG;
}

int config_read(const char *path, bool wanted, struct config *ret, char *ret_error,
                size_t error_size)
{
    struct buffer text = {0};
    char why[160];
    int error;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT && !wanted) {
        *ret = (struct config){RULES_DEFAULT};
        return 0;
    }
    if (fd < 0)
        return fail(path, strerror(errno), ret_error, error_size);
    if (read_all(fd, &text)) {
        error = config_parse(buffer_slice(&text), ret, why, sizeof why);
        if (error < 0)
            error = fail(path, why, ret_error, error_size);
    } else {
        error = fail(path, strerror(errno), ret_error, error_size);
    }
    close(fd);
    buffer_free(&text);
    return error;
}
