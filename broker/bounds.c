/* What bounds the broker; see bounds.h. */
#include "broker/bounds.h"

#include <assert.h>

#define MOST 16

struct bounds {
    struct wire_bound *list;
    uint32_t count;
};

static void add(struct bounds *b, const char *name, uint64_t value, uint64_t limit)
{
    assert(b->count < MOST);
    b->list[b->count++] = (struct wire_bound){slice_of(name), value, limit};
}

static void add_guard(struct bounds *b, struct guard *guard)
{
    struct guard_counts c = guard_counts(guard);

    if (!guard)
        return;
    add(b, "memory_bytes", c.memory_bytes, c.limits.memory_bytes);
    add(b, "connections", c.connections, c.limits.connections);
    add(b, "cut_silent", c.silent, 0);
    add(b, "cut_memory", c.relieved, 0);
    add(b, "memory_alarms", c.emergencies, 0);
    add(b, "memory_cut_all", c.all, 0);
}

/* What producers have published and not had looked at yet, and what they have not read. */
static void add_waiting(struct bounds *b, const struct sessions *producers)
{
    uint64_t backlog = 0, unread = 0;

    for (unsigned i = 0; i < producers->count; i++) {
        backlog += producers->list[i]->backlog.bytes;
        unread += producers->list[i]->unsent.size;
    }
    add(b, "backlog_bytes", backlog, INGEST_BACKLOG);
    add(b, "unread_bytes", unread, SESSIONS_UNSENT);
}

static void add_sessions(struct bounds *b, const struct sessions *producers,
                         const struct sessions *readers)
{
    add(b, "producers", producers->live[SESSION_PRODUCER], producers->most[SESSION_PRODUCER]);
    add(b, "workers", readers->live[SESSION_WORKER], readers->most[SESSION_WORKER]);
    add(b, "clients", readers->live[SESSION_CLIENT], readers->most[SESSION_CLIENT]);
}

static void add_access(struct bounds *b, const struct access *access)
{
    struct access_counts c = access_counts(access);

    add(b, "keys_refused", c.refused, 0);
    add(b, "handshakes_failed", c.failed, 0);
    add(b, "connections_put_off", c.later, 0);
}

void bounds_report(const struct sessions *producers, const struct sessions *readers,
                   const struct ingest_counts *counts, const struct session *to,
                   struct arena *arena, struct wire_report *out)
{
    struct bounds b = {arena_need(arena, MOST * sizeof *b.list), 0};
    const char *fault = access_fault(readers->access);

    add_guard(&b, readers->guard);
    add_sessions(&b, producers, readers);
    add_waiting(&b, producers);
    add_access(&b, readers->access);
    add(&b, "journal_full", counts->full, 1);
    if (*fault && to->user[0])
        fault = "it is faulty: the broker's log says where";
    out->rights = slice_of(fault);
    out->bounds = b.list;
    out->bound_count = b.count;
}
