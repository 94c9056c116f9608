/* Export: one record a field, in order, as it stands; and a dictionary that knows every field. */
#include "proto/error.h"
#include "proto/event.h"
#include "tests/desk.h"
#include "tests/glossary.h"
#include "workers/audit/recount.h"
#include "workers/view/export.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LOG "00112233445566778899aabbccddeeff"

static struct arena arena;
static struct commit commit = {.arena = &arena};
static struct store *store;
static struct export_ask ask;
static struct buffer out;

static int setup(void **state)
{
    (void)state;
    store = store_memory_new();
    ask = (struct export_ask){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_free(store);
    name_list_free(&ask.members);
    name_list_free(&ask.committees);
    name_list_free(&ask.groups);
    name_list_free(&ask.periods);
    name_list_free(&ask.fields);
    buffer_clear(&out);
    return 0;
}

static void put(const char *key, const char *field, const char *value)
{
    commit_hset(&commit, slice_of(key), slice_of(field), slice_of(value));
    assert_int_equal(store_commit(store, &commit), 0);
    commit_clear(&commit);
}

static const char *export_all(void)
{
    struct export *e = NULL;
    size_t keys;

    buffer_clear(&out);
    assert_int_equal(export_open(store, &ask, &e), 0);
    do
        assert_int_equal(export_next(e, &out, &keys), 0);
    while (keys);
    export_free(e);
    buffer_add(&out, "", 1);
    out.size--;
    return out.at;
}

static void fill(void)
{
    put("member:KE:2026", "technical.votes", "3");
    put("member:KE:2026", "adoptions", "1");
    put("member:KE:2026-03", "technical.votes", "2");
    put("member:AR:2026", "technical.votes", "9");
    put("committee:ISO/TC 207:2026", "technical.votes", "3");
    put("seat:ISO/TC 207|KE:2026", "technical.ballots.due", "4");
    put("seat:X:Y|AR:2026", "technical.ballots.due", "5");
    put("group:all:2026", "voting.num", "0");
    put("ballot:ISO/TC 207|DIS 1", "title", "Tools, \"sharp\"");
    put("votes:ISO/TC 207|DIS 1", "KE", "approve 1 0 seat=P id=i");
    put("votes:ISO/TC 207|DIS 1", "AR", "retracted 1 0 id=i");
    put("attendance:ISO/TC 207|M", "KE|p1", "attended");
    put("seats:ISO/TC 207", "AR|2020-01-01", "P 1 0 id=i");
    put("adoptions:KE", "ISO 1|KS 1", "IDT");
    put("profile:KE", "name", "Kenya");
    put("offset:3", "offset", "17");
    put("memberships", "x", "1");
    put("member:strange", "x", "1");
}

static void members_are_exported_by_period_in_order(void **state)
{
    (void)state;
    fill();
    ask.kinds[EXPORT_MEMBER] = true;
    assert_string_equal(export_all(), "member,AR,AR,,2026,technical.votes,9\r\n"
                                      "member,KE,KE,,2026,adoptions,1\r\n"
                                      "member,KE,KE,,2026,technical.votes,3\r\n"
                                      "member,KE,KE,,2026-03,technical.votes,2\r\n");
}

static void the_fields_of_a_key_are_in_order(void **state)
{
    struct random r = random_new(random_seed(__func__));
    char field[16], last[16] = "", *at;

    (void)state;
    for (int i = 0; i < 200; i++) {
        snprintf(field, sizeof field, "f%u", (unsigned)random_below(&r, 1000));
        put("member:KE:2026", arena_copy(&arena, slice_make(field, strlen(field) + 1)).at, "1");
    }
    ask.kinds[EXPORT_MEMBER] = true;
    export_all();
    for (at = out.at; (at = strstr(at, ",2026,f")); at++) {
        assert_int_equal(sscanf(at, ",2026,%15[^,]", field), 1);
        assert_true(strcmp(last, field) < 0);
        strcpy(last, field);
    }
    assert_true(last[0] == 'f');
}

static void identifiers_with_colons_keep_them(void **state)
{
    (void)state;
    fill();
    ask.kinds[EXPORT_SEAT] = true;
    assert_string_equal(export_all(),
                        "seat,ISO/TC 207|KE,KE,ISO/TC 207,2026,technical.ballots.due,4\r\n"
                        "seat,X:Y|AR,AR,X:Y,2026,technical.ballots.due,5\r\n");
}

static void every_kind_has_its_keys(void **state)
{
    (void)state;
    fill();
    ask.kinds[EXPORT_GROUP] = ask.kinds[EXPORT_BALLOT] = ask.kinds[EXPORT_ADOPTION] = true;
    ask.kinds[EXPORT_ATTENDANCE] = ask.kinds[EXPORT_PROFILE] = true;
    assert_string_equal(export_all(),
                        "adoption,KE,KE,,,ISO 1|KS 1,IDT\r\n"
                        "attendance,ISO/TC 207|M,KE,ISO/TC 207,,KE|p1,attended\r\n"
                        "ballot,ISO/TC 207|DIS 1,,ISO/TC 207,,title,\"Tools, \"\"sharp\"\"\"\r\n"
                        "group,all,,,2026,voting.num,0\r\n"
                        "profile,KE,KE,,,name,Kenya\r\n");
}

static void the_member_of_a_field_is_a_member_to_choose(void **state)
{
    (void)state;
    fill();
    ask.kinds[EXPORT_VOTE] = ask.kinds[EXPORT_SEAT_NOTICE] = ask.kinds[EXPORT_MEMBER] = true;
    name_list_add(&ask.members, slice_of("AR"));
    assert_string_equal(export_all(),
                        "member,AR,AR,,2026,technical.votes,9\r\n"
                        "seat-notice,ISO/TC 207,AR,ISO/TC 207,,AR|2020-01-01,P 1 0 id=i\r\n"
                        "vote,ISO/TC 207|DIS 1,AR,ISO/TC 207,,AR,retracted 1 0 id=i\r\n");
}

static void only_what_is_asked_for_is_exported(void **state)
{
    (void)state;
    fill();
    ask.kinds[EXPORT_MEMBER] = ask.kinds[EXPORT_COMMITTEE] = ask.kinds[EXPORT_GROUP] = true;
    name_list_add(&ask.periods, slice_of("2026"));
    name_list_add(&ask.fields, slice_of("technical.votes"));
    assert_string_equal(export_all(), "committee,ISO/TC 207,,ISO/TC 207,2026,technical.votes,3\r\n"
                                      "member,AR,AR,,2026,technical.votes,9\r\n"
                                      "member,KE,KE,,2026,technical.votes,3\r\n");
    name_list_add(&ask.committees, slice_of("ISO/TC 207"));
    assert_string_equal(export_all(),
                        "committee,ISO/TC 207,,ISO/TC 207,2026,technical.votes,3\r\n");
    name_list_add(&ask.groups, slice_of("all"));
    assert_string_equal(export_all(), "");
}

/* Keys may come and go while they are listed: each is exported once. */
static int twice(struct store *s, store_key_fn each, void *arg)
{
    int error = store_keys(store, each, arg);

    (void)s;
    return error ? error : store_keys(store, each, arg);
}

static int fetch(struct store *s, const struct store_fetch *fetches, size_t count, void *context)
{
    (void)s;
    return store_fetch(store, fetches, count, context);
}

static void a_key_that_is_listed_twice_is_exported_once(void **state)
{
    static const struct store_ops ops = {.keys = twice, .fetch = fetch};
    struct store doubled = {&ops};
    struct export *e = NULL;
    size_t keys;

    (void)state;
    fill();
    ask.kinds[EXPORT_COMMITTEE] = true;
    assert_int_equal(export_open(&doubled, &ask, &e), 0);
    assert_int_equal(export_keys(e), 1);
    assert_int_equal(export_next(e, &out, &keys), 0);
    assert_int_equal(keys, 1);
    assert_int_equal(export_next(e, &out, &keys), 0);
    assert_int_equal(keys, 0);
    export_free(e);
}

/* ---- a world ---- */
struct known {
    const struct dump *expected;
    size_t fields, missing;
};

static struct slice cut(struct slice *rest)
{
    struct slice field;
    const char *at = rest->at;

    if (at[0] != '"') {
        while (*at != ',' && *at != '\r')
            at++;
        field = slice_make(rest->at, (size_t)(at - rest->at));
        at += *at == ',' ? 1 : 2;
        *rest = slice_make(at, rest->size - (size_t)(at - rest->at));
        return field;
    }
    /* quotes are only counted: no value here has one within */
    for (at++; *at != '"' || at[1] == '"'; at++)
        at += *at == '"';
    field = slice_make(rest->at + 1, (size_t)(at - rest->at) - 1);
    at += at[1] == ',' ? 2 : 3;
    *rest = slice_make(at, rest->size - (size_t)(at - rest->at));
    return field;
}

static void world(struct desk *d, uint64_t seed)
{
    struct buffer events = {0};
    struct rules rules = RULES_DEFAULT;
    struct random r = random_new(seed);

    world_events(seed, 3000, &events);
    desk_journal(d, buffer_slice(&events));
    desk_finish(d, &r);
    assert_int_equal(recount_derive(d->store, &rules, DESK_LOG, 1793275200000), 0);
    buffer_free(&events);
}

/* The dictionary has an entry for each field of each kind that a random world gives. */
static void the_dictionary_knows_every_field(void **state)
{
    struct desk *d = desk_new(store_memory_new());
    struct slice rest;
    char kind[32];
    size_t records = 0;

    (void)state;
    world(d, random_seed(__func__));
    for (int i = 0; i < EXPORT_KINDS; i++)
        ask.kinds[i] = true;
    store_free(store);
    store = d->store;
    export_all();
    for (rest = buffer_slice(&out); rest.size; records++) {
        struct slice name = cut(&rest);
        snprintf(kind, sizeof kind, "%.*s", (int)name.size, name.at);
        for (int i = 0; i < 4; i++)
            cut(&rest);
        struct slice field = cut(&rest);
        if (!glossary_find(kind, field))
            fail_msg("the dictionary does not know %.*s of kind %s", (int)field.size, field.at,
                     kind);
        cut(&rest);
    }
    assert_true(records > 5000);
    store = store_memory_new();
    desk_free(d);
}

struct count {
    size_t values;
};

static void count_value(void *arg, enum fetch_kind kind, struct slice key, struct slice field,
                        struct slice value)
{
    static const char *const families[] = {
        "member:",  "committee:",  "seat:",      "group:",   "ballot:",   "votes:",
        "meeting:", "attendance:", "adoptions:", "profile:", "profiles:", "seats:"};
    struct count *c = arg;

    (void)field;
    (void)value;
    for (size_t i = 0; kind == FETCH_HASH && i < sizeof families / sizeof *families; i++)
        c->values +=
            key.size > strlen(families[i]) && memcmp(key.at, families[i], strlen(families[i])) == 0;
}

/* Nothing is left out and nothing is told twice: as many records as values. */
static void everything_is_exported_once(void **state)
{
    struct desk *d = desk_new(store_memory_new());
    struct count c = {0};
    size_t records = 0;

    (void)state;
    world(d, random_seed(__func__));
    store_memory_visit(d->store, count_value, &c);
    for (int i = 0; i < EXPORT_KINDS; i++)
        ask.kinds[i] = true;
    store_free(store);
    store = d->store;
    export_all();
    for (size_t i = 1; i < out.size; i++)
        records += out.at[i - 1] == '\r' && out.at[i] == '\n';
    assert_true(c.values > 5000);
    assert_int_equal(records, c.values);
    store = store_memory_new();
    desk_free(d);
}

/* ---- the dictionary ---- */
static void patterns_fit_what_they_stand_for_and_nothing_else(void **state)
{
    (void)state;
    assert_string_equal(glossary_find("member", slice_of("technical.votes.late"))->field,
                        "L.votes.late");
    assert_string_equal(glossary_find("member", slice_of("governance.votes.approve"))->field,
                        "L.votes.POSITION");
    assert_string_equal(glossary_find("group", slice_of("technical.ballots.missed.SR"))->field,
                        "L.ballots.missed.KIND");
    assert_string_equal(glossary_find("group", slice_of("share.votes.num"))->field,
                        "share.FIGURE.num");
    assert_string_equal(glossary_find("vote", slice_of("KE"))->field, "MEMBER");
    assert_null(glossary_find("member", slice_of("technical.votes.perhaps")));
    assert_null(glossary_find("member", slice_of("local.votes")));
    assert_null(glossary_find("member", slice_of("technical.votes.late.much")));
    assert_null(glossary_find("member", slice_of("technical")));
    assert_null(glossary_find("member", slice_of("voting.num")));
    assert_null(glossary_find("ballot", slice_of("colour")));
    assert_null(glossary_find("mem", slice_of("adoptions")));
}

static void the_dictionary_is_csv_with_a_record_a_field_and_kind(void **state)
{
    struct slice rest;
    size_t records = 0;

    (void)state;
    dictionary_print_csv(&out);
    assert_memory_equal(out.at, "field,unit,kind,meaning\r\n", 25);
    for (rest = buffer_slice(&out); rest.size; records++) {
        for (int i = 0; i < 3; i++)
            assert_true(cut(&rest).size > 0);
        assert_true(cut(&rest).size > 2);
    }
    assert_true(records > dictionary_count);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(members_are_exported_by_period_in_order),
        TEST(the_fields_of_a_key_are_in_order),
        TEST(identifiers_with_colons_keep_them),
        TEST(every_kind_has_its_keys),
        TEST(the_member_of_a_field_is_a_member_to_choose),
        TEST(only_what_is_asked_for_is_exported),
        TEST(a_key_that_is_listed_twice_is_exported_once),
        TEST(the_dictionary_knows_every_field),
        TEST(everything_is_exported_once),
        TEST(patterns_fit_what_they_stand_for_and_nothing_else),
        TEST(the_dictionary_is_csv_with_a_record_a_field_and_kind),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    buffer_free(&out);
    commit_free(&commit);
    arena_free(&arena);
    return failed;
}
