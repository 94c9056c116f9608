/* State; see state.h. */
#include "workers/web/state.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "workers/web/journal.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define LOOK_MS   1000
#define REDIS_MS  1000
#define BEHIND_MS 10000 /* so old may the oldest event be that is not in Redis yet */

const char *const state_name[STATE_WORDS] = {"ok",          "redis-down", "broker-down",
                                             "worker-down", "foreign",    "behind"};

struct state {
    pthread_mutex_t lock;
    pthread_cond_t hint;
    pthread_t thread;
    struct redis_options redis;
    const char *read;
    state_fn changed;
    void *arg;
    struct state_look now;
    bool stopping, hinted;

    struct store *store; /* the thread's own */
    struct journal *journal;
};

static void report(struct state_look *l, const struct wire_report *r)
{
    l->broker = true;
    l->workers = r->worker_count;
    for (unsigned p = 0; p < r->count; p++)
        l->journal_events += r->ends[p];
    l->journal_bytes = r->journal_bytes;
    l->journal_limit = r->journal_limit;
    l->full = client_full(r);
    l->accepted = r->accepted;
    l->refused = r->refused;
    l->rejects = r->rejects;
    l->producers = r->producers;
}

static enum state_word word_of(const struct state_look *l)
{
    if (!l->redis)
        return STATE_REDIS_DOWN;
    if (!l->broker)
        return STATE_BROKER_DOWN;
    if (l->lag.foreign)
        return STATE_FOREIGN;
    if (l->workers == 0)
        return STATE_WORKER_DOWN;
    return l->lag.ms > BEHIND_MS ? STATE_BEHIND : STATE_OK;
}

static void broker_look(struct state *s, struct state_look *l, struct applied *applied)
{
    struct wire_report r;
    struct reader *reader;
    uint64_t offsets[WIRE_MAX_PARTS];
    int error = journal_ready(s->journal, &reader);
    unsigned count = error == 0 ? reader_partitions(reader) : 0;

    if (error == 0)
        l->redis_error = store_applied(s->store, count, applied);
    l->redis = error == 0 ? l->redis_error == 0 : l->redis;
    for (unsigned p = 0; p < count; p++) {
        offsets[p] = applied[p].offset;
        if (applied[p].known && applied[p].time_ms > l->as_of_ms)
            l->as_of_ms = applied[p].time_ms;
    }
    if (error == 0)
        error = client_report(reader, offsets, count, JOURNAL_ANSWER_MS, &r);
    if (error < 0) {
        journal_drop(s->journal);
        return;
    }
    report(l, &r);
    if (l->redis)
        l->lag = lag_of(&r, applied, clock_wall_ms());
    reader_reset(reader);
}

static struct state_look look(struct state *s)
{
    static const struct state_look nothing;
    struct applied *applied = memory_need(WIRE_MAX_PARTS * sizeof *applied);
    struct state_look l = nothing;
    struct hindrance h;

    memset(applied, 0, WIRE_MAX_PARTS * sizeof *applied);
    l.looked = true;
    l.redis_error = store_applied(s->store, 1, applied);
    l.redis = l.redis_error == 0;
    broker_look(s, &l, applied);
    l.hindered = l.redis && store_hindrance(s->store, &h) == 0 && *h.says;
    l.word = word_of(&l);
    free(applied);
    return l;
}

/* False when it is time to end. */
static bool rest(struct state *s)
{
    struct timespec until;
    bool goes_on;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LOOK_MS % 1000 * 1000000;
    until.tv_sec += LOOK_MS / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&s->lock);
    if (!s->stopping && !s->hinted)
        pthread_cond_timedwait(&s->hint, &s->lock, &until);
    s->hinted = false;
    goes_on = !s->stopping;
    pthread_mutex_unlock(&s->lock);
    return goes_on;
}

static void *watch(void *arg)
{
    struct state *s = arg;

    s->store = store_redis_new(&s->redis);
    s->journal = journal_new(s->read, s->redis.prefix);
    do {
        struct state_look l = look(s);
        bool changed;
        pthread_mutex_lock(&s->lock);
        changed = l.word != s->now.word;
        s->now = l;
        pthread_mutex_unlock(&s->lock);
        if (changed)
            s->changed(s->arg, l.word);
    } while (rest(s));
    journal_free(s->journal);
    store_free(s->store);
    return NULL;
}

struct state *state_new(const struct redis_options *redis, const char *read, state_fn changed,
                        void *arg)
{
    struct state *s = memory_zeroed(sizeof *s);

    s->redis = *redis;
    s->redis.timeout_ms = REDIS_MS;
    s->read = read;
    s->changed = changed;
    s->arg = arg;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->hint, NULL);
    if (pthread_create(&s->thread, NULL, watch, s) != 0)
        abort(); /* at the start: nothing here can work */
    return s;
}

void state_free(struct state *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->hint);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->hint);
    free(s);
}

struct state_look state_now(struct state *s)
{
    struct state_look l;

    pthread_mutex_lock(&s->lock);
    l = s->now;
    pthread_mutex_unlock(&s->lock);
    return l;
}

void state_hint(struct state *s)
{
    pthread_mutex_lock(&s->lock);
    if (!s->hinted) {
        s->hinted = true;
        pthread_cond_signal(&s->hint);
    }
    pthread_mutex_unlock(&s->lock);
}
