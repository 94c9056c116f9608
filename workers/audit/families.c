/* The families of keys; see families.h. */
#include "workers/audit/families.h"

#include "proto/date.h"
#include "workers/group.h"

static const struct family families[] = {
    /* facts and counters */
    {"member:", FETCH_HASH, CARE_EXACT},
    {"committee:", FETCH_HASH, CARE_EXACT},
    {"seat:", FETCH_HASH, CARE_EXACT},
    {"ballot:", FETCH_HASH, CARE_EXACT},
    {"votes:", FETCH_HASH, CARE_EXACT},
    {"meeting:", FETCH_HASH, CARE_EXACT},
    {"attendance:", FETCH_HASH, CARE_EXACT},
    {"seats:", FETCH_HASH, CARE_EXACT},
    {"adoptions:", FETCH_HASH, CARE_EXACT},
    {"profile:", FETCH_HASH, CARE_EXACT},
    {"profiles:", FETCH_HASH, CARE_EXACT},
    {"tenure:", FETCH_HASH, CARE_EXACT},
    {"index:", FETCH_HASH, CARE_EXACT},
    {"facts", FETCH_HASH, CARE_EXACT},
    {"ballots:open", FETCH_ZSET, CARE_EXACT},
    /* a name may stay behind after its counters are gone */
    {"committees", FETCH_HASH, CARE_LENIENT},
    {"members", FETCH_SET, CARE_LENIENT},
    {"groups", FETCH_SET, CARE_LENIENT},
    {"periods", FETCH_SET, CARE_LENIENT},
    /* derived */
    {"group:", FETCH_HASH, CARE_EXACT},
    {"standing:", FETCH_HASH, CARE_EXACT},
    {"effective:", FETCH_HASH, CARE_EXACT},
    {"risk:", FETCH_HASH, CARE_EXACT},
    {"watch", FETCH_ZSET, CARE_EXACT},
    /* the way here; of meta, see family_compares */
    {"meta", FETCH_HASH, CARE_EXACT},
    {"offset:", FETCH_HASH, CARE_IGNORED},
    {"derived", FETCH_HASH, CARE_IGNORED},
    {"dirty", FETCH_SET, CARE_IGNORED},
    {"deriving", FETCH_SET, CARE_IGNORED},
    {"changes", FETCH_STREAM, CARE_IGNORED},
    {"verified", FETCH_HASH, CARE_IGNORED},
};

static bool is_of(const struct family *f, struct slice key)
{
    size_t size = strlen(f->name);

    return f->name[size - 1] == ':' ? key.size > size && slice_begins(key, f->name)
                                    : slice_is(key, f->name);
}

const struct family *family_of(struct slice key)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (is_of(&families[i], key))
            return &families[i];
    return NULL;
}

bool family_is_marks(const struct family *f)
{
    struct slice name = slice_of(f->name);

    return slice_is(name, "dirty") || slice_is(name, "deriving");
}

static bool is_period(struct slice text)
{
    date_days last;

    return period_last_day(text, &last);
}

/* The marks that commits leave: who derives stops at any other, for good. */
static bool is_mark(struct slice mark)
{
    struct slice kind, committee, member;
    date_days from;

    if (slice_is(mark, "members"))
        return true;
    if (!slice_cut(&mark, '|', &kind))
        return false;
    if (slice_is(kind, "watch"))
        return true;
    if (slice_is(kind, "period"))
        return is_period(mark);
    if (slice_is(kind, "seats") || slice_is(kind, "answer"))
        return slice_cut(&mark, '|', &committee) && date_parse(mark, &from);
    return slice_is(kind, "seat") && slice_cut(&mark, '|', &committee) &&
           slice_cut(&mark, '|', &member) && mark.size == 4 && is_period(mark);
}

/* Of meta, what follows from the facts: the rest says which program wrote last. */
bool family_compares(const struct family *f, struct slice field)
{
    if (slice_is(slice_of(f->name), "meta"))
        return slice_is(field, "schema") || slice_is(field, "groups");
    if (family_is_marks(f))
        return !is_mark(field);
    return f->care != CARE_IGNORED;
}

/* Events that come to nothing are derived from or not, as they come in one commit or in several. */
struct slice family_default(const struct family *f, struct slice field)
{
    if (slice_is(slice_of(f->name), "meta") && slice_is(field, "groups"))
        return slice_of("none");
    return (struct slice){0};
}

bool family_is_list(const struct family *f)
{
    struct slice name = slice_of(f->name);

    return slice_is(name, "periods") || slice_is(name, "groups");
}

/* member:M:PERIOD, group:G:PERIOD: a period holds no colon, nor does a group. */
bool family_lists(struct slice set, struct slice name, struct slice key)
{
    if (slice_is(set, "periods"))
        return slice_cut_end(&key, name) && slice_ends(key, ":") && slice_begins(key, "member:");
    return slice_is(set, "groups") && slice_cut_begin(&key, slice_of("group:")) &&
           slice_cut_begin(&key, name) && slice_begins(key, ":");
}
