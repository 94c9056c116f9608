/* The store in Redis, by hiredis: the only file that knows that library.
 *
 *     begin    UNWATCH, WATCH offset:P ..., HMGET offset:P log offset time ..., HGETALL and HMGET
 *     fetch    HGETALL and HMGET
 *     commit   MULTI, HSET HDEL HINCRBY SADD ZADD ZREM XADD ..., HSET offset:P ..., EXEC
 *
 * each in one write and one run of replies.  EXEC does nothing, and answers nil, when a watched
 * offset has changed since begin: that is the compare-and-set of invariant 3.  After any error
 * the connection is given up, because a reply could still be outstanding on it (invariant 5). */
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/log.h"
#include "workers/resp.h"
#include "workers/store.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

/* The stream keeps about so many entries: at one commit a millisecond some ten seconds, at an
 * ordinary day's load years. */
#define CHANGES_KEPT 10000

/* HINCRBY leaves a "0" behind; a field that has come to zero goes, so that the same facts give the
 * same keys whatever way they came. */
#define ZERO_SCRIPT                                                                                \
    "for i = 1, #KEYS do if redis.call('HGET', KEYS[i], ARGV[i]) == '0' then "                     \
    "redis.call('HDEL', KEYS[i], ARGV[i]) end end"

struct redis_store {
    struct store base;
    char *address, *prefix;
    int timeout_ms;
    redisContext *redis; /* NULL: not connected */
    struct resp out;
};

static void redis_drop(struct store *base)
{
    struct redis_store *s = (struct redis_store *)base;

    if (s->redis)
        redisFree(s->redis);
    s->redis = NULL;
}

