/* What is refused: a full event with one change each, the code, and the field that is named. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

#include "proto/error.h"
#include "proto/pack.h"
#include "tests/decoded.h"

struct refused {
    enum event_type type;
    struct change changes[CHANGES];
    enum refusal_code code;
    const char *field; /* NULL: that of the first change */
    const char *says;  /* part of the reason; NULL: anything but nothing */
};

static struct refusal refused(void)
{
    struct refusal why = {0};
    struct event e;

    if (event_decode(decoder, buffer_slice(&bytes), COMPOSE_NOW_MS, &e, &why) == 0)
        return (struct refusal){0};
    assert_string_not_equal(why.reason, "");
    return why;
}

static void each_is_refused(const struct refused *row, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *field = row[i].field ? row[i].field : row[i].changes[0].key;
        buffer_clear(&bytes);
        compose_event(row[i].type, row[i].changes, &bytes);
        struct refusal why = refused();
        if (why.code != row[i].code || strcmp(why.field, field) != 0 ||
            (row[i].says && !strstr(why.reason, row[i].says)))
            fail_msg("row %zu, %s %s: %s [%s] %s", i, row[i].changes[0].key,
                     row[i].changes[0].value ? row[i].changes[0].value : "left out",
                     refusal_name(why.code), why.field, why.reason);
    }
}

#define EACH_IS_REFUSED(rows) each_is_refused(rows, sizeof rows / sizeof *rows)

/* ---- required keys ---- */

static bool is_one_of(const char *word, const char *list)
{
    const char *found = strstr(list, word);
    size_t size = strlen(word);

    return found && (found == list || found[-1] == ' ') &&
           (found[size] == ' ' || found[size] == '\0');
}

/* Leaves out each key of the full event in turn, and gives it as null. */
static void only_these_are_required(enum event_type type, const char *required, bool retracted)
{
    const char *key;

    for (unsigned i = 0; (key = compose_key(type, i)); i++)
        for (int null = 0; null < 2; null++) {
            struct change changes[CHANGES] = {{key, null ? "null" : NULL}};
            if (retracted && strcmp(key, "retracted") != 0)
                changes[1] = (struct change){"retracted", "true"};
            buffer_clear(&bytes);
            compose_event(type, changes, &bytes);
            struct refusal why = refused();
            bool missing = is_one_of(key, required);
            if (why.code != (missing ? REFUSAL_MISSING : REFUSAL_NONE) ||
                strcmp(why.field, missing ? key : "") != 0)
                fail_msg("%s without %s: %s [%s] %s", event_type_name[type], key,
                         refusal_name(why.code), why.field, why.reason);
        }
}

static const char *const subject[EVENT_TYPES] = {
    "type id time committee ballot member",
    "type id time committee meeting member participant",
    "type id time member standard reference",
    "type id time member",
    "type id time committee",
    "type id time committee member from",
    "type id time committee ballot",
    "type id time committee meeting",
};
static const char *const beyond[EVENT_TYPES] = {
    " position", " date status", " degree date withdrawn", "",
    "",          " role",        " kind closes",           " starts",
};

static void a_required_key_that_is_absent_or_null_is_missing(void **state)
{
    (void)state;
    for (unsigned type = 0; type < EVENT_TYPES; type++) {
        char required[120];
        snprintf(required, sizeof required, "%s%s", subject[type], beyond[type]);
        only_these_are_required((enum event_type)type, required, false);
    }
}

static void a_retracted_event_still_needs_the_common_keys_and_its_subject(void **state)
{
    (void)state;
    for (unsigned type = 0; type < EVENT_TYPES; type++)
        only_these_are_required((enum event_type)type, subject[type], true);
}

