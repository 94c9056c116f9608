/* Live; see live.h.
 *
 *     follow     reads the feed: the first change at once, then at most one event every PACE_MS,
 *                which stands for all entries since: however many there are, viewers cost the same
 *     tell       puts the event into the ring and wakes those who wait
 *
 * The same thread looks for connections that were closed at the other end: who only waits for it
 * is not told by libmicrohttpd.  A keep-alive is for all between that cut what is silent. */
#include "workers/web/live.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "workers/web/digest.h"
#include "workers/web/ring.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PACE_MS  250
#define BLOCK_MS 500
#define KEEP_MS  15000
#define GONE_MS  1000
#define REMEMBER 200   /* entries read at the start, for viewers of the process before this one */
#define MOST     10000 /* entries of one read: all that the stream keeps */
#define RETRY_MS 200

struct viewer {
    struct live *live;
    struct viewer *next, **self; /* in the list of all */
    uint64_t place;
    viewer_wake_fn wake;
    void *owner;
    int fd; /* the connection; -1: none */
    bool waiting, missed, keep, greeted, gone;
    char *text; /* what is being sent */
    size_t size, sent;
};

struct live {
    pthread_mutex_t lock;
    pthread_t thread;
    struct redis_options redis;
    struct ring ring;
    struct viewer *viewers;
    struct live_counts counts;
    char state[24];
    bool stopping, well;

    struct change_feed *feed; /* from here on the thread's own */
    struct digest digest;
    int64_t told_ms, kept_ms, looked_ms;
    bool reset_due; /* viewers have to be told that they may have missed something */
};

/* ---- telling; with the lock held ---- */
static void rouse(struct viewer *v)
{
    if (!v->waiting)
        return;
    v->waiting = false;
    v->wake(v->owner);
}

static void wake_all(struct live *l, bool keep)
{
    for (struct viewer *v = l->viewers; v; v = v->next) {
        v->keep |= keep;
        rouse(v);
    }
}

static void tell(struct live *l, struct change_id id, struct slice text)
{
    ring_add(&l->ring, id, text);
    l->counts.events++;
    wake_all(l, false);
}

static struct change_id newest(const struct live *l)
{
    const struct ring_event *e =
        l->ring.next > l->ring.first ? ring_at(&l->ring, l->ring.next - 1) : NULL;

    return e ? e->id : l->ring.floor;
}

/* Everybody reads everything again; whoever comes later with an older place does, too. */
static void tell_reload(struct live *l, struct change_id place, const char *reason)
{
    char text[128];
    int size =
        snprintf(text, sizeof text, "id: %llu-%llu\nevent: reload\ndata: {\"reason\":\"%s\"}\n\n",
                 (unsigned long long)place.ms, (unsigned long long)place.seq, reason);

    tell(l, place, slice_make(text, (size_t)size));
    ring_cut(&l->ring, place);
}

void live_state(struct live *l, const char *state)
{
    char text[96];
    int size = snprintf(text, sizeof text, "event: state\ndata: {\"state\":\"%s\"}\n\n", state);

    pthread_mutex_lock(&l->lock);
    snprintf(l->state, sizeof l->state, "%s", state);
    tell(l, newest(l), slice_make(text, (size_t)size));
    pthread_mutex_unlock(&l->lock);
}

/* ---- following ---- */
static bool stopping(struct live *l)
{
    bool yes;

    pthread_mutex_lock(&l->lock);
    yes = l->stopping;
    pthread_mutex_unlock(&l->lock);
    return yes;
}

static void pause_ms(int64_t ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    if (ms > 0)
        nanosleep(&t, NULL);
}

static void set_well(struct live *l, bool well)
{
    pthread_mutex_lock(&l->lock);
    l->well = well;
    pthread_mutex_unlock(&l->lock);
}

static void flush(struct live *l)
{
    struct buffer text = {0};

    pthread_mutex_lock(&l->lock);
    l->counts.commits += l->digest.commits;
    if (l->digest.rebuilt) {
        tell_reload(l, l->digest.id, "rebuilt");
    } else {
        digest_text(&l->digest, &text);
        tell(l, l->digest.id, buffer_slice(&text));
    }
    pthread_mutex_unlock(&l->lock);
    buffer_free(&text);
    digest_clear(&l->digest);
    l->told_ms = clock_mono_ms();
}

static void keep_alive(struct live *l)
{
    int64_t now_ms = clock_mono_ms();

    if (now_ms - l->kept_ms < KEEP_MS)
        return;
    l->kept_ms = now_ms;
    pthread_mutex_lock(&l->lock);
    wake_all(l, true);
    pthread_mutex_unlock(&l->lock);
}

