/* Access: who may come in, by the rights file, and what they may do.  The file is looked at in
 * every round, and a changed one is taken when it has been left alone for 50 ms. */
#ifndef BROKER_ACCESS_H
#define BROKER_ACCESS_H

#include "broker/rate.h"
#include "proto/link.h"
#include "proto/rights.h"

/* Of one key, at all endpoints.  More would let one key use up the sessions of all others. */
#define ACCESS_SESSIONS 16
#define ACCESS_CLIENTS  4 /* and of these clients */

/* Handshakes of one key: so many at once, and one every so often.  More would be somebody trying
 * out names of connections (names.h); a key that was caught at it waits. */
#define ACCESS_BURST       64
#define ACCESS_PACE_MS     200
#define ACCESS_DISTRUST_MS 60000

struct access;

/* Reads the rights file; one that is not there means no keys unless it is `wanted`.  Logs what is
 * wrong with it: ERR_CONFIG. */
int access_open(const char *path, bool wanted, int64_t now_ms, struct access **ret);
void access_free(struct access *a); /* NULL is allowed */

/* Looks whether the file has changed.  True when other rights hold now: all that was borrowed from
 * the old ones is gone.  A faulty file is logged, and the old rights stay, less those of keys that
 * it calls revoked: that takes effect whatever else is wrong with it. */
bool access_look(struct access *a, int64_t now_ms);

/* The file has changed and is about to be taken: look again soon. */
bool access_pending(const struct access *a);

const struct rights *access_rights(const struct access *a);

/* What holds for this key now; NULL: nothing, it is unknown or revoked.  Borrowed until
 * access_look returns true, as the rate is. */
const struct right *access_right(const struct access *a, struct slice key);
struct rate *access_rate(struct access *a, const struct right *r); /* NULL: no limit */

/* Judges a connection whose key has so many sessions already. */
enum gate_verdict access_admit(struct access *a, const struct gate_request *request,
                               unsigned sessions);

/* How many connections with keys were let in up to now. */
uint64_t access_admitted(const struct access *a);

/* This key has done what no program of ours does: it is let in again ACCESS_DISTRUST_MS later. */
void access_distrust(struct access *a, const struct right *r);

/* Why the file as it is now is not taken; "" if it is. */
const char *access_fault(const struct access *a);

struct access_counts { /* connections, since the start */
    uint64_t refused;  /* with an unknown or revoked key */
    uint64_t failed;   /* whose handshake came to nothing; up to the last access_tell */
    uint64_t later;    /* put off: too many of one key, or too fast */
};
struct access_counts access_counts(const struct access *a);

/* Logs who was turned away and how many handshakes failed (so many more), at most once a second. */
void access_tell(struct access *a, uint64_t failed, int64_t now_ms);

#endif
