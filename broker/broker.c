/* The broker; see broker.h.  Happy path: broker_open, broker_run until told to stop.
 *
 * broker_round is the architecture.  What arrives while one commit is being synced makes up the
 * next: nobody sets a batch size or a timer.  The one failure that ends it is the journal's. */
#include "broker/broker.h"

#include "broker/feed.h"
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
#define LINGER_MS  500 /* for the last acknowledgements */
#define READY_STOP 4u  /* link_wait's bit after those of two links */
#define SERVER     "turnout-broker/" TURNOUT_VERSION

struct broker {
    struct journal *journal;
    struct link *publish, *read;
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
        return "another broker is running on it";
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

static int folder_make(const char *path)
{
    if (mkdir(path, 0755) == 0 || errno == EEXIST)
        return 0;
    log_error("cannot create the folder %s: %m", path);
    return ERR_IO;
}

static int open_journal(struct broker *b, const struct broker_config *config)
{
    char folder[PATH_BYTES];
    struct journal_config c = {folder, config->journal_bytes, config->partitions};
    int err = folder_make(config->dir);

    snprintf(folder, sizeof folder, "%s/journal", config->dir);
    if (err == 0)
        err = folder_make(folder);
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

static bool is_loopback(const char *endpoint)
{
    static const char *const hosts[] = {"tcp://127.0.0.1:", "tcp://[::1]:", "tcp://localhost:"};

    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        if (strncmp(endpoint, hosts[i], strlen(hosts[i])) == 0)
            return true;
    return false;
}

/* A socket in a folder is guarded by the folder's rights; TCP is open to everybody on the network
 * and, on the loopback, to everybody on this machine. */
static int endpoint_bind(const struct broker_config *config, const char *asked, const char *name,
                         struct link **ret)
{
    char endpoint[PATH_BYTES];
    bool ipc;
    int err;

    snprintf(endpoint, sizeof endpoint, "ipc://%s/%s.sock", config->dir, name);
    if (asked)
        snprintf(endpoint, sizeof endpoint, "%s", asked);
    ipc = strncmp(endpoint, "ipc://", 6) == 0;
    if (!ipc && !(config->insecure_loopback && is_loopback(endpoint))) {
        log_error("endpoint %s: only ipc:// or, with --insecure-loopback, tcp:// on 127.0.0.1, "
                  "[::1] or localhost",
                  endpoint);
        return ERR_CONFIG;
    }
    err = link_bind(endpoint, ret);
    if (err < 0)
        log_error("cannot bind %s: %s", endpoint, error_text(err));
    else
        log_info("%s endpoint %s", name, endpoint);
    return err;
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

int broker_open(const struct broker_config *config, struct broker **ret)
{
    struct broker *b = memory_need(sizeof *b);
    int err;

    memset(b, 0, sizeof *b);
    err = open_journal(b, config);
    if (err == 0)
        err = endpoint_bind(config, config->publish, "publish", &b->publish);
    if (err == 0)
        err = endpoint_bind(config, config->read, "read", &b->read);
    if (err < 0) {
        broker_close(b);
        return err;
    }
    struct wire_welcome welcome = welcome_of(b->journal);
    sessions_open(&b->producers, b->publish, &welcome);
    sessions_open(&b->readers, b->read, &welcome);
    b->producers.allowed[SESSION_PRODUCER] = true;
    b->readers.allowed[SESSION_WORKER] = b->readers.allowed[SESSION_CLIENT] = true;
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
    feed_free(b->feed);
    redrive_free(b->redrive);
    ingest_free(b->ingest);
    sessions_close(&b->producers);
    sessions_close(&b->readers);
    link_close(b->publish, LINGER_MS);
    link_close(b->read, 0); /* readers take up at their own offsets */
    journal_close(b->journal);
    free(b);
}

/* ---- running ---- */

static void broker_wait(struct broker *b, int stop_fd, int wait_ms)
{
    struct link *links[] = {b->publish, b->read};
    bool blocked = b->feed_state == FEED_BLOCKED || b->producers.unsent || b->readers.unsent;

    if (wait_ms > BEAT_MS)
        wait_ms = BEAT_MS;
    if (blocked && wait_ms > RETRY_MS)
        wait_ms = RETRY_MS;
    if (b->more || b->feed_state == FEED_MORE)
        wait_ms = 0;
    if (link_wait(links, 2, stop_fd, wait_ms) & READY_STOP)
        b->stop = true;
}

int broker_round(struct broker *b, int stop_fd, int wait_ms)
{
    int64_t now_ms;
    int err;

    broker_wait(b, stop_fd, wait_ms);
    now_ms = clock_mono_ms();
    b->more = ingest_drain(b->ingest, now_ms);
    err = ingest_commit(b->ingest);
    if (err < 0)
        return err;
    ingest_acknowledge(b->ingest);
    err = feed_drain(b->feed, now_ms, &b->more);
    if (err < 0)
        return err;
    feed_assign(b->feed);
    b->feed_state = feed_send(b->feed);
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
