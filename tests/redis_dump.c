/* The tests' own Redis client; see redis_dump.h.  Words out, a tree of replies back; a connection
 * that breaks gives replies of kind 0 from then on. */
#include "tests/redis_dump.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/arena.h"
#include "proto/error.h"

#define MAX_ITEMS (16 * 1024 * 1024)

struct redis {
    FILE *in;
    int fd;
    struct arena arena; /* the last reply */
    struct redis_reply reply;
};

struct redis *redis_open(const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct redis *r;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        return NULL;
    }
    r = memory_need(sizeof *r);
    *r = (struct redis){.fd = fd, .in = fdopen(fd, "r")};
    return r;
}

void redis_close(struct redis *r)
{
    if (!r)
        return;
    fclose(r->in);
    arena_free(&r->arena);
    free(r);
}

/* ---- replies ---- */
static bool read_line(struct redis *r, char *line, size_t room)
{
    size_t size = fgets(line, (int)room, r->in) ? strlen(line) : 0;

    if (size < 3 || line[size - 2] != '\r')
        return false;
    line[size - 2] = '\0';
    return true;
}

static bool read_bulk(struct redis *r, struct redis_reply *ret)
{
    char *text;

    if (ret->number < 0)
        return true;
    text = arena_need(&r->arena, (size_t)ret->number + 2);
    if (fread(text, 1, (size_t)ret->number + 2, r->in) != (size_t)ret->number + 2)
        return false;
    ret->text = slice_make(text, (size_t)ret->number);
    return true;
}

/* An array's items are replies in turn; none of ours lies deeper than three. */
static bool read_reply(struct redis *r, struct redis_reply *ret, int depth)
{
    char line[1024];

    if (depth > 3 || !read_line(r, line, sizeof line))
        return false;
    ret->kind = line[0];
    ret->text = arena_copy(&r->arena, slice_of(line + 1));
    if (ret->kind == '+' || ret->kind == '-')
        return true;
    ret->number = strtoll(line + 1, NULL, 10);
    if (ret->kind == '$')
        return read_bulk(r, ret);
    if (ret->kind != '*')
        return ret->kind == ':';
    if (ret->number > MAX_ITEMS)
        return false;
    ret->items = arena_need(&r->arena, (size_t)(ret->number + 1) * sizeof *ret->items);
    for (int64_t i = 0; i < ret->number; i++)
        if (!read_reply(r, &ret->items[i], depth + 1))
            return false;
    return true;
}

static bool send_all(int fd, struct slice bytes)
{
    while (bytes.size > 0) {
        ssize_t sent = send(fd, bytes.at, bytes.size, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        bytes = slice_make(bytes.at + sent, bytes.size - (size_t)sent);
    }
    return true;
}

static const struct redis_reply *redis_send(struct redis *r, unsigned count,
                                            const struct slice *words)
{
    struct buffer b = {0};
    char head[32];

    snprintf(head, sizeof head, "*%u\r\n", count);
    buffer_add_text(&b, head);
    for (unsigned i = 0; i < count; i++) {
        snprintf(head, sizeof head, "$%zu\r\n", words[i].size);
        buffer_add_text(&b, head);
        buffer_add_slice(&b, words[i]);
        buffer_add_text(&b, "\r\n");
    }
    arena_reset(&r->arena, 1024 * 1024);
    r->reply = (struct redis_reply){0};
    if (!send_all(r->fd, buffer_slice(&b)) || !read_reply(r, &r->reply, 0))
        r->reply = (struct redis_reply){0};
    buffer_free(&b);
    return &r->reply;
}

const struct redis_reply *redis_command(struct redis *r, unsigned count, const char *const *words)
{
    struct slice *slices = memory_need(count * sizeof *slices);
    const struct redis_reply *reply;

    for (unsigned i = 0; i < count; i++)
        slices[i] = slice_of(words[i]);
    reply = redis_send(r, count, slices);
    free(slices);
    return reply;
}

/* ---- the dump ---- */
static const struct redis_reply *ask(struct redis *r, const char *verb, struct slice key)
{
    const struct slice words[] = {slice_of(verb), key};

    return redis_send(r, 2, words);
}

static void put_pairs(struct dump *d, struct slice key, const struct redis_reply *reply)
{
    for (int64_t i = 0; i + 1 < reply->number; i += 2)
        dump_put(d, key, reply->items[i].text, reply->items[i + 1].text);
}

static void put_members(struct dump *d, struct slice key, const struct redis_reply *reply)
{
    for (int64_t i = 0; i < reply->number; i++)
        dump_put(d, key, reply->items[i].text, slice_of(""));
}

static void dump_sorted_set(struct redis *r, struct slice key, struct dump *ret)
{
    const struct slice words[] = {slice_of("ZRANGE"), key, slice_of("0"), slice_of("-1"),
                                  slice_of("WITHSCORES")};

    put_pairs(ret, key, redis_send(r, 5, words));
}

static void dump_key(struct redis *r, struct slice key, struct dump *ret)
{
    const struct redis_reply *type = ask(r, "TYPE", key);
    char kind[16];

    snprintf(kind, sizeof kind, "%.*s", (int)type->text.size, type->text.at);
    if (strcmp(kind, "hash") == 0)
        put_pairs(ret, key, ask(r, "HGETALL", key));
    else if (strcmp(kind, "set") == 0)
        put_members(ret, key, ask(r, "SMEMBERS", key));
    else if (strcmp(kind, "zset") == 0)
        dump_sorted_set(r, key, ret);
    else if (strcmp(kind, "stream") == 0)
        dump_put(ret, key, slice_of("length"), ask(r, "XLEN", key)->text);
    else if (strcmp(kind, "string") == 0)
        dump_put(ret, key, slice_of(""), ask(r, "GET", key)->text);
}

int redis_dump(struct redis *r, struct dump *ret)
{
    const struct redis_reply *all = redis_do(r, "KEYS", "*");
    struct arena names = {0};
    int64_t count = all->number;
    struct slice *keys;

    if (all->kind != '*')
        return ERR_LOST;
    keys = arena_need(&names, (size_t)(count + 1) * sizeof *keys);
    for (int64_t i = 0; i < count; i++)
        keys[i] = arena_copy(&names, all->items[i].text);
    for (int64_t i = 0; i < count && r->reply.kind; i++)
        dump_key(r, keys[i], ret);
    arena_free(&names);
    return r->reply.kind ? 0 : ERR_LOST;
}
