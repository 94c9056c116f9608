/* The store in Redis, by hiredis: on a redis_link.
 *
 *     begin    UNWATCH, WATCH offset:P ..., HMGET offset:P log offset time ..., fetches
 *              (a snapshot's fetches come first, between MULTI and EXEC, which ends every WATCH)
 *     fetch    HGETALL, HMGET, SMEMBERS ...
 *     commit   MULTI, HSET HDEL HINCRBY SADD ZADD ZREM XADD ..., HSET offset:P ..., EXEC
 *              (behind an unawaited one UNWATCH, WATCH and HMGET of its begin once more)
 *     keys     SCAN
 *     hindrance INFO
 *
 * each in one write and one run of replies.  What is asked for is sent, and read by its fetch.  An
 * unawaited commit is sent and its replies left to be read before those of what follows, so that
 * Redis works on it meanwhile.  EXEC does nothing, and answers nil, when a watched offset has
 * changed since begin: that is the compare-and-set of invariant 3.  After any error the connection
 * is given up, because a reply could still be outstanding on it (invariant 5). */
#include "proto/error.h"
#include "proto/log.h"
#include "proto/table.h"
#include "proto/wire.h"
#include "workers/redis_info.h"
#include "workers/redis_link.h"
#include "workers/reply.h"
#include "workers/resp_commit.h"
#include "workers/resp_look.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* Keys whose type has been looked at; then they are looked at anew. */
#define KNOWN_KEYS  200000
#define SCAN_CURSOR 32
#define MOST_PLACES (WIRE_MAX_PARTS + 1) /* and what is derived */

struct redis_store {
    struct store base;
    struct redis_link link;
    size_t unconfirmed; /* commands of the commit whose replies are to come first; 0: none is */
    const struct store_fetch *asked[2]; /* whose replies come next; then nothing is unconfirmed */
    unsigned asked_count;
    bool begun;                    /* on this connection: a commit may follow */
    const struct store_look *sent; /* and its begin has not come yet */
    struct store_look last;        /* the places of the last begin, where they stand in `stood` */
    bool again;                    /* they were looked at again behind a commit, and are watched */
    unsigned places[MOST_PLACES];
    struct applied stood[MOST_PLACES];
    int64_t told_ms;    /* when a place was told of that cannot be read; 0: never */
    struct table known; /* keys that have the type we are about to write */
    struct arena known_arena;
};

static void known_forget(struct redis_store *s)
{
    table_clear(&s->known);
    arena_reset(&s->known_arena, SIZE_MAX);
}

/* Not in the middle of what goes by them. */
static void known_bound(struct redis_store *s)
{
    if (s->known.count > KNOWN_KEYS)
        known_forget(s);
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

    redis_link_drop(&s->link);
    s->unconfirmed = 0;
    s->asked_count = 0;
    s->begun = s->again = false;
    s->sent = NULL;
    known_forget(s);
}

static int redis_ready(struct redis_store *s)
{
    int error;

    if (s->asked_count)
        redis_drop(&s->base); /* nobody has fetched that */
    error = redis_link_ready(&s->link);
    if (error < 0)
        redis_drop(&s->base);
    return error;
}

/* The reply to a fetch, so many commands before the one that was answered last. */
static int read_rows(struct redis_store *s, const struct store_fetch *f, const redisReply *r,
                     size_t before, void *context)
{
    return r->type == REDIS_REPLY_ERROR ? redis_link_error(&s->link, r, before)
                                        : reply_rows(f, r, context);
}

static int read_fetches(struct redis_store *s, const struct store_fetch *fetches, size_t count,
                        void *context)
{
    redisReply *r;
    int error = 0;

    known_bound(s);
    for (size_t i = 0; i < count && error == 0; i++) {
        error = redis_link_take(&s->link, &r);
        if (error < 0)
            break;
        error = read_rows(s, &fetches[i], r, 0, context);
        if (error == 0 && fetches[i].kind == FETCH_HASH)
            know(s, fetches[i].key);
    }
    return error;
}

