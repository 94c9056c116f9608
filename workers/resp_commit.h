/* A commit as the commands of one Redis transaction, from MULTI to EXEC. */
#ifndef WORKERS_RESP_COMMIT_H
#define WORKERS_RESP_COMMIT_H

#include "workers/commit.h"
#include "workers/resp.h"

void resp_commit(struct resp *out, const struct commit *c);

#endif
