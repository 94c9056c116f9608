/* Crews; see crew.h. */
#include "workers/web/crew.h"

#include "workers/web/journal.h"

#include <pthread.h>
#include <stdlib.h>

struct crew {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct crew_config config;
    struct job *first, **last;
    unsigned waiting, working;
    bool ending;
    pthread_t *threads;
};

static struct job *job_next(struct crew *c)
{
    struct job *j;

    pthread_mutex_lock(&c->lock);
    while (!c->first && !c->ending)
        pthread_cond_wait(&c->more, &c->lock);
    j = c->first;
    if (j) {
        c->first = j->next;
        if (!c->first)
            c->last = &c->first;
        c->waiting--;
        c->working++;
    }
    pthread_mutex_unlock(&c->lock);
    return j;
}

static void job_done(struct crew *c)
{
    pthread_mutex_lock(&c->lock);
    c->working--;
    pthread_mutex_unlock(&c->lock);
}

static void *work(void *arg)
{
    struct crew *c = arg;
    struct hand hand = {.store = store_redis_new(c->config.redis)};
    struct job *j;

    if (c->config.read)
        hand.journal = journal_new(c->config.read, c->config.redis->prefix);
    while ((j = job_next(c))) {
        j->run(j, &hand);
        job_done(c);
    }
    journal_free(hand.journal);
    store_free(hand.store);
    return NULL;
}

struct crew *crew_new(const struct crew_config *config)
{
    struct crew *c = memory_need(sizeof *c);

    *c = (struct crew){.config = *config};
    c->last = &c->first;
    c->threads = memory_need(config->threads * sizeof *c->threads);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->more, NULL);
    for (unsigned i = 0; i < config->threads; i++)
        if (pthread_create(&c->threads[i], NULL, work, c) != 0)
            abort(); /* no threads at the start: nothing here can work */
    return c;
}

bool crew_take(struct crew *c, struct job *j)
{
    bool room;

    pthread_mutex_lock(&c->lock);
    room = c->waiting < c->config.line && !c->ending;
    if (room) {
        j->next = NULL;
        *c->last = j;
        c->last = &j->next;
        c->waiting++;
        pthread_cond_signal(&c->more);
    }
    pthread_mutex_unlock(&c->lock);
    return room;
}

unsigned crew_busy(struct crew *c)
{
    unsigned busy;

    pthread_mutex_lock(&c->lock);
    busy = c->waiting + c->working;
    pthread_mutex_unlock(&c->lock);
    return busy;
}

void crew_end(struct crew *c)
{
    pthread_mutex_lock(&c->lock);
    c->ending = true;
    pthread_cond_broadcast(&c->more);
    pthread_mutex_unlock(&c->lock);
    for (unsigned i = 0; i < c->config.threads; i++)
        pthread_join(c->threads[i], NULL);
}

void crew_free(struct crew *c)
{
    if (!c)
        return;
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->more);
    free(c->threads);
    free(c);
}
