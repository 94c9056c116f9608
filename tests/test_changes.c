/* The change feed: whoever has read the keys once and then follows the feed, reading again what it
 * names, misses nothing. */
#include "tests/desk.h"
#include "tests/redis_dump.h"
#include "tests/redis_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TODAY_MS 1793923200000 /* 2026-11-06, within the worlds' years */
#define EVENTS   1500
#define LIMIT_MS 5000

/* What the feed said since it was read last: a list of names by field. */
struct news {
    struct buffer members, committees, periods, ballots, meetings, groups, watch;
};

static struct buffer *news_field(struct news *n, struct slice name)
{
    return slice_is(name, "members")      ? &n->members
           : slice_is(name, "committees") ? &n->committees
           : slice_is(name, "periods")    ? &n->periods
           : slice_is(name, "ballots")    ? &n->ballots
           : slice_is(name, "meetings")   ? &n->meetings
           : slice_is(name, "groups")     ? &n->groups
           : slice_is(name, "watch")      ? &n->watch
                                          : NULL;
}

static void news_free(struct news *n)
{
    buffer_free(&n->members);
    buffer_free(&n->committees);
    buffer_free(&n->periods);
    buffer_free(&n->ballots);
    buffer_free(&n->meetings);
    buffer_free(&n->groups);
    buffer_free(&n->watch);
}

static bool named(const struct buffer *names, struct slice name)
{
    struct slice rest = buffer_slice(names), one;

    while (slice_cut(&rest, '\n', &one))
        if (slice_is(one, "*") || slice_equal(one, name))
            return true;
    return false;
}

/* ---- which names stand for a key, by the key reference ---- */
static bool family(struct slice key, const char *name, struct slice *ret_rest)
{
    size_t n = strlen(name);

    if (key.size < n || memcmp(key.at, name, n) != 0)
        return false;
    *ret_rest = slice_make(key.at + n, key.size - n);
    return true;
}

/* "M:2026-03" to its parts; the period is behind the last colon. */
static struct slice period_off(struct slice *rest)
{
    size_t n = rest->size;

    while (n > 0 && rest->at[n - 1] != ':')
        n--;
    struct slice period = slice_make(rest->at + n, rest->size - n);
    rest->size = n ? n - 1 : 0;
    return period;
}

static struct slice until_bar(struct slice text)
{
    struct slice first;

    return slice_cut(&text, '|', &first) ? first : text;
}

static bool told_of_pair(const struct buffer *names, struct slice committee, struct slice field)
{
    struct buffer pair = {0};
    bool told;

    buffer_add_slice(&pair, committee);
    buffer_add(&pair, "|", 1);
    buffer_add_slice(&pair, field);
    told = named(names, buffer_slice(&pair));
    buffer_free(&pair);
    return told;
}

static bool told_of_counters(const struct news *n, struct slice key)
{
    struct slice rest, period;

    if (family(key, "turnout:member:", &rest)) {
        period = period_off(&rest);
        return named(&n->members, rest) && named(&n->periods, period);
    }
    if (family(key, "turnout:group:", &rest))
        return named(&n->groups, period_off(&rest));
    if (family(key, "turnout:committee:", &rest) || family(key, "turnout:seat:", &rest)) {
        period_off(&rest);
        return named(&n->committees, until_bar(rest));
    }
    return false;
}

static bool told_of_lists(const struct news *n, struct slice key, struct slice field)
{
    if (slice_is(key, "turnout:ballots:open"))
        return named(&n->ballots, field);
    if (slice_is(key, "turnout:watch"))
        return named(&n->watch, field);
    if (slice_is(key, "turnout:committees"))
        return named(&n->committees, field);
    if (slice_is(key, "turnout:members"))
        return named(&n->members, field);
    if (slice_is(key, "turnout:periods"))
        return named(&n->periods, field);
    return slice_is(key, "turnout:groups") && n->members.size > 0;
}

static bool told_of_records(const struct news *n, struct slice key, struct slice field)
{
    struct slice rest;

    if (family(key, "turnout:ballot:", &rest) || family(key, "turnout:votes:", &rest))
        return named(&n->ballots, rest);
    if (family(key, "turnout:meeting:", &rest) || family(key, "turnout:attendance:", &rest))
        return named(&n->meetings, rest);
    if (family(key, "turnout:seats:", &rest))
        return named(&n->committees, rest);
    if (family(key, "turnout:profile:", &rest) || family(key, "turnout:profiles:", &rest) ||
        family(key, "turnout:adoptions:", &rest))
        return named(&n->members, rest);
    if (family(key, "turnout:risk:", &rest))
        return told_of_pair(&n->watch, rest, field);
    return false;
}

