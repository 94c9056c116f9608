/* The store in Redis, by hiredis: with reply.c the only file that knows that library.
 *
 *     begin    UNWATCH, WATCH offset:P ..., HMGET offset:P log offset time ..., fetches
 *              (a snapshot's fetches come first, between MULTI and EXEC, which ends every WATCH)
 *     fetch    HGETALL, HMGET, SMEMBERS ...
 *     commit   MULTI, HSET HDEL HINCRBY SADD ZADD ZREM XADD ..., HSET offset:P ..., EXEC
 *     keys     SCAN
 *
 * each in one write and one run of replies.  EXEC does nothing, and answers nil, when a watched
 * offset has changed since begin: that is the compare-and-set of invariant 3.  After any error
 * the connection is given up, because a reply could still be outstanding on it (invariant 5). */
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/log.h"
#include "proto/table.h"
#include "workers/reply.h"
#include "workers/resp_commit.h"
#include "workers/resp_look.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* Keys whose type has been looked at; then they are looked at anew. */
#define KNOWN_KEYS  200000
#define SCAN_CURSOR 32

struct redis_store {
    struct store base;
    char *address, *prefix;
    int timeout_ms;
    redisContext *redis; /* NULL: not connected */
    struct resp out;
    struct table known; /* keys that have the type we are about to write */
    struct arena known_arena;
};

static void known_forget(struct redis_store *s)
{
    table_clear(&s->known);
    arena_reset(&s->known_arena, SIZE_MAX);
}

static void know(struct redis_store *s, struct slice key)
{
    struct table_entry *e;

    if (table_find(&s->known, key))
        return;
    e = arena_need(&s->known_arena, sizeof *e);
    e->key = arena_copy(&s->known_arena, key);
    table_add(&s->known, e);
}

static void redis_drop(struct store *base)
{
    struct redis_store *s = (struct redis_store *)base;

    if (s->redis)
        redisFree(s->redis);
    s->redis = NULL;
    known_forget(s);
}

/* What an error reply means for us. */
static int reply_error(const redisReply *r)
{
    static const struct {
        const char *start;
        int code;
    } known[] = {{"LOADING", ERR_AGAIN},    {"BUSY", ERR_AGAIN},      {"READONLY", ERR_AGAIN},
                 {"OOM", ERR_AGAIN},        {"MISCONF", ERR_AGAIN},   {"MASTERDOWN", ERR_AGAIN},
                 {"NOREPLICAS", ERR_AGAIN}, {"EXECABORT", ERR_AGAIN}, {"NOAUTH", ERR_CONFIG},
                 {"NOPERM", ERR_CONFIG}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(r->str, known[i].start, strlen(known[i].start)) == 0)
            return known[i].code;
    log_error("redis: %s", r->str);
    return ERR_CORRUPT;
}

/* One reply, which the caller frees.  An error reply is an error. */
static int reply_take(struct redis_store *s, redisReply **ret)
{
    void *reply = NULL;
    int error;

    if (redisGetReply(s->redis, &reply) != REDIS_OK || !reply)
        return ERR_LOST;
    *ret = reply;
    if ((*ret)->type != REDIS_REPLY_ERROR)
        return 0;
    error = reply_error(*ret);
    freeReplyObject(*ret);
    return error;
}

/* `count` times the same word, as Redis gives to commands that have nothing to tell.  Anything else
 * would mean that replies and commands are no longer in step. */
static int statuses_take(struct redis_store *s, size_t count, const char *word)
{
    redisReply *r;
    int error = 0;

    for (size_t i = 0; i < count && error == 0; i++) {
        error = reply_take(s, &r);
        if (error < 0)
            break;
        if (!reply_is_status(r, word))
            error = ERR_CORRUPT;
        freeReplyObject(r);
    }
    return error;
}

/* What MULTI and the commands behind it, down to EXEC, are answered with. */
static int queued_take(struct redis_store *s, size_t commands)
{
    int error = statuses_take(s, 1, "OK");

    return error < 0 ? error : statuses_take(s, commands, "QUEUED");
}

