/* The messages of the wire protocol, to bytes and back.  PROTOCOL.md is the specification and
 * has the golden bytes of each.
 *
 * A message is two or three ZeroMQ frames:
 *
 *     frame 0   "TRNT" and the version, 5 bytes: 54 52 4e 54 01
 *     frame 1   header: a msgpack array, its first item the kind
 *     frame 2   payload (PUBLISH, BATCH, REJECTED): events, one after the other
 *
 * More items in a header than its kind has are ignored, so that fields can be added. */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include "proto/arena.h"
#include "proto/refusal.h"

extern const struct slice wire_preamble; /* frame 0, of version 1 */

/* Limits of a message; arithmetic in PROTOCOL.md. */
#define WIRE_MAX_HEADER       (256 * 1024)
#define WIRE_MAX_ASKED        (32 * 1024) /* of a header to the broker */
#define WIRE_MAX_PAYLOAD      (1024 * 1024)
#define WIRE_MAX_EVENTS       4096  /* events of one PUBLISH */
#define WIRE_MAX_PARTS        256   /* partitions */
#define WIRE_NAME             64    /* bytes of a peer's name, a source, a code, a field */
#define WIRE_REASON           512   /* bytes of a sentence for people */
#define WIRE_LOG              32    /* hex digits of a log's id */
#define WIRE_WINDOW           65536 /* events a producer may have unacknowledged */
#define WIRE_WINDOW_BYTES     (16 * 1024 * 1024)
#define WIRE_MAX_NUMBERS      1024 /* refused events asked for, redriven or dropped at once */
#define WIRE_HEARTBEAT_MS     1000 /* silence after which to PING; three times that is death */
#define WIRE_MAX_HEARTBEAT_MS 60000

enum wire_kind {
    WIRE_UNKNOWN = 0,   /* only ever decoded: a kind of some later version; ignore it */
    WIRE_HELLO = 1,     /* to broker:   who speaks */
    WIRE_WELCOME = 2,   /* from broker: the log and the limits */
    WIRE_PUBLISH = 3,   /* to broker:   a batch of events, numbered */
    WIRE_PUBACK = 4,    /* from broker: a range of them is done; those refused, with reasons */
    WIRE_READ = 5,      /* to broker:   send this partition from this offset on */
    WIRE_BATCH = 6,     /* from broker: events of a partition */
    WIRE_CREDIT = 7,    /* to broker:   so many more bytes of that stream */
    WIRE_ASSIGN = 8,    /* from broker: the partitions this worker should serve, all of them */
    WIRE_PING = 9,      /* both ways */
    WIRE_PONG = 10,     /* both ways */
    WIRE_STATUS = 11,   /* to broker:   how do you do */
    WIRE_REPORT = 12,   /* from broker: the answer */
    WIRE_ERROR = 13,    /* from broker: this cannot be done; the session is over if `fatal` */
    WIRE_BYE = 14,      /* to broker:   do not wait for me */
    WIRE_REJECTS = 15,  /* to broker:   send the refused events from this number on */
    WIRE_REJECTED = 16, /* from broker: some of them */
    WIRE_REDRIVE = 17,  /* to broker:   judge these anew */
    WIRE_DROP = 18,     /* to broker:   forget these */
    WIRE_SETTLED = 19,  /* from broker: what became of them */
    WIRE_KINDS
};

