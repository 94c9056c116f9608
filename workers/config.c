/* The configuration file; see config.h.  Each of its settings sets one rule.  The first error ends
 * it; nothing is set then. */
#include "workers/config.h"

#include "proto/error.h"
#include "proto/file.h"
#include "proto/settings.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#define NAMES 5 /* those of rules.h: no more can be set once each */

struct names {
    struct slice name[NAMES];
    size_t count;
};

static bool names_have(const struct names *set, struct slice name)
{
    for (size_t i = 0; i < set->count; i++)
        if (slice_equal(set->name[i], name))
            return true;
    return false;
}

/* NULL when it is well, else what is wrong with it. */
static const char *setting_take(const struct setting *s, struct names *set, struct config *config)
{
    const char *reason;

    if (names_have(set, s->name))
        return "this name is given twice";
    if (rules_set(&config->rules, s->name, s->value, &reason) < 0)
        return reason;
    assert(set->count < NAMES);
    set->name[set->count++] = s->name;
    return NULL;
}

int config_parse(struct slice text, struct config *ret, char *ret_error, size_t error_size)
{
    struct config config = {RULES_DEFAULT};
    struct settings settings = {.rest = text};
    struct names set = {.count = 0};
    struct setting s;

    if (text.size > CONFIG_MAX_BYTES) {
        snprintf(ret_error, error_size, "longer than %d bytes", CONFIG_MAX_BYTES);
        return ERR_CONFIG;
    }
    for (int found; (found = settings_next(&settings, &s)) != 0;) {
        const char *wrong = found < 0 || !s.name.at ? "this is not `name = value`"
                                                    : setting_take(&s, &set, &config);
        if (wrong) {
            snprintf(ret_error, error_size, "line %zu: %s", settings.line, wrong);
            return ERR_CONFIG;
        }
    }
    *ret = config;
    return 0;
}

int config_read(const char *path, bool wanted, struct config *ret, char *ret_error,
                size_t error_size)
{
    struct buffer text = {0};
    const char *wrong = NULL;
    char why[160];

    if (file_read(path, CONFIG_MAX_BYTES, &text, NULL) < 0) {
        if (errno != ENOENT || wanted)
            wrong = strerror(errno);
        else
            *ret = (struct config){RULES_DEFAULT};
    } else if (config_parse(buffer_slice(&text), ret, why, sizeof why) < 0) {
        wrong = why;
    }
    buffer_free(&text);
    if (wrong)
        snprintf(ret_error, error_size, "%s: %s", path, wrong);
    return wrong ? ERR_CONFIG : 0;
}
