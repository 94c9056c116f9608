/* A commit as Redis commands; see resp_commit.h. */
#include "workers/resp_commit.h"

/* The stream keeps about so many entries: at one commit a millisecond some ten seconds, at an
 * ordinary day's load years. */
#define CHANGES_KEPT 10000

/* HINCRBY leaves a "0" behind; a field that has come to zero goes, so that the same facts give the
 * same keys whatever way they came. */
#define ZEROS_AT_ONCE 5000 /* Redis takes a million words a command, its Lua fewer on its stack */
#define ZERO_SCRIPT                                                                                \
    "for i = 1, #KEYS do if redis.call('HGET', KEYS[i], ARGV[i]) == '0' then "                     \
    "redis.call('HDEL', KEYS[i], ARGV[i]) end end"

static void write_stream(struct resp *out, const struct commit_op *ops, size_t count)
{
    resp_command(out, 6 + 2 * count);
    resp_text(out, "XADD");
    resp_key(out, ops->key);
    resp_text(out, "MAXLEN");
    resp_text(out, "~");
    resp_int(out, CHANGES_KEPT);
    resp_text(out, "*");
    for (size_t i = 0; i < count; i++) {
        resp_word(out, ops[i].field);
        resp_word(out, ops[i].value);
    }
}

static void write_increments(struct resp *out, const struct commit_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        resp_command(out, 4);
        resp_text(out, "HINCRBY");
        resp_key(out, ops[i].key);
        resp_word(out, ops[i].field);
        resp_int(out, ops[i].amount);
    }
}

/* Operations of one verb on one key, as one command. */
static void write_run(struct resp *out, const struct commit_op *ops, size_t count)
{
    static const struct {
        const char *command;
        size_t words;
    } form[] = {
        [COMMIT_HSET] = {"HSET", 2}, [COMMIT_HDEL] = {"HDEL", 1}, [COMMIT_SADD] = {"SADD", 1},
        [COMMIT_ZADD] = {"ZADD", 2}, [COMMIT_ZREM] = {"ZREM", 1}, [COMMIT_DEL] = {"UNLINK", 0}};
    enum commit_verb verb = ops->verb;

    resp_command(out, 2 + form[verb].words * count);
    resp_text(out, form[verb].command);
    resp_key(out, ops->key);
    for (size_t i = 0; i < count; i++) {
        if (verb == COMMIT_ZADD)
            resp_int(out, ops[i].amount);
        if (verb != COMMIT_DEL)
            resp_word(out, ops[i].field);
        if (verb == COMMIT_HSET)
            resp_word(out, ops[i].value);
    }
}

static void write_rename(struct resp *out, const struct commit_op *op)
{
    resp_command(out, 3);
    resp_text(out, "RENAME");
    resp_key(out, op->key);
    resp_key(out, op->field);
}

static void write_operations(struct resp *out, const struct commit *c)
{
    for (size_t i = 0, n; i < c->count; i += n) {
        const struct commit_op *ops = &c->ops[i];
        n = commit_run(c, i);
        if (ops->verb == COMMIT_HINCRBY)
            write_increments(out, ops, n);
        else if (ops->verb == COMMIT_XADD)
            write_stream(out, ops, n);
        else if (ops->verb == COMMIT_RENAME)
            write_rename(out, ops);
        else
            write_run(out, ops, n);
    }
}

/* Counters are never negative, so that only taking away can bring them to zero. */
static bool may_be_zero(const struct commit_op *op)
{
    return op->verb == COMMIT_HINCRBY && (op->amount < 0 || op->below);
}

/* One script for the operations from `i` on, at most ZEROS_AT_ONCE of those that may be zero. */
static size_t write_zeros_from(struct resp *out, const struct commit *c, size_t i)
{
    size_t n = 0, end = i;

    for (; end < c->count && n < ZEROS_AT_ONCE; end++)
        n += may_be_zero(&c->ops[end]);
    if (n == 0)
        return end;
    resp_command(out, 3 + 2 * n);
    resp_text(out, "EVAL");
    resp_text(out, ZERO_SCRIPT);
    resp_int(out, (int64_t)n);
    for (size_t k = i; k < end; k++)
        if (may_be_zero(&c->ops[k]))
            resp_key(out, c->ops[k].key);
    for (size_t k = i; k < end; k++)
        if (may_be_zero(&c->ops[k]))
            resp_word(out, c->ops[k].field);
    return end;
}

static void write_zeros(struct resp *out, const struct commit *c)
{
    for (size_t i = 0; i < c->count;)
        i = write_zeros_from(out, c, i);
}

static void write_number(struct resp *out, const char *field, uint64_t number)
{
    resp_text(out, field);
    resp_int(out, (int64_t)number);
}

/* `epoch` is there once it is not 0; `held` while the place is. */
static void write_move(struct resp *out, const struct commit_move *m)
{
    const struct applied *to = &m->to;
    char room[PLACE_KEY];
    struct slice key = place_key(m->place, room);

    resp_command(out, 10 + (to->epoch ? 2 : 0) + (to->held_ms ? 2 : 0));
    resp_text(out, "HSET");
    resp_key(out, key);
    resp_text(out, "log");
    resp_text(out, to->log);
    write_number(out, "offset", to->offset);
    write_number(out, "time", (uint64_t)to->time_ms);
    write_number(out, "events", to->offset);
    if (to->epoch)
        write_number(out, "epoch", to->epoch);
    if (to->held_ms) {
        write_number(out, "held", (uint64_t)to->held_ms);
    } else if (m->from.held_ms) {
        resp_command(out, 3);
        resp_text(out, "HDEL");
        resp_key(out, key);
        resp_text(out, "held");
    }
}

void resp_commit(struct resp *out, const struct commit *c)
{
    resp_command(out, 1);
    resp_text(out, "MULTI");
    write_operations(out, c);
    write_zeros(out, c);
    for (size_t i = 0; i < c->move_count; i++)
        write_move(out, &c->moves[i]);
    resp_command(out, 1);
    resp_text(out, "EXEC");
}
