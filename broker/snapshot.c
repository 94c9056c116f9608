/* A state held still; see snapshot.h.  Happy path: snapshot_open, snapshot_hold, and the pages
 * can be read from the file at leisure.  What can fail: LMDB's table of readers is not to be had
 * (rights, a full table), and writing the copy. */
#include "broker/snapshot.h"

#include "broker/folder.h"
#include "proto/bytes.h"
#include "proto/error.h"
#include "proto/log.h"

#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>

struct snapshot {
    MDB_env *env;
    MDB_txn *txn;
};

static int snapshot_error(const char *what, int code)
{
    if (code == 0)
        return 0;
    if (errno_is_full(code))
        return ERR_FULL;
    if (code == MDB_INCOMPATIBLE || code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND) {
        log_error("journal: %s: pages are missing", what);
        return ERR_CORRUPT;
    }
    log_error("journal: %s: %s", what, mdb_strerror(code));
    return ERR_IO;
}

int snapshot_open(const char *folder, struct snapshot **ret)
{
    struct snapshot *s = memory_zeroed(sizeof *s);
    int code;

    code = mdb_env_create(&s->env);
    if (code == 0)
        code = folder_reserve(folder);
    if (code == 0)
        code = mdb_env_open(s->env, folder, MDB_RDONLY, 0600);
    if (code != 0) {
        snapshot_close(s);
        return snapshot_error("opening beside the broker", code);
    }
    *ret = s;
    return 0;
}

void snapshot_close(struct snapshot *s)
{
    if (!s)
        return;
    snapshot_release(s);
    mdb_env_close(s->env);
    free(s);
}

int snapshot_hold(struct snapshot *s, uint64_t *ret_commit)
{
    int code = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->txn);

    if (code == 0)
        *ret_commit = mdb_txn_id(s->txn);
    return snapshot_error("holding a state", code);
}

void snapshot_release(struct snapshot *s)
{
    if (s->txn)
        mdb_txn_abort(s->txn);
    s->txn = NULL;
}

int snapshot_copy(struct snapshot *s, int fd)
{
    snapshot_release(s); /* the copy holds a state of its own */
    return snapshot_error("copying", mdb_env_copyfd2(s->env, fd, MDB_CP_COMPACT));
}