static int redis_send(struct redis_store *s)
{
    if (redisAppendFormattedCommand(s->redis, s->out.out.at, s->out.out.size) != REDIS_OK)
        return ERR_LOST;
    return 0;
}

/* A value of INFO, up to the end of its line; absent when it is not there. */
static struct slice info_value(struct slice info, const char *name)
{
    struct slice line, value;

    while (slice_cut(&info, '\n', &line)) {
        value = line;
        if (slice_cut(&value, ':', &line) && slice_is(line, name))
            return slice_make(value.at, value.size && value.at[value.size - 1] == '\r'
                                            ? value.size - 1
                                            : value.size);
    }
    return (struct slice){0};
}

/* An evicted key would be a number that silently went: Redis must not evict. */
static int redis_check(struct redis_store *s)
{
    redisReply *r;
    struct slice policy, most;
    int error;

    resp_clear(&s->out);
    resp_command(&s->out, 2);
    resp_text(&s->out, "INFO");
    resp_text(&s->out, "memory");
    error = redis_send(s);
    if (error == 0)
        error = reply_take(s, &r);
    if (error < 0)
        return error;
    if (r->type != REDIS_REPLY_STRING) {
        freeReplyObject(r);
        return ERR_CORRUPT;
    }
    policy = info_value(slice_make(r->str, r->len), "maxmemory_policy");
    most = info_value(slice_make(r->str, r->len), "maxmemory");
    if (policy.at && !slice_is(policy, "noeviction") && !slice_is(most, "0")) {
        log_error("redis: maxmemory-policy is %.*s and would throw counters away: set noeviction",
                  (int)policy.size, policy.at);
        error = ERR_CONFIG;
    }
    freeReplyObject(r);
    return error;
}

static int redis_connect(struct redis_store *s)
{
    struct timeval limit = {s->timeout_ms / 1000, s->timeout_ms % 1000 * 1000};
    const char *colon = strrchr(s->address, ':');
    char host[256];

    if (strchr(s->address, '/') || !colon) {
        s->redis = redisConnectUnixWithTimeout(s->address, limit);
    } else {
        snprintf(host, sizeof host, "%.*s", (int)(colon - s->address), s->address);
        s->redis = redisConnectWithTimeout(host, atoi(colon + 1), limit);
    }
    if (!s->redis || s->redis->err) {
        log_debug("redis at %s: %s", s->address, s->redis ? s->redis->errstr : "no memory");
        return ERR_LOST;
    }
    redisSetTimeout(s->redis, limit);
    return redis_check(s);
}

static int redis_ready(struct redis_store *s)
{
    int error = s->redis ? 0 : redis_connect(s);

    if (error < 0)
        redis_drop(&s->base);
    return error;
}

static int read_rows(const struct store_fetch *f, const redisReply *r, void *context)
{
    return r->type == REDIS_REPLY_ERROR ? reply_error(r) : reply_rows(f, r, context);
}

static int read_fetches(struct redis_store *s, const struct store_fetch *fetches, size_t count,
                        void *context)
{
    redisReply *r;
    int error = 0;

    for (size_t i = 0; i < count && error == 0; i++) {
        error = reply_take(s, &r);
        if (error < 0)
            break;
        error = read_rows(&fetches[i], r, context);
        freeReplyObject(r);
        if (error == 0 && fetches[i].kind == FETCH_HASH)
            know(s, fetches[i].key);
    }
    return error;
}

/* The replies of MULTI, the queued fetches and EXEC. */
static int read_snapshot(struct redis_store *s, const struct store_look *look)
{
    redisReply *r;
    int error = queued_take(s, look->fetch_count);

    if (error == 0)
        error = reply_take(s, &r);
    if (error < 0)
        return error;
    if (r->type != REDIS_REPLY_ARRAY || r->elements != look->fetch_count)
        error = ERR_CORRUPT;
    for (size_t i = 0; i < look->fetch_count && error == 0; i++)
        error = read_rows(&look->fetches[i], r->element[i], look->context);
    freeReplyObject(r);
    return error;
}