struct wire_hello {
    struct slice role; /* "producer", "worker" or "client" */
    struct slice name;
    int64_t pid; /* 0 if there is none to tell */
};
struct wire_welcome {
    struct slice log; /* 32 hex digits */
    uint64_t partitions, max_event, max_payload, max_events, window_events, window_bytes;
    uint64_t heartbeat_ms;
    struct slice server; /* "turnout-broker/0.1.0" */
};
struct wire_publish {
    uint64_t first; /* sequence number of the first event; they count from 1 */
    uint32_t count;
    const uint32_t *sizes; /* of each event in the payload; decoded: in the arena */
};
struct wire_refused {
    uint64_t seq;
    struct slice code, field, reason;
    bool retry;
};
struct wire_puback {
    uint64_t first, count; /* all of them are durable or refused */
    uint32_t refused_count;
    const struct wire_refused *refused;
};
struct wire_read {
    uint64_t partition, stream, offset, credit; /* stream: the reader's number for this request */
};
struct wire_run { /* events that came from one source in one commit */
    uint64_t count;
    struct slice source;
    int64_t received_ms;
};
struct wire_batch {
    uint64_t partition, stream, offset, count; /* offset of the first event */
    uint64_t end;                              /* the partition's end when this was sent */
    uint32_t run_count;
    const struct wire_run *runs;
};
struct wire_credit {
    uint64_t partition, stream, bytes;
};
struct wire_assign {
    uint32_t count;
    const uint64_t *partitions;
};
struct wire_status {
    uint32_t count; /* offsets[p]: from where on the asker counts as unapplied */
    const uint64_t *offsets;
};
struct wire_peer { /* one worker in a report */
    struct slice name;
    int64_t pid;
    uint64_t silent_ms;
    uint32_t count;
    const uint64_t *partitions;
};
struct wire_bound { /* something that is bounded, or with limit 0 only counted, in a report */
    struct slice name;
    uint64_t value, limit;
};
struct wire_report {
    struct slice log, server;
    uint64_t uptime_ms, accepted, refused; /* since the broker started */
    uint64_t producers, rejects;           /* connected; refused events kept */
    uint64_t journal_bytes, journal_limit;
    uint32_t count;             /* partitions */
    const uint64_t *ends;       /* the next offset of each */
    const int64_t *received_ms; /* of the event at the asked offset; 0 where there is none */
    uint32_t worker_count;
    const struct wire_peer *workers;
    struct slice rights; /* what is wrong with the rights file, so that it is not taken; or "" */
    uint32_t bound_count;
    const struct wire_bound *bounds;
};
struct wire_error {
    struct slice code, reason; /* PROTOCOL.md, section 10 */
    bool fatal;
};
struct wire_rejects {
    uint64_t first, most; /* numbers from here on; so many at most */
};
struct wire_reject {
    uint64_t number;
    int64_t received_ms;
    struct slice source, code, field, reason;
    uint64_t size, bytes; /* of the event, and of what was kept of it: its share of the payload */
};
struct wire_rejected {
    uint32_t count; /* 0: there are no more */
    const struct wire_reject *rejects;
};
struct wire_numbers { /* of REDRIVE and DROP */
    uint32_t count;
    const uint64_t *numbers; /* they rise */
};
struct wire_settlement {
    uint64_t number;
    struct slice code, field, reason; /* code "": done, and no longer kept */
};
struct wire_settled {
    uint32_t count;
    const struct wire_settlement *list;
};

struct wire_message {
    enum wire_kind kind;
    union {
        struct wire_hello hello;
        struct wire_welcome welcome;
        struct wire_publish publish;
        struct wire_puback puback;
        struct wire_read read;
        struct wire_batch batch;
        struct wire_credit credit;
        struct wire_assign assign;
        struct wire_status status;
        struct wire_report report;
        struct wire_error error;
        struct wire_rejects rejects;
        struct wire_rejected rejected;
        struct wire_numbers numbers;
        struct wire_settled settled;
    };
};

/* Appends the header of a message to `out`; cannot fail. */
void wire_encode(const struct wire_message *m, struct buffer *out);

/* What kind of message it is; the rest of the header is not looked at.  ERR_PROTOCOL: none. */
int wire_peek(struct slice header, enum wire_kind *ret);

/* Reads a header; of a kind it does not know, only that.  Slices borrow from `header`, arrays come
 * out of `arena`.  `payload_size` is checked against what the header says; it is 0 where there is
 * no payload.  Returns 0 (also for WIRE_UNKNOWN), or ERR_PROTOCOL.  What comes back is within the
 * limits above, whoever sent it; time and memory are linear in the bytes of `header`. */
int wire_decode(struct slice header, size_t payload_size, struct arena *arena,
                struct wire_message *ret);

/* Says to people what is wrong with a header that wire_decode has refused; items count from 1, the
 * kind. */
void wire_explain(struct slice header, size_t payload_size, struct arena *arena,
                  char reason[WIRE_REASON]);

#endif
