/* The connection to Redis: connecting, logging in, sending commands and taking their replies; what
 * an error reply means is said here, once.  Only this, reply.c, reply_arena.c and the store see
 * hiredis.
 *
 * After any error the connection is dropped, because a reply could still be outstanding on it. */
#ifndef WORKERS_REDIS_LINK_H
#define WORKERS_REDIS_LINK_H

#include "workers/resp.h"
#include "workers/store.h"

#include <hiredis/hiredis.h>

struct redis_link {
    struct redis_options options; /* its texts are ours */
    redisContext *redis;          /* NULL: not connected */
    bool let_in;                  /* Redis has taken our password once */
    int64_t refused_ms;           /* when it was last told that the login is refused */
    int64_t denied_ms;            /* and that a command is */
    int64_t hindered_ms;          /* and that Redis can not do it now */
    int64_t amiss_ms;             /* and that a key is not of the type that it should be */
    struct resp out;              /* the commands to be sent */
    struct resp before;           /* those whose replies come first, while there are any */
    const struct resp *asked;     /* those of the two that are being answered */
    struct arena arena;           /* of the reply taken last */
    size_t replies;               /* so many of those have been answered */
};

void redis_link_open(struct redis_link *l, const struct redis_options *options);
void redis_link_close(struct redis_link *l);

/* Connects and logs in, if that is not done.  Redis must not evict: a key evicted would be a number
 * that silently went.  On an error the link is dropped. */
int redis_link_ready(struct redis_link *l);
void redis_link_drop(struct redis_link *l);

/* Sends the commands of `out`. */
int redis_link_send(struct redis_link *l);

/* Their replies are for later: `out` is free for the next commands.  What is taken after
 * redis_link_answers(l, true) answers these, after (l, false) the next ones. */
void redis_link_put_off(struct redis_link *l);
void redis_link_answers(struct redis_link *l, bool before);

/* One reply, good until the next one is taken.  An error reply is an error. */
int redis_link_take(struct redis_link *l, redisReply **ret);

/* What Redis tells of itself, of one section or (NULL) as much as it tells by itself; good until
 * the next reply is taken. */
int redis_link_info(struct redis_link *l, const char *section, struct slice *ret);

/* `count` times the same word, as Redis gives to commands that have nothing to tell.  Anything else
 * would mean that replies and commands are no longer in step. */
int redis_link_statuses(struct redis_link *l, size_t count, const char *word);

/* What MULTI and the commands behind it, down to EXEC, are answered with. */
int redis_link_queued(struct redis_link *l, size_t commands);

/* How much of an error's text may be logged, in bytes: Redis repeats in quotes what it was sent,
 * keys and fields among it, and from there on nothing may. */
int redis_link_words(const redisReply *r);

/* What an error reply means for us; logs what is not in the table of error codes.  It answers the
 * command so many before the one that was answered last: 0, but for a reply within EXEC's. */
int redis_link_error(struct redis_link *l, const redisReply *r, size_t before);

#endif
