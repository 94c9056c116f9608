/* The dashboard as a whole; see web.h. */
#include "workers/web/web.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "workers/web/asset.h"

#define QUICK_THREADS 2
#define QUICK_LINE    256 /* a page takes some milliseconds: nobody waits longer than two seconds */
#define SLOW_THREADS  2
#define SLOW_LINE     8 /* each may take seconds */
#define REDIS_MS      2000

static void state_changed(void *arg, enum state_word word)
{
    struct web *w = arg;

    live_state(w->live, state_name[word]);
}

int web_open(struct web *w, const struct web_config *config)
{
    struct redis_options redis = config->redis;
    struct crew_config quick = {&redis, NULL, QUICK_THREADS, QUICK_LINE},
                       slow = {&redis, config->read, SLOW_THREADS, SLOW_LINE};
    int error = 0;

    *w = (struct web){.config = *config, .started_ms = clock_wall_ms()};
    w->config.redis.timeout_ms = redis.timeout_ms = REDIS_MS;
    quick.redis = slow.redis = &w->config.redis;
    assets_open();
    if (config->auth_file)
        error = auth_open(config->auth_file, &w->auth);
    if (error < 0)
        return error;
    w->live = live_new(&w->config.redis);
    w->state = state_new(&w->config.redis, config->read, state_changed, w);
    w->quick = crew_new(&quick);
    w->slow = crew_new(&slow);
    return 0;
}

void web_stop(struct web *w)
{
    live_stop(w->live);
    crew_end(w->quick);
    crew_end(w->slow);
}

void web_close(struct web *w)
{
    crew_free(w->quick);
    crew_free(w->slow);
    state_free(w->state);
    live_free(w->live);
    auth_close(w->auth);
}
