/* The one table of error codes.  Functions return 0 or one of these; foreign codes (errno,
 * ZeroMQ, LMDB, Redis) are mapped to them in the file that owns the library. */
#ifndef PROTO_ERROR_H
#define PROTO_ERROR_H

#include <stdbool.h>

enum error_code {
    ERR_AGAIN = -1,    /* nothing there (now), or no room now */
    ERR_LOST = -2,     /* the connection went; what was under way may or may not have happened */
    ERR_CONFLICT = -3, /* somebody else was first: moved the offset, or made the file */
    ERR_FULL = -4,     /* the journal or its disk has no room */
    ERR_CORRUPT = -5,  /* bytes on disk or in Redis are not what was written */
    ERR_VERSION = -6,  /* a format or protocol version this program does not know */
    ERR_IO = -7,       /* the operating system refused a file, a socket or a sync */
    ERR_LOCKED = -8,   /* another process owns it */
    ERR_PROTOCOL = -9, /* the peer said something that PROTOCOL.md does not allow */
    ERR_REFUSED = -10, /* an event was refused; a struct refusal says why */
    ERR_CONFIG = -11,  /* an option, endpoint or setting that cannot work */
    ERR_FOREIGN = -12, /* Redis stands for another journal, or for more than this one holds */
    ERR_TIMEOUT = -13, /* the time the caller allowed is over */
    ERR_DENIED = -14,  /* the broker turned us away: no such key, revoked, or without that right */
    ERR_LARGE = -15,   /* too much at once: again, with less */
};

/* A few words, without a full stop; never NULL. */
const char *error_text(int code);

/* An errno that stands for ERR_FULL: no room on a file system, of a quota, or for a file. */
bool errno_is_full(int code);

#endif
