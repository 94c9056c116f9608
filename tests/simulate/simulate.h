/* The simulation: broker, workers and producers, their real code, in one thread against a network,
 * a disk, a Redis and clocks that this program makes up, and that fail in every way there is.  One
 * seed decides everything; the same seed gives the same run.
 *
 *     actor.c   who runs when: each program is a coroutine that gives way where it would wait;
 *               virtual time; crashes
 *     clock.c   the clocks (in place of proto/clock.c)
 *     net.c     the links (in place of proto/link.c)
 *     net_keys.c  the rest of proto/link.h
 *     disk.c    the journal's disk
 *     redis.c   the store
 *     roles.c   what broker, workers and producers do
 *     judge.c   what must hold, whatever happens
 *     run.c     one seed from beginning to end
 *     log.c     log lines (in place of proto/log.c)
 *     simulate_main.c   many seeds */
#ifndef TESTS_SIMULATE_SIMULATE_H
#define TESTS_SIMULATE_SIMULATE_H

#include <inttypes.h>
#include <stdio.h>

#include "proto/arena.h"
#include "proto/link.h"
#include "tests/random.h"

#define MS ((int64_t)1000) /* virtual time is in microseconds */

enum fault {
    FAULT_LOST,
    FAULT_REPEATED,
    FAULT_DELAYED,
    FAULT_REORDERED,
    FAULT_CUT,
    FAULT_FULL_QUEUE,
    FAULT_FROZEN,
    FAULT_BROKER_KILLED,
    FAULT_BROKER_KILLED_IN_START,
    FAULT_POWER_CUT,
    FAULT_WRITE_TORN,
    FAULT_WRITE_LOST,
    FAULT_EIO,
    FAULT_ENOSPC,
    FAULT_EINTR,
    FAULT_SHORT_WRITE,
    FAULT_SYNC_FAILED,
    FAULT_WORKER_KILLED,
    FAULT_PRODUCER_KILLED,
    FAULT_REPLY_LOST,
    FAULT_COMMIT_LOST,
    FAULT_COMMIT_LATE,
    FAULT_COMMIT_NEVER,
    FAULT_REDIS_BUSY,
    FAULT_REDIS_DOWN,
    FAULT_REDIS_FLUSHED,
    FAULT_REDIS_ROLLED_BACK,
    FAULT_REDIS_FAILED_OVER,
    FAULT_TWO_OWNERS,
    FAULT_WALL_BACK,
    FAULT_WALL_FORWARD,
    FAULT_MONO_FORWARD,
    FAULTS
};
extern const char *const fault_name[FAULTS];

enum acting { ACTING_BROKER, ACTING_WORKER, ACTING_PRODUCER };

#define PRODUCERS 3
#define WORKERS   3
#define ACTORS    (1 + WORKERS + PRODUCERS)

struct actor {
    enum acting role;
    unsigned number; /* among those of its role */
    bool there;      /* takes part in this seed */
    bool done;       /* its work has ended */
    bool dead;       /* killed: it goes on until it notices, and nothing that it does has effect */
    bool retired;    /* told to end */
    int64_t wake_us, frozen_us;
    struct link *const *waits; /* while it waits: for a message on one of them */
    unsigned wait_count;
    int64_t wall_ms, mono_ms; /* how far its clocks are from the true time */
    uint64_t crash_in;        /* calls of a seam; 0: it lives */
    struct fiber *fiber;
};

/* One seed's world. */
struct simulation {
    uint64_t seed;
    struct random random;
    struct arena arena; /* until the seed's end */
    bool verbose;
    bool calm;    /* no more faults */
    bool judging; /* nothing fails and nobody dies: the judge is reading */
    int64_t now_us;
    uint64_t steps, digest;
    uint64_t calls;        /* of seams, in this step */
    unsigned length;       /* of this seed, per cent of the longest */
    unsigned rate[FAULTS]; /* per mille, of this seed */
    struct actor actors[ACTORS];
    struct actor *now; /* who runs; NULL: nobody */
    unsigned partitions;
    size_t recent_bytes; /* of the broker's journal */
};
extern struct simulation sim;

/* Over all seeds of the process. */
extern uint64_t fault_counts[FAULTS];

/* ---- chance ---- */
static inline uint64_t chance_below(uint64_t bound)
{
    return random_below(&sim.random, bound);
}
/* Whether the fault happens now; counts it if so. */
bool fault_now(enum fault f);
void fault_note(enum fault f);

/* Ends the seed, which has failed, and the process. */
void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* A line of the log, if it is shown. */
void sim_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Makes the run's digest depend on it. */
void sim_digest(const void *bytes, size_t size);

/* ---- actors ---- */
typedef void (*actor_fn)(struct actor *a);
void actors_begin(void);
struct actor *actor_start(enum acting role, unsigned number, actor_fn run);
/* Lets whoever is next go on; false when all are done. */
bool actors_step(void);
/* Every call of a seam: true when the caller is dead, perhaps from now on. */
bool actor_seam(void);
void actor_kill(struct actor *a);
/* The one who runs: gives way for that long. */
void actor_pause(int64_t us);
/* The one who runs is started anew after its death. */
void actor_revive(void);
const char *actor_name(const struct actor *a);
#define WALL_BASE_MS ((int64_t)19220 * 86400000) /* a day after all events of the world */

/* ---- net ---- */
void net_begin(void);
void net_end(void);
bool net_ready(const struct actor *a, int64_t *ret_us); /* when a message comes that it awaits */
void net_owner_died(struct actor *a);
void net_cut_one(void); /* some connection */
void net_cut_all(void);

/* ---- disk ---- */
void disk_begin(const char *folder);
void disk_end(void);
bool disk_unsynced(void);       /* what was written last may be lost */
void disk_broker_died(void);    /* decides what the disk holds from now on */
void disk_broker_restart(void); /* puts that in place */

/* ---- Redis ---- */
struct store;
struct commit;
void redis_begin(void);
void redis_end(void);
struct store *redis_connect(void); /* of the one who runs; a struct store */
void redis_flush(void);
void redis_roll_back(void);
void redis_fail_over(void);
void redis_step(void); /* late commits whose time has come */
void redis_drop_late(void);
const struct store *redis_memory(void); /* the one that counts */
bool redis_settled(void);               /* stands at all ends, and nothing waits to be derived */

/* ---- roles ---- */
void roles_begin(const char *folder, struct slice events);
void roles_end(void);
bool producers_done(void);

/* ---- judge ---- */
void judge_begin(void);
void judge_end(void);
void judge_event(struct slice event, bool good); /* one that will be published */
void judge_accepted(struct slice event);
void judge_refused(struct slice event, const char *code, const char *reason, bool retry);
void judge_sent(int port, struct slice header, const struct slice *parts, size_t count);
void judge_commit(const struct commit *c);
void judge_journal(const char *folder); /* nobody has it open */
void judge_store(bool derived);         /* what stands in Redis, against the model */
void judge_all_kept(void);              /* whatever was promised is in the journal as last read */
bool judge_all_shown(void);             /* what was accepted, to readers */
uint64_t judge_end_of(unsigned partition);

/* ---- a seed ---- */
void run_seed(uint64_t seed, const char *folder, bool verbose);

#endif