/* What no dashboard reads. */
static bool is_inner(struct slice key)
{
    static const char *const inner[] = {
        "turnout:facts",   "turnout:tenure:", "turnout:standing:", "turnout:effective:",
        "turnout:index:",  "turnout:dirty",   "turnout:deriving",  "turnout:derived",
        "turnout:offset:", "turnout:meta",    "turnout:changes",   "turnout:verified"};
    struct slice rest;

    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++)
        if (family(key, inner[i], &rest))
            return true;
    return false;
}

struct check {
    const struct dump *other;
    const struct news *news;
    size_t changed, untold;
};

static void check_value(void *arg, struct slice key, struct slice field, struct slice value)
{
    struct check *c = arg;
    struct buffer k = {0}, f = {0};
    struct slice other;

    buffer_add_slice(&k, key);
    buffer_add(&k, "", 1);
    buffer_add_slice(&f, field);
    buffer_add(&f, "", 1);
    other = dump_get(c->other, k.at, f.at);
    if (!is_inner(key) && (!other.at || !slice_equal(other, value))) {
        c->changed++;
        if (!told_of_counters(c->news, key) && !told_of_lists(c->news, key, field) &&
            !told_of_records(c->news, key, field)) {
            print_message("%s %s changed, and the feed did not say so\n", k.at, f.at);
            c->untold++;
        }
    }
    buffer_free(&k);
    buffer_free(&f);
}

/* Every value that differs between the two, in either direction, must have been told. */
static size_t assert_told(const struct dump *before, const struct dump *after,
                          const struct news *news)
{
    struct check forth = {after, news, 0, 0}, back = {before, news, 0, 0};

    dump_each(before, "", check_value, &forth);
    dump_each(after, "", check_value, &back);
    assert_int_equal(forth.untold + back.untold, 0);
    return forth.changed + back.changed;
}

/* ---- following ---- */
struct follower {
    struct redis *redis;
    char last[64]; /* the entry read last */
    size_t entries;
};

static void take_entry(struct follower *f, struct news *n, const struct redis_reply *entry)
{
    const struct redis_reply *fields = &entry->items[1];

    snprintf(f->last, sizeof f->last, "(%.*s", (int)entry->items[0].text.size,
             entry->items[0].text.at);
    f->entries++;
    for (int64_t i = 0; i + 1 < fields->number; i += 2) {
        struct buffer *names = news_field(n, fields->items[i].text);
        if (!names)
            continue;
        buffer_add_slice(names, fields->items[i + 1].text);
        buffer_add(names, "\n", 1);
    }
}

static void follow(struct follower *f, struct news *n)
{
    const struct redis_reply *r =
        redis_do(f->redis, "XRANGE", "turnout:changes", f->last[0] ? f->last : "-", "+");

    assert_int_equal(r->kind, '*');
    for (int64_t i = 0; i < r->number; i++)
        take_entry(f, n, &r->items[i]);
}

static struct dump *dump_now(struct follower *f)
{
    struct dump *d = dump_new();

    assert_int_equal(redis_dump(f->redis, d), 0);
    return d;
}

static void the_feed_names_all_that_changes(void **state)
{
    uint64_t seed = random_seed("change feed");
    struct redis_server *server = redis_server_new(NULL, NULL);
    struct desk *desk = desk_new(store_at(server->socket, STORE_PREFIX, LIMIT_MS));
    struct follower f = {.redis = redis_open(server->socket)};
    struct random r = random_new(seed);
    struct buffer events = {0};
    struct slice *each;
    size_t at = 0, changed = 0, count;

    (void)state;
    world_events(seed, EVENTS, &events);
    count = world_split(buffer_slice(&events), &each);
    struct dump *before = dump_now(&f), *after;
    while (at < count) {
        struct news news;

        memset(&news, 0, sizeof news);
        for (size_t n = 1 + random_below(&r, 150); n && at < count; n--)
            desk_journal(desk, each[at++]);
        desk_finish(desk, &r);
        desk_derive(desk, TODAY_MS + (int64_t)(at / 500) * DAY_MS);
        follow(&f, &news);
        after = dump_now(&f);
        changed += assert_told(before, after, &news);
        dump_free(before);
        before = after;
        news_free(&news);
    }
    assert_true(changed > EVENTS && f.entries > 0);
    dump_free(before);
    free(each);
    buffer_free(&events);
    redis_close(f.redis);
    desk_free(desk);
    redis_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_feed_names_all_that_changes),
    };

    return cmocka_run_group_tests_name("changes", tests, NULL, NULL);
}
