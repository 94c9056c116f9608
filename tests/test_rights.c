/* The rights file: what may stand in it, what is said about what may not, and what a right allows.
 */
#include "proto/rights.h"

#include "proto/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_B "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_C "20112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_E "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
#define KEY_D "30112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct rights *parse(const char *text)
{
    struct rights *r = NULL;
    char error[200] = "";
    int err = rights_parse(slice_of(text), &r, error, sizeof error);

    if (err < 0)
        print_error("%s\n", error);
    assert_int_equal(err, 0);
    return r;
}

static void assert_bad(const char *text, const char *expected)
{
    struct rights *r = NULL;
    char error[200] = "";

    assert_int_equal(rights_parse(slice_of(text), &r, error, sizeof error), ERR_CONFIG);
    assert_string_equal(error, expected);
    assert_null(r);
}

static void an_empty_file_knows_nobody(void **state)
{
    struct rights *r = parse("\n # nothing\n");

    (void)state;
    assert_int_equal(rights_count(r), 0);
    assert_null(rights_of_key(r, slice_of(KEY_A)));
    assert_null(rights_of_source(r, slice_of("x"), NULL));
    rights_free(r);
    rights_free(NULL);
}

static void every_setting_is_taken(void **state)
{
    struct rights *r = parse("# all of it\n"
                             "[election-feed] # the feed\n"
                             "key = " KEY_A "\r\n"
                             "  may=publish\n"
                             "source = elections   # as they call it\n"
                             "types = vote  ballot\n"
                             "committees = ISO/TC 207 | ISO/TC 34* | A#1\n"
                             "rate = 500\n"
                             "[ worker ]\nkey = " KEY_B "\nmay = work\n"
                             "[desk]\nmay = watch\nparticipants = yes\nkey = " KEY_C "\n"
                             "revoked = 2026-11-22");
    const struct right *feed = rights_of_key(r, slice_of(KEY_A)), *desk;

    (void)state;
    assert_int_equal(rights_count(r), 3);
    assert_string_equal(feed->name, "election-feed");
    assert_string_equal(feed->source, "elections");
    assert_int_equal(feed->may, MAY_PUBLISH);
    assert_int_equal(feed->types, 1U << EVENT_VOTE | 1U << EVENT_BALLOT);
    assert_false(feed->all_committees);
    assert_int_equal(feed->committee_count, 3);
    assert_true(slice_is(feed->committees[1].text, "ISO/TC 34") && feed->committees[1].prefix);
    assert_true(slice_is(feed->committees[2].text, "A#1") && !feed->committees[2].prefix);
    assert_int_equal(feed->rate, 500);
    assert_false(feed->revoked || feed->participants);
    assert_string_equal(rights_at(r, 1)->name, "worker");
    assert_int_equal(rights_at(r, 1)->may, MAY_WORK);
    desk = rights_of_key(r, slice_of(KEY_C));
    assert_int_equal(desk->number, 2);
    assert_int_equal(desk->may, MAY_WATCH);
    assert_true(desk->participants && desk->revoked);
    rights_free(r);
}

static void what_is_not_said_is_the_default(void **state)
{
    struct rights *r = parse("[feed]\nkey = " KEY_A "\nmay = publish\n");
    const struct right *feed = rights_at(r, 0);

    (void)state;
    assert_string_equal(feed->source, "feed");
    assert_int_equal(feed->types, RIGHT_LOCAL->types);
    assert_true(feed->all_committees);
    assert_int_equal(feed->rate, 0);
    assert_false(feed->participants || feed->revoked);
    rights_free(r);
}

#define FEED "[feed]\nkey = " KEY_A "\nmay = publish\n"