/* The replies of MULTI, the queued fetches and EXEC: nil when what the look before has watched, and
 * no commit has followed, is not the same any more. */
static int read_snapshot(struct redis_store *s, const struct store_look *look)
{
    redisReply *r;
    int error = redis_link_queued(&s->link, look->fetch_count);

    if (error == 0)
        error = redis_link_take(&s->link, &r);
    if (error < 0)
        return error;
    if (r->type == REDIS_REPLY_NIL)
        error = ERR_CONFLICT;
    else if (r->type != REDIS_REPLY_ARRAY || r->elements != look->fetch_count)
        error = ERR_CORRUPT;
    for (size_t i = 0; i < look->fetch_count && error == 0; i++)
        error = read_rows(s, &look->fetches[i], r->element[i], r->elements - i, look->context);
    return error;
}

/* Who looks again and again says it now and then. */
static void place_tell(struct redis_store *s, unsigned place)
{
    char room[PLACE_KEY];
    struct slice key = place_key(place, room);

    if (!log_again(&s->told_ms))
        return;
    log_error("redis: %s%.*s holds what turnout did not write; once that key is deleted, what it "
              "stands for is counted again",
              s->link.options.prefix, (int)key.size, key.at);
}

static int read_places(struct redis_store *s, const struct store_look *look)
{
    redisReply *r;
    int error = redis_link_statuses(&s->link, look->watched ? 2 : 1, "OK");

    for (size_t i = 0; i < look->count && error == 0; i++) {
        error = redis_link_take(&s->link, &r);
        if (error < 0)
            return error;
        error = reply_applied(r, &look->ret_applied[i]);
        if (error < 0)
            place_tell(s, look->places[i]);
    }
    return error;
}

/* The reply of an EXEC of so many commands. */
static int read_exec(struct redis_store *s, size_t commands)
{
    redisReply *r;
    int error = redis_link_take(&s->link, &r);

    if (error < 0)
        return error;
    if (r->type == REDIS_REPLY_NIL)
        error = ERR_CONFLICT;
    else if (r->type != REDIS_REPLY_ARRAY || r->elements != commands)
        error = ERR_CORRUPT;
    for (size_t i = 0; error == 0 && i < r->elements; i++)
        if (r->element[i]->type == REDIS_REPLY_ERROR) {
            log_error("redis: half a commit: %.*s; the counters must be counted again",
                      redis_link_words(r->element[i]), r->element[i]->str);
            error = ERR_CORRUPT;
        }
    return error;
}

/* The replies of a commit of so many commands. */
static int read_commit(struct redis_store *s, size_t commands)
{
    int error = redis_link_queued(&s->link, commands);

    return error < 0 ? error : read_exec(s, commands);
}

/* The replies that come first. */
static int read_unconfirmed(struct redis_store *s)
{
    size_t commands = s->unconfirmed;
    int error;

    if (!commands)
        return 0;
    s->unconfirmed = 0;
    redis_link_answers(&s->link, true);
    error = read_commit(s, commands);
    if (error == 0 && s->again)
        error = read_places(s, &s->last);
    redis_link_answers(&s->link, false);
    return error;
}

static int redis_confirm(struct store *base)
{
    struct redis_store *s = (struct redis_store *)base;
    int error = read_unconfirmed(s);

    if (error < 0)
        redis_drop(base);
    return error;
}

/* A call that begins nothing comes after the outcome of what went before. */
static int redis_settled(struct redis_store *s)
{
    int error = redis_confirm(&s->base);

    return error < 0 ? error : redis_ready(s);
}

static int redis_ask(struct store *base, const struct store_fetch *fetches, size_t count)
{
    struct redis_store *s = (struct redis_store *)base;
    int error = s->asked_count ? 0 : redis_settled(s);

    assert(s->asked_count < 2);
    if (error < 0)
        return error;
    if (s->asked_count)
        redis_link_put_off(&s->link);
    resp_clear(&s->link.out);
    resp_fetches(&s->link.out, fetches, count);
    error = redis_link_send(&s->link);
    s->asked[s->asked_count++] = fetches;
    if (error < 0)
        redis_drop(base);
    return error;
}

