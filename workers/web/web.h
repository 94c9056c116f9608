/* The dashboard as a whole: what its parts share. */
#ifndef WORKERS_WEB_WEB_H
#define WORKERS_WEB_WEB_H

#include "workers/web/auth.h"
#include "workers/web/crew.h"
#include "workers/web/live.h"
#include "workers/web/state.h"

struct web_config {
    struct redis_options redis; /* borrowed, as all texts here */
    const char *read;           /* the broker's read endpoint */
    const char *host;
    unsigned port;         /* 0: any free one */
    unsigned connections;  /* at most */
    unsigned per_address;  /* of one IP address, at most; 0: as many as it likes */
    const char *auth_file; /* NULL: everybody may look */
};

enum web_count { WEB_REQUESTS, WEB_NOT_MODIFIED, WEB_ERRORS, WEB_BUSY, WEB_REFUSED, WEB_COUNTS };

struct web {
    struct web_config config;
    struct crew *quick, *slow; /* Redis; the journal */
    struct live *live;
    struct state *state;
    struct auth *auth; /* NULL: everybody may look */
    _Atomic uint64_t counts[WEB_COUNTS];
    int64_t started_ms;
};

/* 0; ERR_CONFIG when the file of users cannot be used (logged). */
int web_open(struct web *w, const struct web_config *config);
void web_stop(struct web *w); /* nobody waits for anything any more */
void web_close(struct web *w);

/* The page for Prometheus. */
void metrics_text(struct web *w, struct buffer *out);

#endif
