/* Fuzzes the replies of Redis: a server that says whatever the input says, to a store that looks,
 * fetches, commits or walks over the keys.  Whatever comes, the store ends with 0 or an error of
 * store.h; and it says 0 only if a reader of our own, which knows nothing but the protocol, finds
 * exactly the answers that Redis gives when all is well.
 *
 * The first byte picks what is asked; the rest is all that the server ever says. */
#include "proto/error.h"
#include "workers/resp_commit.h"
#include "workers/store.h"

#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LOG     "00112233445566778899aabbccddeeff"
#define PREFIX  "turnout:"
#define FETCHES 5
#define PLACES  2

/* ---- the server: one connection after the other, each told the same ---- */

static struct {
    char folder[96];
    struct sockaddr_un address;
    int listener;
    struct slice says;
    sem_t served; /* a connection is over */
} server;

static void serve(int fd)
{
    char drop[4096];
    size_t told = 0;

    while (told < server.says.size) {
        ssize_t n = send(fd, server.says.at + told, server.says.size - told, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        told += (size_t)n;
    }
    shutdown(fd, SHUT_WR);
    while (read(fd, drop, sizeof drop) > 0)
        continue;
    close(fd);
}

static void *server_run(void *arg)
{
    for (;;) {
        int fd = accept(server.listener, NULL, NULL);
        assert(fd >= 0);
        serve(fd);
        sem_post(&server.served);
    }
    return arg;
}

static void server_remove(void)
{
    unlink(server.address.sun_path);
    rmdir(server.folder);
}

static void server_start(void)
{
    const char *place = getenv("TMPDIR");
    pthread_t thread;
    int failed;

    snprintf(server.folder, sizeof server.folder, "%.83s/fuzz-XXXXXX", place ? place : "/tmp");
    if (!mkdtemp(server.folder)) {
        perror(server.folder);
        abort();
    }
    server.address.sun_family = AF_UNIX;
    snprintf(server.address.sun_path, sizeof server.address.sun_path, "%s/redis", server.folder);
    server.listener = socket(AF_UNIX, SOCK_STREAM, 0);
    failed = bind(server.listener, (struct sockaddr *)&server.address, sizeof server.address);
    failed |= listen(server.listener, 4);
    failed |= sem_init(&server.served, 0, 0);
    failed |= pthread_create(&thread, NULL, server_run, NULL);
    if (failed)
        abort();
    pthread_detach(thread);
    atexit(server_remove);
}

/* ---- the judge: reads what was said, and falls silent at the first thing amiss ---- */

struct judge {
    struct slice rest;
    bool amiss;
};

static struct slice judge_line(struct judge *j, char kind)
{
    const char *end = j->rest.size ? memmem(j->rest.at, j->rest.size, "\r\n", 2) : NULL;
    struct slice line = {0};

    if (j->amiss || !end || *j->rest.at != kind) {
        j->amiss = true;
        return line;
    }
    line = slice_make(j->rest.at + 1, (size_t)(end - j->rest.at) - 1);
    j->rest.size -= line.size + 3;
    j->rest.at += line.size + 3;
    return line;
}

static int64_t judge_number(struct judge *j, char kind)
{
    int64_t n = 0;

    if (!slice_to_int(judge_line(j, kind), &n))
        j->amiss = true;
    return j->amiss ? 0 : n;
}

static void judge_status(struct judge *j, const char *word)
{
    if (!slice_is(judge_line(j, '+'), word))
        j->amiss = true;
}

/* A string; or nothing, where that is `allowed`. */
static struct slice judge_string(struct judge *j, bool allowed)
{
    int64_t size = judge_number(j, '$');
    struct slice s;

    if (size == -1 && allowed)
        return (struct slice){0};
    if (j->amiss || size < 0 || (uint64_t)size + 2 > j->rest.size) {
        j->amiss = true;
        return (struct slice){0};
    }
    s = slice_make(j->rest.at, (size_t)size);
    j->rest.at += size + 2;
    j->rest.size -= (size_t)size + 2;
    return s;
}

static int64_t judge_array(struct judge *j)
{
    int64_t count = judge_number(j, '*');

    if (count < 0)
        j->amiss = true;
    return j->amiss ? 0 : count;
}

static void judge_strings(struct judge *j, int64_t step)
{
    int64_t count = judge_array(j);

    if (count % step)
        j->amiss = true;
    for (int64_t i = 0; i < count && !j->amiss; i++)
        judge_string(j, false);
}

static void judge_values(struct judge *j, int64_t count)
{
    if (judge_array(j) != count)
        j->amiss = true;
    for (int64_t i = 0; i < count && !j->amiss; i++)
        judge_string(j, true);
}

static void judge_stream(struct judge *j)
{
    int64_t count = judge_array(j);

    for (int64_t i = 0; i < count && !j->amiss; i++) {
        if (judge_array(j) != 2)
            j->amiss = true;
        judge_string(j, false);
        judge_strings(j, 2);
    }
}

/* ---- what is asked ---- */

static size_t rows_seen;

static int row_take(void *context, void *record, struct slice field, struct slice value)
{
    volatile char sum = 0;

    (void)context;
    (void)record;
    assert(field.at);
    for (size_t i = 0; i < field.size; i++)
        sum = (char)(sum + field.at[i]);
    for (size_t i = 0; i < value.size; i++)
        sum = (char)(sum + value.at[i]);
    rows_seen++;
    return 0;
}

static int key_take(void *arg, struct slice key)
{
    (void)arg;
    assert(key.at);
    rows_seen++;
    return 0;
}

static const struct slice fields[] = {{"a", 1}, {"b", 1}};
static const struct store_fetch fetches[FETCHES] = {
    {.key = {"h", 1}, .kind = FETCH_HASH, .row = row_take},
    {.key = {"f", 1}, .kind = FETCH_HASH, .fields = fields, .field_count = 2, .row = row_take},
    {.key = {"s", 1}, .kind = FETCH_SET, .row = row_take},
    {.key = {"z", 1}, .kind = FETCH_ZSET, .row = row_take},
    {.key = {"c", 1}, .kind = FETCH_STREAM, .field_count = 9, .row = row_take},
};

static void judge_fetches(struct judge *j)
{
    judge_strings(j, 2);
    judge_values(j, 2);
    judge_strings(j, 1);
    judge_strings(j, 2);
    judge_stream(j);
}

static void judge_look(struct judge *j, bool snapshot)
{
    if (snapshot) {
        judge_status(j, "OK");
        for (size_t i = 0; i < FETCHES; i++)
            judge_status(j, "QUEUED");
        if (judge_array(j) != FETCHES)
            j->amiss = true;
        judge_fetches(j);
    }
    judge_status(j, "OK");
    judge_status(j, "OK");
    for (size_t i = 0; i < PLACES; i++)
        judge_values(j, 5);
    if (!snapshot)
        judge_fetches(j);
}

static int ask_look(struct store *s, struct judge *j, bool snapshot)
{
    static const unsigned places[PLACES] = {3, PLACE_DERIVED};
    struct applied applied[PLACES];
    struct store_look look = {.places = places,
                              .count = PLACES,
                              .watched = PLACES,
                              .ret_applied = applied,
                              .fetches = fetches,
                              .fetch_count = FETCHES,
                              .snapshot = snapshot};
    int error = store_begin(s, &look);

    if (error < 0)
        return error;
    judge_look(j, snapshot);
    for (size_t i = 0; i < PLACES; i++)
        assert(applied[i].time_ms >= 0 && applied[i].held_ms >= 0);
    return 0;
}

/* Two operations, of keys whose types are asked for, and a move: three commands of a transaction.
 */
static int ask_commit(struct store *s, struct judge *j)
{
    struct commit c = {0};
    struct commit_move *m;
    int error;

    commit_hset(&c, slice_of("n"), slice_of("field"), slice_of("value"));
    commit_sadd(&c, slice_of("m"), slice_of("name"));
    m = commit_move(&c, 3);
    m->to = (struct applied){.known = true, .log = LOG, .offset = 5};
    error = store_commit(s, &c);
    commit_free(&c);
    if (error < 0)
        return error;
    for (size_t i = 0; i < 2; i++) {
        struct slice type = judge_line(j, '+');
        if (!slice_is(type, "none") && !slice_is(type, i ? "set" : "hash"))
            j->amiss = true;
    }
    judge_status(j, "OK");
    for (size_t i = 0; i < 3; i++)
        judge_status(j, "QUEUED");
    if (judge_array(j) != 3)
        j->amiss = true;
    return 0;
}

static int ask_keys(struct store *s, struct judge *j)
{
    struct slice cursor;
    int error = store_keys(s, key_take, NULL);

    if (error < 0)
        return error;
    do {
        if (judge_array(j) != 2)
            j->amiss = true;
        cursor = judge_string(j, false);
        judge_strings(j, 1);
    } while (!j->amiss && !slice_is(cursor, "0"));
    return 0;
}

static int ask(struct store *s, unsigned what, struct judge *j)
{
    int error;

    judge_string(j, false); /* INFO, at the first use */
    switch (what) {
    case 0:
        error = ask_look(s, j, false);
        return error < 0 ? error : ask_commit(s, j);
    case 1:
        return ask_look(s, j, true);
    case 2:
        error = store_fetch(s, fetches, FETCHES, NULL);
        if (error == 0)
            judge_fetches(j);
        return error;
    default:
        return ask_keys(s, j);
    }
}

static bool is_error_of_store(int error)
{
    return error == ERR_CONFLICT || error == ERR_LOST || error == ERR_AGAIN ||
           error == ERR_CORRUPT || error == ERR_CONFIG;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    struct judge judge = {0};
    struct store *s;
    int error;

    if (size == 0)
        return 0;
    if (!started) {
        server_start();
        started = true;
    }
    server.says = judge.rest = slice_make(data + 1, size - 1);
    s = store_redis_new(&(struct redis_options){
        .address = server.address.sun_path, .prefix = PREFIX, .timeout_ms = 5000});
    error = ask(s, data[0] % 4, &judge);
    if (error == 0)
        assert(!judge.amiss);
    else
        assert(is_error_of_store(error));
    store_free(s);
    sem_wait(&server.served);
    return 0;
}
