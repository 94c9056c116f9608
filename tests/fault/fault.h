/* A plan of faults for one process, shared with the test that makes it suffer.
 *
 * The process is started with LD_PRELOAD=build/lib/fault.so and FAULT_PLAN=FILE; the file holds one
 * struct fault_plan, mapped by both sides.  So a fault can be armed before the start, or at any
 * moment later, and the counts are still there after a kill.
 *
 * A call is one of those that write, sync, send or receive (write, pwrite, fsync, fdatasync,
 * ftruncate, fallocate, send, recv, read and their kin), on whatever file or socket but standard
 * error.  An allocation is one malloc, calloc or realloc. */
#ifndef TESTS_FAULT_FAULT_H
#define TESTS_FAULT_FAULT_H

#include <stdint.h>

struct fault_plan {
    _Atomic int64_t calls;       /* made so far */
    _Atomic int64_t kill_at;     /* SIGKILL at the call of this number; 0: never */
    _Atomic int64_t kill_after;  /* 0: before the call is made, 1: once it has returned */
    _Atomic int64_t allocations; /* made so far */
    _Atomic int64_t fail_at;     /* the allocation of this number fails; 0: none */
    _Atomic int64_t sync_errno;  /* while not 0: syncs of files fail */
    _Atomic int64_t dsync_errno; /* while not 0: writes to files fail that sync by themselves */
    _Atomic int64_t write_errno; /* while not 0: writes to files and their growth fail */
    _Atomic int64_t write_short; /* while not 0: half of every write to a file is written */
    _Atomic int64_t hits;        /* faults that happened, kills included */
};

#endif
