/* Where a stack is; see site.h. */
#include "workers/site.h"

#include "proto/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum {
    KEY_PUBLISH = 0x100,
    KEY_READ,
    KEY_REDIS,
    KEY_REDIS_USER,
    KEY_REDIS_PASSWORD,
    KEY_PREFIX,
    KEY_CONFIG,
    KEY_KEY
};

static const struct argp_option option_table[] = {
    {"dir", 'd', "DIR", 0, "the stack's folder (default: $TURNOUT_DIR, else ./run)", 1},
    {"publish", KEY_PUBLISH, "ENDPOINT", 0, "the broker's publish endpoint", 1},
    {"read", KEY_READ, "ENDPOINT", 0, "the broker's read endpoint", 1},
    {"key", KEY_KEY, "FILE", 0,
     "key file for tcp:// endpoints, which are those it names where none are given", 1},
    {"redis", KEY_REDIS, "ADDRESS", 0, "Redis: a socket's path, or HOST:PORT", 1},
    {"redis-user", KEY_REDIS_USER, "NAME", 0,
     "user of Redis (default: $TURNOUT_REDIS_USER, else \"default\")", 1},
    {"redis-password-file", KEY_REDIS_PASSWORD, "FILE", 0,
     "its first line is that user's password (default: $TURNOUT_REDIS_PASSWORD_FILE, else none)",
     1},
    {"prefix", KEY_PREFIX, "TEXT", 0, "before every key in Redis (default: turnout:)", 1},
    {"config", KEY_CONFIG, "FILE", 0, "thresholds (default: DIR/turnout.conf, if there)", 1},
    {0}};

static char *in_dir(const char *format, const char *dir)
{
    char *path = NULL;

    if (asprintf(&path, format, dir) < 0)
        abort();
    return path;
}

/* What was not given is taken from the environment, where an empty value is none. */
static const char *or_environment(const char *given, const char *name)
{
    const char *value = given ? given : getenv(name);

    return value && *value ? value : NULL;
}

const char *site_dir(const char *given)
{
    const char *dir = or_environment(given, "TURNOUT_DIR");

    return dir ? dir : "run";
}

/* With a key nobody means the local sockets, where no key counts. */
static void key_take(struct site *s, struct argp_state *state)
{
    char why[256];
    bool wide = false;

    if (keyfile_read(s->key_file, &s->key, &wide, why, sizeof why) < 0)
        argp_failure(state, EX_CONFIG, 0, "--key: %s", why);
    if (!s->key.broker[0])
        argp_failure(state, EX_CONFIG, 0, "--key: %s: there is no broker", s->key_file);
    if (!s->publish && !s->read && !s->key.publish[0] && !s->key.read[0])
        argp_failure(state, EX_CONFIG, 0,
                     "--key: %s names no endpoints: --publish or --read has to", s->key_file);
    if (wide)
        fprintf(stderr, "%s: warning: %s can be read by others than its owner: chmod 600 it\n",
                program_invocation_short_name, s->key_file);
    s->publish = s->publish ? s->publish : s->key.publish;
    s->read = s->read ? s->read : s->key.read;
    reader_use_key(&s->key);
}

static void site_end(struct site *s, struct argp_state *state)
{
    s->dir = site_dir(s->dir);
    s->redis_user = or_environment(s->redis_user, "TURNOUT_REDIS_USER");
    s->redis_password_file = or_environment(s->redis_password_file, "TURNOUT_REDIS_PASSWORD_FILE");
    if (s->redis_user && !s->redis_password_file)
        argp_error(state, "a user of Redis needs --redis-password-file, too");
    if (s->key_file)
        key_take(s, state);
    s->publish = s->publish ? strdup(s->publish) : in_dir("ipc://%s/publish.sock", s->dir);
    s->read = s->read ? strdup(s->read) : in_dir("ipc://%s/read.sock", s->dir);
    s->redis = s->redis ? strdup(s->redis) : in_dir("%s/redis.sock", s->dir);
    s->prefix = s->prefix ? s->prefix : STORE_PREFIX;
}

static error_t site_parse(int key, char *arg, struct argp_state *state)
{
    struct site *s = state->input;

    switch (key) {
    case 'd':
        s->dir = arg;
        return 0;
    case KEY_PUBLISH:
        s->publish = arg;
        return 0;
    case KEY_READ:
        s->read = arg;
        return 0;
    case KEY_KEY:
        s->key_file = arg;
        return 0;
    case KEY_REDIS:
        s->redis = arg;
        return 0;
    case KEY_REDIS_USER:
        s->redis_user = arg;
        return 0;
    case KEY_REDIS_PASSWORD:
        s->redis_password_file = arg;
        return 0;
    case KEY_PREFIX:
        s->prefix = arg;
        return 0;
    case KEY_CONFIG:
        s->config = arg;
        return 0;
    case ARGP_KEY_END:
        site_end(s, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp site_argp = {option_table, site_parse, NULL, NULL, NULL, NULL, NULL};

void site_free(struct site *s)
{
    free((void *)(uintptr_t)s->publish);
    free((void *)(uintptr_t)s->read);
    free((void *)(uintptr_t)s->redis);
    keyfile_forget(&s->key);
    reader_use_key(NULL);
}

struct redis_options site_redis(const struct site *s)
{
    return (struct redis_options){.address = s->redis,
                                  .prefix = s->prefix,
                                  .user = s->redis_user,
                                  .password_file = s->redis_password_file};
}

struct store *site_store(const struct site *s, int timeout_ms)
{
    struct redis_options o = site_redis(s);

    o.timeout_ms = timeout_ms;
    return store_redis_new(&o);
}

int site_config(const struct site *s, struct config *ret)
{
    char *path = s->config ? strdup(s->config) : in_dir("%s/turnout.conf", s->dir);
    char reason[256];
    int error = config_read(path, s->config != NULL, ret, reason, sizeof reason);

    if (error < 0)
        fprintf(stderr, "%s: %s\n", program_invocation_short_name, reason);
    free(path);
    return error;
}

int site_connect(const struct site *s, int timeout_ms, struct reader **ret)
{
    return client_connect(s->read, timeout_ms, ret);
}
