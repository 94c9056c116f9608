/* Accounts; see account.h. */
#include "workers/account.h"

#include "proto/error.h"
#include "workers/row_name.h"

static int row_account(void *context, void *record, struct slice field, struct slice value)
{
    struct ledger *l = context;
    int64_t n;

    if (!slice_to_int(value, &n))
        return ERR_CORRUPT;
    row_add(&l->accounts, record, counters_named(&l->counters, field), n);
    return 0;
}

bool account_has(const struct row *r)
{
    return r->key.kind == ROW_SEAT || r->key.kind == ROW_COMMITTEE;
}

int account_load(struct gather *g, struct commit *c, struct store *store)
{
    struct ledger *l = g->ledger;
    const struct store_fetch *fetches;
    size_t count;

    for (const struct row *r = l->counters.first; r; r = r->next) {
        struct row *account;
        if (!account_has(r) || !row_moves(r))
            continue;
        account = counters_row(&l->accounts, &r->key);
        if (!account->loaded)
            gather_key(g, row_name(c, &r->key), FETCH_HASH, row_account, account);
        account->loaded = true;
    }
    fetches = gather_take(g, &count);
    return store_fetch(store, fetches, count, l);
}

void account_write(struct ledger *l, struct commit *c, const struct row *moved, struct slice key)
{
    struct row *account = counters_row(&l->accounts, &moved->key);

    for (uint32_t i = 0; i < moved->count; i++) {
        const struct cell *cell = &moved->cells[i];
        int64_t now;
        if (cell->amount == 0)
            continue;
        now = row_add(&l->accounts, account, cell->field, cell->amount);
        if (now)
            commit_hset(c, key, cell->field->entry.key, commit_text(c, now));
    }
    for (uint32_t i = 0; i < moved->count; i++) /* apart: runs of one verb are one command */
        if (moved->cells[i].amount && row_value(account, moved->cells[i].field) == 0)
            commit_hdel(c, key, moved->cells[i].field->entry.key);
}
