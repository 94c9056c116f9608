/* Attacks on a broker: each call is one round of what a hostile client does. */
#ifndef TESTS_ATTACK_H
#define TESTS_ATTACK_H

#include "tests/random.h"

struct attack {
    const char *publish, *read; /* the broker's endpoints, without keys */
    struct random random;
};

typedef void (*attack_fn)(struct attack *a);

void attack_noise(struct attack *a);      /* random bytes */
void attack_truncated(struct attack *a);  /* messages that break off */
void attack_huge_frame(struct attack *a); /* a frame of 100 MiB */
void attack_many_parts(struct attack *a); /* a message of 5,000 frames */
void attack_endless(struct attack *a); /* frames without end, in one message, as fast as it goes */
void attack_endless_member(struct attack *a); /* the same, within a session */
void attack_headers(struct attack *a);        /* headers that are made up */
void attack_bombs(struct attack *a);          /* events that ask for gigabytes */
void attack_breaks(struct attack *a);         /* many messages, a ZMTP PING, and gone */
void attack_hellos(struct attack *a);         /* HELLO after HELLO, of all roles */
void attack_window(struct attack *a);         /* events without end, never waiting for an answer */
void attack_deaf(struct attack *a); /* asks for everything and reads nothing, for a moment */

#endif
