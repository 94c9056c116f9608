/* Reply objects; see reply_arena.h.  hiredis calls these while it reads. */
#include "workers/reply_arena.h"

#include <hiredis/hiredis.h>

/* An array's head can claim any number of elements, and room is made for all of them at once.
 * The most that a reply of ours has are the fields and values of a hash: 128 MiB of pointers. */
#define ELEMENTS_MOST (16 * 1024 * 1024)

static redisReply *reply_new(const redisReadTask *task, int type)
{
    redisReply *r = arena_need(task->privdata, sizeof *r);

    r->type = type;
    if (task->parent)
        ((redisReply *)task->parent->obj)->element[task->idx] = r;
    return r;
}

static void *create_string(const redisReadTask *task, char *text, size_t size)
{
    redisReply *r = reply_new(task, task->type);
    char *copy = arena_need(task->privdata, size + 1); /* hiredis' strings end with a zero */

    memcpy(copy, text, size);
    r->str = copy;
    r->len = size;
    return r;
}

static void *create_array(const redisReadTask *task, int elements)
{
    redisReply *r;

    if (elements > ELEMENTS_MOST)
        return NULL;
    r = reply_new(task, REDIS_REPLY_ARRAY);
    r->elements = (size_t)elements;
    if (elements > 0)
        r->element = arena_need(task->privdata, (size_t)elements * sizeof *r->element);
    return r;
}

static void *create_integer(const redisReadTask *task, long long number)
{
    redisReply *r = reply_new(task, REDIS_REPLY_INTEGER);

    r->integer = number;
    return r;
}

static void *create_nil(const redisReadTask *task)
{
    return reply_new(task, REDIS_REPLY_NIL); /* the task's type is that of what is not there */
}

static void free_nothing(void *reply)
{
    (void)reply;
}

void reply_arena_use(redisContext *redis, struct arena *arena)
{
    static redisReplyObjectFunctions functions = {create_string, create_array, create_integer,
                                                  create_nil, free_nothing};

    redis->reader->fn = &functions;
    redis->reader->privdata = arena;
}
