/* The broker and Redis at once; see cli_both.h. */
#include "workers/cli/cli_both.h"

#include "proto/error.h"
#include "proto/program.h"
#include "workers/cli/cli_out.h"

#include <stdio.h>
#include <sysexits.h>

#define BROKER_MS 10000
/* A step of Redis that takes longer counts as lost: switching a million keys takes some seconds. */
#define REDIS_MS 60000

static int fail_broker(const struct cli_both *b, int error)
{
    return cli_fail(b->verb, "the broker", b->site->read, error == ERR_TIMEOUT ? ERR_LOST : error);
}

int cli_both_open(struct cli_both *b, const char *verb, const struct site *site)
{
    struct applied applied;
    int error;

    *b = (struct cli_both){.verb = verb, .site = site};
    if (site_config(site, &b->config) < 0)
        return EX_CONFIG;
    b->redis = site_store(site, REDIS_MS);
    error = store_applied(b->redis, 1, &applied);
    if (error < 0)
        return cli_fail(verb, "Redis", site->redis, error);
    error = site_connect(site, BROKER_MS, &b->reader);
    return error < 0 ? fail_broker(b, error) : EX_OK;
}

void cli_both_close(struct cli_both *b)
{
    reader_free(b->reader);
    store_free(b->redis);
}

static int fail_foreign(const struct cli_both *b)
{
    fprintf(stderr,
            "turnout %s: Redis at %s stands for another journal than the broker's at %s, or for "
            "more than that one holds (an older copy of it?)\n",
            b->verb, b->site->redis, b->site->read);
    return program_exit_status(ERR_FOREIGN);
}

/* A connection went: whose? */
static int fail_lost(const struct cli_both *b, int error)
{
    struct applied applied;

    if (error == ERR_LOST && store_applied(b->redis, 1, &applied) == ERR_LOST)
        return cli_fail(b->verb, "Redis", b->site->redis, error);
    return fail_broker(b, error);
}

int cli_both_fail(const struct cli_both *b, int error)
{
    switch (error) {
    case ERR_FOREIGN:
        return fail_foreign(b);
    case ERR_LOST:
    case ERR_TIMEOUT:
        return fail_lost(b, error);
    default:
        fprintf(stderr, "turnout %s: the broker at %s or Redis at %s: %s\n", b->verb, b->site->read,
                b->site->redis, cli_error_text(error));
        return program_exit_status(error);
    }
}
