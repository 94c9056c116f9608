/* turnout status: broker, journal, workers and lag, as a table or as JSON. */
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/program.h"
#include "workers/cli/cli.h"
#include "workers/cli/cli_out.h"
#include "workers/derive.h"
#include "workers/json_out.h"
#include "workers/lag.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define ANSWER_MS 3000

struct status {
    struct site site;
    bool json;
    bool redis;      /* it answered */
    int redis_error; /* or why not */
    struct wire_report report;
    struct applied applied[WIRE_MAX_PARTS];
    struct lag lag;
    bool faulty; /* groups and seats at risk cannot be derived */
    struct hindrance hindrance;
};

static const struct argp_option option_table[] = {{"json", 'j', 0, 0, "as one JSON object", 0},
                                                  {0}};

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct status *s = state->input;

    (void)arg;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &s->site;
        return 0;
    case 'j':
        s->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Whether there is a lag to speak of. */
static bool lag_known(const struct status *s)
{
    return s->redis && !s->lag.foreign;
}

/* What should say whether groups can be derived may itself be what turnout did not write. */
static int ask_redis(struct status *s, struct store *store, unsigned count)
{
    int error = store_applied(store, count, s->applied);

    if (error < 0)
        return error;
    error = derive_faulty(store, &s->faulty);
    s->faulty |= error == ERR_CORRUPT;
    return error == 0 || error == ERR_CORRUPT ? store_hindrance(store, &s->hindrance) : error;
}

/* Redis first, so that the broker can say how old the first unapplied events are. */
static int ask(struct status *s, struct reader *r)
{
    struct store *store = site_store(&s->site, ANSWER_MS);
    unsigned count = reader_partitions(r);
    uint64_t offsets[WIRE_MAX_PARTS];
    int error;

    s->redis_error = ask_redis(s, store, count);
    s->redis = s->redis_error == 0;
    for (unsigned p = 0; p < count; p++)
        offsets[p] = s->applied[p].offset;
    error = client_report(r, offsets, count, ANSWER_MS, &s->report);
    if (error == 0)
        s->lag = lag_of(&s->report, s->applied, clock_wall_ms());
    store_free(store);
    return error;
}

static json_t *numbers(const uint64_t *n, uint32_t count)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(list, json_integer((json_int_t)n[i]));
    return list;
}

static json_t *partitions_json(const struct status *s)
{
    json_t *list = json_array();

    for (uint32_t p = 0; p < s->report.count; p++)
        json_array_append_new(list, json_pack("{s:i,s:I,s:I}", "partition", (int)p, "end",
                                              (json_int_t)s->report.ends[p], "applied",
                                              (json_int_t)s->applied[p].offset));
    return list;
}

static json_t *workers_json(const struct wire_report *r)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < r->worker_count; i++) {
        const struct wire_peer *w = &r->workers[i];
        json_array_append_new(list,
                              json_pack("{s:o,s:I,s:I,s:o}", "name", json_text(w->name), "pid",
                                        (json_int_t)w->pid, "silent_ms", (json_int_t)w->silent_ms,
                                        "partitions", numbers(w->partitions, w->count)));
    }
    return list;
}

static uint64_t events_of(const struct wire_report *r)
{
    uint64_t events = 0;

    for (uint32_t p = 0; p < r->count; p++)
        events += r->ends[p];
    return events;
}

/* By name: how much there is and how much there may be, or how often it has happened. */
static json_t *bounds_json(const struct wire_report *r)
{
    json_t *all = json_object();

    for (uint32_t i = 0; i < r->bound_count; i++) {
        const struct wire_bound *b = &r->bounds[i];
        json_t *value = b->limit ? json_pack("{s:I,s:I}", "now", (json_int_t)b->value, "limit",
                                             (json_int_t)b->limit)
                                 : json_integer((json_int_t)b->value);
        json_object_setn_new(all, b->name.at, b->name.size, value);
    }
    return all;
}

/* null when it is not known: Redis does not answer, or stands for another journal. */
static json_t *lag_json(const struct status *s)
{
    if (!lag_known(s))
        return json_null();
    return json_pack("{s:I,s:f}", "events", (json_int_t)s->lag.events, "seconds",
                     (double)s->lag.ms / 1000);
}

