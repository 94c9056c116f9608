/* The parts of the dashboard that need no stack: what is written as HTML, what is read of an
 * address, the ring and the digests of live viewers. */
#include "proto/error.h"
#include "workers/web/asset.h"
#include "workers/web/digest.h"
#include "workers/web/html.h"
#include "workers/web/request.h"
#include "workers/web/ring.h"
#include "workers/web/route.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;
static struct buffer out;
static struct html html = {.out = &out};

static int clear(void **state)
{
    (void)state;
    buffer_free(&out);
    arena_free(&arena);
    arena = (struct arena){0};
    out = (struct buffer){0};
    html = (struct html){.out = &out};
    return 0;
}

static const char *written(void)
{
    buffer_add(&out, "", 1);
    out.size--;
    return out.at;
}

/* ---- HTML ---- */
static void test_text_cannot_leave_its_place(void **state)
{
    (void)state;
    html_attr(&html, "title", slice_of("\"><script>alert('1')</script>&amp;"));
    assert_string_equal(
        written(), " title=\"&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;\"");
}

static void test_marks_that_turn_writing_are_shown_as_such(void **state)
{
    (void)state;
    html_text(&html, slice_of("a\u202eb\u2066c\u200fd\ne\u00e9\u4e2d"));
    assert_string_equal(written(), "a\ufffdb\ufffdc\ufffdd\ufffde\u00e9\u4e2d");
    buffer_clear(&out);
    html_text(&html, slice_of("a\ufeffb\u061cc\uffffd\U000e0041e\U000e0100"));
    assert_string_equal(written(), "a\ufffdb\ufffdc\ufffdd\ufffde\U000e0100");
}

static void test_broken_utf8_does_no_harm(void **state)
{
    (void)state;
    html_text(&html, slice_of("ok\xff<\xc3"));
    assert_string_equal(written(), "ok\ufffd&lt;\ufffd");
}

static void test_numbers_are_of_the_language(void **state)
{
    (void)state;
    html_int(&html, -1234567);
    html_raw(&html, "|");
    html_percent(&html, slice_of("0.6340"));
    html.lang = LANG_FR;
    html_raw(&html, "|");
    html_int(&html, 1234);
    html_raw(&html, "|");
    html_percent(&html, slice_of("1.0000"));
    assert_string_equal(written(), "-1,234,567|63.4\u00a0%|1\u202f234|100,0\u00a0%");
}

static void test_a_link_keeps_the_language_that_was_asked_for(void **state)
{
    (void)state;
    html.lang = LANG_FR;
    html.lang_asked = true;
    html_href(&html, slice_of("/members?sort=votes"));
    html_href(&html, slice_of("/risk"));
    html_href(&html, (struct slice){0});
    assert_string_equal(written(),
                        " href=\"/members?sort=votes&amp;lang=fr\" href=\"/risk?lang=fr\"");
}

/* Every text in every language, and as many %s. */
static void test_texts_are_whole(void **state)
{
    (void)state;
    for (int t = T_NONE + 1; t < TEXTS; t++) {
        const char *english = text_of(LANG_EN, (enum text)t);
        for (int l = 0; l < LANGS; l++) {
            const char *words = text_of((enum lang)l, (enum text)t);
            assert_true(words[0] && utf8_valid(slice_of(words)));
            assert_true(!strstr(english, "%s") == !strstr(words, "%s"));
        }
    }
}