static void a_fault_is_told_with_its_line(void **state)
{
    static const char *const bad[][2] = {
        {"key = x", "line 1: before it belongs a line [NAME]"},
        {"[a]\nkey", "line 2: this is neither `name = value` nor [NAME]"},
        {"[", "line 1: this is neither `name = value` nor [NAME]"},
        {"[]", "line 1: a name is 1 to 64 letters, digits, '-', '_' and '.'"},
        {"[../x]", "line 1: a name is 1 to 64 letters, digits, '-', '_' and '.'"},
        {"[a]\nkey = 12", "line 2: a key is 64 hexadecimal digits in small letters"},
        {"[a]\nmay = publish\n", "line 2: [a] has no key"},
        {"[a]\nkey = " KEY_A "\n\n[b]", "line 4: [a] does not say what its key may"},
        {"[a]\nmay = read", "line 2: may is one of publish, work and watch"},
        {"[a]\nmay = publish watch", "line 2: may is one of publish, work and watch"},
        {FEED "may = watch", "line 4: may is given twice in this section"},
        {FEED "pace = 3", "line 4: there is no such setting: pace"},
        {FEED "[feed]", "line 4: this name has a section already"},
        {FEED "[b]\nkey = " KEY_A, "line 5: this key has a section already"},
        {FEED "types =", "line 4: types names at least one type"},
        {FEED "types = vote poll", "line 4: there is no such type: poll"},
        {FEED "committees =", "line 4: a committee without a name"},
        {FEED "committees = A | | B", "line 4: a committee without a name"},
        {FEED "committees = A | *", "line 4: a star alone is every committee: leave the line out"},
        {FEED "committees = A{", "line 4: a committee may not contain '{', '}' or '|'"},
        {FEED "committees = \xff", "line 4: a committee is valid UTF-8"},
        {FEED "source = a b", "line 4: a source is 1 to 64 letters, digits, '-', '_' and '.'"},
        {FEED "source = local", "line 4: the source local is that of this host's own programs"},
        {"[local]\nkey = " KEY_A "\nmay = publish",
         "line 3: [local]: the source local is that of this host's own programs"},
        {FEED "rate = 0", "line 4: a rate is 1 to 100000000 events a second"},
        {FEED "rate = 1e3", "line 4: a rate is 1 to 100000000 events a second"},
        {FEED "participants = yes", "line 4: [feed]: participants is for keys that may watch"},
        {FEED "revoked = yes", "line 4: revoked is a date, YYYY-MM-DD"},
        {"[w]\nkey = " KEY_A "\nmay = work\nrate = 1",
         "line 4: [w]: rate is for keys that may publish"},
        {"[w]\nkey = " KEY_A "\nmay = watch\nparticipants = perhaps",
         "line 4: participants is yes or no"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_bad(bad[i][0], bad[i][1]);
}

static void only_what_publishes_has_a_source(void **state)
{
    struct rights *r = parse("[local]\nkey = " KEY_A "\nmay = work\n"
                             "[board]\nkey = " KEY_B "\nmay = watch\n"
                             "[feed]\nkey = " KEY_C "\nmay = publish\n");

    (void)state;
    assert_string_equal(rights_at(r, 0)->source, "");
    assert_string_equal(rights_at(r, 1)->source, "");
    assert_string_equal(rights_at(r, 2)->source, "feed");
    rights_free(r);
}

static void a_file_without_end_is_not_read(void **state)
{
    struct slice text = {memory_need(RIGHTS_MAX_BYTES + 1), RIGHTS_MAX_BYTES + 1};
    struct rights *r = NULL;
    char error[200] = "";

    (void)state;
    memset((char *)text.at, '\n', text.size);
    assert_int_equal(rights_parse(text, &r, error, sizeof error), ERR_CONFIG);
    assert_string_equal(error, "longer than 1048576 bytes");
    text.size--;
    assert_int_equal(rights_parse(text, &r, error, sizeof error), 0);
    rights_free(r);
    free((char *)text.at);
}

static void there_are_no_more_keys_than_the_limit(void **state)
{
    struct buffer text = {0};
    struct rights *r = NULL;
    char line[200], error[200] = "";

    (void)state;
    for (int i = 0; i < RIGHTS_MOST; i++) {
        snprintf(line, sizeof line, "[k%d]\nmay = work\nkey = %064x\n", i, i);
        buffer_add_text(&text, line);
    }
    assert_int_equal(rights_parse(buffer_slice(&text), &r, error, sizeof error), 0);
    assert_int_equal(rights_count(r), RIGHTS_MOST);
    rights_free(r);
    r = NULL;
    buffer_add_text(&text, "[one-more]\n");
    assert_int_equal(rights_parse(buffer_slice(&text), &r, error, sizeof error), ERR_CONFIG);
    assert_string_equal(error, "line 12289: at most 4096 keys");
    assert_null(r);
    buffer_free(&text);
}

/* ---- what a faulty text takes away ---- */

/* Of two keys, a and b, those that are still good after this text: "ab", "a", "b" or "". */
static void assert_left(const char *text, const char *left)
{
    struct rights *r = NULL;
    char error[200], found[3] = "";
    size_t taken;

    assert_int_equal(rights_parse(slice_of("[a]\nmay = work\nkey = " KEY_A
                                           "\n[b]\nmay = work\nkey = " KEY_B "\n"),
                                  &r, error, sizeof error),
                     0);
    taken = rights_take_away(r, slice_of(text));
    for (size_t i = 0; i < 2; i++)
        if (!rights_at(r, i)->revoked)
            strcat(found, rights_at(r, i)->name);
    assert_string_equal(found, left);
    assert_int_equal(taken, 2 - strlen(left));
    assert_int_equal(rights_take_away(r, slice_of(text)), 0); /* each but once */
    rights_free(r);
}

static void a_faulty_text_takes_away_what_it_clearly_revokes_and_nothing_else(void **state)
{
    (void)state;
    assert_left("", "ab");
    assert_left("may = fly\nrevoked = 2026-01-01\n", "ab");
    assert_left("[a]\nrevoked = 2026-01-01\nmay = fly\n", "b");
    assert_left("[a]\nmay = fly\nrevoked = 2026-01-01\n[b]\nmay = work\n", "b");
    assert_left("[c\n[a]\nrevoked = 2026-01-01\n[b]\nrevoked = 2026-01-01", "");
    assert_left("[a]\nrevoked = soon\n", "ab");
    assert_left("[A]\nrevoked = 2026-01-01\n", "ab");
    assert_left("[a]\nkey = " KEY_B "\nrevoked = 2026-01-01\n", "ab");
    assert_left("[a]\nkey = " KEY_A "\nrevoked = 2026-01-01\n", "b");
}

/* It may be that the line was meant to be the next heading. */
static void behind_a_line_without_sense_no_section_goes_on(void **state)
{
    (void)state;
    assert_left("[a]\nmay = work\n[b\nrevoked = 2026-01-01\n", "ab");
    assert_left("[a]\nmay = work\nb]\nrevoked = 2026-01-01\n", "ab");
    assert_left("[a]\nmay = work\n[b=\nrevoked = 2026-01-01\n", "ab");
    assert_left("[a]\nmay = work\n[b\n[b]\nrevoked = 2026-01-01\n", "a");
}

/* ---- what a right allows ---- */

static void assert_check(const struct right *right, enum event_type type, const char *committee,
                         enum refusal_code code, const char *field)
{
    struct event e = {.type = type};
    struct refusal why = {.code = REFUSAL_NONE};
    int err;

    if (committee)
        e.committee = slice_of(committee);
    err = right_check(right, &e, &why);
    assert_int_equal(err, code == REFUSAL_NONE ? 0 : ERR_REFUSED);
    assert_int_equal(why.code, code);
    assert_string_equal(why.field, field);
    assert_true(err == 0 || why.reason[0]);
}

static void types_and_committees_are_judged(void **state)
{
    struct rights *r = parse(FEED "types = vote adoption member\n"
                                  "committees = ISO/TC 207 | ISO/TC 34*|ISO/IEC JTC *\n");
    const struct right *feed = rights_at(r, 0);

    (void)state;
    assert_check(feed, EVENT_VOTE, "ISO/TC 207", REFUSAL_NONE, "");
    assert_check(feed, EVENT_VOTE, "ISO/TC 34", REFUSAL_NONE, "");
    assert_check(feed, EVENT_VOTE, "ISO/TC 34/SC 2", REFUSAL_NONE, "");
    assert_check(feed, EVENT_VOTE, "ISO/IEC JTC 1", REFUSAL_NONE, "");
    assert_check(feed, EVENT_VOTE, "ISO/TC 2071", REFUSAL_COMMITTEE_DENIED, "committee");
    assert_check(feed, EVENT_VOTE, "ISO/TC 20", REFUSAL_COMMITTEE_DENIED, "committee");
    assert_check(feed, EVENT_VOTE, "ISO/TC 3", REFUSAL_COMMITTEE_DENIED, "committee");
    assert_check(feed, EVENT_VOTE, "ISO/IEC JTC", REFUSAL_COMMITTEE_DENIED, "committee");
    assert_check(feed, EVENT_BALLOT, "ISO/TC 207", REFUSAL_TYPE_DENIED, "type");
    assert_check(feed, EVENT_ADOPTION, NULL, REFUSAL_NONE, "");
    assert_check(feed, EVENT_MEMBER, NULL, REFUSAL_NONE, "");
    rights_free(r);
}

static void a_local_peer_may_do_everything(void **state)
{
    (void)state;
    for (int type = 0; type < EVENT_TYPES; type++)
        assert_check(RIGHT_LOCAL, (enum event_type)type, "ISO/TC 1", REFUSAL_NONE, "");
    assert_string_equal(RIGHT_LOCAL->source, "local");
    assert_true(right_reads(RIGHT_LOCAL));
}

static void a_source_has_the_rights_it_has_now(void **state)
{
    struct rights *r =
        parse("[old]\nkey = " KEY_A "\nmay = publish\nsource = s\nrevoked = 2026-01-01\n"
              "[new]\nkey = " KEY_B "\nmay = publish\nsource = s\n"
              "[third]\nkey = " KEY_C "\nmay = publish\nrevoked = 2026-01-01\n"
              "[work]\nkey = " KEY_D "\nmay = work\n"
              "[again]\nkey = " KEY_E "\nmay = publish\nsource = s\n");

    (void)state;
    assert_ptr_equal(rights_of_source(r, slice_of("s"), NULL), rights_at(r, 1));
    assert_null(rights_of_source(r, slice_of("third"), NULL));
    assert_null(rights_of_source(r, slice_of("work"), NULL));
    assert_null(rights_of_source(r, slice_of("old"), NULL));
    assert_ptr_equal(rights_of_source(r, slice_of("local"), NULL), RIGHT_LOCAL);
    assert_null(rights_of_source(r, slice_of("local"), RIGHT_LOCAL));
    assert_ptr_equal(rights_of_source(r, slice_of("s"), rights_at(r, 1)), rights_at(r, 4));
    assert_null(rights_of_source(r, slice_of("s"), rights_at(r, 4)));
    rights_free(r);
}

static void only_some_may_read(void **state)
{
    struct rights *r = parse("[w]\nkey = " KEY_A "\nmay = work\n[v]\nkey = " KEY_B "\nmay = watch\n"
                             "[p]\nkey = " KEY_C "\nmay = watch\nparticipants = yes\n"
                             "[f]\nkey = " KEY_D "\nmay = publish\n");

    (void)state;
    assert_true(right_reads(rights_at(r, 0)));
    assert_false(right_reads(rights_at(r, 1)));
    assert_true(right_reads(rights_at(r, 2)));
    assert_false(right_reads(rights_at(r, 3)));
    rights_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_knows_nobody),
        cmocka_unit_test(every_setting_is_taken),
        cmocka_unit_test(what_is_not_said_is_the_default),
        cmocka_unit_test(a_fault_is_told_with_its_line),
        cmocka_unit_test(only_what_publishes_has_a_source),
        cmocka_unit_test(a_file_without_end_is_not_read),
        cmocka_unit_test(there_are_no_more_keys_than_the_limit),
        cmocka_unit_test(a_faulty_text_takes_away_what_it_clearly_revokes_and_nothing_else),
        cmocka_unit_test(behind_a_line_without_sense_no_section_goes_on),
        cmocka_unit_test(types_and_committees_are_judged),
        cmocka_unit_test(a_local_peer_may_do_everything),
        cmocka_unit_test(a_source_has_the_rights_it_has_now),
        cmocka_unit_test(only_some_may_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
