/* Events that are sound: every field of every type, defaults, words and limits.  What is refused,
 * and how, is in test_event_refusals; events as bytes are in test_event_bytes. */
#include "proto/event.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

#include "proto/error.h"
#include "tests/decoded.h"

static struct event of_text(const char *text)
{
    buffer_clear(&bytes);
    compose_text(text, &bytes);
    return decoded();
}

static date_days day(int year, int month, int of_month)
{
    return date_from_civil((struct date_civil){year, month, of_month});
}

#define FIRST_DAY day(1, 1, 1)

static void a_full_vote_has_every_field(void **state)
{
    struct event e = full(EVENT_VOTE);

    (void)state;
    has_common_keys(&e, EVENT_VOTE);
    assert_true(slice_is(e.committee, "ISO/TC 207"));
    assert_true(slice_is(e.ballot, "DIS 14001"));
    assert_true(slice_is(e.member, "KE"));
    assert_int_equal(e.position, POSITION_NONE);
    assert_int_equal(e.comments, 3);
    assert_int_equal(e.seat, ROLE_P);
    assert_true(e.excused);
    assert_true(e.participate);
    assert_int_equal(e.level, LEVEL_GOVERNANCE);
    assert_null(e.participant.at);
    assert_int_equal(e.from, DATE_NONE);
    assert_int_equal(e.date, DATE_NONE);
}

static void a_full_attendance_has_every_field(void **state)
{
    struct event e = full(EVENT_ATTENDANCE);

    (void)state;
    has_common_keys(&e, EVENT_ATTENDANCE);
    assert_true(slice_is(e.committee, "ISO/TC 207"));
    assert_true(slice_is(e.meeting, "plenary 30"));
    assert_true(slice_is(e.member, "KE"));
    assert_true(slice_is(e.participant, "p-77"));
    assert_int_equal(e.date, day(2026, 5, 4));
    assert_int_equal(e.presence, PRESENCE_ATTENDED);
    assert_int_equal(e.mode, MODE_VIRTUAL);
    assert_int_equal(e.part, PART_HEAD);
    assert_int_equal(e.level, LEVEL_GOVERNANCE);
}

static void a_full_adoption_has_every_field(void **state)
{
    struct event e = full(EVENT_ADOPTION);

    (void)state;
    has_common_keys(&e, EVENT_ADOPTION);
    assert_null(e.committee.at);
    assert_true(slice_is(e.member, "KE"));
    assert_true(slice_is(e.standard, "KS ISO 14001"));
    assert_true(slice_is(e.reference, "ISO 14001:2015"));
    assert_int_equal(e.degree, DEGREE_MOD);
    assert_int_equal(e.date, day(2025, 6, 30));
    assert_int_equal(e.force, FORCE_WITHDRAWN);
    assert_int_equal(e.withdrawn, day(2026, 1, 31));
    assert_int_equal(e.token_count, 2);
    assert_true(slice_is(e.tokens[0], "trade"));
    assert_true(slice_is(e.tokens[1], "climate"));
    assert_int_equal(e.sdgs, 1 << 1 | 1 << 13 | 1 << 17);
    assert_int_equal(e.level, LEVEL_ABSENT);
}

static void a_full_member_has_every_field(void **state)
{
    struct event e = full(EVENT_MEMBER);

    (void)state;
    has_common_keys(&e, EVENT_MEMBER);
    assert_true(slice_is(e.member, "KE"));
    assert_int_equal(e.from, day(2024, 1, 1));
    assert_true(slice_is(e.name, "Kenya"));
    assert_true(slice_is(e.nsb, "KEBS"));
    assert_int_equal(e.category, CATEGORY_FULL);
    assert_true(e.developing);
    assert_int_equal(e.token_count, 2);
    assert_true(slice_is(e.tokens[0], "africa"));
    assert_true(slice_is(e.tokens[1], "ldc-2"));
}

