/* Verbs in the test's own process; see verbs.h. */
#include "tests/verbs.h"

#include "tests/calls.h"
#include "workers/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a store before the one in Redis, whose calls fail ---- */

struct seam {
    struct store base;
    struct store *inner; /* owned */
};

static struct store *inner_of(struct store *s)
{
    return ((struct seam *)s)->inner;
}

void (*verb_meanwhile)(void);

/* The code of a call that is to fail; what it would have been made over is then gone. */
static int fails(struct store *s, const char *name)
{
    int code = calls_due(name);

    if (code == MEANWHILE) {
        verb_meanwhile();
        return 0;
    }
    if (code)
        store_drop(inner_of(s));
    return code;
}

static int seam_begin(struct store *s, const struct store_look *look)
{
    int code = fails(s, "store_begin");

    return code ? code : store_begin(inner_of(s), look);
}

static int seam_fetch(struct store *s, const struct store_fetch *fetches, size_t count,
                      void *context)
{
    int code = fails(s, "store_fetch");

    return code ? code : store_fetch(inner_of(s), fetches, count, context);
}

static int seam_commit(struct store *s, const struct commit *c)
{
    int code = fails(s, "store_commit");

    return code ? code : store_commit(inner_of(s), c);
}

static int seam_keys(struct store *s, store_key_fn each, void *arg)
{
    int code = fails(s, "store_keys");

    return code ? code : store_keys(inner_of(s), each, arg);
}

static int seam_hindrance(struct store *s, struct hindrance *ret)
{
    int code = fails(s, "store_hindrance");

    return code ? code : store_hindrance(inner_of(s), ret);
}

static void seam_drop(struct store *s)
{
    store_drop(inner_of(s));
}

static void seam_free(struct store *s)
{
    store_free(inner_of(s));
    free(s);
}

struct store *__real_store_redis_new(const struct redis_options *options);
struct store *__wrap_store_redis_new(const struct redis_options *options);

struct store *__wrap_store_redis_new(const struct redis_options *options)
{
    static const struct store_ops ops = {.begin = seam_begin,
                                         .fetch = seam_fetch,
                                         .commit = seam_commit,
                                         .keys = seam_keys,
                                         .hindrance = seam_hindrance,
                                         .drop = seam_drop,
                                         .free = seam_free};
    struct seam *s = memory_need(sizeof *s);

    *s = (struct seam){{&ops}, __real_store_redis_new(options)};
    return &s->base;
}

/* ---- verbs ---- */
static void file_take(FILE *f, struct buffer *to)
{
    size_t n;

    rewind(f);
    while ((n = fread(buffer_room(to, 65536), 1, 65536, f)) > 0)
        to->size += n;
}

struct said verb_run(verb_fn verb, const char *const *words)
{
    char *argv[VERB_WORDS + 2] = {(char *)(uintptr_t) "turnout"};
    FILE *f = tmpfile();
    int argc = 1, kept = dup(STDOUT_FILENO);
    struct said s = {.status = -1};

    assert_non_null(f);
    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    fflush(stdout);
    dup2(fileno(f), STDOUT_FILENO);
    s.status = verb(argc, argv);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    file_take(f, &s.out);
    fclose(f);
    return s;
}
