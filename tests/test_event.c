/* Events that are sound: every field of every type, defaults, words, sequences, partitions; and
 * that damaged bytes never do more than be refused.  What is refused, and how, is in
 * test_event_refusals. */
#include "proto/event.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

#include "proto/error.h"
#include "proto/pack.h"
#include "tests/compose.h"
#include "tests/world.h"

static struct event_decoder *decoder;
static struct buffer bytes; /* of the last event made */

static struct event decoded(void)
{
    struct event e;
    struct refusal why = {0};

    if (event_decode(decoder, buffer_slice(&bytes), COMPOSE_NOW_MS, &e, &why) < 0)
        fail_msg("refused: %s [%s] %s", refusal_name(why.code), why.field, why.reason);
    assert_ptr_equal(e.raw.at, bytes.at);
    assert_int_equal(e.raw.size, bytes.size);
    return e;
}

static struct event full_with(enum event_type type, const char *key, const char *value)
{
    buffer_clear(&bytes);
    compose_event(type, (struct change[CHANGES]){{key, value}}, &bytes);
    return decoded();
}

static struct event full(enum event_type type)
{
    return full_with(type, NULL, NULL);
}

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

static void has_common_keys(const struct event *e, enum event_type type)
{
    char id[32];

    snprintf(id, sizeof id, "%s-1", event_type_name[type]);
    assert_int_equal(e->type, type);
    assert_true(slice_is(e->id, id));
    assert_int_equal(e->time_ms, COMPOSE_NOW_MS);
    assert_int_equal(e->rev, 7);
    assert_false(e->retracted);
}

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
}

/* A vote with an unknown key whose value fills it up to `size` bytes. */
static void compose_sized(size_t size)
{
    size_t filler = size - 300;

    for (;;) {
        char value[16];
        snprintf(value, sizeof value, "*%zu", filler);
        buffer_clear(&bytes);
        compose_event(EVENT_VOTE, (struct change[CHANGES]){{"filler", value}}, &bytes);
        if (bytes.size == size)
            return;
        filler += size - bytes.size;
    }
}

static void an_event_may_have_8192_bytes_and_no_more(void **state)
{
    struct slice rest;
    struct event e;
    struct refusal why;

    (void)state;
    compose_sized(EVENT_MAX_BYTES);
    assert_int_equal(decoded().type, EVENT_VOTE);
    compose_sized(EVENT_MAX_BYTES + 1);
    rest = buffer_slice(&bytes);
    assert_int_equal(event_decode(decoder, rest, COMPOSE_NOW_MS, &e, &why), ERR_REFUSED);
    assert_int_equal(why.code, REFUSAL_TOO_LARGE);
    why.code = REFUSAL_NONE;
    assert_int_equal(event_next(decoder, &rest, COMPOSE_NOW_MS, &e, &why), ERR_REFUSED);
    assert_int_equal(why.code, REFUSAL_TOO_LARGE);
    assert_int_equal(rest.size, bytes.size);
}

/* ---- sequences and partitions ---- */

static void consecutive_events_are_taken_one_by_one(void **state)
{
    struct slice rest;
    struct event e[EVENT_TYPES];
    struct refusal why;

    (void)state;
    buffer_clear(&bytes);
    for (unsigned type = 0; type < EVENT_TYPES; type++)
        compose_event((enum event_type)type, NULL, &bytes);
    rest = buffer_slice(&bytes);
    for (unsigned type = 0; type < EVENT_TYPES; type++) {
        assert_int_equal(event_next(decoder, &rest, COMPOSE_NOW_MS, &e[type], &why), 0);
        assert_ptr_equal(e[type].raw.at + e[type].raw.size, rest.at);
    }
    assert_int_equal(rest.size, 0);
    for (unsigned type = 0; type < EVENT_TYPES; type++) /* also the lists of the first ones live */
        has_common_keys(&e[type], (enum event_type)type);
    assert_true(slice_is(e[EVENT_ADOPTION].tokens[1], "climate"));
    assert_true(slice_is(e[EVENT_MEMBER].tokens[1], "ldc-2"));
    event_decoder_reset(decoder);
    assert_int_equal(event_next(decoder, &rest, COMPOSE_NOW_MS, &e[0], &why), ERR_REFUSED);
}

static void a_refused_event_does_not_move_the_rest(void **state)
{
    struct slice rest;
    struct event e;
    struct refusal why;

    (void)state;
    buffer_clear(&bytes);
    compose_event(EVENT_SEAT, (struct change[CHANGES]){{"role", "'Q'"}}, &bytes);
    compose_event(EVENT_SEAT, NULL, &bytes);
    rest = buffer_slice(&bytes);
    assert_int_equal(event_next(decoder, &rest, COMPOSE_NOW_MS, &e, &why), ERR_REFUSED);
    assert_ptr_equal(rest.at, bytes.at);
    assert_int_equal(rest.size, bytes.size);
}

