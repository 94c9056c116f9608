/* turnout-worker: options, signals, and the store; everything else is in worker.c. */
#include "proto/bytes.h"
#include "proto/error.h"
#include "proto/log.h"
#include "proto/program.h"
#include "workers/site.h"
#include "workers/worker.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

const char *argp_program_version = "turnout-worker " TURNOUT_VERSION;

struct options {
    struct site site;
    const char *name;
    enum log_level level;
};

static const struct argp_option option_table[] = {
    {"name", 'n', "NAME", 0, "name in the broker's status (default: worker-PID)", 0},
    {"log-level", 'l', "LEVEL", 0, "error, warn, info or debug (default: info)", 0},
    {0}};

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->site;
        return 0;
    case 'n':
        o->name = arg;
        return 0;
    case 'l':
        if (!log_level_parse(arg, &o->level))
            argp_error(state, "no log level: %s", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The broker gives a silent worker 3 s: a reply that takes longer than this is lost. */
#define REDIS_LIMIT_MS 2000

#define TOUCH_BYTES ((size_t)40 << 20) /* what one of two workers needs at full load */

static int work(const struct options *o, const struct rules *rules, const char *name, int stop_fd)
{
    struct worker_config config = {
        .endpoint = o->site.read, .redis = o->site.redis, .name = name, .rules = *rules};
    struct store *store = site_store(&o->site, REDIS_LIMIT_MS);
    struct worker *w = NULL;
    int error;

    memory_touch(TOUCH_BYTES);
    error = worker_new(&config, store, &w);
    if (error == 0)
        error = worker_run(w, stop_fd);
    worker_free(w);
    store_free(store);
    return error;
}

int main(int argc, char **argv)
{
    static const struct argp_child children[] = {{&site_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        option_table, option_parse, NULL, "Keeps the participation counters in Redis up to date.",
        children,     NULL,         NULL};
    struct options o = {.level = LOG_INFO};
    struct config file;
    char name[32];
    int error, stop_fd;

    program_begin();
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    snprintf(name, sizeof name, "worker-%d", getpid());
    log_open("turnout-worker", o.level);
    stop_fd = program_stop_open();
    if (stop_fd < 0) {
        log_error("signals cannot be waited for: %m");
        site_free(&o.site);
        return EX_OSERR;
    }
    error = site_config(&o.site, &file); /* says itself what is wrong */
    if (error == 0) {
        error = work(&o, &file.rules, o.name ? o.name : name, stop_fd);
        if (error < 0)
            log_error("%s", error_text(error));
    }
    site_free(&o.site);
    return error == 0 ? 0 : EX_CONFIG;
}
