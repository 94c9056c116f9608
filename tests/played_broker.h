/* A broker that a test plays itself, by turns with a producer in the same thread.
 *
 * One of each per process, in a folder of their own that lasts for one test. */
#ifndef TESTS_PLAYED_BROKER_H
#define TESTS_PLAYED_BROKER_H

#include "proto/link.h"
#include "proto/turnout.h"
#include "proto/wire.h"

#define PATIENCE_MS 20000 /* a condition that does not come within this never will */
#define MOST        8192  /* events of a test */
#define LOG_ID      "0123456789abcdef0123456789abcdef"

struct broker {
    struct link *link;
    struct wire_welcome limits; /* what it says in WELCOME; a test may change it */
    struct arena arena;
    char peer[256];
    struct slice from; /* who sent `m` */
    struct wire_message m;
    struct slice payload;
    struct turnout_producer *producer;
};

/* What the producer's callbacks were told. */
struct told {
    unsigned accepted[MOST], refused[MOST]; /* how often, by number */
    unsigned runs;
    struct turnout_refusal last;
    char texts[3][WIRE_REASON];
};

extern char broker_folder[64], broker_endpoint[96];
extern struct broker broker;
extern struct told told;

/* cmocka's setup and teardown of each test. */
int broker_setup(void **state);
int broker_teardown(void **state);

void broker_start(struct broker *b);
void broker_stop(struct broker *b);

/* Takes the next message if there is one. */
bool broker_take(struct broker *b);

/* Gives both sides turns until a message of this kind comes; others are passed over. */
void broker_expect(struct broker *b, enum wire_kind kind);
void broker_expect_publish(struct broker *b, uint64_t first, uint32_t count);

/* To whom the last message came from. */
void broker_say(struct broker *b, const struct wire_message *m);
void broker_ack(struct broker *b, uint64_t first, uint64_t count);
void broker_error(struct broker *b, const char *code, bool fatal);

/* Expects HELLO, answers it, and gives the producer turns until it knows. */
void broker_welcome(struct broker *b);

void producer_start(struct broker *b, uint32_t window_events, uint32_t batch_events);

/* Gives the producer turns until it has heard of so many events. */
void producer_hears(struct broker *b, uint64_t accepted, uint64_t refused);

/* Broker, producer, and the session between them. */
void session_start(uint32_t window_events, uint32_t batch_events);

/* Sends events whose text tells their number. */
void send_event(unsigned number);
void send_events(unsigned first, unsigned last);

/* The payload of the PUBLISH taken last is what send_event made. */
void assert_payload(const struct broker *b);
void assert_each_once(const unsigned *times, unsigned first, unsigned last);

#endif