/* Unless it is the next that was asked for, what was is given up, and this asked for anew. */
static int redis_fetch(struct store *base, const struct store_fetch *fetches, size_t count,
                       void *context)
{
    struct redis_store *s = (struct redis_store *)base;
    int error;

    if (s->asked_count && s->asked[0] != fetches)
        redis_drop(base);
    error = s->asked_count ? 0 : redis_ask(base, fetches, count);
    if (error < 0)
        return error;
    redis_link_answers(&s->link, s->asked_count == 2);
    error = read_fetches(s, fetches, count, context);
    redis_link_answers(&s->link, false);
    if (error < 0) {
        redis_drop(base);
        return error;
    }
    s->asked[0] = s->asked[1];
    s->asked_count--;
    return 0;
}

/* What the look wants to know of its places is known, or on its way. */
static bool is_again(const struct redis_store *s, const struct store_look *look)
{
    return s->again && !look->snapshot && look->count == s->last.count &&
           look->watched == s->last.watched &&
           memcmp(look->places, s->places, look->count * sizeof *s->places) == 0;
}

static void look_keep(struct redis_store *s, const struct store_look *look)
{
    s->last = (struct store_look){.places = s->places, .ret_applied = s->stood};
    if (look->count == 0 || look->count > MOST_PLACES)
        return;
    s->last.count = look->count;
    s->last.watched = look->watched;
    memcpy(s->places, look->places, look->count * sizeof *s->places);
}

static int redis_send(struct store *base, const struct store_look *look)
{
    struct redis_store *s = (struct redis_store *)base;
    int error = redis_ready(s);

    assert(!s->sent);
    if (error < 0)
        return error;
    resp_clear(&s->link.out);
    if (is_again(s, look)) {
        resp_fetches(&s->link.out, look->fetches, look->fetch_count);
    } else {
        if (s->again)
            resp_unwatch(&s->link.out); /* a snapshot has nothing to do with those */
        resp_look(&s->link.out, look);
    }
    s->sent = look;
    error = redis_link_send(&s->link);
    if (error < 0)
        redis_drop(base);
    return error;
}

static int read_look(struct redis_store *s, const struct store_look *look)
{
    bool snapshot = look->snapshot && look->fetch_count, again = is_again(s, look);
    int error = read_unconfirmed(s);

    if (error == 0 && s->again && !again)
        error = redis_link_statuses(&s->link, 1, "OK");
    if (error == 0 && snapshot)
        error = read_snapshot(s, look);
    if (error == 0 && !again)
        error = read_places(s, look);
    else if (error == 0)
        memcpy(look->ret_applied, s->stood, look->count * sizeof *s->stood);
    if (error == 0 && !snapshot)
        error = read_fetches(s, look->fetches, look->fetch_count, look->context);
    return error;
}

static int redis_begin(struct store *base, const struct store_look *look)
{
    struct redis_store *s = (struct redis_store *)base;
    int error = s->sent == look ? 0 : redis_send(base, look);

    if (error < 0)
        return error;
    error = read_look(s, look);
    if (error < 0) {
        redis_drop(base);
        return error;
    }
    look_keep(s, look);
    s->begun = true;
    s->again = false;
    s->sent = NULL;
    return 0;
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
    int error = redis_link_take(&s->link, &r);

    if (error < 0)
        return error;
    if (r->type != REDIS_REPLY_STATUS) {
        error = ERR_CORRUPT;
    } else if (!reply_is_status(r, "none") && !reply_is_status(r, type_of(op->verb))) {
        log_error("redis: %.*s should be a %s and is a %s, which turnout did not write",
                  (int)op->key.size, op->key.at, type_of(op->verb), r->str);
        error = ERR_CORRUPT;
    }
    return error;
}