static void print_json(const struct status *s)
{
    const struct wire_report *r = &s->report;
    struct buffer out = {0};
    json_t *broker =
        json_pack("{s:o,s:o,s:I,s:I,s:I,s:I,s:o,s:o}", "server", json_text(r->server), "log",
                  json_text(r->log), "uptime_ms", (json_int_t)r->uptime_ms, "accepted",
                  (json_int_t)r->accepted, "refused", (json_int_t)r->refused, "producers",
                  (json_int_t)r->producers, "rights_fault",
                  r->rights.size ? json_text(r->rights) : json_null(), "bounds", bounds_json(r));
    json_t *journal = json_pack("{s:I,s:I,s:I,s:b,s:I,s:o}", "events", (json_int_t)events_of(r),
                                "bytes", (json_int_t)r->journal_bytes, "limit_bytes",
                                (json_int_t)r->journal_limit, "full", client_full(r), "rejects",
                                (json_int_t)r->rejects, "partitions", partitions_json(s));
    json_t *all =
        json_pack("{s:o,s:o,s:{s:b,s:b,s:b,s:s?},s:o,s:o}", "broker", broker, "journal", journal,
                  "redis", "reachable", s->redis, "foreign", s->lag.foreign, "underivable",
                  s->faulty, "hindrance", *s->hindrance.says ? s->hindrance.says : NULL, "workers",
                  workers_json(r), "lag", lag_json(s));

    json_line(all, &out);
    fwrite(out.at, 1, out.size, stdout);
    buffer_free(&out);
}

static const char *redis_state(const struct status *s)
{
    if (s->redis_error == ERR_CONFIG)
        return "does not let us use it";
    if (!s->redis)
        return "does not answer";
    return s->lag.foreign ? "stands for another journal, or for more than this one holds"
                          : "answers";
}

/* What is near its bound, and what has happened; nothing as a rule. */
static void print_bounds(const struct wire_report *r)
{
    for (uint32_t i = 0; i < r->bound_count; i++) {
        const struct wire_bound *b = &r->bounds[i];
        if (b->limit && b->value > b->limit / 4 * 3)
            printf("bound     %.*s: %" PRIu64 " of %" PRIu64 "\n", (int)b->name.size, b->name.at,
                   b->value, b->limit);
        else if (!b->limit && b->value)
            printf("bound     %.*s: %" PRIu64 " since its start\n", (int)b->name.size, b->name.at,
                   b->value);
    }
}

static void print_table(const struct status *s)
{
    const struct wire_report *r = &s->report;

    printf("broker    %.*s, log %.*s, up %" PRIu64 " s\n", (int)r->server.size, r->server.at,
           (int)r->log.size, r->log.at, r->uptime_ms / 1000);
    printf("          accepted %" PRIu64 ", refused %" PRIu64 " since its start; %" PRIu64
           " producers\n",
           r->accepted, r->refused, r->producers);
    if (r->rights.size)
        printf("rights    NOT as in the file, which is not taken: %.*s\n", (int)r->rights.size,
               r->rights.at);
    print_bounds(r);
    printf("journal   %" PRIu64 " events in %u partitions, %" PRIu64 " of %" PRIu64 " MiB; %" PRIu64
           " refused events kept\n",
           events_of(r), r->count, r->journal_bytes >> 20, r->journal_limit >> 20, r->rejects);
    if (client_full(r))
        printf("          FULL: events are refused until its disk, or a larger --journal-size, has "
               "room\n");
    printf("redis     %s: %s\n", s->site.redis, redis_state(s));
    if (*s->hindrance.says)
        printf("          %s\n", s->hindrance.says);
    if (s->faulty)
        printf("          groups and seats at risk STAND STILL: a key holds what turnout did not "
               "write (the workers' logs say which); turnout verify --repair\n");
    for (uint32_t i = 0; i < r->worker_count; i++) {
        const struct wire_peer *w = &r->workers[i];
        printf("worker    %.*s (pid %" PRId64 "): %u partitions\n", (int)w->name.size, w->name.at,
               w->pid, w->count);
    }
    if (r->worker_count == 0)
        printf("worker    none\n");
    if (lag_known(s))
        printf("lag       %" PRIu64 " events, %.3f s\n", s->lag.events, (double)s->lag.ms / 1000);
    else
        printf("lag       not known\n");
}

/* The error that the exit status stands for, once the broker has answered. */
static int redis_outcome(const struct status *s)
{
    if (!s->redis)
        return s->redis_error == ERR_CONFIG ? ERR_CONFIG : ERR_LOST;
    return s->lag.foreign ? ERR_FOREIGN : 0;
}

int cli_status(int argc, char **argv)
{
    static const struct argp_child children[] = {{&site_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        option_table,
        option_parse,
        NULL,
        "Tells how broker, journal, Redis and workers do, and how far Redis is behind; of a Redis "
        "that answers but takes no writes, why.  Exit status: 0 broker and Redis answer, 64 usage, "
        "69 one of them does not, 74 the output cannot be written, 78 Redis belongs to another "
        "journal, or does not let us in.",
        children,
        NULL,
        NULL};
    struct status s = {0};
    struct reader *r = NULL;
    int error;

    argp_parse(&argp, argc, argv, 0, NULL, &s);
    error = site_connect(&s.site, ANSWER_MS, &r);
    if (error == 0)
        error = ask(&s, r);
    if (error == 0 && s.json)
        print_json(&s);
    else if (error == 0)
        print_table(&s);
    else
        cli_fail("status", "the broker", s.site.read, error);
    reader_free(r);
    if (error == 0)
        error = redis_outcome(&s);
    site_free(&s.site);
    return cli_flush("status") == EX_OK ? program_exit_status(error) : EX_IOERR;
}
