/* A commit as the commands of one Redis transaction, from MULTI to EXEC. */
#ifndef WORKERS_RESP_COMMIT_H
#define WORKERS_RESP_COMMIT_H

#include "workers/commit.h"
#include "workers/resp.h"

/* "offset:3" or "derived", the key of what a place stands for; in `room`. */
struct slice resp_place_key(unsigned place, char room[32]);

void resp_commit(struct resp *out, const struct commit *c);

#endif
