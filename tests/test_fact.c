/* Facts as text: golden lines, round trips of everything a world can say, and lines that are none.
 */
#include "proto/error.h"
#include "proto/pack.h"
#include "tests/world.h"
#include "workers/fact.h"
#include "workers/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void every_fact_of_a_world_comes_back_from_its_line(void **state)
{
    uint64_t seed = random_seed("facts round trip");
    struct event_decoder *d = event_decoder_new();
    struct arena keep = {0};
    struct buffer events = {0}, line = {0}, again = {0};
    struct refusal why;
    struct event e;
    size_t count = 0;

    (void)state;
    world_events(seed, 20000, &events);
    for (struct slice rest = buffer_slice(&events); rest.size; count++) {
        union any_fact fact, back;
        assert_int_equal(event_next(d, &rest, EVENT_ANY_TIME, &e, &why), 0);
        fact_from_event(&e, version_digest(e.raw), &keep, &fact);
        fact.version.contested = count % 7 == 0;
        buffer_clear(&line);
        buffer_clear(&again);
        fact_format(e.type, &fact, &line);
        assert_int_equal(fact_parse(e.type, buffer_slice(&line), &keep, &back), 0);
        fact_format(e.type, &back, &again);
        assert_true(slice_equal(buffer_slice(&line), buffer_slice(&again)));
        assert_true(slice_equal(back.version.id, e.id));
        assert_int_equal(version_compare(&back.version, &e, version_digest(e.raw)), VERSION_OLDER);
        event_decoder_reset(d);
        arena_reset(&keep, SIZE_MAX);
    }
    assert_int_equal(count, 20000);
    buffer_free(&events);
    buffer_free(&line);
    buffer_free(&again);
    arena_free(&keep);
    event_decoder_free(d);
}

static struct version version_at(const char *id, int64_t time_ms)
{
    return (struct version){.known = true,
                            .time_ms = time_ms,
                            .rev = 3,
                            .digest = 0x0123456789abcdef,
                            .id = slice_of(id)};
}

static void assert_line(enum event_type type, const void *fact, const char *expected)
{
    struct buffer line = {0};

    fact_format(type, fact, &line);
    buffer_add(&line, "", 1);
    assert_string_equal(line.at, expected);
    buffer_free(&line);
}

static void lines_look_as_the_key_reference_draws_them(void **state)
{
    struct vote_fact vote = {.version = version_at("r1-17", 1767225600000),
                             .position = POSITION_APPROVE,
                             .seat = ROLE_P,
                             .level = LEVEL_TECHNICAL,
                             .comments = 2};
    struct committee_fact committee = {.version = version_at("-", -1),
                                       .level = LEVEL_GOVERNANCE,
                                       .title = slice_of("100% plain\n")};
    struct slice themes[] = {slice_of("trade"), slice_of("climate")};
    struct adoption_fact adoption = {.version = version_at("a b=c", 0),
                                     .degree = DEGREE_IDT,
                                     .force = FORCE_IN_FORCE,
                                     .withdrawn = DATE_NONE,
                                     .sdgs = 1u << 13,
                                     .theme_count = 2,
                                     .themes = themes};

    (void)state;
    assert_line(EVENT_VOTE, &vote,
                "approve 1767225600000 0123456789abcdef seat=P comments=2 rev=3 id=r1-17");
    vote.version.contested = true;
    vote.version.raw = slice_of("\x80");
    assert_line(EVENT_VOTE, &vote,
                "approve 1767225600000 0123456789abcdef seat=P comments=2 rev=3 bytes=80 id=r1-17");
    vote.version.contested = false;
    vote.version.retracted = true;
    assert_line(EVENT_VOTE, &vote, "retracted 1767225600000 0123456789abcdef rev=3 id=r1-17");
    assert_line(EVENT_COMMITTEE, &committee,
                "governance -1 0123456789abcdef title=100%25%20plain%0a rev=3 id=%2d");
    assert_line(
        EVENT_ADOPTION, &adoption,
        "IDT 0 0123456789abcdef date=1970-01-01 themes=trade,climate sdgs=8192 rev=3 id=a%20b=c");
}

static void a_line_that_is_cut_or_changed_is_corrupt_or_another_fact(void **state)
{
    static const char good[] =
        "approve 1767225600000 0123456789abcdef seat=P comments=2 rev=3 id=r1";
    struct arena keep = {0};
    union any_fact fact;
    char line[sizeof good];

    (void)state;
    for (size_t n = 0; n + 2 < sizeof good; n++)
        assert_int_equal(fact_parse(EVENT_VOTE, slice_make(good, n), &keep, &fact), ERR_CORRUPT);
    for (size_t n = 0; n + 1 < sizeof good; n++)
        for (int c = 0; c < 256; c++) {
            memcpy(line, good, sizeof good);
            line[n] = (char)c;
            int error = fact_parse(EVENT_VOTE, slice_make(line, sizeof good - 1), &keep, &fact);
            assert_true(error == 0 || error == ERR_CORRUPT);
        }
    arena_free(&keep);
}

/* Each byte at each place of a word, written by the rule alone. */
static void every_byte_is_escaped_wherever_it_must(void **state)
{
    char text[19], expected[32];
    struct buffer out = {0};
    size_t size;

    (void)state;
    for (int c = 0; c < 256; c++)
        for (size_t at = 0; at < sizeof text; at++) {
            memset(text, 'a', sizeof text);
            text[at] = (char)c;
            size = 0;
            for (size_t i = 0; i < sizeof text; i++)
                if (i == at && (c <= ' ' || c == '%' || c == 0x7f))
                    size += (size_t)snprintf(expected + size, 4, "%%%02x", c);
                else
                    expected[size++] = text[i];
            buffer_clear(&out);
            words_escaped(&out, slice_make(text, sizeof text));
            assert_int_equal(out.size, size);
            assert_memory_equal(out.at, expected, size);
        }
    buffer_free(&out);
}

static void wrong_words_are_corrupt(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "approve",
        "yes 1 0123456789abcdef id=r1",
        "approve one 0123456789abcdef id=r1",
        "approve 1 0123456789abcdef comments=two id=r1",
        "approve 1 0123456789abcdef excused=2 id=r1",
        "approve 1 0123456789abcdef seat=Q id=r1",
        "approve 1 0123456789abcde id=r1",
        "approve 1 0123456789abcdeg id=r1",
        "approve 1 0123456789abcdef id=r%2",
        "approve 1 0123456789abcdef bytes=123 id=r1",
        "approve 1 0123456789abcdef comments=2 seat=P id=r1", /* another order */
        "approve 1 0123456789abcdef votes=2 id=r1",
        "approve 1 0123456789abcdef seat=P",
        "approve 1 0123456789abcdef id=r1 more",
        "retracted 1 0123456789abcdef",
        "retracted x 0123456789abcdef id=r1",
        "retracted 1 0123456789abcdef seat=P id=r1",
    };
    struct arena keep = {0};
    union any_fact fact;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(fact_parse(EVENT_VOTE, slice_of(bad[i]), &keep, &fact), ERR_CORRUPT);
    arena_free(&keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fact_of_a_world_comes_back_from_its_line),
        cmocka_unit_test(lines_look_as_the_key_reference_draws_them),
        cmocka_unit_test(a_line_that_is_cut_or_changed_is_corrupt_or_another_fact),
        cmocka_unit_test(every_byte_is_escaped_wherever_it_must),
        cmocka_unit_test(wrong_words_are_corrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