static void a_full_committee_and_a_full_seat_have_every_field(void **state)
{
    struct event e = full(EVENT_COMMITTEE);

    (void)state;
    has_common_keys(&e, EVENT_COMMITTEE);
    assert_true(slice_is(e.committee, "54808"));
    assert_true(slice_is(e.reference, "ISO/TC 207"));
    assert_true(slice_is(e.title, "Environmental management"));
    assert_int_equal(e.level, LEVEL_GOVERNANCE);
    e = full(EVENT_SEAT);
    has_common_keys(&e, EVENT_SEAT);
    assert_true(slice_is(e.committee, "54808"));
    assert_true(slice_is(e.member, "KE"));
    assert_int_equal(e.from, day(2025, 7, 1));
    assert_int_equal(e.role, ROLE_O);
}

static void a_full_ballot_has_every_field(void **state)
{
    struct event e = full(EVENT_BALLOT);

    (void)state;
    has_common_keys(&e, EVENT_BALLOT);
    assert_true(slice_is(e.committee, "54808"));
    assert_true(slice_is(e.ballot, "DIS 14001"));
    assert_true(slice_is(e.kind, "DIS"));
    assert_int_equal(e.opens, day(2026, 1, 5));
    assert_int_equal(e.closes, day(2026, 3, 30));
    assert_int_equal(e.stage, STAGE_CLOSED);
    assert_false(e.mandatory);
    assert_int_equal(e.level, LEVEL_GOVERNANCE);
    assert_true(slice_is(e.title, "Requirements"));
}

static void a_full_meeting_has_every_field(void **state)
{
    struct event e = full(EVENT_MEETING);

    (void)state;
    has_common_keys(&e, EVENT_MEETING);
    assert_true(slice_is(e.committee, "54808"));
    assert_true(slice_is(e.meeting, "plenary 30"));
    assert_int_equal(e.starts, day(2026, 5, 4));
    assert_int_equal(e.ends, day(2026, 5, 8));
    assert_int_equal(e.planning, PLANNING_HELD);
    assert_false(e.mandatory);
    assert_int_equal(e.level, LEVEL_GOVERNANCE);
    assert_true(slice_is(e.title, "Plenary"));
}

/* ---- defaults ---- */

#define SHORT(type) "{'type':'" type "','id':'1','time':0,"

static void what_a_vote_or_attendance_leaves_out_has_its_default(void **state)
{
    struct event e = of_text(SHORT("vote") "'committee':'C','ballot':'B','member':'M',"
                                           "'position':'approve'}");

    (void)state;
    assert_int_equal(e.rev, 0);
    assert_int_equal(e.time_ms, 0);
    assert_int_equal(e.comments, 0);
    assert_int_equal(e.seat, ROLE_ABSENT);
    assert_false(e.excused);
    assert_false(e.participate);
    assert_int_equal(e.level, LEVEL_TECHNICAL);
    e = of_text(SHORT("attendance") "'committee':'C','meeting':'T','member':'M','participant':'P',"
                                    "'date':'2026-01-01','status':'no-show'}");
    assert_int_equal(e.mode, MODE_UNKNOWN);
    assert_int_equal(e.part, PART_DELEGATE);
    assert_int_equal(e.level, LEVEL_TECHNICAL);
}

static void what_an_adoption_or_member_leaves_out_has_its_default(void **state)
{
    struct event e = of_text(SHORT("adoption") "'member':'M','standard':'S','reference':'R',"
                                               "'degree':'IDT','date':'2026-01-01'}");

    (void)state;
    assert_int_equal(e.force, FORCE_IN_FORCE);
    assert_int_equal(e.withdrawn, DATE_NONE);
    assert_int_equal(e.token_count, 0);
    assert_int_equal(e.sdgs, 0);
    e = of_text(SHORT("member") "'member':'M'}");
    assert_int_equal(e.from, FIRST_DAY);
    assert_int_equal(e.category, CATEGORY_ABSENT);
    assert_false(e.developing);
    assert_null(e.name.at);
    assert_null(e.nsb.at);
    assert_int_equal(e.token_count, 0);
}

static void what_a_notice_leaves_out_has_its_default(void **state)
{
    struct event e = of_text(SHORT("ballot") "'committee':'C','ballot':'B','kind':'CIB',"
                                             "'closes':'2026-01-01'}");

    (void)state;
    assert_int_equal(e.stage, STAGE_OPEN);
    assert_true(e.mandatory);
    assert_int_equal(e.level, LEVEL_TECHNICAL);
    assert_int_equal(e.opens, DATE_NONE);
    assert_null(e.title.at);
    e = of_text(SHORT("meeting") "'committee':'C','meeting':'T','starts':'2026-01-01'}");
    assert_int_equal(e.planning, PLANNING_PLANNED);
    assert_true(e.mandatory);
    assert_int_equal(e.ends, DATE_NONE);
    e = of_text(SHORT("committee") "'committee':'C'}");
    assert_int_equal(e.level, LEVEL_TECHNICAL);
    assert_null(e.reference.at);
    assert_null(e.title.at);
}

