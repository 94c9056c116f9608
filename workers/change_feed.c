/* The change feed; see change_feed.h. */
#include "workers/change_feed.h"

#include "proto/error.h"
#include "workers/redis_link.h"
#include "workers/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define STREAM         "changes"
#define CHANGE_ID_TEXT 48

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

/* From the first or the last on. */
static int entries(struct change_feed *f, const redisReply *r, size_t first, bool backwards,
                   change_fn each, void *arg)
{
    int error = r->type == REDIS_REPLY_ARRAY ? 0 : ERR_CORRUPT;

    for (size_t i = first; error == 0 && i < r->elements; i++)
        error = entry(f, r->element[backwards ? r->elements - 1 - i : i], each, arg);
    return error < 0 ? error : (int)(r->elements - first);
}

static void range_command(struct change_feed *f, const char *verb, const char *from, const char *to,
                          unsigned count)
{
    struct resp *r = &f->link.out;

    resp_command(r, 6);
    resp_text(r, verb);
    resp_key(r, slice_of(STREAM));
    resp_text(r, from);
    resp_text(r, to);
    resp_text(r, "COUNT");
    resp_int(r, count);
}

int change_feed_begin(struct change_feed *f, unsigned count, change_fn each, void *arg)
{
    struct change_id before = f->place;
    redisReply *reply;
    int error = redis_link_ready(&f->link);

    if (error < 0)
        return error;
    resp_clear(&f->link.out);
    range_command(f, "XREVRANGE", "+", "-", count);
    error = redis_link_send(&f->link);
    if (error == 0)
        error = redis_link_take(&f->link, &reply);
    if (error == 0) {
        f->place = (struct change_id){0};
        error = entries(f, reply, 0, true, each, arg);
    }
    if (error >= 0)
        return 0;
    f->place = before; /* or nobody would see any more that it was not followed as a whole */
    redis_link_drop(&f->link);
    return error;
}

static void id_text(struct change_id id, char out[CHANGE_ID_TEXT])
{
    snprintf(out, CHANGE_ID_TEXT, "%" PRIu64 "-%" PRIu64, id.ms, id.seq);
}

/* Comes back when there is an entry behind the place, or after that time. */
static void wait_command(struct change_feed *f, const char *place, int wait_ms)
{
    struct resp *r = &f->link.out;

    resp_command(r, 8);
    resp_text(r, "XREAD");
    resp_text(r, "COUNT");
    resp_int(r, 1);
    resp_text(r, "BLOCK");
    resp_int(r, wait_ms);
    resp_text(r, "STREAMS");
    resp_key(r, slice_of(STREAM));
    resp_text(r, place);
}

static bool has_place(const struct change_feed *f)
{
    return f->place.ms > 0;
}

static bool is_place(const struct change_feed *f, const redisReply *r)
{
    struct change_id id;

    return r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
           change_id_parse(reply_slice(r->element[0]), &id) && change_id_compare(id, f->place) == 0;
}

/* What a range from the place on has brought: the entry of the place first, unless it is gone. */
static int take(struct change_feed *f, const redisReply *r, change_fn each, void *arg)
{
    bool begun = has_place(f);

    if (begun && r->type == REDIS_REPLY_ARRAY && (r->elements == 0 || !is_place(f, r->element[0])))
        return ERR_CONFLICT;
    return entries(f, r, begun, false, each, arg);
}

/* XREAD passes over what was trimmed meanwhile without a word, so it is only waited with. */
int change_feed_next(struct change_feed *f, int wait_ms, unsigned most, change_fn each, void *arg)
{
    char place[CHANGE_ID_TEXT];
    redisReply *reply;
    int error = redis_link_ready(&f->link);

    if (error < 0)
        return error;
    id_text(f->place, place);
    resp_clear(&f->link.out);
    if (wait_ms > 0)
        wait_command(f, place, wait_ms);
    range_command(f, "XRANGE", place, "+", most + has_place(f));
    error = redis_link_send(&f->link);
    for (int waits = wait_ms > 0; error == 0 && waits >= 0; waits--)
        error = redis_link_take(&f->link, &reply);
    if (error == 0)
        error = take(f, reply, each, arg);
    if (error < 0 && error != ERR_CONFLICT)
        redis_link_drop(&f->link);
    return error;
}
