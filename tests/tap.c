/* A tap between clients and a server; see tap.h. */
#include "tests/tap.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PAIRS 32

struct pair {
    int client, server; /* -1: free */
};

struct tap {
    int listener, stop[2];
    struct sockaddr_un address, server;
    struct pair pairs[PAIRS];
    pthread_t thread;
    pthread_mutex_t lock; /* of the rest */
    unsigned fail_at, questions;
    const char *says;
};

static void give_up(const char *what)
{
    perror(what);
    abort();
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    return a;
}

static void pair_close(struct pair *p)
{
    close(p->client);
    close(p->server);
    p->client = p->server = -1;
}

/* A server that is not there is one that closes at once. */
static void pair_open(struct tap *t)
{
    int client = accept(t->listener, NULL, NULL), server = socket(AF_UNIX, SOCK_STREAM, 0);

    for (size_t i = 0; i < PAIRS; i++) {
        struct pair *p = &t->pairs[i];
        if (p->client >= 0)
            continue;
        *p = (struct pair){client, server};
        if (connect(server, (const struct sockaddr *)&t->server, sizeof t->server) < 0)
            pair_close(p);
        return;
    }
    give_up("tap: too many connections");
}

static bool pass_on(int to, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = send(to, bytes, size, MSG_NOSIGNAL);
        if (n < 0)
            return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

/* Counts one question: whether the tap fails, and with what. */
static bool fails(struct tap *t, const char **ret_says)
{
    bool failing;

    pthread_mutex_lock(&t->lock);
    t->questions++;
    failing = t->fail_at && t->questions >= t->fail_at;
    *ret_says = t->says;
    pthread_mutex_unlock(&t->lock);
    return failing;
}

static void client_read(struct tap *t, struct pair *p)
{
    char bytes[65536];
    const char *says;
    ssize_t n = read(p->client, bytes, sizeof bytes);
    bool good = n > 0;

    if (good && !fails(t, &says))
        good = pass_on(p->server, bytes, (size_t)n);
    else if (good)
        good = says && pass_on(p->client, says, strlen(says));
    if (!good)
        pair_close(p);
}

static void server_read(struct pair *p)
{
    char bytes[65536];
    ssize_t n = read(p->server, bytes, sizeof bytes);

    if (n <= 0 || !pass_on(p->client, bytes, (size_t)n))
        pair_close(p);
}

static void *run(void *arg)
{
    struct tap *t = arg;
    struct pollfd fds[2 + 2 * PAIRS];

    for (;;) {
        fds[0] = (struct pollfd){.fd = t->stop[0], .events = POLLIN};
        fds[1] = (struct pollfd){.fd = t->listener, .events = POLLIN};
        for (size_t i = 0; i < PAIRS; i++) { /* poll passes over -1 */
            fds[2 + 2 * i] = (struct pollfd){.fd = t->pairs[i].client, .events = POLLIN};
            fds[3 + 2 * i] = (struct pollfd){.fd = t->pairs[i].server, .events = POLLIN};
        }
        poll(fds, 2 + 2 * PAIRS, -1);
        if (fds[0].revents)
            return NULL;
        for (size_t i = 0; i < PAIRS; i++)
            if (fds[3 + 2 * i].revents && t->pairs[i].server >= 0)
                server_read(&t->pairs[i]);
        for (size_t i = 0; i < PAIRS; i++)
            if (fds[2 + 2 * i].revents && t->pairs[i].client >= 0)
                client_read(t, &t->pairs[i]);
        if (fds[1].revents)
            pair_open(t);
    }
}

struct tap *tap_new(const char *path, const char *server)
{
    struct tap *t = calloc(1, sizeof *t);

    t->address = address_of(path);
    t->server = address_of(server);
    for (size_t i = 0; i < PAIRS; i++)
        t->pairs[i] = (struct pair){-1, -1};
    pthread_mutex_init(&t->lock, NULL);
    t->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(t->listener, (const struct sockaddr *)&t->address, sizeof t->address) < 0 ||
        listen(t->listener, PAIRS) < 0 || pipe(t->stop) < 0 ||
        pthread_create(&t->thread, NULL, run, t) != 0)
        give_up("tap");
    return t;
}

void tap_free(struct tap *t)
{
    if (!t)
        return;
    close(t->stop[1]);
    pthread_join(t->thread, NULL);
    for (size_t i = 0; i < PAIRS; i++)
        if (t->pairs[i].client >= 0)
            pair_close(&t->pairs[i]);
    close(t->stop[0]);
    close(t->listener);
    unlink(t->address.sun_path);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void tap_fail(struct tap *t, unsigned at, const char *says)
{
    pthread_mutex_lock(&t->lock);
    t->fail_at = at;
    t->says = says;
    t->questions = 0;
    pthread_mutex_unlock(&t->lock);
}

unsigned tap_questions(struct tap *t)
{
    unsigned n;

    pthread_mutex_lock(&t->lock);
    n = t->questions;
    pthread_mutex_unlock(&t->lock);
    return n;
}
