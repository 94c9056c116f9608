/* turnout rebuild: builds Redis anew from the journal, beside the live keys, and switches over in
 * one step. */
#include "proto/error.h"
#include "workers/audit/families.h"
#include "workers/audit/rebuild.h"
#include "workers/cli/cli_both.h"
#include "workers/cli/cli_out.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#define REDIS_MS 60000 /* as for the live keys: one step that takes longer counts as lost */

enum { KEY_FORCE = 0x200, KEY_FRESH, KEY_PROGRESS };

struct rebuild_verb {
    struct site site;
    struct rebuild_options options;
    bool json;
};

static const struct argp_option option_table[] = {
    {"force", KEY_FORCE, 0, 0,
     "also when Redis stands for another journal, or for more than this one holds; from the "
     "beginning",
     0},
    {"fresh", KEY_FRESH, 0, 0, "do not go on with what an earlier rebuild has left", 0},
    {"json", 'j', 0, 0, "as one JSON object", 0},
    {"progress", KEY_PROGRESS, 0, 0, "tell of progress also when standard error is no terminal", 0},
    {0}};

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct rebuild_verb *v = state->input;

    (void)arg;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &v->site;
        return 0;
    case KEY_FORCE:
        v->options.force = true;
        return 0;
    case KEY_FRESH:
        v->options.fresh = true;
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

static int answer(const struct rebuild_verb *v, const struct rebuild_result *r)
{
    int64_t taken_ms = r->taken_ms > 0 ? r->taken_ms : 1;
    uint64_t rate = (r->events - r->found) * 1000 / (uint64_t)taken_ms;
    double taken_s = (double)taken_ms / 1000;
    struct buffer out = {0};
    char line[256];
    int status;

    if (r->found)
        fprintf(stderr,
                "turnout rebuild: went on from %" PRIu64
                " events of an earlier rebuild that did not end\n",
                r->found);
    if (v->json)
        snprintf(line, sizeof line,
                 "{\"keys\":%" PRIu64 ",\"events\":%" PRIu64 ",\"found\":%" PRIu64
                 ",\"seconds\":%.3f,\"rate\":%" PRIu64 "}\n",
                 r->keys, r->events, r->found, taken_s, rate);
    else
        snprintf(line, sizeof line,
                 "rebuilt %" PRIu64 " keys from %" PRIu64 " events in %.3f s (%" PRIu64
                 " events/s)\n",
                 r->keys, r->events, taken_s, rate);
    buffer_add_text(&out, line);
    status = cli_write("rebuild", &out);
    buffer_free(&out);
    return status;
}

static int fail(const struct cli_both *b, int error)
{
    int status = EX_TEMPFAIL;

    if (error == ERR_CONFLICT)
        fprintf(stderr,
                "turnout rebuild: what was built is not there any more: another rebuild has "
                "taken over, or Redis was flushed; if no other runs, try again\n");
    else if (error == ERR_AGAIN)
        fprintf(stderr,
                "turnout rebuild: Redis at %s did not stand still, or has no room; what was built "
                "stays, try again\n",
                b->site->redis);
    else
        status = cli_both_fail(b, error);
    if (error == ERR_FOREIGN)
        fprintf(stderr, "turnout rebuild: nothing was changed; --force makes Redis anew from the "
                        "journal that is there\n");
    return status;
}

static struct store *staged_store(const struct site *s)
{
    struct redis_options options = site_redis(s);
    struct buffer prefix = {0};
    struct store *store;

    buffer_add_text(&prefix, s->prefix);
    buffer_add_text(&prefix, FAMILY_NEW);
    buffer_add(&prefix, "", 1);
    options.prefix = prefix.at;
    options.timeout_ms = REDIS_MS;
    store = store_redis_new(&options);
    buffer_free(&prefix);
    return store;
}

static int run(struct rebuild_verb *v)
{
    struct rebuild_result result;
    struct cli_both both;
    int error, status = cli_both_open(&both, "rebuild", &v->site);

    if (status == EX_OK) {
        v->options.live = both.redis;
        v->options.staged = staged_store(&v->site);
        v->options.names = site_store(&v->site, REDIS_MS);
        v->options.reader = both.reader;
        v->options.endpoint = v->site.read;
        v->options.rules = both.config.rules;
        error = rebuild_run(&v->options, &result);
        status = error < 0 ? fail(&both, error) : answer(v, &result);
        store_free(v->options.staged);
        store_free(v->options.names);
    }
    cli_both_close(&both);
    return status;
}

int cli_rebuild(int argc, char **argv)
{
    static const struct argp_child children[] = {{&site_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        option_table,
        option_parse,
        NULL,
        "Builds Redis anew from the journal: beside the live keys, which workers and readers go "
        "on using, and then switches over in one step.\vUntil then Redis holds everything twice.  "
        "The switch itself makes it pause for about 7 microseconds a key.  When it is "
        "interrupted, the next one goes on where it was; of two at a time one goes on at most, "
        "mostly the one that began later.\n\nExit status: 0 done; 64 usage; 69 the broker or "
        "Redis does not answer; 74 what is read is damaged, or the output cannot be written; 75 "
        "another rebuild is under way or Redis was flushed meanwhile (run it again if no other "
        "runs), or Redis did not stand still or has no room; 78 Redis belongs to another journal, "
        "and --force was not given, or key, rights or user of Redis are not right.",
        children,
        NULL,
        NULL};
    struct rebuild_verb v = {0};
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &v);
    status = run(&v);
    site_free(&v.site);
    return status;
}