static int redis_fetch(struct store *base, const struct store_fetch *fetches, size_t count,
                       void *context)
{
    struct redis_store *s = (struct redis_store *)base;
    int error = redis_ready(s);

    if (error < 0)
        return error;
    resp_clear(&s->out);
    resp_fetches(&s->out, fetches, count);
    error = redis_send(s);
    if (error == 0)
        error = read_fetches(s, fetches, count, context);
    if (error < 0)
        redis_drop(base);
    return error;
}

static int read_places(struct redis_store *s, const struct store_look *look)
{
    redisReply *r;
    int error = statuses_take(s, look->watched ? 2 : 1, "OK");

    for (size_t i = 0; i < look->count && error == 0; i++) {
        error = reply_take(s, &r);
        if (error < 0)
            return error;
        error = reply_applied(r, &look->ret_applied[i]);
        freeReplyObject(r);
    }
    return error;
}

static int redis_begin(struct store *base, const struct store_look *look)
{
    struct redis_store *s = (struct redis_store *)base;
    bool snapshot = look->snapshot && look->fetch_count;
    int error = redis_ready(s);

    if (error < 0)
        return error;
    resp_clear(&s->out);
    resp_look(&s->out, look);
    error = redis_send(s);
    if (error == 0 && snapshot)
        error = read_snapshot(s, look);
    if (error == 0)
        error = read_places(s, look);
    if (error == 0 && !snapshot)
        error = read_fetches(s, look->fetches, look->fetch_count, look->context);
    if (error < 0)
        redis_drop(base);
    return error;
}

/* The reply of an EXEC of so many commands. */
static int read_exec(struct redis_store *s, size_t commands)
{
    redisReply *r;
    int error = reply_take(s, &r);

    if (error < 0)
        return error;
    if (r->type == REDIS_REPLY_NIL)
        error = ERR_CONFLICT;
    else if (r->type != REDIS_REPLY_ARRAY || r->elements != commands)
        error = ERR_CORRUPT;
    for (size_t i = 0; error == 0 && i < r->elements; i++)
        if (r->element[i]->type == REDIS_REPLY_ERROR) {
            log_error("redis: half a commit: %s; the counters must be counted again",
                      r->element[i]->str);
            error = ERR_CORRUPT;
        }
    freeReplyObject(r);
    return error;
}

/* An EXEC does not undo what it did before a command fails.  So the type of every key is known
 * before it is written: it was fetched as a hash, or it is asked for, once.  A foreign key under
 * our prefix must stop the commit, not halve it. */
static const char *type_of(enum commit_verb verb)
{
    return verb == COMMIT_SADD                          ? "set"
           : verb == COMMIT_ZADD || verb == COMMIT_ZREM ? "zset"
           : verb == COMMIT_XADD                        ? "stream"
                                                        : "hash";
}

static bool must_look(const struct redis_store *s, const struct commit *c, size_t i)
{
    enum commit_verb verb = c->ops[i].verb;

    return verb != COMMIT_DEL && verb != COMMIT_RENAME && !table_find(&s->known, c->ops[i].key);
}

static int read_type(struct redis_store *s, const struct commit_op *op)
{
    redisReply *r;
    int error = reply_take(s, &r);

    if (error < 0)
        return error;
    if (r->type != REDIS_REPLY_STATUS) {
        error = ERR_CORRUPT;
    } else if (strcmp(r->str, "none") != 0 && strcmp(r->str, type_of(op->verb)) != 0) {
        log_error("redis: %.*s should be a %s and is a %s, which turnout did not write",
                  (int)op->key.size, op->key.at, type_of(op->verb), r->str);
        error = ERR_CORRUPT;
    }
    freeReplyObject(r);
    return error;
}

