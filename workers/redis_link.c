/* The connection to Redis; see redis_link.h. */
#include "workers/redis_link.h"

#include "proto/error.h"
#include "proto/log.h"
#include "workers/login.h"
#include "workers/redis_info.h"
#include "workers/reply.h"
#include "workers/reply_arena.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define REPLIES_KEEP ((size_t)2 << 20) /* of memory, from one reply to the next */
#define SOCKET_BYTES (1 << 20)

static const char *user_of(const struct redis_link *l)
{
    return l->options.user ? l->options.user : "default";
}

/* A key by its family alone: what follows in it may be what an event said. */
static struct slice family_of(const struct redis_link *l, struct slice key)
{
    struct slice prefix = l->out.prefix, rest = key, family;

    if (!slice_cut_begin(&rest, prefix))
        return slice_make("", 0);
    return slice_cut(&rest, ':', &family) ? slice_make(key.at, prefix.size + family.size) : key;
}

/* The command so many before the one that was answered last, and its key by the family: "HGETALL
 * turnout:group ...". */
static const char *asked_before(struct redis_link *l, size_t before, char text[96])
{
    struct slice words[2], family;

    if (l->replies <= before || !resp_find(l->asked, l->replies - 1 - before, words))
        return "a command";
    family = family_of(l, words[1]);
    snprintf(text, 96, "%.*s %.*s%s", (int)words[0].size, words[0].at, (int)family.size, family.at,
             family.size < words[1].size ? " ..." : "");
    return text;
}

static bool says(const struct redis_link *l, int64_t *said_ms)
{
    return !l->options.aside && log_again(said_ms);
}

/* The access list forbids it. */
static int redis_denied(struct redis_link *l, size_t before)
{
    char text[96];

    if (says(l, &l->denied_ms))
        log_error("redis: user %s may not %s", user_of(l), asked_before(l, before, text));
    return ERR_CONFIG;
}

int redis_link_words(const redisReply *r)
{
    return (int)strcspn(r->str, "'\"`");
}

