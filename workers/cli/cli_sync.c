/* turnout sync: waits until Redis stands for all that the broker has acknowledged, and until all
 * that follows from it is derived. */
#include "proto/clock.h"
#include "proto/error.h"
#include "workers/cli/cli.h"
#include "workers/cli/cli_out.h"
#include "workers/derive.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#define TIMEOUT_S  60
#define BROKER_MS  10000
#define REDIS_MS   5000
#define LONGEST_MS 20 /* between two looks */

struct sync {
    struct site site;
    int timeout_s;
    bool counters; /* only these are wanted */
    char log[LOG_ID + 1];
    unsigned partitions;
    uint64_t ends[WIRE_MAX_PARTS];
};

/* What is still to come. */
struct rest {
    uint64_t events;
    bool waiting;     /* something is to be derived */
    uint64_t derived; /* how often it was */
    bool faulty;      /* and cannot be now */
};

static const struct argp_option option_table[] = {
    {"timeout", 't', "SECONDS", 0, "give up after so long without progress (default: 60)", 0},
    {"counters", 'c', 0, 0, "do not wait for groups and seats at risk, which follow", 0},
    {0}};

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct sync *s = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &s->site;
        return 0;
    case 't':
        s->timeout_s = (int)cli_number("--timeout", arg, 1, CLI_SECONDS_MOST, state);
        return 0;
    case 'c':
        s->counters = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* How long an answer is waited for. */
static int answer_ms(const struct sync *s, int most_ms)
{
    int timeout_ms = s->timeout_s * 1000;

    return timeout_ms < most_ms ? timeout_ms : most_ms;
}

/* What has been acknowledged by now.  Redis is looked at first: what it stood for before must be in
 * the journal afterwards, or it is not this journal that it stands for. */
static int ask_broker(struct sync *s, struct store *store)
{
    struct applied before[WIRE_MAX_PARTS] = {{0}};
    struct wire_report report;
    struct reader *r;
    int error = site_connect(&s->site, answer_ms(s, BROKER_MS), &r);

    if (error < 0)
        return error;
    if (store_applied(store, reader_partitions(r), before) < 0)
        memset(before, 0, sizeof before); /* Redis may be on its way back */
    error = client_report(r, NULL, 0, answer_ms(s, BROKER_MS), &report);
    if (error == 0 && applied_any_foreign(before, report.count, report.log, report.ends))
        error = ERR_FOREIGN;
    if (error == 0 && report.log.size == LOG_ID) {
        memcpy(s->log, report.log.at, LOG_ID);
        s->partitions = report.count;
        for (unsigned p = 0; p < report.count; p++)
            s->ends[p] = report.ends[p];
    }
    reader_free(r);
    return error;
}

static int look_at_events(struct sync *s, struct store *store, uint64_t *ret_left)
{
    struct applied applied[WIRE_MAX_PARTS];
    int error = store_applied(store, s->partitions, applied);

    *ret_left = 0;
    for (unsigned p = 0; p < s->partitions && error == 0; p++) {
        if (applied_foreign(&applied[p], slice_of(s->log), UINT64_MAX))
            error = ERR_FOREIGN;
        else if (applied[p].offset < s->ends[p])
            *ret_left += s->ends[p] - applied[p].offset;
    }
    return error;
}

/* What tells how it stands with groups may itself be what turnout did not write. */
static int look_at_derived(struct store *store, struct rest *ret)
{
    unsigned place = PLACE_DERIVED;
    struct applied derived = {0};
    struct store_look look = {.places = &place, .count = 1, .ret_applied = &derived};
    int error = store_begin(store, &look);

    if (error == 0)
        error = derive_faulty(store, &ret->faulty);
    if (error == 0)
        error = derive_waiting(store, &ret->waiting);
    ret->derived = derived.offset;
    if (error == ERR_CORRUPT)
        ret->faulty = ret->waiting = true;
    return error == ERR_CORRUPT ? 0 : error;
}

static int look(struct sync *s, struct store *store, struct rest *ret)
{
    int error = look_at_events(s, store, &ret->events);

    ret->waiting = ret->faulty = false;
    if (error == 0 && ret->events == 0 && !s->counters)
        error = look_at_derived(store, ret);
    return error;
}

static void pause_ms(int ms)
{
    struct timespec t = {0, ms * 1000000L};

    nanosleep(&t, NULL);
}

/* Rounds that meet a fault begin again and again, and none ends. */
static bool rest_same(const struct rest *now, const struct rest *last)
{
    return now->events == last->events && now->waiting == last->waiting &&
           (now->derived == last->derived || now->faulty);
}

static void tell_rest(const struct rest *left)
{
    if (left->events)
        fprintf(stderr, "turnout sync: no progress; not in Redis: %" PRIu64 " events\n",
                left->events);
    else if (left->faulty)
        fprintf(stderr,
                "turnout sync: no progress; all events are in Redis, but groups and seats at "
                "risk are not derived: a key there holds what turnout did not write, the "
                "workers' logs say which; after turnout verify --repair they go on within 15 s\n");
    else
        fprintf(stderr, "turnout sync: no progress; all events are in Redis, but nobody derives "
                        "groups and seats at risk: does a worker run?\n");
}

/* Redis may come and go meanwhile; only standing still for too long ends the wait. */
static int wait_for_redis(struct sync *s, struct store *store)
{
    struct rest left = {0}, last = {.events = UINT64_MAX};
    int64_t moved_ms = clock_mono_ms();
    int error, wait = 1;

    for (;;) {
        error = look(s, store, &left);
        if (error == ERR_FOREIGN || error == ERR_CONFIG ||
            (error == 0 && left.events == 0 && !left.waiting))
            return error;
        if (error == 0 && !rest_same(&left, &last)) {
            last = left;
            moved_ms = clock_mono_ms();
        }
        if (clock_mono_ms() - moved_ms > (int64_t)s->timeout_s * 1000)
            break;
        pause_ms(wait);
        wait = wait * 2 < LONGEST_MS ? wait * 2 : LONGEST_MS;
    }
    if (error < 0)
        return error;
    tell_rest(&left);
    return ERR_TIMEOUT;
}

static int sync_run(struct sync *s, struct store *store)
{
    int error = ask_broker(s, store);

    if (error < 0)
        return cli_fail("sync", "the broker", s->site.read, error);
    error = wait_for_redis(s, store);
    if (error == ERR_TIMEOUT)
        return EX_TEMPFAIL; /* which has been told */
    return error < 0 ? cli_fail("sync", "Redis", s->site.redis, error) : EX_OK;
}

int cli_sync(int argc, char **argv)
{
    static const struct argp_child children[] = {{&site_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        option_table,
        option_parse,
        NULL,
        "Returns when all events that the broker had acknowledged are in Redis, and with them the "
        "groups and seats at risk that follow from them.\vExit status: 0 they are, 64 usage, 69 "
        "the broker or Redis cannot be reached, 74 what Redis holds is damaged, 75 nothing moves, "
        "or a key that turnout did not write keeps groups and seats from being derived, 78 Redis "
        "belongs to another journal, or key, rights or user of Redis are not right.",
        children,
        NULL,
        NULL};
    struct sync s = {.timeout_s = TIMEOUT_S};
    struct store *store;
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &s);
    store = site_store(&s.site, answer_ms(&s, REDIS_MS));
    status = sync_run(&s, store);
    store_free(store);
    site_free(&s.site);
    return status;
}