static void the_partition_follows_the_committee_or_the_member(void **state)
{
    (void)state;
    for (unsigned type = 0; type < EVENT_TYPES; type++) {
        struct event e = full((enum event_type)type);
        bool by_member = type == EVENT_ADOPTION || type == EVENT_MEMBER;
        assert_true(slice_equal(event_partition_key(&e), by_member ? e.member : e.committee));
        assert_int_equal(event_partition(&e, 1), 0);
    }
}

static void partitions_are_what_journals_already_hold(void **state)
{
    static const struct {
        const char *committee;
        unsigned of8, of64;
    } golden[] = {
        {"'ISO/TC 207'", 0, 8},
        {"'54808'", 6, 46},
        {"'ISO/IEC JTC 1'", 3, 35},
        {"'\\u041f'", 4, 36},
    };

    (void)state;
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        struct event e = full_with(EVENT_VOTE, "committee", golden[i].committee);
        assert_int_equal(event_partition(&e, 8), golden[i].of8);
        assert_int_equal(event_partition(&e, 64), golden[i].of64);
    }
    struct event adoption = full(EVENT_ADOPTION); /* by its member, KE */
    assert_int_equal(event_partition(&adoption, 64), 4);
}

/* ---- damage ---- */

/* Decodes a copy of just the size, so that a step beyond it is seen by the sanitizers. */
static int decode_exact(struct slice raw)
{
    char *exact = memory_need(raw.size);
    struct refusal why = {0};
    struct event e;

    if (raw.size)
        memcpy(exact, raw.at, raw.size);
    int r = event_decode(decoder, slice_make(exact, raw.size), COMPOSE_NOW_MS, &e, &why);
    if (r < 0) {
        assert_int_equal(r, ERR_REFUSED);
        assert_in_range(why.code, REFUSAL_NONE + 1, REFUSAL_CODES - 1);
        assert_string_not_equal(why.reason, "");
    }
    free(exact);
    event_decoder_reset(decoder);
    return r;
}

static void an_event_cut_short_or_with_more_behind_it_is_refused(void **state)
{
    (void)state;
    for (unsigned type = 0; type < EVENT_TYPES; type++) {
        buffer_clear(&bytes);
        compose_event((enum event_type)type, NULL, &bytes);
        for (size_t size = 0; size < bytes.size; size++)
            assert_int_equal(decode_exact(slice_make(bytes.at, size)), ERR_REFUSED);
        assert_int_equal(decode_exact(buffer_slice(&bytes)), 0);
        buffer_add(&bytes, "\xc0", 1);
        assert_int_equal(decode_exact(buffer_slice(&bytes)), ERR_REFUSED);
    }
}

static void flipped_bits_are_refused_or_mean_something_else(void **state)
{
    struct random r = random_new(random_seed("flipped_bits_are_refused"));
    struct slice *event;
    size_t refused = 0;

    (void)state;
    buffer_clear(&bytes);
    world_events(random_next(&r), 2000, &bytes);
    size_t count = world_split(buffer_slice(&bytes), &event);
    for (int i = 0; i < 50000; i++) {
        struct slice chosen = event[random_below(&r, count)];
        char copy[EVENT_MAX_BYTES];
        memcpy(copy, chosen.at, chosen.size);
        for (uint64_t flips = 1 + random_below(&r, 3); flips > 0; flips--)
            copy[random_below(&r, chosen.size)] ^= (char)(1 << random_below(&r, 8));
        refused += decode_exact(slice_make(copy, chosen.size)) < 0;
    }
    assert_in_range(refused, 1000, 49999);
    free(event);
}

static void a_world_of_random_events_is_accepted(void **state)
{
    struct slice *event;

    (void)state;
    buffer_clear(&bytes);
    world_events(random_seed("a_world_of_random_events"), 5000, &bytes);
    size_t count = world_split(buffer_slice(&bytes), &event);
    assert_int_equal(count, 5000);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(decode_exact(event[i]), 0);
    free(event);
}

static int decoder_open(void **state)
{
    (void)state;
    decoder = event_decoder_new();
    return 0;
}

static int decoder_close(void **state)
{
    (void)state;
    event_decoder_free(decoder);
    event_decoder_free(NULL);
    buffer_free(&bytes);
    return 0;
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
        cmocka_unit_test(values_at_their_limits_are_accepted),
        cmocka_unit_test(the_time_may_be_at_its_limits_in_both_forms),
        cmocka_unit_test(an_event_judged_again_may_be_of_any_time),
        cmocka_unit_test(an_event_may_have_8192_bytes_and_no_more),
        cmocka_unit_test(consecutive_events_are_taken_one_by_one),
        cmocka_unit_test(a_refused_event_does_not_move_the_rest),
        cmocka_unit_test(the_partition_follows_the_committee_or_the_member),
        cmocka_unit_test(partitions_are_what_journals_already_hold),
        cmocka_unit_test(an_event_cut_short_or_with_more_behind_it_is_refused),
        cmocka_unit_test(flipped_bits_are_refused_or_mean_something_else),
        cmocka_unit_test(a_world_of_random_events_is_accepted),
    };

    return cmocka_run_group_tests(tests, decoder_open, decoder_close);
}
