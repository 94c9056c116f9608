/* Metrics for Prometheus: text format 0.0.4. */
#include "proto/clock.h"
#include "workers/web/web.h"

#include <stdio.h>
#include <stdlib.h>

static void metric(struct buffer *out, const char *name, const char *type, const char *help,
                   double value)
{
    char line[512];
    int n = snprintf(line, sizeof line, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name,
                     type, name, value);

    buffer_add(out, line, (size_t)n);
}

static double resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long total, resident = 0;

    if (f) {
        (void)!fscanf(f, "%lu %lu", &total, &resident); /* what cannot be read stays 0 */
        fclose(f);
    }
    return (double)resident * 4096;
}

static void stack_metrics(const struct state_look *l, struct buffer *out)
{
    char line[256];
    int n;

    metric(out, "turnout_up", "gauge", "Whether Redis and the broker answer.",
           l->redis && l->broker);
    metric(out, "turnout_redis_up", "gauge", "Whether Redis answers.", l->redis);
    metric(out, "turnout_redis_hindered", "gauge",
           "Whether Redis takes no writes, or may not: turnout status says why.", l->hindered);
    metric(out, "turnout_broker_up", "gauge", "Whether the broker answers.", l->broker);
    metric(out, "turnout_workers", "gauge", "Workers that the broker knows.", l->workers);
    if (l->redis && l->broker && !l->lag.foreign) {
        metric(out, "turnout_lag_events", "gauge", "Events that are not in Redis yet.",
               (double)l->lag.events);
        metric(out, "turnout_lag_seconds", "gauge", "Age of the oldest of them.",
               (double)l->lag.ms / 1000);
    }
    if (l->as_of_ms)
        metric(out, "turnout_applied_timestamp_seconds", "gauge", "When Redis was last changed.",
               (double)l->as_of_ms / 1000);
    if (l->broker) {
        metric(out, "turnout_journal_events", "counter", "Events in the journal.",
               (double)l->journal_events);
        metric(out, "turnout_journal_bytes", "gauge", "Bytes of the journal.",
               (double)l->journal_bytes);
        metric(out, "turnout_journal_limit_bytes", "gauge", "Bytes it may have.",
               (double)l->journal_limit);
        metric(out, "turnout_journal_full", "gauge",
               "Whether the journal or its disk has no room for events.", l->full);
        metric(out, "turnout_rejects", "gauge", "Refused events that are kept.",
               (double)l->rejects);
    }
    buffer_add_text(out, "# HELP turnout_state What the pages say of the stack.\n"
                         "# TYPE turnout_state gauge\n");
    for (int i = 0; i < STATE_WORDS; i++) {
        n = snprintf(line, sizeof line, "turnout_state{state=\"%s\"} %d\n", state_name[i],
                     (int)l->word == i);
        buffer_add(out, line, (size_t)n);
    }
}

void metrics_text(struct web *w, struct buffer *out)
{
    struct state_look look = state_now(w->state);
    struct live_counts live = live_counts(w->live);

    stack_metrics(&look, out);
    metric(out, "turnout_web_viewers", "gauge", "Connections to /events.", (double)live.viewers);
    metric(out, "turnout_web_viewers_total", "counter", "Connections to /events so far.",
           (double)live.served);
    metric(out, "turnout_web_changes_total", "counter", "Entries of the change feed read.",
           (double)live.commits);
    metric(out, "turnout_web_events_total", "counter", "Events sent to viewers, counted once.",
           (double)live.events);
    metric(out, "turnout_web_reloads_total", "counter", "Viewers told to reload.",
           (double)live.reloads);
    metric(out, "turnout_web_requests_total", "counter", "Requests.",
           (double)w->counts[WEB_REQUESTS]);
    metric(out, "turnout_web_not_modified_total", "counter", "Answered with 304.",
           (double)w->counts[WEB_NOT_MODIFIED]);
    metric(out, "turnout_web_errors_total", "counter", "Answered with 5xx.",
           (double)w->counts[WEB_ERRORS]);
    metric(out, "turnout_web_busy_total", "counter", "Turned away as too many waited.",
           (double)w->counts[WEB_BUSY]);
    metric(out, "turnout_web_refused_total", "counter", "Without a right password.",
           (double)w->counts[WEB_REFUSED]);
    metric(out, "turnout_web_jobs", "gauge", "Pages being made or waiting.",
           (double)(crew_busy(w->quick) + crew_busy(w->slow)));
    metric(out, "turnout_web_resident_bytes", "gauge", "Memory of this process.", resident_bytes());
    metric(out, "turnout_web_start_time_seconds", "gauge", "When it started.",
           (double)w->started_ms / 1000);
}
