/* A publisher of the soak; see soak_publisher.h. */
#include "tests/soak_publisher.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/turnout.h"
#include "tests/fixtures.h"
#include "tests/season.h"
#include "tests/soak_account.h"
#include "tests/world.h"

#define CHUNK        2000 /* events of a world */
#define SEASON_SHARE 5    /* percent of the registry's committees */
#define AGAIN_MS     200  /* before what found no room is sent once more */
#define MUST_FAIL    UINT64_MAX

struct publisher {
    unsigned number;
    uint64_t seed;
    struct random random;
    struct account account;
    struct turnout_producer *producer;
    struct buffer indexes; /* uint64_t: of each sequence number, from 1 */
    struct buffer again;   /* uint64_t: to be sent once more */
    struct buffer chunk;   /* events being sent, and each of them */
    struct slice *events;
    size_t chunk_count, chunk_first;
    uint64_t chunks;
};

/* ---- what is sent: the event with that index is the same after every start ---- */
static void chunk_make(struct publisher *p)
{
    uint64_t seed = p->seed + p->chunks * 1000 + p->number;
    struct buffer registry = {0};

    buffer_clear(&p->chunk);
    free(p->events);
    if (p->number != 2) {
        world_events(seed, CHUNK, &p->chunk);
    } else {
        fixture_events("registry.jsonl.gz", &registry);
        if (p->chunks == 0)
            buffer_add_slice(&p->chunk, buffer_slice(&registry));
        season_events(seed, 2026, SEASON_SHARE, buffer_slice(&registry), &p->chunk);
        buffer_free(&registry);
    }
    p->chunk_first += p->chunk_count;
    p->chunk_count = world_split(buffer_slice(&p->chunk), &p->events);
    p->chunks++;
}

static struct slice event_make(struct publisher *p)
{
    while (p->account.count >= p->chunk_first + p->chunk_count)
        chunk_make(p);
    return p->events[p->account.count - p->chunk_first];
}

/* ---- sending ---- */
static uint64_t index_of(const struct publisher *p, uint64_t seq)
{
    uint64_t index;

    memcpy(&index, p->indexes.at + (seq - 1) * sizeof index, sizeof index);
    return index;
}

static void wrong(const char *what)
{
    fprintf(stderr, "publisher: %s\n", what);
    _exit(3);
}

static void accepted(void *arg, uint64_t first, uint64_t last)
{
    struct publisher *p = arg;
    uint64_t indexes[256];
    size_t count = 0;

    for (uint64_t seq = first; seq <= last; seq++) {
        indexes[count] = index_of(p, seq);
        if (indexes[count++] == MUST_FAIL)
            wrong("an event was accepted that must be refused");
        if (count == 256 || seq == last) {
            account_acknowledge(&p->account, indexes, count);
            count = 0;
        }
    }
}

static void refused(void *arg, uint64_t seq, const struct turnout_refusal *why)
{
    struct publisher *p = arg;
    uint64_t index = index_of(p, seq);

    if (index == MUST_FAIL)
        return; /* with retry, if only for want of room: it need not be sent again */
    if (!why->retry)
        wrong(why->reason);
    buffer_add(&p->again, &index, sizeof index);
}

static void send_indexed(struct publisher *p, struct slice event, uint64_t index)
{
    int r;

    buffer_add(&p->indexes, &index, sizeof index);
    do
        r = turnout_send(p->producer, event.at, event.size, NULL);
    while (r == TURNOUT_TIMEOUT);
    if (r != TURNOUT_OK)
        wrong(turnout_error(p->producer));
}

static void send_bad(struct publisher *p)
{
    static const char no_map[] = "\xa3what", unknown[] = "\x81\xa4type\xa4vow?";

    if (random_percent(&p->random, 50))
        send_indexed(p, slice_make(no_map, 4), MUST_FAIL);
    else
        send_indexed(p, slice_make(unknown, 11), MUST_FAIL);
}

static void send_next(struct publisher *p)
{
    struct slice event = event_make(p);
    size_t index = account_send(&p->account, event);

    send_indexed(p, event, index);
    if (p->number != 3)
        return;
    if (random_percent(&p->random, 5)) {
        index = random_below(&p->random, p->account.count);
        send_indexed(p, account_event(&p->account, index), index);
    }
    if (random_percent(&p->random, 2))
        send_bad(p);
}

/* What was refused for want of room, a moment later. */
static void send_again(struct publisher *p)
{
    struct buffer again = p->again;
    int64_t until_ms = clock_mono_ms() + AGAIN_MS;

    if (again.size == 0)
        return;
    p->again = (struct buffer){0};
    while (clock_mono_ms() < until_ms)
        turnout_poll(p->producer, 20);
    for (size_t i = 0; i < again.size / sizeof(uint64_t); i++) {
        uint64_t index;
        memcpy(&index, again.at + i * sizeof index, sizeof index);
        send_indexed(p, account_event(&p->account, index), index);
    }
    buffer_free(&again);
}

/* What an earlier life of this publisher has no answer for. */
static void send_unacknowledged(struct publisher *p)
{
    for (size_t i = 0; i < p->account.count; i++)
        if (!account_is_acked(&p->account, i))
            send_indexed(p, account_event(&p->account, i), i);
}

static bool is_finished(const char *dir)
{
    char path[256];

    snprintf(path, sizeof path, "%s/finish", dir);
    return access(path, F_OK) == 0;
}

static void publish(struct publisher *p, const char *dir, unsigned per_s)
{
    int64_t start_ms = clock_mono_ms();

    for (int64_t i = 0; !is_finished(dir); i++) {
        int64_t due_ms = start_ms + i * 1000 / per_s, left_ms;
        while ((left_ms = due_ms - clock_mono_ms()) > 0)
            turnout_poll(p->producer, (int)left_ms);
        send_again(p);
        send_next(p);
    }
    while (p->account.acked_count < p->account.count) {
        turnout_flush(p->producer, 1000);
        send_again(p);
    }
}

int soak_publish(const char *dir, unsigned number, uint64_t seed, unsigned per_s)
{
    struct publisher p = {.number = number, .seed = seed, .random = random_new(seed + number)};
    char endpoint[256], name[32];
    struct turnout_options options = {
        .endpoint = endpoint, .name = name, .accepted = accepted, .refused = refused, .arg = &p};

    snprintf(endpoint, sizeof endpoint, "ipc://%s/publish.sock", dir);
    snprintf(name, sizeof name, "publisher-%u", number);
    account_open(dir, number, &p.account);
    if (turnout_producer_new(&options, &p.producer) < 0)
        return 3;
    turnout_set_timeout(p.producer, 1000);
    send_unacknowledged(&p);
    publish(&p, dir, per_s);
    turnout_producer_free(p.producer);
    account_close(&p.account);
    buffer_free(&p.indexes);
    buffer_free(&p.again);
    buffer_free(&p.chunk);
    free(p.events);
    return 0;
}