static void the_keys_of_a_retracted_event_are_still_checked(void **state)
{
    static const struct refused rows[] = {
        {EVENT_VOTE, {{"position", "'maybe'"}, {"retracted", "true"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_VOTE, {{"comments", "-1"}, {"retracted", "true"}}, REFUSAL_OUT_OF_RANGE, 0, 0},
        {EVENT_BALLOT, {{"closes", "7"}, {"retracted", "true"}}, REFUSAL_BAD_TYPE, 0, 0},
        {EVENT_MEMBER, {{"groups", "['A']"}, {"retracted", "true"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_VOTE,
         {{"excused", "true"}, {"position", "'abstain'"}, {"retracted", "true"}},
         REFUSAL_NOT_ALLOWED,
         0,
         0},
    };

    (void)state;
    EACH_IS_REFUSED(rows);
}

/* ---- types ---- */

static void an_unknown_type_is_refused(void **state)
{
    static const struct refused rows[] = {
        {EVENT_VOTE, {{"type", "'votes'"}}, REFUSAL_UNKNOWN_TYPE, 0, "attendance"},
        {EVENT_VOTE, {{"type", "'Vote'"}}, REFUSAL_UNKNOWN_TYPE, 0, 0},
        {EVENT_VOTE, {{"type", "''"}}, REFUSAL_UNKNOWN_TYPE, 0, 0},
        {EVENT_VOTE, {{"type", "'vote\\u0000'"}}, REFUSAL_UNKNOWN_TYPE, 0, 0},
        {EVENT_VOTE, {{"type", "1"}}, REFUSAL_BAD_TYPE, 0, "string"},
        {EVENT_VOTE, {{"type", "['vote']"}}, REFUSAL_BAD_TYPE, 0, 0},
    };

    (void)state;
    EACH_IS_REFUSED(rows);
}

/* Gives each key of each type a value of every other kind. */
static void a_value_of_the_wrong_kind_is_refused(void **state)
{
    static const struct {
        const char *value, *fits; /* the keys for which this kind is right */
    } kinds[] = {
        {"1.5", ""},
        {"{}", ""},
        {"'text'", "type id time committee ballot meeting member participant standard reference "
                   "position seat level date status mode role degree withdrawn from name nsb "
                   "category title kind opens closes starts ends"},
        {"1", "time rev comments"},
        {"true", "retracted excused participate developing mandatory"},
        {"[]", "themes groups sdgs"},
    };
    const char *key;

    (void)state;
    for (unsigned type = 0; type < EVENT_TYPES; type++)
        for (unsigned i = 0; (key = compose_key((enum event_type)type, i)); i++)
            for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
                struct refused row = {(enum event_type)type,
                                      {{key, kinds[k].value}},
                                      REFUSAL_BAD_TYPE,
                                      NULL,
                                      "expected"};
                if (!is_one_of(key, kinds[k].fits))
                    each_is_refused(&row, 1);
            }
}

/* ---- identifiers and texts ---- */

static const struct {
    enum event_type type;
    const char *key, *too_long;
} identifiers[] = {
    {EVENT_VOTE, "committee", "*65"},
    {EVENT_VOTE, "ballot", "*65"},
    {EVENT_VOTE, "member", "*17"},
    {EVENT_ATTENDANCE, "meeting", "*65"},
    {EVENT_ATTENDANCE, "participant", "*65"},
    {EVENT_ADOPTION, "standard", "*65"},
    {EVENT_ADOPTION, "reference", "*65"},
    {EVENT_ADOPTION, "member", "*17"},
    {EVENT_COMMITTEE, "committee", "*65"},
    {EVENT_COMMITTEE, "reference", "*65"},
    {EVENT_SEAT, "member", "*17"},
    {EVENT_MEMBER, "member", "*17"},
    {EVENT_BALLOT, "ballot", "*65"},
    {EVENT_MEETING, "meeting", "*65"},
};

static void an_identifier_keeps_to_its_length_and_characters(void **state)
{
    static const char *const bad[] = {
        "'a{b'",     "'a}b'",      "'a|b'",      "' a'",       "'a '",
        "' '",       "'a\\u0000'", "'\\u001fa'", "'a\\nb'",    "'a\\tb'",
        "'\\u007f'", "'a\\u0080'", "'a\\u009f'", "'\\u2028a'", "'a\\u2029'",
    };

    (void)state;
    for (size_t i = 0; i < sizeof identifiers / sizeof *identifiers; i++) {
        enum event_type type = identifiers[i].type;
        const char *key = identifiers[i].key;
        struct refused sizes[] = {
            {type, {{key, "''"}}, REFUSAL_OUT_OF_RANGE, NULL, "expected 1 to"},
            {type, {{key, identifiers[i].too_long}}, REFUSAL_OUT_OF_RANGE, NULL, "expected 1 to"},
        };
        EACH_IS_REFUSED(sizes);
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
            struct refused row = {type, {{key, bad[k]}}, REFUSAL_BAD_VALUE, NULL, "may not"};
            each_is_refused(&row, 1);
        }
    }
}

static void an_id_or_text_beyond_its_length_is_refused(void **state)
{
    static const struct refused rows[] = {
        {EVENT_VOTE, {{"id", "''"}}, REFUSAL_OUT_OF_RANGE, 0, "1 to 64"},
        {EVENT_VOTE, {{"id", "*65"}}, REFUSAL_OUT_OF_RANGE, 0, "65 bytes; expected 1 to 64"},
        {EVENT_MEMBER, {{"name", "*513"}}, REFUSAL_OUT_OF_RANGE, 0, "512"},
        {EVENT_MEMBER, {{"nsb", "*513"}}, REFUSAL_OUT_OF_RANGE, 0, "512"},
        {EVENT_BALLOT, {{"title", "*513"}}, REFUSAL_OUT_OF_RANGE, 0, "512"},
        {EVENT_MEETING, {{"title", "*513"}}, REFUSAL_OUT_OF_RANGE, 0, "512"},
        {EVENT_COMMITTEE, {{"title", "*513"}}, REFUSAL_OUT_OF_RANGE, 0, "512"},
    };

    (void)state;
    EACH_IS_REFUSED(rows);
}

/* ---- words and tokens ---- */

static void a_word_that_is_none_of_the_keys_is_refused_with_the_list(void **state)
{
    static const struct refused rows[] = {
        {EVENT_VOTE,
         {{"position", "'yes'"}},
         REFUSAL_BAD_VALUE,
         0,
         "approve, disapprove, abstain, confirm, revise, withdraw or none"},
        {EVENT_VOTE, {{"position", "''"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_VOTE, {{"position", "'Approve'"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_VOTE, {{"seat", "'p'"}}, REFUSAL_BAD_VALUE, 0, "P, O or none"},
        {EVENT_VOTE, {{"seat", "'P\\u0000'"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_VOTE, {{"level", "'local'"}}, REFUSAL_BAD_VALUE, 0, "technical or governance"},
        {EVENT_ATTENDANCE, {{"status", "'held'"}}, REFUSAL_BAD_VALUE, 0, "no-show"},
        {EVENT_ATTENDANCE, {{"mode", "'hybrid'"}}, REFUSAL_BAD_VALUE, 0, "onsite"},
        {EVENT_ATTENDANCE, {{"role", "'P'"}}, REFUSAL_BAD_VALUE, 0, "convenor"},
        {EVENT_ADOPTION, {{"degree", "'idt'"}}, REFUSAL_BAD_VALUE, 0, "IDT, MOD or NEQ"},
        {EVENT_ADOPTION, {{"status", "'open'"}}, REFUSAL_BAD_VALUE, 0, "in-force or withdrawn"},
        {EVENT_MEMBER, {{"category", "'half'"}}, REFUSAL_BAD_VALUE, 0, "correspondent"},
        {EVENT_SEAT, {{"role", "'head'"}}, REFUSAL_BAD_VALUE, 0, "P, O or none"},
        {EVENT_BALLOT, {{"status", "'held'"}}, REFUSAL_BAD_VALUE, 0, "open, closed or cancelled"},
        {EVENT_MEETING, {{"status", "'open'"}}, REFUSAL_BAD_VALUE, 0, "planned, held or cancelled"},
        {EVENT_COMMITTEE, {{"level", "'x'"}}, REFUSAL_BAD_VALUE, 0, 0},
    };

    (void)state;
    EACH_IS_REFUSED(rows);
}

static void what_is_no_token_is_refused(void **state)
{
    static const struct refused rows[] = {
        {EVENT_BALLOT, {{"kind", "''"}}, REFUSAL_BAD_VALUE, 0, "1 to 32"},
        {EVENT_BALLOT, {{"kind", "*33"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_BALLOT, {{"kind", "'D IS'"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_BALLOT, {{"kind", "'-DIS'"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_BALLOT, {{"kind", "'_DIS'"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_BALLOT, {{"kind", "'D.IS'"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_BALLOT, {{"kind", "'D\\u00c9'"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_ADOPTION, {{"themes", "['trade','']"}}, REFUSAL_BAD_VALUE, 0, "item 2"},
        {EVENT_ADOPTION, {{"themes", "['Trade']"}}, REFUSAL_BAD_VALUE, 0, "item 1"},
        {EVENT_ADOPTION, {{"themes", "['a_b']"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_ADOPTION, {{"themes", "['-a']"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_MEMBER,
         {{"groups", "['012345678901234567890123456789012']"}},
         REFUSAL_BAD_VALUE,
         0,
         "32"},
        {EVENT_MEMBER, {{"groups", "['a','b','c d']"}}, REFUSAL_BAD_VALUE, 0, "item 3"},
    };

    (void)state;
    EACH_IS_REFUSED(rows);
}

static void a_list_of_the_wrong_length_or_items_is_refused(void **state)
{
    static const struct refused rows[] = {
        {EVENT_ADOPTION,
         {{"themes", "#65"}},
         REFUSAL_TOO_LARGE,
         0,
         "65 items; expected at most 64"},
        {EVENT_ADOPTION, {{"sdgs", "%65"}}, REFUSAL_TOO_LARGE, 0, 0},
        {EVENT_MEMBER, {{"groups", "#65"}}, REFUSAL_TOO_LARGE, 0, 0},
        {EVENT_ADOPTION, {{"themes", "['a',1]"}}, REFUSAL_BAD_TYPE, 0, "item 2"},
        {EVENT_ADOPTION, {{"themes", "[null]"}}, REFUSAL_BAD_TYPE, 0, "item 1"},
        {EVENT_ADOPTION, {{"themes", "'trade'"}}, REFUSAL_BAD_TYPE, 0, "list"},
        {EVENT_ADOPTION, {{"sdgs", "[13.0]"}}, REFUSAL_BAD_TYPE, 0, "item 1"},
        {EVENT_ADOPTION, {{"sdgs", "['13']"}}, REFUSAL_BAD_TYPE, 0, 0},
        {EVENT_ADOPTION, {{"sdgs", "[0]"}}, REFUSAL_OUT_OF_RANGE, 0, "1 to 17"},
        {EVENT_ADOPTION, {{"sdgs", "[18]"}}, REFUSAL_OUT_OF_RANGE, 0, 0},
        {EVENT_ADOPTION, {{"sdgs", "[1,-1]"}}, REFUSAL_OUT_OF_RANGE, 0, "item 2"},
        {EVENT_ADOPTION, {{"sdgs", "[-9223372036854775808]"}}, REFUSAL_OUT_OF_RANGE, 0, 0},
        {EVENT_ADOPTION, {{"sdgs", "[4294967297]"}}, REFUSAL_OUT_OF_RANGE, 0, 0},
    };

    (void)state;
    EACH_IS_REFUSED(rows);
}

/* ---- numbers, dates, times ---- */

static void a_number_out_of_range_is_refused(void **state)
{
    static const struct refused rows[] = {
        {EVENT_VOTE, {{"rev", "-1"}}, REFUSAL_OUT_OF_RANGE, 0, "0 to 2^63-1"},
        {EVENT_VOTE, {{"comments", "-1"}}, REFUSAL_OUT_OF_RANGE, 0, 0},
        {EVENT_VOTE, {{"rev", "-9223372036854775808"}}, REFUSAL_OUT_OF_RANGE, 0, 0},
        {EVENT_VOTE, {{"rev", "1.0"}}, REFUSAL_BAD_TYPE, 0, "integer"},
        {EVENT_VOTE, {{"rev", "1e2"}}, REFUSAL_BAD_TYPE, 0, 0},
        {EVENT_VOTE, {{"rev", "'1'"}}, REFUSAL_BAD_TYPE, 0, 0},
    };

    (void)state;
    EACH_IS_REFUSED(rows);
}

static void a_day_that_does_not_exist_is_refused(void **state)
{
    static const struct refused rows[] = {
        {EVENT_BALLOT, {{"closes", "'2026-02-29'"}}, REFUSAL_BAD_VALUE, 0, "YYYY-MM-DD"},
        {EVENT_BALLOT, {{"opens", "'2026-13-01'"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_MEETING, {{"starts", "'26-01-01'"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_MEETING, {{"ends", "''"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_ADOPTION, {{"date", "'0000-01-01'"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_ADOPTION, {{"withdrawn", "'2026-01-01T00:00:00Z'"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_ATTENDANCE, {{"date", "'10000-01-01'"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_SEAT, {{"from", "'2026-1-1'"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_MEMBER, {{"from", "'today'"}}, REFUSAL_BAD_VALUE, 0, 0},
    };

    (void)state;
    EACH_IS_REFUSED(rows);
}

static void a_time_that_is_none_or_beyond_its_limits_is_refused(void **state)
{
    static const struct refused rows[] = {
        {EVENT_VOTE, {{"time", "'2026-03-01'"}}, REFUSAL_BAD_VALUE, 0, "RFC 3339"},
        {EVENT_VOTE, {{"time", "''"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_VOTE, {{"time", "'1772366400000'"}}, REFUSAL_BAD_VALUE, 0, 0},
        {EVENT_VOTE, {{"time", "1772366400000.0"}}, REFUSAL_BAD_TYPE, 0, 0},
        {EVENT_VOTE, {{"time", "-2208988800001"}}, REFUSAL_OUT_OF_RANGE, 0, "1900-01-01"},
        {EVENT_VOTE, {{"time", "'1899-12-31T23:59:59.999Z'"}}, REFUSAL_OUT_OF_RANGE, 0, 0},
        {EVENT_VOTE, {{"time", "'1900-01-01T00:00:00+00:01'"}}, REFUSAL_OUT_OF_RANGE, 0, 0},
        {EVENT_VOTE, {{"time", "1772452800001"}}, REFUSAL_OUT_OF_RANGE, 0, "one day ahead"},
        {EVENT_VOTE, {{"time", "'2026-03-02T12:00:00.001Z'"}}, REFUSAL_OUT_OF_RANGE, 0, 0},
        {EVENT_VOTE, {{"time", "9223372036854775807"}}, REFUSAL_OUT_OF_RANGE, 0, 0},
        {EVENT_VOTE, {{"time", "-9223372036854775808"}}, REFUSAL_OUT_OF_RANGE, 0, 0},
    };

    (void)state;
    EACH_IS_REFUSED(rows);
}

/* A small event of raw numbers, for what JSON cannot say. */
static void compose_vote_up_to(const char *key)
{
    buffer_clear(&bytes);
    pack_map(&bytes, 3);
    pack_text(&bytes, "type");
    pack_text(&bytes, "vote");
    pack_text(&bytes, "id");
    pack_text(&bytes, "1");
    pack_text(&bytes, key);
}

static void a_number_above_63_bits_is_out_of_range(void **state)
{
    (void)state;
    compose_vote_up_to("time");
    pack_uint(&bytes, (uint64_t)1 << 63);
    assert_int_equal(refused().code, REFUSAL_OUT_OF_RANGE);
    assert_string_equal(refused().field, "time");
    buffer_clear(&bytes);
    pack_map(&bytes, 4);
    for (const char *const *word = (const char *const[]){"type", "vote", "id", "1", "time", NULL};
         *word; word++)
        pack_text(&bytes, *word);
    pack_int(&bytes, 0);
    pack_text(&bytes, "rev");
    pack_uint(&bytes, UINT64_MAX);
    assert_int_equal(refused().code, REFUSAL_OUT_OF_RANGE);
    assert_string_equal(refused().field, "rev");
}

static void a_binary_or_extension_value_is_no_text(void **state)
{
    (void)state;
    compose_vote_up_to("time");
    pack_bin(&bytes, slice_of("2026-03-01T12:00:00Z"));
    assert_int_equal(refused().code, REFUSAL_BAD_TYPE);
    compose_vote_up_to("time");
    buffer_add(&bytes, "\xd6\xff\0\0\0\0", 6); /* a msgpack timestamp */
    assert_int_equal(refused().code, REFUSAL_BAD_TYPE);
    assert_string_equal(refused().field, "time");
}

/* ---- keys that depend on each other ---- */

static void keys_that_contradict_each_other_are_refused(void **state)
{
    static const struct refused rows[] = {
        {EVENT_VOTE, {{"position", "'approve'"}}, REFUSAL_NOT_ALLOWED, "excused", "none"},
        {EVENT_VOTE, {{"position", "'abstain'"}}, REFUSAL_NOT_ALLOWED, "excused", 0},
        {EVENT_ADOPTION, {{"withdrawn", NULL}}, REFUSAL_MISSING, "withdrawn", "status withdrawn"},
    };

    (void)state;
    EACH_IS_REFUSED(rows);
    buffer_clear(&bytes);
    compose_event(EVENT_VOTE,
                  (struct change[CHANGES]){{"position", "'approve'"}, {"excused", "false"}},
                  &bytes);
    assert_int_equal(refused().code, REFUSAL_NONE);
}

/* ---- the event as a whole ---- */

static void whole_is_refused(const char *raw, size_t size, enum refusal_code code,
                             const char *field)
{
    buffer_clear(&bytes);
    buffer_add(&bytes, raw, size);
    struct refusal why = refused();
    if (why.code != code || strcmp(why.field, field) != 0)
        fail_msg("%s [%s] %s", refusal_name(why.code), why.field, why.reason);
}

#define WHOLE(raw, code, field) whole_is_refused(raw, sizeof(raw) - 1, code, field)

static void what_is_not_one_map_with_string_keys_is_malformed(void **state)
{
    (void)state;
    WHOLE("", REFUSAL_MALFORMED, "");
    WHOLE("\xc0", REFUSAL_MALFORMED, "");
    WHOLE("\x90", REFUSAL_MALFORMED, "");
    WHOLE("\xa4vote", REFUSAL_MALFORMED, "");
    WHOLE("\xdd\xff\xff\xff\xff", REFUSAL_MALFORMED, "");
    WHOLE("\xdf\xff\xff\xff\xff", REFUSAL_MALFORMED, "");
    WHOLE("\x81\x01\x02", REFUSAL_MALFORMED, "");
    WHOLE("\x81\xc0\x02", REFUSAL_MALFORMED, "");
    WHOLE("\x81\xc4\x01k\x02", REFUSAL_MALFORMED, "");
    WHOLE("\x81\x80\x02", REFUSAL_MALFORMED, "");
    WHOLE("\x80\x80", REFUSAL_MALFORMED, "");
    assert_string_equal(refused().reason, "bytes after the event");
    WHOLE("\x81\xc4\x01k\x91\x91\x91\x91\x01", REFUSAL_MALFORMED, "");
    WHOLE("\x80", REFUSAL_MISSING, "type");
}

static void text_that_is_not_utf8_is_refused_also_in_unknown_keys(void **state)
{
    (void)state;
    WHOLE("\x81\xa4type\xa4vot\xff", REFUSAL_BAD_UTF8, "type");
    WHOLE("\x81\xa1\xff\x01", REFUSAL_BAD_UTF8, "");
    WHOLE("\x81\xa1k\x91\xa3\xed\xa0\x80", REFUSAL_BAD_UTF8, "k");
    WHOLE("\x82\xa1k\x01\xa5title\xa1\xff", REFUSAL_BAD_UTF8, "title");
    WHOLE("\x82\xa1k\x01\xa1\xff\xa1\xff", REFUSAL_BAD_UTF8, "");
}

static void bytes_that_are_not_msgpack_are_told_with_the_key_whose_value_they_are(void **state)
{
    (void)state;
    WHOLE("\x81\xa1k\x91\x91\x91\x91\x01", REFUSAL_MALFORMED, "k");
    assert_string_equal(refused().reason, "containers nested more than 4 deep");
    WHOLE("\x81\xa5title\xa5Prot", REFUSAL_MALFORMED, "title");
    assert_string_equal(refused().reason, "a length points beyond the end");
    WHOLE("\x82\xa1k\x01\xa5title\xc1", REFUSAL_MALFORMED, "title");
    WHOLE("\x82\xa1k\x01\xa5titl", REFUSAL_MALFORMED, "");
    WHOLE("\x82\xa1k\x01\x01\xc1", REFUSAL_MALFORMED, "");
    WHOLE("\x84\xa1k\x01", REFUSAL_MALFORMED, "");
}

static void a_key_given_twice_is_refused_whether_known_or_not(void **state)
{
    (void)state;
    WHOLE("\x82\xa4type\xa4vote\xa4type\xa4vote", REFUSAL_DUPLICATE_KEY, "type");
    WHOLE("\x82\xa4type\xc0\xa4type\xa4vote", REFUSAL_DUPLICATE_KEY, "type");
    WHOLE("\x82\xa4type\xc0\xd9\x04type\xc0", REFUSAL_DUPLICATE_KEY, "type");
    WHOLE("\x83\xa1x\x01\xa1y\x01\xa1x\x02", REFUSAL_DUPLICATE_KEY, "x");
    WHOLE("\x82\xa1x\xc0\xa1x\xc0", REFUSAL_DUPLICATE_KEY, "x");
    WHOLE("\x83\xa4kind\x01\xa4type\xa4vote\xa4kind\x01", REFUSAL_DUPLICATE_KEY, "kind");
    WHOLE("\x83\xa1x\x01\xa2xx\x01\xa2xy\x02", REFUSAL_MISSING, "type");
}

/* A map of `count` unknown keys, the first of them `size` bytes long. */
static void compose_unknown(uint32_t count, uint32_t size)
{
    buffer_clear(&bytes);
    pack_map(&bytes, count);
    for (uint32_t i = 0; i < count; i++) {
        char key[100];
        snprintf(key, sizeof key, "%0*u", i == 0 ? (int)size : 4, i);
        pack_text(&bytes, key);
        pack_nil(&bytes);
    }
}

static void keys_too_many_or_too_long_are_refused(void **state)
{
    (void)state;
    compose_unknown(EVENT_MAX_KEYS, EVENT_MAX_KEY);
    assert_int_equal(refused().code, REFUSAL_MISSING); /* of type: the keys were all right */
    compose_unknown(EVENT_MAX_KEYS + 1, 4);
    assert_int_equal(refused().code, REFUSAL_TOO_LARGE);
    assert_string_equal(refused().field, "");
    compose_unknown(1, EVENT_MAX_KEY + 1);
    assert_int_equal(refused().code, REFUSAL_OUT_OF_RANGE);
    assert_int_equal(strlen(refused().field), REFUSAL_FIELD);
    WHOLE("\x81\xa0\x01", REFUSAL_OUT_OF_RANGE, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_required_key_that_is_absent_or_null_is_missing),
        cmocka_unit_test(a_retracted_event_still_needs_the_common_keys_and_its_subject),
        cmocka_unit_test(the_keys_of_a_retracted_event_are_still_checked),
        cmocka_unit_test(an_unknown_type_is_refused),
        cmocka_unit_test(a_value_of_the_wrong_kind_is_refused),
        cmocka_unit_test(an_identifier_keeps_to_its_length_and_characters),
        cmocka_unit_test(an_id_or_text_beyond_its_length_is_refused),
        cmocka_unit_test(a_word_that_is_none_of_the_keys_is_refused_with_the_list),
        cmocka_unit_test(what_is_no_token_is_refused),
        cmocka_unit_test(a_list_of_the_wrong_length_or_items_is_refused),
        cmocka_unit_test(a_number_out_of_range_is_refused),
        cmocka_unit_test(a_day_that_does_not_exist_is_refused),
        cmocka_unit_test(a_time_that_is_none_or_beyond_its_limits_is_refused),
        cmocka_unit_test(a_number_above_63_bits_is_out_of_range),
        cmocka_unit_test(a_binary_or_extension_value_is_no_text),
        cmocka_unit_test(keys_that_contradict_each_other_are_refused),
        cmocka_unit_test(what_is_not_one_map_with_string_keys_is_malformed),
        cmocka_unit_test(text_that_is_not_utf8_is_refused_also_in_unknown_keys),
        cmocka_unit_test(bytes_that_are_not_msgpack_are_told_with_the_key_whose_value_they_are),
        cmocka_unit_test(a_key_given_twice_is_refused_whether_known_or_not),
        cmocka_unit_test(keys_too_many_or_too_long_are_refused),
    };

    return cmocka_run_group_tests(tests, decoder_open, decoder_close);
}
