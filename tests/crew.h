/* A crew: redis-server, the broker and two workers of one folder as direct children of the test,
 * each under a plan of faults.  Unlike a stack nothing waits and nothing is started by itself: the
 * test sees every death and decides when to start again.  All of them die with the test.
 *
 * Whatever the crew itself cannot do ends the test with a message. */
#ifndef TESTS_CREW_H
#define TESTS_CREW_H

#include <sys/types.h>

#include "tests/dump.h"
#include "tests/fault/fault.h"

enum crew_member {
    CREW_REDIS,
    CREW_BROKER,
    CREW_WORKER,                      /* up to three */
    CREW_PUBLISHER = CREW_WORKER + 3, /* up to three; the test says what they are */
    CREW_OTHER = CREW_PUBLISHER + 3,
    CREW_MEMBERS
};

extern const char *const crew_names[CREW_MEMBERS];

struct crew {
    char dir[128];
    pid_t pids[CREW_MEMBERS];               /* 0: does not run */
    struct fault_plan *plans[CREW_MEMBERS]; /* stay the same over all starts */
    char endpoint_publish[160], endpoint_read[160], redis[160];
    const char *broker_option; /* one more for the broker; NULL: none */
    struct redis *client;      /* of crew_redis */
};

/* Makes the folder; nothing runs yet. */
struct crew *crew_new(void);

/* Ends all of them and removes the folder, or keeps it to be looked at. */
void crew_free(struct crew *c, bool keep);

/* Starts one that does not run, and returns at once.  Its log is DIR/NAME.log. */
void crew_start(struct crew *c, enum crew_member who);
void crew_start_all(struct crew *c, unsigned workers);

/* A program as that member, with standard input from the file (NULL: none); the words end with
 * NULL.  One named turnout... is of the build. */
void crew_start_program(struct crew *c, enum crew_member who, const char *input,
                        const char *const *words);

/* Forgets all that a plan says; counts go on. */
void crew_heal(struct crew *c, enum crew_member who);

/* SIGKILL, and waits for the end. */
void crew_kill(struct crew *c, enum crew_member who);
void crew_signal(struct crew *c, enum crew_member who, int signal);

/* Whether it has ended; then *ret_status is as of a shell: 128 + signal, or what it ended with. */
bool crew_has_ended(struct crew *c, enum crew_member who, int *ret_status);

/* Waits for its end. */
int crew_await_end(struct crew *c, enum crew_member who);

/* A connection to the crew's Redis that answers: waits for it. */
struct redis *crew_redis(struct crew *c);

/* Begins `turnout sync` as CREW_OTHER; its end with 0 says that all is in Redis that was
 * acknowledged before. */
void crew_sync_begin(struct crew *c);

/* Waits for that end. */
void crew_sync(struct crew *c);

/* All that stands in Redis now.  Free it. */
struct dump *crew_dump(struct crew *c);

/* Once they are synced: each of these events is in the journal byte for byte, and Redis agrees with
 * the model's count of them.  What differs is told on standard error. */
bool crew_agrees(struct crew *c, struct slice events);

void pause_ms(int ms);

#endif