/* The connection of one who waits is open at our end. */
static bool is_gone(const struct viewer *v)
{
    struct pollfd p = {.fd = v->fd, .events = POLLRDHUP};

    return v->waiting && poll(&p, 1, 0) > 0;
}

/* Who goes from page to page leaves a viewer behind at each, and may have only so many. */
static void look_for_gone(struct live *l)
{
    int64_t now_ms = clock_mono_ms();

    if (now_ms - l->looked_ms < GONE_MS)
        return;
    l->looked_ms = now_ms;
    pthread_mutex_lock(&l->lock);
    for (struct viewer *v = l->viewers; v; v = v->next)
        if (is_gone(v)) {
            v->gone = true;
            rouse(v);
        }
    pthread_mutex_unlock(&l->lock);
}

struct remembering {
    struct digest *digest;
    struct change_id first;
};

static void remember(void *arg, struct change_id id, struct slice field, struct slice value)
{
    struct remembering *r = arg;

    if (r->digest->commits == 0)
        r->first = id;
    digest_take(r->digest, id, field, value);
}

/* The first time: entries that viewers may have seen before this process was there.  When they are
 * not all that the stream has, whoever has seen less than the oldest of them has missed something.
 */
static int begin(struct live *l)
{
    struct remembering r = {&l->digest, {0}};
    int error = change_feed_begin(l->feed, REMEMBER, remember, &r);

    if (error < 0) {
        digest_clear(&l->digest);
        return error;
    }
    pthread_mutex_lock(&l->lock);
    if (l->digest.commits >= REMEMBER)
        ring_cut(&l->ring, r.first);
    pthread_mutex_unlock(&l->lock);
    if (l->digest.commits)
        flush(l);
    return 0;
}

/* Something may have been missed: it was away for long, or Redis is not what it was. */
static int begin_anew(struct live *l)
{
    int error = change_feed_begin(l->feed, 1, digest_take, &l->digest);

    digest_clear(&l->digest);
    if (error < 0)
        return error;
    l->reset_due = false;
    pthread_mutex_lock(&l->lock);
    l->counts.reloads++;
    tell_reload(l, change_feed_place(l->feed), "reset");
    pthread_mutex_unlock(&l->lock);
    return 0;
}

/* One step; an error means that the connection was lost. */
static int step(struct live *l)
{
    int64_t rest_ms = l->told_ms + PACE_MS - clock_mono_ms();
    bool begun = change_feed_place(l->feed).ms > 0;
    int error;

    if (l->reset_due)
        return begin_anew(l);
    if (rest_ms > 0 && l->digest.commits)
        pause_ms(rest_ms);
    error =
        change_feed_next(l->feed, l->digest.commits ? 0 : BLOCK_MS, MOST, digest_take, &l->digest);
    if (l->digest.commits && (error < 0 || clock_mono_ms() - l->told_ms >= PACE_MS))
        flush(l);
    keep_alive(l);
    l->reset_due = error == ERR_CONFLICT || (!begun && error >= MOST); /* were there more? */
    return l->reset_due ? 0 : error;
}

static void *follow(void *arg)
{
    struct live *l = arg;
    bool begun = false, lost = true;

    l->feed = change_feed_new(&l->redis);
    while (!stopping(l)) {
        int error = begun ? 0 : begin(l);
        begun |= error == 0;
        if (error == 0)
            error = step(l);
        if ((error < 0) != lost || lost)
            set_well(l, error >= 0);
        lost = error < 0;
        if (lost) {
            pause_ms(RETRY_MS);
            keep_alive(l);
        }
        look_for_gone(l);
    }
    change_feed_free(l->feed);
    return NULL;
}

struct live *live_new(const struct redis_options *redis)
{
    struct live *l = memory_zeroed(sizeof *l);

    l->redis = *redis;
    l->redis.timeout_ms = BLOCK_MS + 2000;
    l->kept_ms = clock_mono_ms();
    snprintf(l->state, sizeof l->state, "ok");
    ring_open(&l->ring);
    pthread_mutex_init(&l->lock, NULL);
    if (pthread_create(&l->thread, NULL, follow, l) != 0)
        abort(); /* at the start: nothing here can work */
    return l;
}

void live_stop(struct live *l)
{
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    wake_all(l, false);
    pthread_mutex_unlock(&l->lock);
}

