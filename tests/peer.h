/* A peer of the broker under test, and the broker itself, in one thread: whoever waits for an
 * answer also turns the broker's loop. */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H

#include "broker/broker.h"
#include "proto/link.h"
#include "proto/wire.h"

#define PEER_TIMEOUT_MS 30000 /* until a test gives up waiting */

/* A folder of its own and a broker in it, for one test after the other. */
extern char peer_folder[512];
extern struct broker *peer_broker;

/* cmocka's setup and teardown; peer_setup leaves the broker to be opened. */
int peer_setup(void **state);
int peer_teardown(void **state);

/* Opens, or closes and opens again.  0 bytes: 64 MiB. */
void broker_restart(uint64_t journal_bytes);

struct peer {
    struct link *link;
    struct arena arena;
    struct wire_message m; /* the last one expected */
    struct slice payload;
    struct buffer sizes, events; /* of the PUBLISH being made */
    uint64_t next;               /* number of its first event */
};

/* "publish" or "read" */
struct peer *peer_connect(const char *endpoint);
void peer_close(struct peer *p);
/* Connects, says HELLO and takes the WELCOME. */
struct peer *peer_hello(const char *role);

void peer_say(struct peer *p, const struct wire_message *m);
void peer_say_kind(struct peer *p, enum wire_kind kind);

/* Turns the loop until a message of this kind comes, and answers PINGs on the way; any other kind
 * but ASSIGN makes the test fail. */
const struct wire_message *peer_expect(struct peer *p, enum wire_kind kind);
void peer_expect_error(struct peer *p, const char *code, bool fatal);

/* Whether anything comes within the time; for what has to be said again until it is heard. */
bool peer_hears(struct peer *p, int wait_ms);

/* True when no message of this kind comes in answer to what was said before. */
bool peer_hears_nothing(struct peer *p, enum wire_kind kind);

/* Events for peer_publish: a good vote, or whatever bytes. */
void peer_add_vote(struct peer *p, const char *committee, unsigned number);
void peer_add(struct peer *p, const void *bytes, size_t size);
void peer_publish(struct peer *p);

void peer_read(struct peer *p, uint64_t partition, uint64_t stream, uint64_t offset,
               uint64_t credit);
unsigned peer_partition(const char *committee); /* of 8 */

#endif