static void test_language_follows_the_browser(void **state)
{
    static const struct {
        const char *header;
        enum lang wanted;
    } cases[] = {{"fr-CH, fr;q=0.9, en;q=0.8", LANG_FR},
                 {"de, en;q=0.5, fr;q=0.7", LANG_FR},
                 {"en-GB,fr;q=0.9", LANG_EN},
                 {"de", LANG_EN},
                 {"", LANG_EN},
                 {"fr;q=0", LANG_EN},
                 {"en; q=0.5, fr;  q=1.0", LANG_FR},
                 {"fr;level=1, en;q=0.9", LANG_FR},
                 {"fr;q=0.50001, en;q=0.5", LANG_FR},
                 {"fr;q=0.9999999999, en", LANG_EN},
                 {"fr;q=0.xyz", LANG_EN},
                 {";;,,q=", LANG_EN}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(lang_accepted(slice_of(cases[i].header)), cases[i].wanted);
}

/* ---- requests ---- */
static int parse(const char *address, struct request *ret)
{
    return request_parse(slice_of(address), &arena, ret);
}

static void test_an_address_is_taken_apart(void **state)
{
    struct request r;

    (void)state;
    assert_int_equal(parse("/ballots/ISO%2FTC%20207|DIS%2014001?period=2026-03&x=a+b%26&x=2", &r),
                     0);
    assert_true(slice_is(r.path, "/ballots/ISO/TC 207|DIS 14001"));
    assert_true(slice_is(request_param(&r, "period"), "2026-03"));
    assert_true(slice_is(request_param(&r, "x"), "a b&"));
    assert_null(request_param(&r, "y").at);
}

static void test_addresses_that_make_no_sense_are_refused(void **state)
{
    static const char *const bad[] = {
        "",     "members", "/%",         "/%4",     "/%zz",  "/a%00b",
        "/%ff", "/%0a",    "/?a=%e2%80", "/?a=%7f", "/?%=1", "/?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q"};
    struct buffer lengthy = {0};
    struct request r;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse(bad[i], &r), ERR_PROTOCOL);
    buffer_add_text(&lengthy, "/");
    while (lengthy.size <= REQUEST_ADDRESS)
        buffer_add_text(&lengthy, "a");
    assert_int_equal(request_parse(buffer_slice(&lengthy), &arena, &r), ERR_PROTOCOL);
    buffer_free(&lengthy);
}

static void test_an_address_is_put_together_again(void **state)
{
    struct request r, again;
    struct slice address;

    (void)state;
    assert_int_equal(parse("/members/C%C3%B4te%20%26?sort=votes&lang=fr&order=asc", &r), 0);
    address = request_with(&r, &arena, "order", slice_of("d=&c"));
    assert_true(slice_is(address, "/members/C%C3%B4te%20%26?sort=votes&order=d%3D%26c"));
    assert_int_equal(request_parse(address, &arena, &again), 0);
    assert_true(slice_equal(again.path, r.path));
    assert_true(slice_is(request_param(&again, "order"), "d=&c"));
}

static void test_a_page_has_its_forms(void **state)
{
    struct request r;
    struct destination to;

    (void)state;
    assert_int_equal(parse("/committees/ISO/TC%2034?part=live", &r), 0);
    assert_true(route_find(&r, false, &to));
    assert_int_equal(to.form, ANSWER_PART);
    assert_true(slice_is(to.subject, "ISO/TC 34"));
    assert_int_equal(parse("/api/v1/members?format=csv", &r), 0);
    assert_true(route_find(&r, false, &to));
    assert_int_equal(to.form, ANSWER_CSV);
    assert_null(to.subject.at);
    assert_int_equal(parse("/api/v1/risk", &r), 0);
    assert_true(route_find(&r, false, &to) && to.form == ANSWER_JSON);
    assert_true(route_find(&r, true, &to) && to.form == ANSWER_CSV);
    assert_int_equal(parse("/api/v1/build", &r), 0);
    assert_false(route_find(&r, false, &to));
    assert_int_equal(parse("/members/", &r), 0);
    assert_false(route_find(&r, false, &to));
}