static void a_withdrawal_ballot_is_mandatory_only_if_it_says_so(void **state)
{
    struct change kind = {"kind", "'WDRL'"};
    static const struct {
        const char *value;
        bool mandatory;
    } cases[] = {{NULL, false}, {"null", false}, {"true", true}, {"false", false}};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        buffer_clear(&bytes);
        compose_event(EVENT_BALLOT, (struct change[CHANGES]){kind, {"mandatory", cases[i].value}},
                      &bytes);
        assert_int_equal(decoded().mandatory, cases[i].mandatory);
    }
}

static void null_counts_as_absent(void **state)
{
    (void)state;
    assert_int_equal(full_with(EVENT_VOTE, "seat", "null").seat, ROLE_ABSENT);
    assert_int_equal(full_with(EVENT_VOTE, "level", "null").level, LEVEL_TECHNICAL);
    assert_int_equal(full_with(EVENT_VOTE, "rev", "null").rev, 0);
    assert_false(full_with(EVENT_VOTE, "excused", "null").excused);
    assert_false(full_with(EVENT_VOTE, "retracted", "null").retracted);
    assert_int_equal(full_with(EVENT_MEMBER, "from", "null").from, FIRST_DAY);
    assert_int_equal(full_with(EVENT_MEMBER, "groups", "null").token_count, 0);
    assert_null(full_with(EVENT_MEMBER, "name", "null").name.at);
    assert_int_equal(full_with(EVENT_MEETING, "ends", "null").ends, DATE_NONE);
    assert_true(full_with(EVENT_MEETING, "mandatory", "null").mandatory);
}

static void keys_of_no_or_another_type_are_ignored(void **state)
{
    (void)state;
    assert_int_equal(full_with(EVENT_VOTE, "colour", "'blue'").type, EVENT_VOTE);
    assert_int_equal(full_with(EVENT_VOTE, "nested", "{'a':[{'b':1.5}]}").type, EVENT_VOTE);
    assert_int_equal(full_with(EVENT_VOTE, "source", "3").type, EVENT_VOTE);
    assert_int_equal(full_with(EVENT_VOTE, "kind", "[]").type, EVENT_VOTE);
    assert_null(full_with(EVENT_VOTE, "participant", "'x'").participant.at);
    assert_int_equal(full_with(EVENT_VOTE, "date", "'never'").date, DATE_NONE);
    assert_int_equal(full_with(EVENT_ADOPTION, "level", "'cellar'").level, LEVEL_ABSENT);
    assert_null(full_with(EVENT_SEAT, "title", "7").title.at);
}

static void a_retracted_event_needs_only_its_subject(void **state)
{
    static const char *const shortest[EVENT_TYPES] = {
        "'type':'vote','committee':'C','ballot':'B','member':'M'",
        "'type':'attendance','committee':'C','meeting':'T','member':'M','participant':'P'",
        "'type':'adoption','member':'M','standard':'S','reference':'R'",
        "'type':'member','member':'M'",
        "'type':'committee','committee':'C'",
        "'type':'seat','committee':'C','member':'M','from':'2026-01-01'",
        "'type':'ballot','committee':'C','ballot':'B'",
        "'type':'meeting','committee':'C','meeting':'T'",
    };

    (void)state;
    for (unsigned type = 0; type < EVENT_TYPES; type++) {
        char text[200];
        snprintf(text, sizeof text, "{'id':'1','time':0,'retracted':true,%s}", shortest[type]);
        struct event e = of_text(text);
        assert_int_equal(e.type, type);
        assert_true(e.retracted);
    }
    of_text("{'id':'1','time':0,'type':'adoption','member':'M','standard':'S','reference':'R',"
            "'retracted':true,'status':'withdrawn'}");
    of_text("{'id':'1','time':0,'type':'vote','committee':'C','ballot':'B','member':'M',"
            "'retracted':true,'excused':true}");
}

