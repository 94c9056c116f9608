/* turnout export: a selection of all numbers and facts as tidy CSV, and what the fields mean. */
#include "workers/audit/as_of.h"
#include "workers/audit/moment.h"
#include "workers/cli/cli.h"
#include "workers/cli/cli_out.h"
#include "workers/progress.h"
#include "workers/view/dictionary.h"
#include "workers/view/export.h"

#include <sysexits.h>

#define ANSWER_MS 30000 /* a busy Redis walks through all its keys */

enum { KEY_DICTIONARY = 0x200, KEY_AS_OF, KEY_PROGRESS };

struct export_verb {
    struct site site;
    struct export_ask ask;
    bool any_kind, dictionary, then, progress;
    int64_t as_of_ms;
};

static const struct argp_option option_table[] = {
    {"kind", 'k', "KIND", 0,
     "what to export: member (default), committee, seat, group, ballot, vote, meeting, attendance, "
     "adoption, profile, member-notice or seat-notice; may be given again",
     0},
    {"member", 'm', "MEMBER", 0, "only this member; may be given again", 0},
    {"committee", 'c', "COMMITTEE", 0, "only this committee; may be given again", 0},
    {"group", 'g', "GROUP", 0, "only this group; may be given again", 0},
    {"period", 'p', "PERIOD", 0, "only this year or month; may be given again", 0},
    {"field", 'f', "FIELD", 0, "only this field; may be given again", 0},
    {"dictionary", KEY_DICTIONARY, 0, 0, "what the fields mean instead: field,unit,kind,meaning",
     0},
    {"as-of", KEY_AS_OF, "TIME", 0,
     "what stood there at that moment, by the journal: " MOMENT_FORMS, 0},
    {"progress", KEY_PROGRESS, 0, 0, "tell of progress also when standard error is no terminal", 0},
    {0}};

static void set_kind(struct export_verb *v, const char *name, struct argp_state *state)
{
    for (int i = 0; i < EXPORT_KINDS; i++)
        if (strcmp(name, export_kind_name[i]) == 0) {
            v->ask.kinds[i] = v->any_kind = true;
            return;
        }
    argp_error(state, "--kind: there is no kind %s", name);
}

static error_t filter_parse(int key, char *arg, struct export_verb *v)
{
    struct name_list *list = key == 'm'   ? &v->ask.members
                             : key == 'c' ? &v->ask.committees
                             : key == 'g' ? &v->ask.groups
                             : key == 'f' ? &v->ask.fields
                                          : NULL;

    if (!list)
        return ARGP_ERR_UNKNOWN;
    name_list_add(list, slice_of(arg));
    return 0;
}

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct export_verb *v = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &v->site;
        return 0;
    case 'k':
        set_kind(v, arg, state);
        return 0;
    case 'p':
        name_list_add(&v->ask.periods, cli_period(arg, state));
        return 0;
    case KEY_DICTIONARY:
        v->dictionary = true;
        return 0;
    case KEY_AS_OF:
        v->then = true;
        v->as_of_ms = cli_moment("--as-of", arg, state);
        return 0;
    case KEY_PROGRESS:
        v->progress = true;
        return 0;
    default:
        return filter_parse(key, arg, v);
    }
}

static int store_fail(const struct export_verb *v, int error)
{
    return v->then ? cli_fail("export", "the broker", v->site.read, error)
                   : cli_fail("export", "Redis", v->site.redis, error);
}

/* Some keys at a time, so that a reader sees the first ones at once. */
static int print_all(const struct export_verb *v, struct export *e)
{
    struct progress progress = {0};
    struct buffer out = {0};
    size_t keys = export_keys(e);
    int status, error = 0;

    if (keys == 0)
        fprintf(stderr, "turnout export: nothing to export: there is no such key\n");
    progress_begin(&progress, "reading keys", keys, v->progress);
    export_head(&out);
    do {
        error = keys ? export_next(e, &out, &keys) : 0;
        progress_add(&progress, keys);
        status = error < 0 ? store_fail(v, error) : cli_write("export", &out);
    } while (status == EX_OK && keys);
    progress_end(&progress);
    buffer_free(&out);
    return status;
}

static int export_from(const struct export_verb *v, struct store *s)
{
    struct export *e = NULL;
    int error = export_open(s, &v->ask, &e);
    int status = error < 0 ? store_fail(v, error) : print_all(v, e);

    export_free(e);
    return status;
}

static int export_run(struct export_verb *v)
{
    struct store *s = v->then ? store_memory_new() : site_store(&v->site, ANSWER_MS);
    int error = v->then ? as_of_count(v->site.read, v->as_of_ms, v->progress, s) : 0;
    int status = error < 0 ? store_fail(v, error) : export_from(v, s);

    store_free(s);
    return status;
}

static int print_dictionary(void)
{
    struct buffer out = {0};
    int status;

    dictionary_print_csv(&out);
    status = cli_write("export", &out);
    buffer_free(&out);
    return status;
}

int cli_export(int argc, char **argv)
{
    static const struct argp_child children[] = {{&site_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        option_table,
        option_parse,
        NULL,
        "Writes CSV (RFC 4180), one record a field: "
        "kind,subject,member,committee,period,field,value; in the order of keys and fields, "
        "values as they stand in Redis.\vWhat a kind has no part in, such as a group's member, is "
        "empty, and an option that asks for one leaves such kinds out.  Kinds vote, attendance, "
        "adoption, member-notice and seat-notice hold facts: lines whose words the key reference "
        "names.  Each key is read at one moment; different keys may be of different ones while "
        "events come in.\n\nExit status: 0 done (also when nothing is there, which is then said "
        "on standard error), 64 usage, 69 Redis, or with --as-of the broker, does not answer, 74 "
        "what is read is damaged, or the output cannot be written, 75 Redis is busy, 78 key, "
        "rights or user of Redis are not right.",
        children,
        NULL,
        NULL};
    struct export_verb v = {0};
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &v);
    if (!v.any_kind)
        v.ask.kinds[EXPORT_MEMBER] = true;
    status = v.dictionary ? print_dictionary() : export_run(&v);
    name_list_free(&v.ask.members);
    name_list_free(&v.ask.committees);
    name_list_free(&v.ask.groups);
    name_list_free(&v.ask.periods);
    name_list_free(&v.ask.fields);
    site_free(&v.site);
    return status;
}
