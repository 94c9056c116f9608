/* A private redis-server; see redis_server.h. */
#include "tests/redis_server.h"

#include "proto/bytes.h"
#include "proto/clock.h"
#include "tests/redis_dump.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_MS 10000

static const char *server_option, *server_value;

static void give_up(const char *what)
{
    fprintf(stderr, "redis-server for a test: %s\n", what);
    abort();
}

struct redis_server *redis_server_new(const char *option, const char *value)
{
    struct redis_server *r = memory_need(sizeof *r);
    const char *tmp = getenv("TMPDIR");

    *r = (struct redis_server){0};
    server_option = option;
    server_value = value;
    snprintf(r->dir, sizeof r->dir, "%s/turnout-redis.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(r->dir))
        give_up("no temporary folder");
    snprintf(r->socket, sizeof r->socket, "%s/redis.sock", r->dir);
    redis_server_start(r);
    return r;
}

static void run_server(const struct redis_server *r)
{
    int null = open("/dev/null", O_RDWR);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(null, 1);
    dup2(null, 2);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", r->socket, "--dir",
           r->dir, "--save", "", "--appendonly", "no", server_option ? server_option : (char *)NULL,
           server_value, (char *)NULL);
    _exit(127);
}

static bool answers(const struct redis_server *r)
{
    struct redis *client = redis_open(r->socket);
    bool pong = client && redis_do(client, "PING")->kind == '+';

    redis_close(client);
    return pong;
}

void redis_server_start(struct redis_server *r)
{
    int64_t end_ms = clock_mono_ms() + START_MS;
    struct timespec pause = {0, 5000000};

    unlink(r->socket);
    r->pid = fork();
    if (r->pid < 0)
        give_up("cannot fork");
    if (r->pid == 0)
        run_server(r);
    while (!answers(r)) {
        if (clock_mono_ms() > end_ms)
            give_up("it does not answer");
        nanosleep(&pause, NULL);
    }
}

void redis_server_kill(struct redis_server *r)
{
    if (r->pid) {
        kill(r->pid, SIGKILL);
        waitpid(r->pid, NULL, 0);
    }
    r->pid = 0;
}

void redis_server_free(struct redis_server *r)
{
    redis_server_kill(r);
    unlink(r->socket);
    rmdir(r->dir);
    free(r);
}

struct store *store_at(const char *address, const char *prefix, int timeout_ms)
{
    struct redis_options o = {.address = address, .prefix = prefix, .timeout_ms = timeout_ms};

    return store_redis_new(&o);
}
