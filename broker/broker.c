/* The broker; see broker.h.  Happy path: broker_open, broker_run until told to stop.
 *
 * broker_round is the architecture.  What arrives while one commit is being synced makes up the
 * next: nobody sets a batch size or a timer.  What was committed goes to the workers before its
 * producers hear of it: they would be on the processor first, with the next events.  The one
 * failure that ends it is the journal's. */
#include "broker/broker.h"

#include "broker/access.h"
#include "broker/endpoints.h"
#include "broker/feed.h"
#include "broker/guard.h"
#include "broker/ingest.h"
#include "broker/journal.h"
#include "broker/session.h"
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/event.h"
#include "proto/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define PATH_BYTES 4096
#define BEAT_MS    250 /* how often silence is looked at */
#define RETRY_MS   5   /* to see whether a full queue has room again */
#define SETTLE_MS  10  /* to see whether a changed rights file is whole */
#define ADMIT_MOST 256 /* connections of one round */
#define SERVER     "turnout-broker/" TURNOUT_VERSION

struct broker {
    struct journal *journal;
    struct access *access;
    struct endpoints at;
    struct guard *guard;
    struct sessions producers, readers;
    struct ingest *ingest;
    struct redrive *redrive;
    struct feed *feed;
    bool stop; /* asked to */
    bool more; /* a queue was not empty when a round had had enough */
    enum feed_state feed_state;
};

/* ---- opening ---- */

static const char *advice(int err)
{
    switch (err) {
    case ERR_LOCKED:
        return "another program is using it";
    case ERR_VERSION:
        return "it was written by another version of turnout: start that one, or an empty folder";
    case ERR_CORRUPT:
        return "it is damaged: restore a backup of the journal";
    case ERR_FULL:
        return "the disk or the journal's limit has no room for it";
    default:
        return error_text(err);
    }
}

static int folder_make(const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0 || errno == EEXIST)
        return 0;
    log_error("cannot create the folder %s: %m", path);
    return ERR_IO;
}

static int open_journal(struct broker *b, const struct broker_config *config)
{
    char folder[PATH_BYTES];
    struct journal_config c = {folder, config->journal_bytes, config->partitions,
                               config->recent_bytes};
    int err = folder_make(config->dir, 0750); /* who may open its sockets may do everything */

    snprintf(folder, sizeof folder, "%s/journal", config->dir);
    if (err == 0)
        err = folder_make(folder, 0700);
    if (err < 0)
        return err;
    if (c.partitions == 0)
        c.partitions = JOURNAL_PARTITIONS;
    err = journal_open(&c, &b->journal);
    if (err < 0) {
        log_error("cannot open the journal in %s: %s", folder, advice(err));
        return err;
    }
    if (config->partitions == 0 || config->partitions == journal_partitions(b->journal))
        return 0;
    log_error("the journal in %s has %u partitions, and keeps them for good", folder,
              journal_partitions(b->journal));
    return ERR_CONFIG;
}

static int open_access(struct broker *b, const struct broker_config *config)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "%s/rights.conf", config->dir);
    return access_open(config->rights ? config->rights : path, config->rights != NULL,
                       clock_mono_ms(), &b->access);
}

static struct wire_welcome welcome_of(const struct journal *journal)
{
    return (struct wire_welcome){.log = journal_log_id(journal),
                                 .partitions = journal_partitions(journal),
                                 .max_event = EVENT_MAX_BYTES,
                                 .max_payload = WIRE_MAX_PAYLOAD,
                                 .max_events = WIRE_MAX_EVENTS,
                                 .window_events = WIRE_WINDOW,
                                 .window_bytes = WIRE_WINDOW_BYTES,
                                 .heartbeat_ms = WIRE_HEARTBEAT_MS,
                                 .server = slice_of(SERVER)};
}

static void log_start(const struct broker *b)
{
    struct slice log = journal_log_id(b->journal);
    unsigned partitions = journal_partitions(b->journal);
    struct buffer ends = {0};

    for (unsigned p = 0; p < partitions; p++) {
        buffer_add_text(&ends, " ");
        buffer_add_int(&ends, (int64_t)journal_end(b->journal, p));
    }
    log_info("%s: log %.*s, %u partitions, ends%.*s", SERVER, (int)log.size, log.at, partitions,
             (int)ends.size, ends.at);
    buffer_free(&ends);
}

/* Who may be here: of the connections three quarters for producers. */
static void limit_sessions(struct broker *b, const struct broker_config *config)
{
    unsigned connections = config->connections ? config->connections : GUARD_CONNECTIONS;
    unsigned readers = config->readers ? config->readers : READERS;

    b->producers.allowed[SESSION_PRODUCER] = true;
    b->readers.allowed[SESSION_WORKER] = b->readers.allowed[SESSION_CLIENT] = true;
    b->producers.most[SESSION_PRODUCER] = guard_sessions(connections);
    b->readers.most[SESSION_WORKER] = b->readers.most[SESSION_CLIENT] = readers;
}

