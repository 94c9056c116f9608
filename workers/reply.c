/* Replies of Redis; see reply.h.  Nothing is taken on trust: an answer of another shape than was
 * asked for is ERR_CORRUPT, never a value that is merely absent. */
#include "workers/reply.h"

#include "proto/error.h"
#include "proto/log.h"
#include "workers/resp_look.h"

#include <hiredis/hiredis.h>

bool reply_is_status(const struct redisReply *r, const char *word)
{
    return r->type == REDIS_REPLY_STATUS && slice_is(slice_make(r->str, r->len), word);
}

struct slice reply_slice(const redisReply *r)
{
    return r->type == REDIS_REPLY_STRING ? slice_make(r->str, r->len) : (struct slice){0};
}

bool reply_all_strings(const redisReply *r)
{
    for (size_t i = 0; i < r->elements; i++)
        if (r->element[i]->type != REDIS_REPLY_STRING)
            return false;
    return r->type == REDIS_REPLY_ARRAY;
}

/* An entry of a stream: its id and a list of fields and values. */
static int read_entry(const struct store_fetch *f, const redisReply *entry, void *context)
{
    const redisReply *fields;
    int error;

    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
        entry->element[0]->type != REDIS_REPLY_STRING || !reply_all_strings(entry->element[1]) ||
        entry->element[1]->elements % 2)
        return ERR_CORRUPT;
    fields = entry->element[1];
    error = f->row(context, f->record, slice_of("id"), reply_slice(entry->element[0]));
    for (size_t i = 0; i < fields->elements && error == 0; i += 2)
        error = f->row(context, f->record, reply_slice(fields->element[i]),
                       reply_slice(fields->element[i + 1]));
    return error;
}

/* The next row, which begins at element `i`. */
static int read_row(const struct store_fetch *f, const redisReply *r, size_t i, void *context)
{
    struct slice value = reply_slice(r->element[i]);

    switch (f->kind) {
    case FETCH_SET:
        return f->row(context, f->record, value, slice_make("", 0));
    case FETCH_STREAM:
        return read_entry(f, r->element[i], context);
    case FETCH_HASH:
        if (f->fields)
            return f->row(context, f->record, f->fields[i], value);
        break;
    case FETCH_ZSET:
        break;
    }
    return f->row(context, f->record, value, reply_slice(r->element[i + 1]));
}

/* Values of single fields, each of which may be absent. */
static bool all_values(const redisReply *r, size_t count)
{
    if (r->type != REDIS_REPLY_ARRAY || r->elements != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (r->element[i]->type != REDIS_REPLY_STRING && r->element[i]->type != REDIS_REPLY_NIL)
            return false;
    return true;
}

/* The reply has the shape that was asked for; entries of a stream are looked at one by one. */
static bool rows_fit(const struct store_fetch *f, const redisReply *r, size_t step)
{
    if (f->kind == FETCH_STREAM)
        return r->type == REDIS_REPLY_ARRAY;
    if (f->kind == FETCH_HASH && f->fields)
        return all_values(r, f->field_count);
    return reply_all_strings(r) && r->elements % step == 0;
}

int reply_rows(const struct store_fetch *f, const redisReply *r, void *context)
{
    bool pairs = f->kind == FETCH_ZSET || (f->kind == FETCH_HASH && !f->fields);
    size_t step = pairs ? 2 : 1;
    int error = 0;

    if (!rows_fit(f, r, step))
        error = ERR_CORRUPT;
    for (size_t i = 0; i < r->elements && error == 0; i += step)
        error = read_row(f, r, i, context);
    if (error == 0 && f->done)
        error = f->done(context, f->record);
    if (error == ERR_CORRUPT)
        log_error("redis: %.*s holds what turnout did not write", (int)f->key.size, f->key.at);
    return error;
}

/* A number that is absent while it is 0. */
static bool reply_number(const redisReply *r, int64_t *ret)
{
    struct slice text = reply_slice(r);

    *ret = 0;
    return !text.at || (slice_to_int(text, ret) && *ret >= 0);
}

int reply_applied(const redisReply *r, struct applied *ret)
{
    struct slice log;
    int64_t offset, epoch;

    *ret = (struct applied){0};
    if (!all_values(r, RESP_APPLIED))
        return ERR_CORRUPT;
    log = reply_slice(r->element[0]);
    if (!log.at && !reply_slice(r->element[1]).at)
        return 0;
    if (log.size != LOG_ID || !reply_number(r->element[1], &offset) ||
        !reply_number(r->element[2], &ret->time_ms) || !reply_number(r->element[3], &epoch) ||
        !reply_number(r->element[4], &ret->held_ms))
        return ERR_CORRUPT;
    ret->known = true;
    memcpy(ret->log, log.at, LOG_ID);
    ret->offset = (uint64_t)offset;
    ret->epoch = (uint64_t)epoch;
    return 0;
}
