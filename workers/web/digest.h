/* Several entries of the change feed put together into one event for viewers.  Pure. */
#ifndef WORKERS_WEB_DIGEST_H
#define WORKERS_WEB_DIGEST_H

#include "workers/change_feed.h"
#include "workers/view/name_list.h"

enum digest_list {
    DIGEST_MEMBERS,
    DIGEST_COMMITTEES,
    DIGEST_PERIODS,
    DIGEST_BALLOTS,
    DIGEST_MEETINGS,
    DIGEST_GROUPS,
    DIGEST_WATCH,
    DIGEST_LISTS
};

#define DIGEST_NAMED 100  /* more names of a kind are "*" */
#define DIGEST_BYTES 8192 /* and so are all of them when the event would be longer */

struct digest {
    struct arena arena;
    struct name_list lists[DIGEST_LISTS];
    bool all[DIGEST_LISTS];
    bool rebuilt; /* everything has to be read again */
    uint64_t commits;
    struct change_id id; /* of the newest entry */
};

/* A change_fn; the argument is the struct digest. */
void digest_take(void *digest, struct change_id id, struct slice field, struct slice value);

/* Appends "id: ...\nevent: change\ndata: {...}\n\n". */
void digest_text(const struct digest *d, struct buffer *out);

void digest_clear(struct digest *d);
void digest_free(struct digest *d);

#endif
