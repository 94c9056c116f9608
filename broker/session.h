/* Sessions: who is connected to one of the broker's two endpoints.
 *
 * A session begins with HELLO and ends with BYE, a fatal ERROR, a lost connection, or silence.
 * Everything that is the same for all peers is done here: HELLO and WELCOME, heartbeats, foreign
 * messages, malformed headers, limits.  The rest is handed on to ingest and feed. */
#ifndef BROKER_SESSION_H
#define BROKER_SESSION_H

#include "broker/access.h"
#include "broker/backlog.h"
#include "broker/guard.h"
#include "broker/names.h"
#include "proto/link.h"
#include "proto/log.h"
#include "proto/rights.h"
#include "proto/table.h"
#include "proto/wire.h"

/* Of one role at one endpoint, at the very most; struct sessions says how many are allowed. */
#define SESSIONS_MOST 4096

/* When there is no room for a newcomer, the producer or client that has been idle for longest gives
 * way, if that is so long.  Workers do so only with a key, and to a newcomer without one (way_find,
 * burden.h). */
#define SESSION_IDLE_MS 5000

#define SESSION_PEER       LINK_PEER
#define SESSION_MAX_UNSENT (8 * 1024 * 1024) /* the acknowledgements of one round are 4.3 MB */

/* Of all sessions at an endpoint together; above it, of the key with most, the session with most is
 * ended.  Who reads them leaves none. */
#define SESSIONS_UNSENT ((size_t)16 * 1024 * 1024)

/* What a reader can leave unread of what it asked for: that much, one answer more (of those with a
 * payload), and one message of 1.25 MiB: a worker 6.25 MiB, a client 3.25 MiB.  How much it has
 * read is found out by a PING behind every quarter.  A worker's is what it gives credit for: with
 * less it would make smaller commits. */
#define SESSION_FLIGHT        ((size_t)4 * 1024 * 1024)
#define SESSION_FLIGHT_CLIENT ((size_t)1024 * 1024)
#define SESSION_ANSWER        ((size_t)1024 * 1024)

enum session_role { SESSION_PRODUCER, SESSION_WORKER, SESSION_CLIENT, SESSION_ROLES };

/* What a reader asked for, of one partition. */
struct stream {
    bool open;
    uint64_t id, offset; /* `offset`: of the next event to send */
    int64_t credit;      /* bytes */
};

struct ack; /* ingest's */

struct session {
    struct table_entry entry; /* its key is the peer's name */
    char peer[SESSION_PEER], name[WIRE_NAME + 1];
    enum session_role role;
    const struct right *right; /* what it may do; its events are stored under right->source */
    struct rate *rate;         /* of its key; NULL: no limit */
    char user[KEY_HEX + 1];    /* its public key; "" of a local peer */
    int64_t pid;
    uint64_t number; /* counts HELLOs: also the order of joining */
    int64_t heard_ms, pinged_ms;
    int64_t active_ms; /* when it last said something besides HELLO, PING and PONG */
    int fd;            /* of its connection, with the number that the guard gave it */
    uint64_t connection;
    bool gone;              /* ended; freed by the next sweep */
    bool assign_due;        /* feed's: ASSIGN has not been sent yet */
    struct ack *ack;        /* ingest's, of this round */
    struct backlog backlog; /* ingest's: published, but others come first */
    uint64_t away_events;   /* ingest's: published and not acknowledged, which its window bounds */
    size_t away_bytes;
    uint64_t round; /* ingest's: the last in which something of it was looked at, */
    uint64_t round_events;
    size_t round_bytes;     /* and how much */
    struct stream *streams; /* feed's, one per partition; NULL until the first READ */
    struct buffer unsent; /* acknowledgements that found its queue full: size (u32), header, ... */
    /* Bytes sent to it, and of these those that it has read, by its PONG to the PING behind them.
     */
    uint64_t sent, seen, mark;
    /* mark_ping: the PING at `mark`; 0: none is under way.  A session that begins anew counts from
     * zero, as a PING may have been lost with its connection: on the same one a late PONG to a PING
     * of before lets it have one flight more. */
    uint64_t pings, pongs, mark_ping;
};

struct sessions {
    struct link *link;
    struct access *access; /* NULL: there are no keys */
    struct guard *guard;   /* NULL: there is none */
    struct names names;
    const struct sessions *other; /* of the other endpoint; may be NULL */
    bool allowed[SESSION_ROLES];  /* here */
    unsigned most[SESSION_ROLES]; /* sessions; SESSIONS_MOST unless set */
    unsigned live[SESSION_ROLES];
    struct wire_welcome welcome;
    struct session **list; /* in order of joining, as a rule; those gone among them */
    unsigned count;
    size_t room;
    struct table by_peer;
    uint64_t hellos;
    bool changed; /* somebody came or went; for feed to set back */
    bool unsent;  /* some session has acknowledgements that wait for room */
    struct log_rate joined, left, chosen, malformed, foreign;
    struct buffer header;
    struct arena arena;    /* of the message received last */
    struct link_message m; /* likewise */
    char peer[SESSION_PEER];
    size_t received, headers; /* bytes of this round */
    int64_t beat_ms;          /* of the last sessions_beat; 0: none */
};

/* Link, access (may be NULL) and the welcome's slices are borrowed. */
void sessions_open(struct sessions *s, struct link *link, struct access *access,
                   const struct wire_welcome *welcome);
void sessions_close(struct sessions *s);

/* Takes one message.  ERR_AGAIN when there is none, else 0: *ret_from is then its session if the
 * message is for the caller, or NULL if it has been dealt with.  Borrowed until the next call. */
int sessions_receive(struct sessions *s, int64_t now_ms, struct session **ret_from,
                     struct wire_message *ret);
struct slice sessions_payload(const struct sessions *s); /* of that message */

/* What taking messages has cost in a round, whoever they were from and whatever came of them:
 * bytes, and those of headers, which take far longer. */
#define SESSIONS_RECEIVED ((size_t)32 * 1024 * 1024)
#define SESSIONS_HEADERS  ((size_t)1024 * 1024)
void sessions_begin(struct sessions *s);
bool sessions_enough(const struct sessions *s); /* for this round */

/* Whether a reader has read enough of what it was sent to be sent more of a stream. */
bool session_keeps_up(struct sessions *s, struct session *to);

/* 0, ERR_AGAIN (the peer's queue is full, or with a payload: its flight is full), or ERR_LOST: the
 * session is then over. */
int session_send(struct sessions *s, struct session *to, const struct wire_message *m,
                 const struct slice *parts, size_t part_count);

/* The same, but keeps what cannot be sent now and sends it as soon as it can.  A session that
 * leaves more than SESSION_MAX_UNSENT unread is ended: its producer will say HELLO and resend. */
void session_post(struct sessions *s, struct session *to, const struct wire_message *m);

/* Sends an ERROR: a fatal one ends the session, any other is posted. */
void session_error(struct sessions *s, struct session *to, const char *code, bool fatal,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));
void session_end(struct sessions *s, struct session *who, const char *why);

/* Other rights hold now: ends the sessions of keys that are gone, revoked, or have lost the right
 * for what they do.  To be called before anything else after access_look has said so. */
void sessions_renew(struct sessions *s);

/* How many sessions this key has, at the other endpoint too. */
unsigned sessions_of_key(const struct sessions *s, const char *key);

/* Ends sessions until what waits for room is within SESSIONS_UNSENT; true if there were any. */
bool sessions_relieve(struct sessions *s);

/* Sends what waited for room, PINGs the silent, ends the dead, frees those that are gone. */
void sessions_beat(struct sessions *s, int64_t now_ms);

#endif