/* What an error reply means for us. */
static int reply_error(const redisReply *r)
{
    static const struct {
        const char *start;
        int code;
    } known[] = {{"LOADING", ERR_AGAIN},     {"BUSY", ERR_AGAIN},    {"READONLY", ERR_AGAIN},
                 {"OOM", ERR_AGAIN},         {"MISCONF", ERR_AGAIN}, {"MASTERDOWN", ERR_AGAIN},
                 {"NOREPLICAS", ERR_AGAIN},  {"EXECABORT", ERR_AGAIN}, {"NOAUTH", ERR_CONFIG},
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

static int replies_skip(struct redis_store *s, size_t count)
{
    redisReply *r;
    int error = 0;

    for (size_t i = 0; i < count && error == 0; i++) {
        error = reply_take(s, &r);
        if (error == 0)
            freeReplyObject(r);
    }
    return error;
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

static void write_fetches(struct resp *out, const struct store_fetch *fetches, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_fetch *f = &fetches[i];
        resp_command(out, f->fields ? 2 + f->field_count : 2);
        resp_text(out, f->fields ? "HMGET" : "HGETALL");
        resp_key(out, f->key);
        for (size_t j = 0; f->fields && j < f->field_count; j++)
            resp_word(out, f->fields[j]);
    }
}

static struct slice reply_slice(const redisReply *r)
{
    return r->type == REDIS_REPLY_STRING ? slice_make(r->str, r->len) : (struct slice){0};
}

static int read_rows(const struct store_fetch *f, const redisReply *r, void *context)
{
    size_t step = f->fields ? 1 : 2;
    int error = 0;

    if (r->type != REDIS_REPLY_ARRAY || (f->fields && r->elements != f->field_count))
        return ERR_CORRUPT;
    for (size_t i = 0; i + step <= r->elements && error == 0; i += step) {
        struct slice field = f->fields ? f->fields[i] : reply_slice(r->element[i]);
        error = f->row(context, f->record, field, reply_slice(r->element[i + step - 1]));
    }
    if (error == ERR_CORRUPT)
        log_error("redis: %.*s holds what turnout did not write", (int)f->key.size, f->key.at);
    return error;
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
    }
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
    write_fetches(&s->out, fetches, count);
    error = redis_send(s);
    if (error == 0)
        error = read_fetches(s, fetches, count, context);
    if (error < 0)
        redis_drop(base);
    return error;
}

static struct slice offset_key(unsigned partition, char room[32])
{
    return slice_make(room, (size_t)snprintf(room, 32, "offset:%u", partition));
}

static int read_applied(const redisReply *r, struct applied *ret)
{
    struct slice log, offset, time;
    int64_t n, ms;

    *ret = (struct applied){0};
    if (r->type != REDIS_REPLY_ARRAY || r->elements != 3)
        return ERR_CORRUPT;
    log = reply_slice(r->element[0]);
    offset = reply_slice(r->element[1]);
    time = reply_slice(r->element[2]);
    if (!log.at && !offset.at)
        return 0;
    if (log.size != LOG_ID || !slice_to_int(offset, &n) || n < 0 || !slice_to_int(time, &ms))
        return ERR_CORRUPT;
    ret->known = true;
    memcpy(ret->log, log.at, LOG_ID);
    ret->offset = (uint64_t)n;
    ret->time_ms = ms;
    return 0;
}

static void write_begin(struct resp *out, const unsigned *partitions, size_t count)
{
    char room[32];

    resp_command(out, 1);
    resp_text(out, "UNWATCH"); /* of an earlier begin that came to nothing */
    resp_command(out, 1 + count);
    resp_text(out, "WATCH");
    for (size_t i = 0; i < count; i++)
        resp_key(out, offset_key(partitions[i], room));
    for (size_t i = 0; i < count; i++) {
        resp_command(out, 5);
        resp_text(out, "HMGET");
        resp_key(out, offset_key(partitions[i], room));
        resp_text(out, "log");
        resp_text(out, "offset");
        resp_text(out, "time");
    }
}

static int read_begin(struct redis_store *s, size_t count, struct applied *ret_applied)
{
    redisReply *r;
    int error = replies_skip(s, 2);

    for (size_t i = 0; i < count && error == 0; i++) {
        error = reply_take(s, &r);
        if (error < 0)
            return error;
        error = read_applied(r, &ret_applied[i]);
        freeReplyObject(r);
    }
    return error;
}

static int redis_begin(struct store *base, const unsigned *partitions, size_t count,
                       struct applied *ret_applied, const struct store_fetch *fetches,
                       size_t fetch_count, void *context)
{
    struct redis_store *s = (struct redis_store *)base;
    int error = redis_ready(s);

    if (error < 0)
        return error;
    resp_clear(&s->out);
    write_begin(&s->out, partitions, count);
    write_fetches(&s->out, fetches, fetch_count);
    error = redis_send(s);
    if (error == 0)
        error = read_begin(s, count, ret_applied);
    if (error == 0)
        error = read_fetches(s, fetches, fetch_count, context);
    if (error < 0)
        redis_drop(base);
    return error;
}

static void write_stream(struct resp *out, const struct commit_op *ops, size_t count)
{
    resp_command(out, 6 + 2 * count);
    resp_text(out, "XADD");
    resp_key(out, ops->key);
    resp_text(out, "MAXLEN");
    resp_text(out, "~");
    resp_int(out, CHANGES_KEPT);
    resp_text(out, "*");
    for (size_t i = 0; i < count; i++) {
        resp_word(out, ops[i].field);
        resp_word(out, ops[i].value);
    }
}

static void write_increments(struct resp *out, const struct commit_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        resp_command(out, 4);
        resp_text(out, "HINCRBY");
        resp_key(out, ops[i].key);
        resp_word(out, ops[i].field);
        resp_int(out, ops[i].amount);
    }
}

/* Operations of one verb on one key, as one command. */
static void write_run(struct resp *out, const struct commit_op *ops, size_t count)
{
    static const struct {
        const char *command;
        size_t words;
    } form[] = {
        [COMMIT_HSET] = {"HSET", 2}, [COMMIT_HDEL] = {"HDEL", 1}, [COMMIT_SADD] = {"SADD", 1},
        [COMMIT_ZADD] = {"ZADD", 2}, [COMMIT_ZREM] = {"ZREM", 1}};
    enum commit_verb verb = ops->verb;

    resp_command(out, 2 + form[verb].words * count);
    resp_text(out, form[verb].command);
    resp_key(out, ops->key);
    for (size_t i = 0; i < count; i++) {
        if (verb == COMMIT_ZADD)
            resp_int(out, ops[i].amount);
        resp_word(out, ops[i].field);
        if (verb == COMMIT_HSET)
            resp_word(out, ops[i].value);
    }
}

