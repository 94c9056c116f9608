/* A reader: a session at the broker's read endpoint, kept alive.
 *
 * It says HELLO, repeats it until the broker answers, answers PINGs, asks after three silent
 * heartbeats whether the broker is still there, and begins a new session on a new connection when
 * it is not.  Everything that a session stood for (streams, credit) ends with it: the caller is
 * told by reader_session, whose number then changes. */
#ifndef WORKERS_READER_H
#define WORKERS_READER_H

#include "proto/wire.h"

struct reader;
struct keyfile;

/* The key under which this program connects from now on to tcp:// endpoints; borrowed.  A program
 * has one key, or none (NULL, as it is at first). */
void reader_use_key(const struct keyfile *key);
bool reader_has_key(void);

/* `role` is "worker" or "client"; all strings are borrowed for the reader's life. */
int reader_new(const char *endpoint, const char *role, const char *name, struct reader **ret);
void reader_free(struct reader *r);

/* Waits at most timeout_ms for the next message that is not the reader's own business; `fd` (-1:
 * none) ends the wait too.  Slices are borrowed until the next call, arrays until reader_reset.
 * Returns 0, or ERR_AGAIN when nothing came, at once when the session has changed; ERR_VERSION
 * when the broker does not speak our version; ERR_DENIED when it turns us away, or what we asked
 * for: why is logged. */
int reader_receive(struct reader *r, int fd, int timeout_ms, struct wire_message *ret,
                   struct slice *ret_payload);
void reader_reset(struct reader *r);

/* Ends the session and stays away, so that the broker gives to others what was ours, until
 * reader_join; meanwhile reader_receive only waits. */
void reader_leave(struct reader *r);
void reader_join(struct reader *r);
bool reader_away(const struct reader *r);

/* For those who would rather not wait: gives up, ERR_DENIED, when the broker cuts every handshake
 * short, so that the key which our key file has for it may be wrong.  Else 0. */
int reader_doubt(struct reader *r);

/* 0 before the first WELCOME; afterwards a number that changes with each new session. */
uint64_t reader_session(const struct reader *r);

/* What the broker said last; only after a first WELCOME. */
const char *reader_log(const struct reader *r);
unsigned reader_partitions(const struct reader *r);

/* Sends, best effort: what is lost with a session is asked again in the next. */
void reader_send(struct reader *r, const struct wire_message *m);

/* The events of one partition, on their way to us. */
struct reading {
    unsigned partition;
    uint64_t stream; /* the caller's number of it, which comes back with each batch */
    uint64_t credit; /* that it begins with; bytes */
    uint64_t owed;   /* of the credit that was used, not given back yet */
};

/* Asks for them from `offset` on, and no more for what was asked for before.  Should that not
 * leave, or a credit not, the session ends, and all is asked anew in the next. */
void reader_read(struct reader *r, struct reading *s, uint64_t offset);

/* So many bytes of them have been taken, and may be on their way anew.  The broker is told when a
 * quarter of the first credit has come together, as each message wakes it. */
void reader_credit(struct reader *r, struct reading *s, uint64_t bytes);

#endif