/* It goes by, or somebody has to give Redis room: which of the two, only its words tell. */
static bool is_hindrance(const char *words)
{
    static const char *const starts[] = {"LOADING",    "BUSY",      "READONLY",
                                         "OOM",        "MISCONF",   "MASTERDOWN",
                                         "NOREPLICAS", "EXECABORT", "ERR max number of clients"};

    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (strncmp(words, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

/* What an operator has to know beside Redis's own words; mostly nothing. */
static const char *advice_on(const char *words)
{
    if (strstr(words, "MISCONF Errors writing to the AOF"))
        return "; after a sync that failed Redis takes no writes until it is started again";
    return "";
}

int redis_link_error(struct redis_link *l, const redisReply *r, size_t before)
{
    char text[96];

    if (is_hindrance(r->str)) {
        if (says(l, &l->hindered_ms)) /* fixed words, with nothing of what was sent */
            log_warn("redis: %.200s%s", r->str, advice_on(r->str));
        return ERR_AGAIN;
    }
    if (strncmp(r->str, "NOPERM", 6) == 0)
        return redis_denied(l, before);
    if (strncmp(r->str, "NOAUTH", 6) == 0) {
        if (says(l, &l->refused_ms))
            log_error("redis at %s wants a user and a password: --redis-user and "
                      "--redis-password-file",
                      l->options.address);
        return ERR_CONFIG;
    }
    if (says(l, &l->amiss_ms))
        log_error("redis: %s: %.*s", asked_before(l, before, text), redis_link_words(r), r->str);
    return ERR_CORRUPT;
}

int redis_link_take(struct redis_link *l, redisReply **ret)
{
    void *reply = NULL;

    arena_reset(&l->arena, REPLIES_KEEP);
    if (redisGetReply(l->redis, &reply) != REDIS_OK || !reply)
        return ERR_LOST;
    *ret = reply;
    l->replies++;
    if ((*ret)->type != REDIS_REPLY_ERROR)
        return 0;
    return redis_link_error(l, *ret, 0);
}

int redis_link_statuses(struct redis_link *l, size_t count, const char *word)
{
    redisReply *r;
    int error = 0;

    for (size_t i = 0; i < count && error == 0; i++) {
        error = redis_link_take(l, &r);
        if (error < 0)
            break;
        if (!reply_is_status(r, word))
            error = ERR_CORRUPT;
    }
    return error;
}

int redis_link_queued(struct redis_link *l, size_t commands)
{
    int error = redis_link_statuses(l, 1, "OK");

    return error < 0 ? error : redis_link_statuses(l, commands, "QUEUED");
}

void redis_link_answers(struct redis_link *l, bool before)
{
    l->asked = before ? &l->before : &l->out;
    l->replies = 0;
}

/* Past hiredis, which would copy all of it first. */
int redis_link_send(struct redis_link *l)
{
    struct slice rest = buffer_slice(&l->out.out);

    redis_link_answers(l, false);
    while (rest.size) {
        ssize_t n = send(l->redis->fd, rest.at, rest.size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_LOST;
        rest = slice_make(rest.at + n, rest.size - (size_t)n);
    }
    return 0;
}

void redis_link_put_off(struct redis_link *l)
{
    struct resp free = l->before;

    l->before = l->out;
    l->out = free;
    l->out.prefix = l->before.prefix;
}

int redis_link_info(struct redis_link *l, const char *section, struct slice *ret)
{
    redisReply *r;
    int error;

    resp_clear(&l->out);
    resp_command(&l->out, section ? 2 : 1);
    resp_text(&l->out, "INFO");
    if (section)
        resp_text(&l->out, section);
    error = redis_link_send(l);
    if (error == 0)
        error = redis_link_take(l, &r);
    if (error < 0)
        return error;
    if (r->type != REDIS_REPLY_STRING)
        return ERR_CORRUPT;
    *ret = slice_make(r->str, r->len);
    return 0;
}

static int redis_check(struct redis_link *l)
{
    struct slice info, policy, most;
    int error = redis_link_info(l, "memory", &info);

    if (error < 0)
        return error;
    policy = redis_info_value(info, "maxmemory_policy");
    most = redis_info_value(info, "maxmemory");
    if (policy.at && !slice_is(policy, "noeviction") && !slice_is(most, "0")) {
        log_error("redis: maxmemory-policy is %.*s and would throw counters away: set noeviction",
                  (int)policy.size, policy.at);
        error = ERR_CONFIG;
    }
    return error;
}

/* Redis does not let us in.  Once it has, somebody is changing the password just now. */
static int login_refused(struct redis_link *l, const char *reason)
{
    if (says(l, &l->refused_ms))
        log_error("redis at %s: %s", l->options.address, reason);
    return l->let_in ? ERR_AGAIN : ERR_CONFIG;
}

/* Before any other command; nothing is asked of a Redis that wants no password. */
static int redis_login(struct redis_link *l)
{
    const struct redis_options *o = &l->options;
    char reason[512];
    void *reply = NULL;
    int error;

    if (!o->password_file)
        return 0;
    error = login_send(l->redis->fd, user_of(l), o->password_file, reason, sizeof reason);
    if (error < 0)
        return error == ERR_CONFIG ? login_refused(l, reason) : error;
    if (redisGetReply(l->redis, &reply) != REDIS_OK || !reply)
        return ERR_LOST;
    const redisReply *r = reply;
    if (r->type != REDIS_REPLY_ERROR) {
        l->let_in = true;
    } else if (strncmp(r->str, "WRONGPASS", 9) == 0) {
        snprintf(reason, sizeof reason, "user %s is unknown, off, or not with the password in %s",
                 user_of(l), o->password_file);
        error = login_refused(l, reason);
    } else {
        error = redis_link_error(l, r, 0);
    }
    return error;
}

/* A whole commit has room in it, so that the next one is folded while Redis reads.  Linux gives as
 * much of it as net.core.wmem_max allows. */
static redisContext *connect_unix(const char *path, struct timeval limit)
{
    redisContext *c = redisConnectUnixWithTimeout(path, limit);
    int size = SOCKET_BYTES;

    if (c && !c->err)
        setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return c;
}

static int redis_connect(struct redis_link *l)
{
    struct timeval limit = {l->options.timeout_ms / 1000, l->options.timeout_ms % 1000 * 1000};
    const char *colon = strrchr(l->options.address, ':');
    char host[256];
    int error;

    l->replies = 0; /* those of the connection before */
    if (strchr(l->options.address, '/') || !colon) {
        l->redis = connect_unix(l->options.address, limit);
    } else {
        snprintf(host, sizeof host, "%.*s", (int)(colon - l->options.address), l->options.address);
        l->redis = redisConnectWithTimeout(host, atoi(colon + 1), limit);
    }
    if (!l->redis || l->redis->err) {
        log_debug("redis at %s: %s", l->options.address, l->redis ? l->redis->errstr : "no memory");
        return ERR_LOST;
    }
    redisSetTimeout(l->redis, limit);
    reply_arena_use(l->redis, &l->arena);
    error = redis_login(l);
    return error < 0 ? error : redis_check(l);
}

int redis_link_ready(struct redis_link *l)
{
    int error = l->redis ? 0 : redis_connect(l);

    if (error < 0)
        redis_link_drop(l);
    return error;
}

void redis_link_drop(struct redis_link *l)
{
    if (l->redis)
        redisFree(l->redis);
    l->redis = NULL;
}

static const char *text_copy(const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;

    return text ? memcpy(memory_need(size), text, size) : NULL;
}

void redis_link_open(struct redis_link *l, const struct redis_options *options)
{
    signal(SIGPIPE, SIG_IGN); /* a lost server must be an error code */
    *l = (struct redis_link){.options = *options};
    l->options.address = text_copy(options->address);
    l->options.prefix = text_copy(options->prefix);
    l->options.user = text_copy(options->user);
    l->options.password_file = text_copy(options->password_file);
    l->out.prefix = slice_of(l->options.prefix);
    if (options->password_file && !options->aside && login_is_open(options->password_file))
        log_warn("%s can be opened by others on this machine: chmod 600 it",
                 options->password_file);
}

void redis_link_close(struct redis_link *l)
{
    redis_link_drop(l);
    resp_free(&l->out);
    resp_free(&l->before);
    arena_free(&l->arena);
    free((void *)(uintptr_t)l->options.address);
    free((void *)(uintptr_t)l->options.prefix);
    free((void *)(uintptr_t)l->options.user);
    free((void *)(uintptr_t)l->options.password_file);
}
