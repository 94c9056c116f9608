/* turnout verify: counts everything again from the journal and compares with Redis; --repair mends
 * what differs. */
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/program.h"
#include "workers/audit/verified.h"
#include "workers/audit/verify.h"
#include "workers/cli/cli_both.h"
#include "workers/cli/cli_out.h"
#include "workers/json_out.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#define MOST_LISTED 100
#define ASIDE_MS    3000 /* then the first connection does without the second */

enum { KEY_REPAIR = 0x200, KEY_MAX, KEY_PROGRESS };

struct verify_verb {
    struct site site;
    struct verify_options options;
    size_t most;
    bool json;
};

static const struct argp_option option_table[] = {
    {"repair", KEY_REPAIR, 0, 0, "mend what differs, in one step", 0},
    {"max", KEY_MAX, "N", 0, "list at most so many differences (default: 100)", 0},
    {"json", 'j', 0, 0, "as one JSON object", 0},
    {"progress", KEY_PROGRESS, 0, 0, "tell of progress also when standard error is no terminal", 0},
    {0}};

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct verify_verb *v = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &v->site;
        return 0;
    case KEY_REPAIR:
        v->options.repair = true;
        return 0;
    case KEY_MAX:
        v->most = (size_t)cli_number("--max", arg, 0, INT64_MAX, state);
        return 0;
    case 'j':
        v->json = true;
        return 0;
    case KEY_PROGRESS:
        v->options.progress = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What stands in Redis may be anything: nothing of it must reach a terminal as it is, unless it is
 * text. */
static void add_value(struct buffer *out, struct slice value)
{
    bool plain = utf8_valid(value);
    char hex[8];

    for (const char *at = value.at; plain && at < value.at + value.size;)
        plain = !char_is_control(utf8_next(&at));
    if (plain) {
        buffer_add_slice(out, value);
        return;
    }
    for (size_t i = 0; i < value.size; i++) {
        unsigned char byte = (unsigned char)value.at[i];
        if (byte >= 0x20 && byte < 0x7f && byte != '\\')
            buffer_add(out, &byte, 1);
        else
            buffer_add(out, hex, (size_t)snprintf(hex, sizeof hex, "\\x%02x", byte));
    }
}

static void add_or_dash(struct buffer *out, struct slice value)
{
    if (value.at)
        add_value(out, value);
    else
        buffer_add_text(out, "-");
}

/* ---- as text ---- */
static void add_difference(struct buffer *out, const char *prefix, const struct difference *d)
{
    buffer_add_text(out, prefix);
    add_value(out, d->key);
    buffer_add_text(out, " ");
    add_value(out, d->field);
    buffer_add_text(out, ": expected ");
    add_or_dash(out, d->expected);
    buffer_add_text(out, ", found ");
    add_or_dash(out, d->found);
    buffer_add_text(out, "\n");
}

static void add_counts(struct buffer *out, const struct verify_result *r)
{
    char line[128];

    snprintf(line, sizeof line, "%" PRIu64 " keys, %" PRIu64 " fields compared, %zu differences\n",
             r->keys, r->fields, r->count);
    buffer_add_text(out, line);
}

static void print_text(const struct verify_verb *v, const struct verify_result *r,
                       struct buffer *out)
{
    char line[64];

    for (size_t i = 0; i < r->count && i < v->most; i++)
        add_difference(out, v->site.prefix, r->differences[i]);
    if (r->count > v->most) {
        snprintf(line, sizeof line, "and %zu more\n", r->count - v->most);
        buffer_add_text(out, line);
    }
    if (r->repaired) {
        snprintf(line, sizeof line, "%zu differences mended\n", r->count);
        buffer_add_text(out, line);
    }
    add_counts(out, r);
}

/* ---- as JSON ---- */
static json_t *value_json(struct slice value)
{
    struct buffer text = {0};
    json_t *j;

    if (!value.at)
        return json_null();
    add_value(&text, value);
    j = json_stringn(text.at ? text.at : "", text.size);
    buffer_free(&text);
    return j;
}

static json_t *key_json(const char *prefix, struct slice key)
{
    struct buffer text = {0};
    json_t *j;

    buffer_add_text(&text, prefix);
    add_value(&text, key);
    j = json_text(buffer_slice(&text));
    buffer_free(&text);
    return j;
}

static void print_json(const struct verify_verb *v, const struct verify_result *r,
                       struct buffer *out)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->count && i < v->most; i++) {
        const struct difference *d = r->differences[i];
        json_array_append_new(
            list, json_pack("{s:o,s:o,s:o,s:o}", "key", key_json(v->site.prefix, d->key), "field",
                            value_json(d->field), "expected", value_json(d->expected), "found",
                            value_json(d->found)));
    }
    json_line(json_pack("{s:I,s:I,s:I,s:o,s:b}", "keys", (json_int_t)r->keys, "fields",
                        (json_int_t)r->fields, "different", (json_int_t)r->count, "differences",
                        list, "repaired", r->repaired),
              out);
}

