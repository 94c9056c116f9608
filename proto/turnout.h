/* libturnout: publishing events to turnout from C.
 *
 *     struct turnout_producer *p;
 *     struct turnout_options o = {.endpoint = "ipc:///run/turnout/publish.sock"};
 *
 *     if (turnout_producer_new(&o, &p) < 0) ...
 *     turnout_send(p, event, size, &seq);       as often as you like
 *     turnout_flush(p, 10000);                  all of it is durable, or refused
 *     turnout_producer_free(p);
 *
 * An event is one msgpack map (PROTOCOL.md).  It is copied, gets the next sequence number,
 * travels in a batch, and is kept until the broker has acknowledged that it is on disk or has
 * refused it; whatever is unacknowledged when a connection is lost is sent again by itself.  That
 * is harmless: turnout counts facts, and a repeated fact changes nothing.
 *
 * Nothing happens between calls.  Events that turnout_send has only collected leave with the next
 * turnout_send, _poll or _flush after an acknowledgement, so a producer that pauses calls
 * turnout_poll about once a second; that also keeps its session alive.
 *
 * One producer belongs to one thread.  Callbacks run inside turnout_send, _poll and _flush; they
 * must not call the producer again.  Never use a producer after fork. */
#ifndef TURNOUT_H
#define TURNOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TURNOUT_MAX_EVENT 8192 /* bytes of one encoded event */

/* All functions return 0 or one of these. */
enum turnout_status {
    TURNOUT_OK = 0,
    TURNOUT_TIMEOUT = -1,   /* not done within the time given; nothing is lost, call again */
    TURNOUT_TOO_LARGE = -2, /* the event is above TURNOUT_MAX_EVENT, or empty: it was not taken */
    TURNOUT_CONFIG = -3,    /* an option or endpoint that cannot work */
    TURNOUT_WRONG_VERSION = -4, /* the broker does not speak this protocol version */
    TURNOUT_DENIED = -5         /* the broker turned this producer away; see turnout_error */
};

/* Why the broker refused an event.  Borrowed for the time of the callback. */
struct turnout_refusal {
    const char *code;   /* stable, for programs: PROTOCOL.md lists them */
    const char *field;  /* the key it is about, "" if it is the whole event */
    const char *reason; /* a sentence for people */
    bool retry;         /* true: the same event may be accepted later (journal-full, rate-limit) */
    const void *event;  /* the event itself, to be sent again if that can help */
    size_t size;
};

/* All events from `first` to `last` are on disk; called in order of neither arrival nor number. */
typedef void (*turnout_accepted_fn)(void *arg, uint64_t first, uint64_t last);
typedef void (*turnout_refused_fn)(void *arg, uint64_t seq, const struct turnout_refusal *why);

struct turnout_options {
    const char *endpoint;         /* e.g. ipc:///path or tcp://host:port; NULL: the key file's */
    const char *key_file;         /* for tcp:// endpoints with keys; NULL: no key */
    const char *name;             /* shown in the broker's status; default: "libturnout" */
    uint32_t window_events;       /* most events unacknowledged; 0: as many as the broker allows */
    uint32_t batch_events;        /* most events of one batch; 0: 2,048, or a
                                     quarter of a smaller window_events */
    turnout_accepted_fn accepted; /* may be NULL */
    turnout_refused_fn refused;   /* may be NULL: refusals are then only counted */
    void *arg;                    /* given to both */
};

struct turnout_counts {
    uint64_t sent, accepted, refused; /* events; sent - accepted - refused are under way */
    uint64_t reconnects;
};

struct turnout_producer;

/* Does not wait for the broker: it may be started later. */
int turnout_producer_new(const struct turnout_options *options, struct turnout_producer **ret);

/* Whatever is unacknowledged is forgotten: flush first.  NULL is allowed. */
void turnout_producer_free(struct turnout_producer *p);

/* Takes one event.  When the window is full it waits for acknowledgements, at most as long as
 * turnout_set_timeout says (default: for ever).  *ret_seq (may be NULL) counts from 1. */
int turnout_send(struct turnout_producer *p, const void *event, size_t size, uint64_t *ret_seq);

/* Sends what is collected and waits until nothing is under way; -1 waits for ever. */
int turnout_flush(struct turnout_producer *p, int timeout_ms);

/* Takes what has come, waiting at most timeout_ms for something.  Before it waits it sends what is
 * collected; with 0 it does not wait, and what is collected leaves as turnout_send says. */
int turnout_poll(struct turnout_producer *p, int timeout_ms);

void turnout_set_timeout(struct turnout_producer *p, int timeout_ms);
struct turnout_counts turnout_counts(const struct turnout_producer *p);

/* True once the broker has answered on the present connection. */
bool turnout_connected(const struct turnout_producer *p);

/* The last thing that went wrong, in words; "" if nothing has.  Borrowed until the next call. */
const char *turnout_error(const struct turnout_producer *p);

/* The code of that, for programs: one of PROTOCOL.md section 10; or, of what this side finds out
 * by itself, "unknown-key" (the broker does not know the key), "key-needed" (it wants one),
 * "no-keys" (it takes none), "broker-key" (it ends every handshake: the key file may have another
 * broker's key); "". */
const char *turnout_error_code(const struct turnout_producer *p);

/* Whether others than its owner may read or write the key file: the holder should be told. */
bool turnout_key_is_open(const struct turnout_producer *p);

#ifdef __cplusplus
}
#endif

#endif
