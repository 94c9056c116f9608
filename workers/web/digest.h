/* Several entries of the change feed put together into one event for viewers.  Pure. */
#ifndef WORKERS_WEB_DIGEST_H
#define WORKERS_WEB_DIGEST_H

#include "workers/change_feed.h"
#include "workers/changes.h"
#include "workers/view/name_list.h"

#define DIGEST_BYTES 8192 /* of an event: when it would be longer all its lists are "*" */

struct digest {
    struct arena arena;
    struct name_list lists[CHANGE_LISTS];
    bool all[CHANGE_LISTS];
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