/* ---- the verb ---- */
static void warn_rules(const struct rules *ours, const struct rules *theirs)
{
    struct buffer text = {0};

    if (memcmp(ours, theirs, sizeof *ours) == 0)
        return;
    rules_format(theirs, &text);
    buffer_add(&text, "", 1);
    fprintf(stderr,
            "turnout verify: the workers have another configuration than this; the watch list was "
            "compared by theirs: %s\n",
            text.at);
    buffer_free(&text);
}

static int answer(const struct verify_verb *v, const struct verify_result *r)
{
    struct buffer out = {0};
    int status;

    if (v->json)
        print_json(v, r, &out);
    else
        print_text(v, r, &out);
    status = cli_write("verify", &out);
    buffer_free(&out);
    if (r->count && v->options.repair && !r->repaired)
        fprintf(stderr, "turnout verify: not all of it could be mended\n");
    return status == EX_OK && r->count && !r->repaired ? EXIT_FAILURE : status;
}

/* For the boards that show it.  A user of Redis who may only read is told, and his answer stands;
 * whom Redis has left has a board that still shows the verification before. */
static int note(const struct cli_both *b, const struct verify_result *r)
{
    struct verified v = {.time_ms = clock_wall_ms(),
                         .keys = (int64_t)r->keys,
                         .fields = (int64_t)r->fields,
                         .differences = r->repaired ? 0 : (int64_t)r->count};
    int error = verified_write(b->redis, &v);

    if (error == 0)
        return EX_OK;
    fprintf(stderr, "turnout verify: the result does not stand in turnout:verified: Redis %s\n",
            cli_error_text(error));
    return error == ERR_CONFIG ? EX_OK : program_exit_status(error);
}

static int fail(const struct cli_both *b, int error)
{
    if (error != ERR_AGAIN && error != ERR_CONFLICT)
        return cli_both_fail(b, error);
    fprintf(stderr, "turnout verify: Redis at %s %s; try again\n", b->site->redis,
            error == ERR_AGAIN ? "did not stand still for long enough, or has no room"
                               : "went back to an earlier state meanwhile");
    return EX_TEMPFAIL;
}

static struct store *store_aside(const struct site *site)
{
    struct redis_options options = site_redis(site);

    options.timeout_ms = ASIDE_MS;
    options.aside = true;
    return store_redis_new(&options);
}

static int run(struct verify_verb *v)
{
    struct verify_result result = {0};
    struct cli_both both;
    int error, noted = EX_OK, status = cli_both_open(&both, "verify", &v->site);

    if (status == EX_OK) {
        v->options.live = both.redis;
        v->options.aside = store_aside(&v->site);
        v->options.reader = both.reader;
        v->options.endpoint = v->site.read;
        v->options.rules = both.config.rules;
        error = verify_run(&v->options, &result);
        if (result.unheld)
            fprintf(stderr, "turnout verify: so the workers were not held still, and it was looked "
                            "until nothing moved by itself\n");
        if (error == 0) {
            warn_rules(&v->options.rules, &result.rules);
            noted = note(&both, &result);
        }
        status = error < 0 ? fail(&both, error) : answer(v, &result);
        if (status == EX_OK)
            status = noted;
    }
    verify_free(&result);
    store_free(v->options.aside);
    cli_both_close(&both);
    return status;
}

int cli_verify(int argc, char **argv)
{
    static const struct argp_child children[] = {{&site_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        option_table,
        option_parse,
        NULL,
        "Counts everything again from the journal and compares with Redis, key by key.  Prints a "
        "line for each difference, and at last how much was compared.\vIt may run at any time: "
        "what differs at first is looked at once more while the workers stand still for a moment; "
        "for a user of Redis who only reads (auditor), once nothing has moved by itself "
        "meanwhile.  What it came to stands in turnout:verified, for the boards.  Names that stay "
        "behind among the committees, members, groups and periods are no difference.\n\n"
        "Exit status: 0 nothing differs, or all of it was mended; 1 something differs; 64 usage; "
        "69 the broker or Redis does not answer; 74 what is read is damaged, or the output cannot "
        "be written; 75 Redis did not stand still, or has no room for the result, try again; 78 "
        "Redis belongs to another journal, or key, rights or user of Redis are not right.",
        children,
        NULL,
        NULL};
    struct verify_verb v = {.most = MOST_LISTED};
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &v);
    status = run(&v);
    site_free(&v.site);
    return status;
}
