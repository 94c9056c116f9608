/* A client of the broker; see client.h. */
#include "workers/client.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/log.h"

#define GLANCE_MS 50

/* Behind the end it is looked for so long more: a process that was frozen meanwhile has not yet
 * been shown what has come. */
#define LAST_LOOK_MS 50

/* How long to wait still; 0: it is over.  *late_ms, 0 at first, is when the end was seen. */
static int64_t time_left(int64_t end_ms, int64_t *late_ms)
{
    int64_t now_ms = clock_mono_ms(), left;

    if (now_ms >= end_ms && *late_ms == 0)
        *late_ms = now_ms;
    left = *late_ms ? *late_ms + LAST_LOOK_MS - now_ms : end_ms - now_ms;
    return left > 0 ? left : 0;
}

/* Receives until there is a session other than the one given, or a message. */
static int await(struct reader *r, int64_t end_ms, uint64_t session, struct wire_message *ret)
{
    struct slice payload;
    int64_t left, late_ms = 0;
    int error;

    while ((left = time_left(end_ms, &late_ms)) > 0) {
        error = reader_receive(r, -1, (int)left, ret, &payload);
        if (error != ERR_AGAIN)
            return error;
        ret->kind = WIRE_UNKNOWN;
        if (reader_session(r) && reader_session(r) != session)
            return 0;
    }
    return ERR_TIMEOUT;
}

/* A wrong key of the broker is never known for sure, but who waits at a terminal is better told. */
static int greet(struct reader *r, int64_t end_ms, struct wire_message *m)
{
    int64_t now_ms;
    int error;

    do {
        now_ms = clock_mono_ms();
        error = await(r, now_ms + GLANCE_MS < end_ms ? now_ms + GLANCE_MS : end_ms, 0, m);
        if (error == ERR_TIMEOUT && reader_doubt(r) < 0)
            error = ERR_DENIED;
    } while (error == ERR_TIMEOUT && now_ms < end_ms);
    return error;
}

int client_connect(const char *endpoint, int timeout_ms, struct reader **ret)
{
    struct wire_message m;
    int error = reader_new(endpoint, "client", "turnout", ret);

    if (error < 0)
        return error;
    error = greet(*ret, clock_mono_ms() + timeout_ms, &m);
    if (error < 0) {
        reader_free(*ret);
        *ret = NULL;
    }
    return error;
}

int client_report(struct reader *r, const uint64_t *offsets, unsigned count, int timeout_ms,
                  struct wire_report *ret)
{
    struct wire_message ask = {.kind = WIRE_STATUS, .status = {offsets ? count : 0, offsets}}, m;
    int64_t end_ms = clock_mono_ms() + timeout_ms;
    uint64_t session = 0;
    int error;

    do {
        if (reader_session(r) != session) { /* asked in the old session: ask again in the new */
            session = reader_session(r);
            reader_send(r, &ask);
        }
        error = await(r, end_ms, session, &m);
    } while (error == 0 && (m.kind != WIRE_REPORT || reader_session(r) != session));
    if (error == 0)
        *ret = m.report;
    return error;
}

bool client_full(const struct wire_report *r)
{
    for (uint32_t i = 0; i < r->bound_count; i++)
        if (slice_is(r->bounds[i].name, "journal_full"))
            return r->bounds[i].value > 0;
    return false;
}

static int corrupt(const struct wire_message *m)
{
    log_error("the broker says corrupt: %.*s", (int)m->error.reason.size, m->error.reason.at);
    return ERR_CORRUPT;
}

int client_await(struct reader *r, uint64_t session, enum wire_kind kind, int timeout_ms,
                 struct wire_message *ret, struct slice *ret_payload)
{
    int64_t end_ms = clock_mono_ms() + timeout_ms, left, late_ms = 0;
    int error;

    while ((left = time_left(end_ms, &late_ms)) > 0) {
        if (reader_session(r) != session)
            return ERR_LOST;
        error = reader_receive(r, -1, (int)left, ret, ret_payload);
        if (error < 0 && error != ERR_AGAIN)
            return error;
        if (error < 0 || reader_session(r) != session)
            continue;
        if (ret->kind == kind)
            return 0;
        if (ret->kind == WIRE_ERROR && slice_is(ret->error.code, "corrupt"))
            return corrupt(ret);
    }
    return ERR_TIMEOUT;
}