/* ---- assets ---- */
static void test_an_asset_has_the_type_of_its_ending(void **state)
{
    static const struct {
        const char *name, *type;
    } cases[] = {{"turnout.css", "text/css; charset=utf-8"},
                 {"a.min.js", "text/javascript; charset=utf-8"},
                 {"LICENSE", "application/octet-stream"},
                 {"a.exe", "application/octet-stream"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(asset_type(&(struct asset){.name = cases[i].name}), cases[i].type);
    assert_null(asset_find(slice_of("../Makefile")));
}

/* ---- live ---- */
static struct change_id id(uint64_t ms, uint64_t seq)
{
    return (struct change_id){ms, seq};
}

static void test_ids_are_read_as_redis_writes_them(void **state)
{
    static const char *const bad[] = {
        "", "1", "-", "1-", "-1", "a-1", "1-1-1", " 1-1", "99999999999999999999-1"};
    struct change_id got;

    (void)state;
    assert_true(change_id_parse(slice_of("1764338400000-3"), &got));
    assert_true(got.ms == 1764338400000 && got.seq == 3);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(change_id_parse(slice_of(bad[i]), &got));
}

static void test_the_ring_goes_on_where_a_viewer_was(void **state)
{
    static struct ring r;
    uint64_t next;

    (void)state;
    ring_open(&r);
    for (uint64_t i = 1; i <= 10; i++)
        ring_add(&r, id(i, 0), slice_of("event"));
    assert_true(ring_resume(&r, id(7, 0), &next));
    assert_int_equal(next, 7); /* the event of 8 */
    assert_true(ring_resume(&r, id(10, 0), &next));
    assert_int_equal(next, r.next);
    assert_true(ring_resume(&r, id(0, 0), &next));
    assert_int_equal(next, 0);
    assert_false(ring_resume(&r, id(11, 0), &next)); /* of another stream */
    ring_cut(&r, id(5, 0));
    assert_false(ring_resume(&r, id(4, 9), &next));
    assert_true(ring_resume(&r, id(5, 0), &next));
    ring_free(&r);
}

static void test_the_ring_knows_whom_it_has_run_past(void **state)
{
    static struct ring r;
    uint64_t next;

    (void)state;
    ring_open(&r);
    for (uint64_t i = 1; i <= RING_EVENTS + 5; i++)
        ring_add(&r, id(i, 0), slice_of("event"));
    assert_null(ring_at(&r, 4));
    assert_non_null(ring_at(&r, 5));
    assert_false(ring_resume(&r, id(4, 0), &next));
    assert_true(ring_resume(&r, id(5, 0), &next));
    assert_int_equal(next, 5);
    ring_free(&r);
}

static void test_an_empty_ring_goes_on_from_its_floor(void **state)
{
    static struct ring r;
    uint64_t next = 7;

    (void)state;
    ring_open(&r);
    ring_cut(&r, id(5, 0));
    assert_null(ring_at(&r, 0));
    assert_false(ring_resume(&r, id(4, 0), &next));
    assert_false(ring_resume(&r, id(6, 0), &next));
    assert_true(ring_resume(&r, id(5, 0), &next));
    assert_int_equal(next, 0);
    ring_free(&r);
}

static void test_the_ring_has_a_bound_in_bytes(void **state)
{
    static struct ring r;
    struct buffer big = {0};

    (void)state;
    ring_open(&r);
    buffer_room(&big, 100000);
    memset(big.at, 'x', 100000);
    big.size = 100000;
    for (uint64_t i = 1; i <= 100; i++)
        ring_add(&r, id(i, 0), buffer_slice(&big));
    assert_true(r.bytes <= RING_BYTES && r.next - r.first == RING_BYTES / 100000);
    ring_free(&r);
    buffer_free(&big);
}

static json_t *digest_data(const struct digest *d)
{
    const char *data;
    json_t *json;

    buffer_clear(&out);
    digest_text(d, &out);
    data = strstr(written(), "data: ");
    assert_non_null(data);
    assert_string_equal(out.at + out.size - 2, "\n\n");
    json = json_loads(data + 6, JSON_DISABLE_EOF_CHECK, NULL);
    assert_non_null(json);
    return json;
}

static void test_a_digest_stands_for_all_entries(void **state)
{
    struct digest d = {.commits = 0};
    json_t *json;

    (void)state;
    digest_take(&d, id(1, 0), slice_of("moves"), slice_of("1"));
    digest_take(&d, id(1, 0), slice_of("members"), slice_of("KE\nTZ"));
    digest_take(&d, id(2, 0), slice_of("members"), slice_of("TZ\nUG"));
    digest_take(&d, id(2, 1), slice_of("groups"), slice_of("*"));
    json = digest_data(&d);
    assert_non_null(strstr(out.at, "id: 2-1\nevent: change\n"));
    assert_int_equal(json_integer_value(json_object_get(json, "commits")), 3);
    assert_int_equal(json_array_size(json_object_get(json, "members")), 3);
    assert_string_equal(json_string_value(json_object_get(json, "groups")), "*");
    assert_null(json_object_get(json, "ballots"));
    json_decref(json);
    digest_clear(&d);
    assert_int_equal(d.commits, 0);
    digest_free(&d);
}

static void test_after_a_rebuild_everything_is_read_again(void **state)
{
    static const char *const fields[] = {"rebuilt", "repaired", "moves"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct digest d = {.commits = 0};
        digest_take(&d, id(1, 0), slice_of(fields[i]), slice_of("1"));
        assert_int_equal(d.rebuilt, i < 2);
        digest_clear(&d);
        assert_false(d.rebuilt);
        digest_free(&d);
    }
}

static void test_a_digest_is_bounded(void **state)
{
    struct digest d = {.commits = 0};
    char name[256];
    json_t *json;

    (void)state;
    for (int i = 0; i < 90; i++) {
        snprintf(name, sizeof name, "%d-%0200d|x", i, i);
        digest_take(&d, id(1, 0), slice_of("ballots"), slice_of(name));
        digest_take(&d, id(1, 0), slice_of("members"), slice_of("KE"));
    }
    json = digest_data(&d);
    assert_true(out.size < DIGEST_BYTES);
    assert_string_equal(json_string_value(json_object_get(json, "ballots")), "*");
    assert_string_equal(json_string_value(json_object_get(json, "members")), "*");
    json_decref(json);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "C%d", i);
        digest_take(&d, id(2, 0), slice_of("committees"), slice_of(name));
    }
    assert_true(d.all[CHANGE_COMMITTEES]);
    digest_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_text_cannot_leave_its_place, clear),
        cmocka_unit_test_teardown(test_marks_that_turn_writing_are_shown_as_such, clear),
        cmocka_unit_test_teardown(test_broken_utf8_does_no_harm, clear),
        cmocka_unit_test_teardown(test_numbers_are_of_the_language, clear),
        cmocka_unit_test_teardown(test_a_link_keeps_the_language_that_was_asked_for, clear),
        cmocka_unit_test_teardown(test_texts_are_whole, clear),
        cmocka_unit_test_teardown(test_language_follows_the_browser, clear),
        cmocka_unit_test_teardown(test_an_address_is_taken_apart, clear),
        cmocka_unit_test_teardown(test_addresses_that_make_no_sense_are_refused, clear),
        cmocka_unit_test_teardown(test_an_address_is_put_together_again, clear),
        cmocka_unit_test_teardown(test_a_page_has_its_forms, clear),
        cmocka_unit_test_teardown(test_an_asset_has_the_type_of_its_ending, clear),
        cmocka_unit_test_teardown(test_ids_are_read_as_redis_writes_them, clear),
        cmocka_unit_test_teardown(test_the_ring_goes_on_where_a_viewer_was, clear),
        cmocka_unit_test_teardown(test_the_ring_knows_whom_it_has_run_past, clear),
        cmocka_unit_test_teardown(test_an_empty_ring_goes_on_from_its_floor, clear),
        cmocka_unit_test_teardown(test_the_ring_has_a_bound_in_bytes, clear),
        cmocka_unit_test_teardown(test_a_digest_stands_for_all_entries, clear),
        cmocka_unit_test_teardown(test_after_a_rebuild_everything_is_read_again, clear),
        cmocka_unit_test_teardown(test_a_digest_is_bounded, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