void live_free(struct live *l)
{
    if (!l)
        return;
    live_stop(l);
    pthread_join(l->thread, NULL);
    digest_free(&l->digest);
    ring_free(&l->ring);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

struct live_counts live_counts(struct live *l)
{
    struct live_counts c;

    pthread_mutex_lock(&l->lock);
    c = l->counts;
    pthread_mutex_unlock(&l->lock);
    return c;
}

bool live_well(struct live *l)
{
    bool well;

    pthread_mutex_lock(&l->lock);
    well = l->well;
    pthread_mutex_unlock(&l->lock);
    return well;
}

/* ---- viewers ---- */
struct viewer *viewer_new(struct live *l, struct slice last, int fd, viewer_wake_fn wake,
                          void *owner)
{
    struct viewer *v = memory_need(sizeof *v);
    struct change_id id;

    *v = (struct viewer){.live = l, .fd = fd, .wake = wake, .owner = owner};
    pthread_mutex_lock(&l->lock);
    v->place = l->ring.next;
    if (last.size && (!change_id_parse(last, &id) || !ring_resume(&l->ring, id, &v->place)))
        v->missed = true;
    v->next = l->viewers;
    v->self = &l->viewers;
    if (v->next)
        v->next->self = &v->next;
    l->viewers = v;
    l->counts.viewers++;
    l->counts.served++;
    pthread_mutex_unlock(&l->lock);
    return v;
}

void viewer_free(struct viewer *v)
{
    struct live *l = v->live;

    pthread_mutex_lock(&l->lock);
    *v->self = v->next;
    if (v->next)
        v->next->self = v->self;
    l->counts.viewers--;
    pthread_mutex_unlock(&l->lock);
    free(v->text);
    free(v);
}

static void text_set(struct viewer *v, struct slice text)
{
    v->text = memory_grow(v->text, text.size + 1);
    memcpy(v->text, text.at, text.size);
    v->size = text.size;
    v->sent = 0;
}

/* It goes on from the newest, and its reload carries that place: the next resume begins there. */
static void text_reload(struct viewer *v)
{
    struct live *l = v->live;
    struct change_id id = newest(l);
    char text[128];
    int size = snprintf(text, sizeof text,
                        "id: %llu-%llu\nevent: reload\ndata: {\"reason\":\"missed\"}\n\n",
                        (unsigned long long)id.ms, (unsigned long long)id.seq);

    v->missed = false;
    v->place = l->ring.next;
    l->counts.reloads++;
    text_set(v, slice_make(text, (size_t)size));
}

/* The first bytes tell where one stands, and what the state is. */
static void text_greet(struct viewer *v)
{
    struct change_id id = newest(v->live);
    struct buffer b = {0};
    char text[192];
    int size = snprintf(text, sizeof text,
                        "retry: 2000\nevent: state\ndata: {\"state\":\"%s\"}\n\n", v->live->state);

    v->greeted = true;
    if (v->place == v->live->ring.next && !v->missed) {
        char place[64];
        int n = snprintf(place, sizeof place, "id: %llu-%llu\n", (unsigned long long)id.ms,
                         (unsigned long long)id.seq);
        buffer_add(&b, place, (size_t)n);
    }
    buffer_add(&b, text, (size_t)size);
    text_set(v, buffer_slice(&b));
    buffer_free(&b);
}

/* What comes next; false when there is nothing. */
static bool text_next(struct viewer *v)
{
    const struct ring_event *e;

    if (!v->greeted) {
        text_greet(v);
        return true;
    }
    if (v->missed || (v->place < v->live->ring.next && !ring_at(&v->live->ring, v->place))) {
        text_reload(v);
        return true;
    }
    if (v->place < v->live->ring.next) {
        e = ring_at(&v->live->ring, v->place++);
        text_set(v, e->text);
        return true;
    }
    if (v->keep)
        text_set(v, slice_of(": keep\n\n"));
    return v->keep;
}

ssize_t viewer_read(struct viewer *v, char *to, size_t size, void (*wait)(void *owner))
{
    struct live *l = v->live;
    ssize_t n = 0;

    pthread_mutex_lock(&l->lock);
    if (l->stopping || v->gone) {
        n = -1;
    } else if (v->sent < v->size || text_next(v)) {
        v->keep = false;
        n = (ssize_t)(v->size - v->sent < size ? v->size - v->sent : size);
        memcpy(to, v->text + v->sent, (size_t)n);
        v->sent += (size_t)n;
        if (v->sent == v->size) { /* one that waits keeps nothing */
            free(v->text);
            v->text = NULL;
            v->size = v->sent = 0;
        }
    } else {
        v->waiting = true;
        wait(v->owner);
    }
    pthread_mutex_unlock(&l->lock);
    return n;
}