static void write_operations(struct resp *out, const struct commit *c)
{
    for (size_t i = 0, n; i < c->count; i += n) {
        const struct commit_op *ops = &c->ops[i];
        n = commit_run(c, i);
        if (ops->verb == COMMIT_HINCRBY)
            write_increments(out, ops, n);
        else if (ops->verb == COMMIT_XADD)
            write_stream(out, ops, n);
        else
            write_run(out, ops, n);
    }
}

static void write_zeros(struct resp *out, const struct commit *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->count; i++)
        n += c->ops[i].verb == COMMIT_HINCRBY && c->ops[i].amount < 0;
    if (n == 0)
        return;
    resp_command(out, 3 + 2 * n);
    resp_text(out, "EVAL");
    resp_text(out, ZERO_SCRIPT);
    resp_int(out, (int64_t)n);
    for (size_t i = 0; i < c->count; i++)
        if (c->ops[i].verb == COMMIT_HINCRBY && c->ops[i].amount < 0)
            resp_key(out, c->ops[i].key);
    for (size_t i = 0; i < c->count; i++)
        if (c->ops[i].verb == COMMIT_HINCRBY && c->ops[i].amount < 0)
            resp_word(out, c->ops[i].field);
}

static void write_moves(struct resp *out, const struct commit *c)
{
    char room[32];

    for (size_t i = 0; i < c->move_count; i++) {
        const struct applied *to = &c->moves[i].to;
        resp_command(out, 10);
        resp_text(out, "HSET");
        resp_key(out, offset_key(c->moves[i].partition, room));
        resp_text(out, "log");
        resp_text(out, to->log);
        resp_text(out, "offset");
        resp_int(out, (int64_t)to->offset);
        resp_text(out, "time");
        resp_int(out, to->time_ms);
        resp_text(out, "events");
        resp_int(out, (int64_t)to->offset);
    }
}

static int read_exec(struct redis_store *s)
{
    redisReply *r;
    int error = reply_take(s, &r);

    if (error < 0)
        return error;
    if (r->type == REDIS_REPLY_NIL)
        error = ERR_CONFLICT;
    else if (r->type != REDIS_REPLY_ARRAY)
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

static int redis_commit(struct store *base, const struct commit *c)
{
    struct redis_store *s = (struct redis_store *)base;
    int error;

    if (!s->redis)
        return ERR_LOST; /* begin's watch went with the connection */
    resp_clear(&s->out);
    resp_command(&s->out, 1);
    resp_text(&s->out, "MULTI");
    write_operations(&s->out, c);
    write_zeros(&s->out, c);
    write_moves(&s->out, c);
    resp_command(&s->out, 1);
    resp_text(&s->out, "EXEC");
    error = redis_send(s);
    if (error == 0)
        error = replies_skip(s, s->out.commands - 1);
    if (error == 0)
        error = read_exec(s);
    if (error < 0 && error != ERR_CONFLICT)
        redis_drop(base);
    return error;
}

static void redis_free(struct store *base)
{
    struct redis_store *s = (struct redis_store *)base;

    redis_drop(base);
    resp_free(&s->out);
    free(s->address);
    free(s->prefix);
    free(s);
}

struct store *store_redis_new(const char *address, const char *prefix, int timeout_ms)
{
    static const struct store_ops ops = {redis_begin, redis_fetch, redis_commit, redis_drop,
                                         redis_free};
    struct redis_store *s = memory_need(sizeof *s);

    memset(s, 0, sizeof *s);
    s->base.ops = &ops;
    s->address = strdup(address);
    s->prefix = strdup(prefix);
    s->timeout_ms = timeout_ms;
    s->out.prefix = slice_of(s->prefix);
    return &s->base;
}