/* After the self-test of the endpoints, whose connections it would take for a peer's. */
static int open_guard(struct broker *b, const struct broker_config *config)
{
    struct guard_config c = {config->memory_bytes, config->connections, journal_map(b->journal)};
    int err;

    if (c.memory_bytes == 0)
        return 0;
    if (c.connections == 0)
        c.connections = GUARD_CONNECTIONS;
    err = guard_start(&c, &b->guard);
    if (err < 0)
        log_error("cannot start the guard of memory and connections: it needs /proc");
    return err;
}

int broker_open(const struct broker_config *config, struct broker **ret)
{
    struct broker *b = memory_zeroed(sizeof *b);
    int err;

    err = open_journal(b, config);
    if (err == 0)
        err = open_access(b, config);
    if (err == 0)
        err = endpoints_open(config, &b->at);
    if (err == 0)
        err = open_guard(b, config);
    if (err < 0) {
        broker_close(b);
        return err;
    }
    struct wire_welcome welcome = welcome_of(b->journal);
    sessions_open(&b->producers, b->at.publish, b->access, &welcome);
    sessions_open(&b->readers, b->at.read, b->access, &welcome);
    b->producers.guard = b->readers.guard = b->guard;
    b->producers.other = &b->readers;
    b->readers.other = &b->producers;
    limit_sessions(b, config);
    b->ingest = ingest_new(b->journal, &b->producers);
    b->redrive = redrive_new(b->journal, &b->readers);
    b->feed =
        feed_new(b->journal, &b->readers, &b->producers, b->ingest, b->redrive, clock_mono_ms());
    log_start(b);
    *ret = b;
    return 0;
}

void broker_close(struct broker *b)
{
    if (!b)
        return;
    guard_stop(b->guard);
    feed_free(b->feed);
    redrive_free(b->redrive);
    ingest_free(b->ingest);
    sessions_close(&b->producers);
    sessions_close(&b->readers);
    endpoints_close(&b->at);
    access_free(b->access);
    journal_close(b->journal);
    free(b);
}

/* ---- running ---- */

static void broker_wait(struct broker *b, int stop_fd, int wait_ms)
{
    struct link *links[] = {b->at.publish, b->at.read, b->at.gate};
    unsigned count = b->at.gate ? 3 : 2;
    bool blocked = b->feed_state == FEED_BLOCKED || b->producers.unsent || b->readers.unsent;

    if (wait_ms > BEAT_MS)
        wait_ms = BEAT_MS;
    if (blocked && wait_ms > RETRY_MS)
        wait_ms = RETRY_MS;
    if (access_pending(b->access) && wait_ms > SETTLE_MS)
        wait_ms = SETTLE_MS;
    if (b->more || b->feed_state == FEED_MORE)
        wait_ms = 0;
    if (link_wait(links, count, stop_fd, wait_ms) & 1U << count)
        b->stop = true;
}

/* Answers at the gate; true when more may be waiting there. */
static bool broker_admit(struct broker *b)
{
    struct gate_request request;
    unsigned n = 0, sessions = 0;
    int err;

    while (b->at.gate && n < ADMIT_MOST && (err = gate_next(b->at.gate, &request)) != ERR_AGAIN) {
        n++;
        if (err < 0)
            continue;
        if (request.keyed)
            sessions = sessions_of_key(&b->producers, request.key);
        gate_answer(b->at.gate, access_admit(b->access, &request, sessions), request.key);
    }
    return n == ADMIT_MOST;
}

/* Who may do what from here on: other rights count before anything else is taken. */
static void broker_guard(struct broker *b, int64_t now_ms)
{
    if (access_look(b->access, now_ms)) {
        sessions_renew(&b->producers);
        sessions_renew(&b->readers);
    }
    b->more = broker_admit(b);
    if (b->at.gate)
        access_tell(b->access, link_failed(b->at.publish) + link_failed(b->at.read), now_ms);
}

int broker_round(struct broker *b, int stop_fd, int wait_ms)
{
    int64_t now_ms;
    int err;

    broker_wait(b, stop_fd, wait_ms);
    now_ms = clock_mono_ms();
    broker_guard(b, now_ms);
    b->more |= ingest_drain(b->ingest, now_ms);
    err = ingest_commit(b->ingest);
    if (err < 0)
        return err;
    err = feed_drain(b->feed, now_ms, &b->more);
    if (err < 0)
        return err;
    feed_assign(b->feed);
    b->feed_state = feed_send(b->feed);
    ingest_acknowledge(b->ingest);
    guard_settle(b->guard);
    sessions_beat(&b->producers, now_ms);
    sessions_beat(&b->readers, now_ms);
    return 0;
}

int broker_run(struct broker *b, int stop_fd)
{
    int err = 0;

    while (!b->stop && err == 0)
        err = broker_round(b, stop_fd, BEAT_MS);
    if (err < 0)
        log_error("the journal failed (%s): nothing more is acknowledged; see to the disk and "
                  "start again",
                  error_text(err));
    return err;
}
