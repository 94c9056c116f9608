/* Feeds; see feeds.h.  One table for the whole process: the journal only grows, and is read once.
 */
#include "workers/web/feeds.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "workers/client.h"
#include "workers/commit.h"
#include "workers/walk.h"

#include <pthread.h>
#include <stdlib.h>

#define SOURCES 1000 /* of more, the rest has no line of its own */

static struct {
    pthread_mutex_t lock;
    char log[LOG_ID + 1];
    uint64_t read[WIRE_MAX_PARTS]; /* so far */
    struct arena arena;
    struct feed *first;
    size_t count;
    int64_t deadline_ms;
} feeds = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct feed *feed_of(struct slice source)
{
    struct feed *f;

    for (f = feeds.first; f; f = f->next)
        if (slice_equal(f->source, source))
            return f;
    if (feeds.count == SOURCES)
        return NULL;
    f = arena_need(&feeds.arena, sizeof *f);
    f->source = arena_copy(&feeds.arena, source);
    f->next = feeds.first;
    feeds.first = f;
    feeds.count++;
    return f;
}

static int take_run(void *arg, const struct walk_run *run)
{
    struct feed *f = feed_of(run->source);

    (void)arg;
    if (f) {
        f->events += run->count;
        if (run->received_ms > f->last_ms)
            f->last_ms = run->received_ms;
    }
    feeds.read[run->partition] = run->offset + run->count;
    return clock_mono_ms() > feeds.deadline_ms ? ERR_TIMEOUT : 0;
}

/* Another journal: from the beginning. */
static void begin_anew(const char *log)
{
    arena_reset(&feeds.arena, 0);
    memset(feeds.read, 0, sizeof feeds.read);
    memcpy(feeds.log, log, LOG_ID);
    feeds.first = NULL;
    feeds.count = 0;
}

static int read_on(struct reader *r)
{
    uint64_t from[WIRE_MAX_PARTS], ends[WIRE_MAX_PARTS] = {0};
    struct wire_report report;
    int error = client_report(r, NULL, 0, 3000, &report);

    if (error < 0)
        return error;
    if (strncmp(feeds.log, reader_log(r), LOG_ID) != 0)
        begin_anew(reader_log(r));
    unsigned count = report.count;
    memcpy(ends, report.ends, count * sizeof *ends);
    reader_reset(r);
    memcpy(from, feeds.read, sizeof from);
    error = walk_journal(r, from, ends, count, take_run, NULL, NULL);
    return error == ERR_TIMEOUT ? ERR_AGAIN : error; /* take_run's: the walk itself has none */
}

int feeds_read(struct reader *r, int64_t deadline_ms, void (*each)(void *arg, const struct feed *f),
               void *arg)
{
    int error;

    pthread_mutex_lock(&feeds.lock);
    feeds.deadline_ms = deadline_ms;
    error = read_on(r);
    for (const struct feed *f = feeds.first; error >= ERR_AGAIN && f; f = f->next)
        each(arg, f);
    pthread_mutex_unlock(&feeds.lock);
    return error;
}