static int check_types(struct redis_store *s, const struct commit *c)
{
    int error = 0;

    if (s->known.count > KNOWN_KEYS)
        known_forget(s);
    resp_clear(&s->out);
    for (size_t i = 0; i < c->count; i += commit_run(c, i))
        if (must_look(s, c, i)) {
            resp_command(&s->out, 2);
            resp_text(&s->out, "TYPE");
            resp_key(&s->out, c->ops[i].key);
        }
    if (s->out.commands == 0)
        return 0;
    error = redis_send(s);
    for (size_t i = 0; i < c->count && error == 0; i += commit_run(c, i))
        if (must_look(s, c, i))
            error = read_type(s, &c->ops[i]);
    for (size_t i = 0; i < c->count && error == 0; i += commit_run(c, i))
        if (must_look(s, c, i))
            know(s, c->ops[i].key);
    return error;
}

static int redis_commit(struct store *base, const struct commit *c)
{
    struct redis_store *s = (struct redis_store *)base;
    int error = s->redis ? check_types(s, c) : ERR_LOST; /* begin's watch went with it */
    size_t queued = 0;

    if (error == 0) {
        resp_clear(&s->out);
        resp_commit(&s->out, c);
        queued = s->out.commands - 2; /* between MULTI and EXEC */
        error = redis_send(s);
    }
    if (error == 0)
        error = queued_take(s, queued);
    if (error == 0)
        error = read_exec(s, queued);
    if (error < 0 && error != ERR_CONFLICT)
        redis_drop(base);
    return error;
}

/* A cursor is an unsigned number of 64 bits; it goes back into a command as it came. */
static bool is_cursor(const redisReply *r)
{
    return r->type == REDIS_REPLY_STRING && r->len >= 1 && (size_t)r->len < SCAN_CURSOR &&
           strspn(r->str, "0123456789") == (size_t)r->len;
}

/* One step of a SCAN: the cursor of the next, and names. */
static int read_scan(struct redis_store *s, char cursor[SCAN_CURSOR], store_key_fn each, void *arg)
{
    redisReply *r;
    int error = reply_take(s, &r);
    size_t prefix = s->out.prefix.size;

    if (error < 0)
        return error;
    if (r->type != REDIS_REPLY_ARRAY || r->elements != 2 || !is_cursor(r->element[0]) ||
        !reply_all_strings(r->element[1]))
        error = ERR_CORRUPT;
    for (size_t i = 0; error == 0 && i < r->element[1]->elements; i++) {
        struct slice name = reply_slice(r->element[1]->element[i]);
        if (name.size < prefix || memcmp(name.at, s->prefix, prefix) != 0)
            error = ERR_CORRUPT;
        else
            error = each(arg, slice_make(name.at + prefix, name.size - prefix));
    }
    if (error == 0)
        snprintf(cursor, SCAN_CURSOR, "%s", r->element[0]->str);
    freeReplyObject(r);
    return error;
}

static int redis_keys(struct store *base, store_key_fn each, void *arg)
{
    struct redis_store *s = (struct redis_store *)base;
    char cursor[SCAN_CURSOR] = "0";
    int error = redis_ready(s);

    while (error == 0) {
        resp_clear(&s->out);
        resp_scan(&s->out, cursor);
        error = redis_send(s);
        if (error == 0)
            error = read_scan(s, cursor, each, arg);
        if (strcmp(cursor, "0") == 0)
            break;
    }
    if (error < 0)
        redis_drop(base);
    return error;
}

static void redis_free(struct store *base)
{
    struct redis_store *s = (struct redis_store *)base;

    redis_drop(base);
    resp_free(&s->out);
    table_free(&s->known);
    arena_free(&s->known_arena);
    free(s->address);
    free(s->prefix);
    free(s);
}

struct store *store_redis_new(const char *address, const char *prefix, int timeout_ms)
{
    static const struct store_ops ops = {redis_begin, redis_fetch, redis_commit,
                                         redis_keys,  redis_drop,  redis_free};
    struct redis_store *s = memory_need(sizeof *s);

    signal(SIGPIPE, SIG_IGN); /* hiredis writes by write(2): a lost server must be an error code */
    memset(s, 0, sizeof *s);
    s->base.ops = &ops;
    s->address = strdup(address);
    s->prefix = strdup(prefix);
    s->timeout_ms = timeout_ms;
    s->out.prefix = slice_of(s->prefix);
    return &s->base;
}
