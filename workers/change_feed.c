/* The change feed; see change_feed.h. */
#include "workers/change_feed.h"

#include "proto/error.h"
#include "workers/redis_link.h"
#include "workers/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define STREAM "changes"

struct change_feed {
    struct redis_link link;
    struct change_id place;
};

static bool digits(struct slice text, uint64_t *ret)
{
    uint64_t n = 0;

    if (text.size == 0 || text.size > 19)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(text.at[i] - '0');
    }
    *ret = n;
    return true;
}

bool change_id_parse(struct slice text, struct change_id *ret)
{
    struct slice ms;
    struct change_id id;

    if (!slice_cut(&text, '-', &ms) || !digits(ms, &id.ms) || !digits(text, &id.seq))
        return false;
    *ret = id;
    return true;
}

struct change_feed *change_feed_new(const struct redis_options *options)
{
    struct change_feed *f = memory_need(sizeof *f);

    f->place = (struct change_id){0};
    redis_link_open(&f->link, options);
    return f;
}

void change_feed_free(struct change_feed *f)
{
    if (!f)
        return;
    redis_link_close(&f->link);
    free(f);
}

struct change_id change_feed_place(const struct change_feed *f)
{
    return f->place;
}

/* One entry: [id, [field, value ...]]. */
static int entry(struct change_feed *f, const redisReply *r, change_fn each, void *arg)
{
    const redisReply *fields;
    struct change_id id;

    if (r->type != REDIS_REPLY_ARRAY || r->elements != 2 ||
        !change_id_parse(reply_slice(r->element[0]), &id))
        return ERR_CORRUPT;
    fields = r->element[1];
    if (!reply_all_strings(fields) || fields->elements % 2)
        return ERR_CORRUPT;
    for (size_t i = 0; i < fields->elements; i += 2)
        each(arg, id, reply_slice(fields->element[i]), reply_slice(fields->element[i + 1]));
    if (change_id_compare(f->place, id) < 0)
        f->place = id;
    return 0;
}

static int entries(struct change_feed *f, const redisReply *r, bool backwards, change_fn each,
                   void *arg)
{
    int error = r->type == REDIS_REPLY_ARRAY ? 0 : ERR_CORRUPT;

    for (size_t i = 0; error == 0 && i < r->elements; i++)
        error = entry(f, r->element[backwards ? r->elements - 1 - i : i], each, arg);
    return error < 0 ? error : (int)r->elements;
}

/* Sends the one command that was written, and takes its reply; on an error the link is dropped. */
static int ask(struct change_feed *f, redisReply **ret)
{
    int error = redis_link_send(&f->link);

    if (error == 0)
        error = redis_link_take(&f->link, ret);
    if (error < 0)
        redis_link_drop(&f->link);
    return error;
}

static void range(struct change_feed *f, const char *verb, const char *from, const char *to,
                  unsigned count)
{
    struct resp *r = &f->link.out;

    resp_clear(r);
    resp_command(r, 6);
    resp_text(r, verb);
    resp_key(r, slice_of(STREAM));
    resp_text(r, from);
    resp_text(r, to);
    resp_text(r, "COUNT");
    resp_int(r, count);
}

/* The newest entries, or the oldest. */
static int look(struct change_feed *f, bool newest, unsigned count, change_fn each, void *arg)
{
    redisReply *reply;
    int error = redis_link_ready(&f->link);

    if (error < 0)
        return error;
    range(f, newest ? "XREVRANGE" : "XRANGE", newest ? "+" : "-", newest ? "-" : "+", count);
    error = ask(f, &reply);
    if (error < 0)
        return error;
    error = entries(f, reply, newest, each, arg);
    if (error < 0)
        redis_link_drop(&f->link);
    return error;
}

int change_feed_begin(struct change_feed *f, unsigned count, change_fn each, void *arg)
{
    struct change_id before = f->place;
    int error;

    f->place = (struct change_id){0};
    error = look(f, true, count, each, arg);
    if (error < 0)
        f->place = before; /* or nobody would see any more that it was not followed as a whole */
    return error < 0 ? error : 0;
}

static void read_command(struct change_feed *f, int wait_ms, unsigned most)
{
    struct resp *r = &f->link.out;
    char place[48];

    snprintf(place, sizeof place, "%" PRIu64 "-%" PRIu64, f->place.ms, f->place.seq);
    resp_clear(r);
    resp_command(r, wait_ms > 0 ? 8 : 6);
    resp_text(r, "XREAD");
    resp_text(r, "COUNT");
    resp_int(r, most);
    if (wait_ms > 0) {
        resp_text(r, "BLOCK");
        resp_int(r, wait_ms);
    }
    resp_text(r, "STREAMS");
    resp_key(r, slice_of(STREAM));
    resp_text(r, place);
}

/* [[stream, [entry ...]]]; nil when nothing came. */
static int take(struct change_feed *f, const redisReply *r, change_fn each, void *arg)
{
    if (r->type == REDIS_REPLY_NIL)
        return 0;
    if (r->type != REDIS_REPLY_ARRAY || r->elements != 1 ||
        r->element[0]->type != REDIS_REPLY_ARRAY || r->element[0]->elements != 2)
        return ERR_CORRUPT;
    return entries(f, r->element[0]->element[1], false, each, arg);
}

int change_feed_next(struct change_feed *f, int wait_ms, unsigned most, change_fn each, void *arg)
{
    redisReply *reply;
    int error = redis_link_ready(&f->link);

    if (error < 0)
        return error;
    read_command(f, wait_ms, most);
    error = ask(f, &reply);
    if (error < 0)
        return error;
    error = take(f, reply, each, arg);
    if (error < 0)
        redis_link_drop(&f->link);
    return error;
}

static void keep_id(void *arg, struct change_id id, struct slice field, struct slice value)
{
    (void)field;
    (void)value;
    *(struct change_id *)arg = id;
}

int change_feed_whole(struct change_feed *f)
{
    struct change_id oldest = {0}, newest = {0}, place = f->place;
    int error = look(f, false, 1, keep_id, &oldest);

    if (error >= 0)
        error = look(f, true, 1, keep_id, &newest);
    f->place = place;
    if (error < 0)
        return error;
    return change_id_compare(oldest, place) <= 0 && change_id_compare(place, newest) <= 0;
}