/* ---- words ---- */

/* Gives the key each of its words in turn and looks for its index in the event. */
static void words_are_known(enum event_type type, const char *key, const char *const *words,
                            unsigned count, size_t offset)
{
    assert_string_equal(words[0], "");
    for (unsigned i = 1; i < count; i++) {
        char value[32];
        snprintf(value, sizeof value, "'%s'", words[i]);
        buffer_clear(&bytes);
        compose_event(type, (struct change[CHANGES]){{key, value}, {"excused", NULL}}, &bytes);
        struct event e = decoded();
        assert_int_equal(*((uint8_t *)&e + offset), i);
        assert_int_equal(name_find(words, count, slice_of(words[i])), i);
    }
    assert_int_equal(name_find(words, count, slice_of("")), 0);
    assert_int_equal(name_find(words, count, slice_of("nothing like it")), 0);
    assert_int_equal(name_find(words, count, slice_make(words[1], strlen(words[1]) + 1)), 0);
    assert_int_equal(name_find(words, count, slice_make(words[1], strlen(words[1]) - 1)), 0);
}

#define WORDS(type, key, words, count, field)                                                      \
    words_are_known(type, key, words, count, offsetof(struct event, field))

static void every_word_of_every_key_is_known(void **state)
{
    (void)state;
    WORDS(EVENT_VOTE, "position", position_name, POSITIONS, position);
    WORDS(EVENT_VOTE, "seat", role_name, ROLES, seat);
    WORDS(EVENT_VOTE, "level", level_name, LEVELS, level);
    WORDS(EVENT_ATTENDANCE, "status", presence_name, PRESENCES, presence);
    WORDS(EVENT_ATTENDANCE, "mode", mode_name, MODES, mode);
    WORDS(EVENT_ATTENDANCE, "role", part_name, PARTS, part);
    WORDS(EVENT_ADOPTION, "degree", degree_name, DEGREES, degree);
    WORDS(EVENT_ADOPTION, "status", force_name, FORCES, force);
    WORDS(EVENT_MEMBER, "category", category_name, CATEGORIES, category);
    WORDS(EVENT_SEAT, "role", role_name, ROLES, role);
    WORDS(EVENT_BALLOT, "status", stage_name, STAGES, stage);
    WORDS(EVENT_MEETING, "status", planning_name, PLANNINGS, planning);
}

static void every_type_is_found_by_its_name(void **state)
{
    static const char *const none[] = {"", "votes", "vot", "Vote", "vote ", "notice"};
    enum event_type type = EVENT_TYPES;

    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(event_type_find(slice_of(none[i]), &type));
    assert_false(event_type_find((struct slice){0}, &type));
    assert_int_equal(type, EVENT_TYPES);
    for (int i = 0; i < EVENT_TYPES; i++) {
        assert_true(event_type_find(slice_of(event_type_name[i]), &type));
        assert_int_equal(type, i);
    }
}

/* ---- limits ---- */

static void values_at_their_limits_are_accepted(void **state)
{
    (void)state;
    assert_int_equal(full_with(EVENT_VOTE, "id", "*64").id.size, 64);
    assert_int_equal(full_with(EVENT_VOTE, "id", "' \\u0001{|'").id.size, 4);
    assert_int_equal(full_with(EVENT_VOTE, "committee", "*64").committee.size, 64);
    assert_int_equal(full_with(EVENT_VOTE, "committee", "'a b\\u00a0'").committee.size, 5);
    assert_int_equal(full_with(EVENT_VOTE, "member", "*16").member.size, 16);
    assert_int_equal(full_with(EVENT_BALLOT, "title", "*512").title.size, 512);
    assert_int_equal(full_with(EVENT_BALLOT, "title", "''").title.size, 0);
    assert_non_null(full_with(EVENT_BALLOT, "title", "''").title.at);
    assert_int_equal(full_with(EVENT_BALLOT, "kind", "*32").kind.size, 32);
    assert_int_equal(full_with(EVENT_BALLOT, "kind", "'9aZ_-'").kind.size, 5);
    assert_int_equal(full_with(EVENT_MEMBER, "groups", "#64").token_count, 64);
    assert_int_equal(full_with(EVENT_MEMBER, "groups", "[]").token_count, 0);
    assert_int_equal(
        full_with(EVENT_MEMBER, "groups", "['0123456789012345678901234567890-']").tokens[0].size,
        32);
    assert_int_equal(full_with(EVENT_ADOPTION, "sdgs", "%64").sdgs, 1 << 1);
    assert_true(full_with(EVENT_VOTE, "rev", "9223372036854775807").rev == INT64_MAX);
    assert_true(full_with(EVENT_VOTE, "comments", "9223372036854775807").comments == INT64_MAX);
    assert_int_equal(full_with(EVENT_MEETING, "starts", "'0001-01-01'").starts, FIRST_DAY);
    assert_int_equal(full_with(EVENT_MEETING, "starts", "'9999-12-31'").starts, 2932896);
}

