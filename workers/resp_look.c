/* Looks and fetches as Redis commands; see resp_look.h. */
#include "workers/resp_look.h"

#define SCAN_COUNT 1000 /* keys of one step: about a millisecond of Redis */

static void write_hash(struct resp *out, const struct store_fetch *f)
{
    resp_command(out, f->fields ? 2 + f->field_count : 2);
    resp_text(out, f->fields ? "HMGET" : "HGETALL");
    resp_key(out, f->key);
    for (size_t i = 0; f->fields && i < f->field_count; i++)
        resp_word(out, f->fields[i]);
}

static void write_zset(struct resp *out, const struct store_fetch *f)
{
    resp_command(out, 5);
    resp_text(out, "ZRANGE");
    resp_key(out, f->key);
    resp_text(out, "0");
    resp_text(out, "-1");
    resp_text(out, "WITHSCORES");
}

static void write_stream(struct resp *out, const struct store_fetch *f)
{
    resp_command(out, 6);
    resp_text(out, "XREVRANGE");
    resp_key(out, f->key);
    resp_text(out, "+");
    resp_text(out, "-");
    resp_text(out, "COUNT");
    resp_int(out, (int64_t)f->field_count);
}

static void write_fetch(struct resp *out, const struct store_fetch *f)
{
    switch (f->kind) {
    case FETCH_HASH:
        write_hash(out, f);
        break;
    case FETCH_SET:
        resp_command(out, f->field_count ? 3 : 2);
        resp_text(out, f->field_count ? "SRANDMEMBER" : "SMEMBERS");
        resp_key(out, f->key);
        if (f->field_count)
            resp_int(out, (int64_t)f->field_count);
        break;
    case FETCH_ZSET:
        write_zset(out, f);
        break;
    case FETCH_STREAM:
        write_stream(out, f);
        break;
    }
}

void resp_fetches(struct resp *out, const struct store_fetch *fetches, size_t count)
{
    for (size_t i = 0; i < count; i++)
        write_fetch(out, &fetches[i]);
}

void resp_unwatch(struct resp *out)
{
    resp_command(out, 1);
    resp_text(out, "UNWATCH");
}

void resp_places(struct resp *out, const struct store_look *look)
{
    char room[PLACE_KEY];

    resp_unwatch(out); /* of an earlier begin that came to nothing */
    if (look->watched) {
        resp_command(out, 1 + look->watched);
        resp_text(out, "WATCH");
    }
    for (size_t i = 0; i < look->watched; i++)
        resp_key(out, place_key(look->places[i], room));
    for (size_t i = 0; i < look->count; i++) {
        resp_command(out, 2 + RESP_APPLIED);
        resp_text(out, "HMGET");
        resp_key(out, place_key(look->places[i], room));
        resp_text(out, "log");
        resp_text(out, "offset");
        resp_text(out, "time");
        resp_text(out, "epoch");
        resp_text(out, "held");
    }
}

static void write_transaction(struct resp *out, const struct store_look *look)
{
    resp_command(out, 1);
    resp_text(out, "MULTI");
    resp_fetches(out, look->fetches, look->fetch_count);
    resp_command(out, 1);
    resp_text(out, "EXEC");
}

void resp_look(struct resp *out, const struct store_look *look)
{
    if (look->snapshot && look->fetch_count)
        write_transaction(out, look);
    resp_places(out, look);
    if (!look->snapshot)
        resp_fetches(out, look->fetches, look->fetch_count);
}

/* The prefix stands for itself: no character of it is a wildcard. */
static void write_pattern(struct resp *out)
{
    struct buffer pattern = {0};

    for (size_t i = 0; i < out->prefix.size; i++) {
        if (strchr("*?[]\\^", out->prefix.at[i]))
            buffer_add(&pattern, "\\", 1);
        buffer_add(&pattern, out->prefix.at + i, 1);
    }
    buffer_add(&pattern, "*", 1);
    resp_word(out, buffer_slice(&pattern));
    buffer_free(&pattern);
}

void resp_scan(struct resp *out, const char *cursor)
{
    resp_command(out, 6);
    resp_text(out, "SCAN");
    resp_text(out, cursor);
    resp_text(out, "MATCH");
    write_pattern(out);
    resp_text(out, "COUNT");
    resp_int(out, SCAN_COUNT);
}
