/* Rules of seats at risk; see rules.h.  One table has their names, in the order in which they are
 * told, and what each may be. */
#include "workers/rules.h"

#include "proto/error.h"

#define PREFIX "risk."

static const struct rule {
    const char *name;
    size_t offset;
    int64_t least, most;
    const char *reason;
} rules_table[] = {
#define RULE(rule, low, high)                                                                      \
    {                                                                                              \
        .name = #rule, .offset = offsetof(struct rules, rule), .least = low, .most = high,         \
        .reason = PREFIX #rule " must be a whole number from " #low " to " #high                   \
    }
    RULE(missed_dis, 1, 10000), RULE(cib_percent, 0, 100), RULE(cib_min, 0, 10000),
    RULE(meetings_run, 1, 8),   RULE(warn_days, 0, 10000),
#undef RULE
};

#define RULES (sizeof rules_table / sizeof *rules_table)

void rules_format(const struct rules *r, struct buffer *out)
{
    for (size_t i = 0; i < RULES; i++) {
        if (i)
            buffer_add_text(out, " ");
        buffer_add_text(out, rules_table[i].name);
        buffer_add_text(out, "=");
        buffer_add_int(out, *(const int64_t *)((const char *)r + rules_table[i].offset));
    }
}

static const struct rule *rule_named(struct slice name)
{
    for (size_t i = 0; i < RULES; i++)
        if (slice_is(name, rules_table[i].name))
            return &rules_table[i];
    return NULL;
}

static bool rule_put(const struct rule *rule, struct rules *r, struct slice value)
{
    int64_t n;

    if (!slice_to_int(value, &n) || n < rule->least || n > rule->most)
        return false;
    *(int64_t *)((char *)r + rule->offset) = n;
    return true;
}

bool rules_parse(struct slice text, struct rules *ret)
{
    struct rules rules = RULES_DEFAULT;
    struct buffer again = {0};
    struct slice rest = text, word, name;
    const struct rule *rule;
    bool good = true;

    while (good && rest.size) {
        if (!slice_cut(&rest, ' ', &word)) {
            word = rest;
            rest.size = 0;
        }
        rule = slice_cut(&word, '=', &name) ? rule_named(name) : NULL;
        good = rule && rule_put(rule, &rules, word);
    }
    rules_format(&rules, &again);
    good = good && slice_equal(buffer_slice(&again), text);
    buffer_free(&again);
    if (good)
        *ret = rules;
    return good;
}

static const struct rule *rule_find(struct slice name)
{
    return slice_cut_begin(&name, slice_of(PREFIX)) ? rule_named(name) : NULL;
}

int rules_set(struct rules *r, struct slice name, struct slice value, const char **ret_reason)
{
    const struct rule *rule = rule_find(name);

    if (!rule) {
        *ret_reason = "there is no setting of this name";
        return ERR_CONFIG;
    }
    if (!rule_put(rule, r, value)) {
        *ret_reason = rule->reason;
        return ERR_CONFIG;
    }
    return 0;
}