static int check_types(struct redis_store *s, const struct commit *c)
{
    int error = 0;

    known_bound(s);
    resp_clear(&s->link.out);
    for (size_t i = 0; i < c->count; i += commit_run(c, i))
        if (must_look(s, c, i)) {
            resp_command(&s->link.out, 2);
            resp_text(&s->link.out, "TYPE");
            resp_key(&s->link.out, c->ops[i].key);
        }
    if (s->link.out.commands == 0)
        return 0;
    error = redis_link_send(&s->link);
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
    bool watching = s->begun && !s->asked_count; /* a watch goes with its connection */
    int error = watching ? check_types(s, c) : ERR_LOST;
    size_t commands = 0;

    assert(!s->unconfirmed); /* begin has taken its outcome */
    if (error == 0) {
        resp_clear(&s->link.out);
        resp_commit(&s->link.out, c);
        commands = s->link.out.commands - 2; /* between MULTI and EXEC */
        s->again = c->unawaited && s->last.watched;
        if (s->again)
            resp_places(&s->link.out, &s->last);
        error = redis_link_send(&s->link);
        s->begun = false; /* EXEC ends the watch */
    }
    if (error == 0 && c->unawaited) {
        redis_link_put_off(&s->link);
        s->unconfirmed = commands;
    } else if (error == 0) {
        error = read_commit(s, commands);
    }
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
    int error = redis_link_take(&s->link, &r);

    if (error < 0)
        return error;
    if (r->type != REDIS_REPLY_ARRAY || r->elements != 2 || !is_cursor(r->element[0]) ||
        !reply_all_strings(r->element[1]))
        error = ERR_CORRUPT;
    for (size_t i = 0; error == 0 && i < r->element[1]->elements; i++) {
        struct slice name = reply_slice(r->element[1]->element[i]);
        error = slice_cut_begin(&name, s->link.out.prefix) ? each(arg, name) : ERR_CORRUPT;
    }
    if (error == 0)
        snprintf(cursor, SCAN_CURSOR, "%s", r->element[0]->str);
    return error;
}

static int redis_keys(struct store *base, store_key_fn each, void *arg)
{
    struct redis_store *s = (struct redis_store *)base;
    char cursor[SCAN_CURSOR] = "0";
    int error = redis_settled(s);

    while (error == 0) {
        resp_clear(&s->link.out);
        resp_scan(&s->link.out, cursor);
        error = redis_link_send(&s->link);
        if (error == 0)
            error = read_scan(s, cursor, each, arg);
        if (strcmp(cursor, "0") == 0)
            break;
    }
    if (error < 0)
        redis_drop(base);
    return error;
}

static int redis_hindrance(struct store *base, struct hindrance *ret)
{
    struct redis_store *s = (struct redis_store *)base;
    struct slice info;
    int error = redis_settled(s);

    if (error == 0)
        error = redis_link_info(&s->link, NULL, &info);
    if (error < 0)
        redis_drop(base);
    else
        redis_info_hindrance(info, ret);
    return error;
}

static void redis_free(struct store *base)
{
    struct redis_store *s = (struct redis_store *)base;

    redis_drop(base);
    redis_link_close(&s->link);
    table_free(&s->known);
    arena_free(&s->known_arena);
    free(s);
}

struct store *store_redis_new(const struct redis_options *options)
{
    static const struct store_ops ops = {.send = redis_send,
                                         .begin = redis_begin,
                                         .ask = redis_ask,
                                         .fetch = redis_fetch,
                                         .commit = redis_commit,
                                         .confirm = redis_confirm,
                                         .keys = redis_keys,
                                         .hindrance = redis_hindrance,
                                         .drop = redis_drop,
                                         .free = redis_free};
    struct redis_store *s = memory_zeroed(sizeof *s);

    s->base.ops = &ops;
    redis_link_open(&s->link, options);
    return &s->base;
}
