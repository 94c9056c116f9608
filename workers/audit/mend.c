/* Mending; see mend.h.  Nothing here can fail: the store says whether the commit went through. */
#include "workers/audit/mend.h"

/* A field that should be there. */
static void put(struct commit *c, struct slice key, const struct difference *d)
{
    int64_t score = 0;

    switch (d->family->kind) {
    case FETCH_SET:
        commit_sadd(c, key, d->field);
        break;
    case FETCH_ZSET:
        slice_to_int(d->expected, &score); /* our own: it is one */
        commit_zadd(c, key, d->field, score);
        break;
    default:
        commit_hset(c, key, d->field, d->expected);
        break;
    }
}

/* One that should not; of sets nothing is taken. */
static void take(struct commit *c, struct slice key, const struct difference *d)
{
    if (d->family->kind == FETCH_ZSET)
        commit_zrem(c, key, d->field);
    else if (d->family->kind == FETCH_HASH)
        commit_hdel(c, key, d->field);
}

static size_t same_key(const struct difference *const *list, size_t count)
{
    size_t n = 1;

    while (n < count && slice_equal(list[n]->key, list[0]->key))
        n++;
    return n;
}

static void mend_fields(struct commit *c, struct slice key, const struct difference *const *list,
                        size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i]->expected.at)
            put(c, key, list[i]);
    for (size_t i = 0; i < count; i++)
        if (!list[i]->expected.at)
            take(c, key, list[i]);
}

/* Without any there would be no key beside it, whose renaming would fail in the middle. */
static bool has_fields(const struct difference *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i]->expected.at)
            return true;
    return false;
}

/* Nothing can be written into a key of another type, so a new one is made beside it and takes its
 * name. */
static void mend_type(struct commit *c, const struct difference *const *list, size_t count)
{
    struct slice key = list[0]->key, parts[] = {slice_of("mend:"), key}, beside;

    if (!has_fields(list + 1, count - 1)) {
        commit_del(c, key);
        return;
    }
    beside = commit_join(c, parts, 2);
    mend_fields(c, beside, list + 1, count - 1);
    commit_rename(c, beside, key);
}

void mend_differences(const struct difference *const *list, size_t count, struct commit *c)
{
    for (size_t i = 0, n; i < count; i += n) {
        n = same_key(&list[i], count - i);
        if (list[i]->family->care == CARE_IGNORED)
            commit_del(c, list[i]->key); /* of marks all of them: what they stand for is mended */
        else if (list[i]->is_type)
            mend_type(c, &list[i], n);
        else
            mend_fields(c, list[i]->key, &list[i], n);
    }
}
