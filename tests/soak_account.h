/* The account of one publisher of the soak: what it has sent, and what of it was acknowledged. Both
 * are files, written by bare system calls before an event leaves and as soon as it is acknowledged,
 * so that they outlive the publisher's death at any moment.
 *
 *     DIR/sent-K     each event: u32 size, the bytes; the first has the index 0
 *     DIR/acked-K    u64 index of each acknowledged event, in any order
 *
 * A tail that was cut off in the middle is dropped when the account is opened. */
#ifndef TESTS_SOAK_ACCOUNT_H
#define TESTS_SOAK_ACCOUNT_H

#include "proto/bytes.h"

struct account {
    int sent_fd, acked_fd;
    struct buffer sent;  /* all of DIR/sent-K */
    struct buffer at;    /* size_t: where each event begins in it */
    struct buffer acked; /* bool for each event */
    size_t count, acked_count;
};

/* `dir` and the number are those of the files; what cannot be read or written ends the process. */
void account_open(const char *dir, unsigned number, struct account *ret);
void account_close(struct account *a);

/* The event gets the next index. */
size_t account_send(struct account *a, struct slice event);
void account_acknowledge(struct account *a, const uint64_t *indexes, size_t count);

struct slice account_event(const struct account *a, size_t index);
bool account_is_acked(const struct account *a, size_t index);

#endif