static void the_time_may_be_at_its_limits_in_both_forms(void **state)
{
    (void)state;
    assert_int_equal(full_with(EVENT_VOTE, "time", "-2208988800000").time_ms, TIME_EARLIEST_MS);
    assert_int_equal(full_with(EVENT_VOTE, "time", "'1900-01-01T00:00:00Z'").time_ms,
                     TIME_EARLIEST_MS);
    assert_int_equal(full_with(EVENT_VOTE, "time", "1772452800000").time_ms,
                     COMPOSE_NOW_MS + EVENT_AHEAD_MS);
    assert_int_equal(full_with(EVENT_VOTE, "time", "'2026-03-02T17:30:00+05:30'").time_ms,
                     COMPOSE_NOW_MS + EVENT_AHEAD_MS);
    assert_int_equal(full_with(EVENT_VOTE, "time", "-1").time_ms, -1);
}

static void an_event_judged_again_may_be_of_any_time(void **state)
{
    struct event e;
    struct refusal why;

    (void)state;
    buffer_clear(&bytes);
    compose_event(EVENT_VOTE, (struct change[CHANGES]){{"time", "253402300799999"}}, &bytes);
    assert_int_equal(event_decode(decoder, buffer_slice(&bytes), COMPOSE_NOW_MS, &e, &why),
                     ERR_REFUSED);
    assert_int_equal(event_decode(decoder, buffer_slice(&bytes), EVENT_ANY_TIME, &e, &why), 0);
    assert_true(e.time_ms == 253402300799999);
    buffer_clear(&bytes);
    compose_event(EVENT_VOTE, (struct change[CHANGES]){{"time", "253402300800000"}}, &bytes);
    assert_int_equal(event_decode(decoder, buffer_slice(&bytes), EVENT_ANY_TIME, &e, &why),
                     ERR_REFUSED); /* in the year 10000, which no period can name */
    assert_int_equal(why.code, REFUSAL_OUT_OF_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_vote_has_every_field),
        cmocka_unit_test(a_full_attendance_has_every_field),
        cmocka_unit_test(a_full_adoption_has_every_field),
        cmocka_unit_test(a_full_member_has_every_field),
        cmocka_unit_test(a_full_committee_and_a_full_seat_have_every_field),
        cmocka_unit_test(a_full_ballot_has_every_field),
        cmocka_unit_test(a_full_meeting_has_every_field),
        cmocka_unit_test(what_a_vote_or_attendance_leaves_out_has_its_default),
        cmocka_unit_test(what_an_adoption_or_member_leaves_out_has_its_default),
        cmocka_unit_test(what_a_notice_leaves_out_has_its_default),
        cmocka_unit_test(a_withdrawal_ballot_is_mandatory_only_if_it_says_so),
        cmocka_unit_test(null_counts_as_absent),
        cmocka_unit_test(keys_of_no_or_another_type_are_ignored),
        cmocka_unit_test(a_retracted_event_needs_only_its_subject),
        cmocka_unit_test(every_word_of_every_key_is_known),
        cmocka_unit_test(every_type_is_found_by_its_name),
        cmocka_unit_test(values_at_their_limits_are_accepted),
        cmocka_unit_test(the_time_may_be_at_its_limits_in_both_forms),
        cmocka_unit_test(an_event_judged_again_may_be_of_any_time),
    };

    return cmocka_run_group_tests(tests, decoder_open, decoder_close);
}
