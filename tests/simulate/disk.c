/* The journal's disk: errors, crashes in the middle of a call, and what a power cut leaves.
 *
 * When the broker is killed, the file stays as the process saw it: the operating system lives. When
 * the power is cut, it holds what was synced and any part of what was written since.  A broker that
 * is dead cannot write any more: each of its calls fails. */
#include "tests/power_calls.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "tests/simulate/simulate.h"

#define PAGE 4096

static char path[512], lock_path[512];
static struct buffer image;
static bool cut;    /* `image` is what the disk holds from now on */
static bool failed; /* a call, since the broker was started */

/* Ids that are random outside are the seed's in here. */
ssize_t getrandom(void *bytes, size_t size, unsigned flags)
{
    unsigned char *at = bytes;

    (void)flags;
    for (size_t i = 0; i < size; i++)
        at[i] = (unsigned char)chance_below(256);
    return (ssize_t)size;
}

static struct power_fault fail(enum fault f, int error, size_t most)
{
    failed = true;
    sim_say("disk: %s", fault_name[f]);
    return (struct power_fault){error, most};
}

/* What the page cache takes, it takes by the page; and a part of one, as LMDB's last write of a
 * commit, as a whole. */
static size_t whole_pages(size_t size)
{
    return size < PAGE ? chance_below(2) * size : chance_below(size / PAGE + 1) * PAGE;
}

static struct power_fault write_fault(size_t size)
{
    if (fault_now(FAULT_EINTR))
        return fail(FAULT_EINTR, EINTR, 0);
    if (fault_now(FAULT_EIO))
        return fail(FAULT_EIO, EIO, whole_pages(size));
    if (fault_now(FAULT_ENOSPC))
        return fail(FAULT_ENOSPC, ENOSPC, 0);
    if (fault_now(FAULT_SHORT_WRITE))
        return fail(FAULT_SHORT_WRITE, 0, whole_pages(size));
    return (struct power_fault){0, size};
}

static struct power_fault disk_fault(void *arg, enum power_call call, size_t size)
{
    struct power_fault none = {0, size};
    bool was_dead = sim.now && sim.now->dead;

    (void)arg;
    if (sim.judging || !sim.now)
        return none;
    /* The call during which it dies may have been done in part.  An error and a death a few
     * microseconds later, while the error is being mended, may need an operator. */
    if ((!failed || was_dead) && actor_seam())
        return (struct power_fault){EIO, was_dead || call != POWER_WRITE ? 0 : whole_pages(size)};
    switch (call) {
    case POWER_WRITE:
        return write_fault(size);
    case POWER_SYNC:
        if (fault_now(FAULT_SYNC_FAILED))
            return fail(FAULT_SYNC_FAILED, EIO, 0);
        return none;
    case POWER_OPEN:
        return fault_now(FAULT_EIO) ? fail(FAULT_EIO, EIO, 0) : none;
    default:
        return fault_now(FAULT_ENOSPC) ? fail(FAULT_ENOSPC, ENOSPC, 0) : none;
    }
}

void disk_begin(const char *folder)
{
    static const char *const files[] = {"data.mdb", "data.mdb.unfinished", "broker.lock",
                                        "lock.mdb"};

    snprintf(lock_path, sizeof lock_path, "%s/journal/lock.mdb", folder);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/journal/%s", folder, files[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/journal/data.mdb", folder);
    cut = failed = false;
    power_watch("/journal/data.mdb");
    power_sparse(true);
    power_faults(disk_fault, NULL, &sim.random);
}

void disk_end(void)
{
    power_watch(NULL);
}

struct pick {
    size_t write;
    unsigned percent;
    bool lost, torn;
};

static bool pick_sector(void *arg, size_t i, size_t sector)
{
    static const unsigned percents[] = {0, 50, 100};
    struct pick *p = arg;

    (void)sector;
    if (p->write != i) {
        p->write = i;
        p->percent = percents[chance_below(3)];
        p->lost |= p->percent == 0;
        p->torn |= p->percent == 50;
    }
    return chance_below(100) < p->percent;
}

void disk_broker_died(void)
{
    struct pick p = {.write = SIZE_MAX};
    unsigned both = sim.rate[FAULT_POWER_CUT] + sim.rate[FAULT_BROKER_KILLED];

    cut = both && chance_below(both) < sim.rate[FAULT_POWER_CUT];
    fault_note(cut ? FAULT_POWER_CUT : FAULT_BROKER_KILLED);
    if (!cut)
        return;
    sim_say("the power is cut, %zu writes are not synced", power_unsynced());
    power_image(pick_sector, &p, &image);
    if (p.lost)
        fault_note(FAULT_WRITE_LOST);
    if (p.torn)
        fault_note(FAULT_WRITE_TORN);
}

/* After a failure LMDB tries to take back the page that makes a commit count. */
bool disk_unsynced(void)
{
    return !failed && power_unsynced() > 0;
}

void disk_broker_restart(void)
{
    failed = false;
    if (!cut)
        return;
    cut = false;
    power_install(path, buffer_slice(&image));
    unlink(lock_path);
}
