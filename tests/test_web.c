/* The dashboard over HTTP, on a real stack: what it says is what Redis has, and nobody can make it
 * say more. */
#include "proto/clock.h"
#include "tests/http_client.h"
#include "tests/stack.h"

#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 30000
#define PERSON      "person-4711-secret"

static struct stack *stack;
static unsigned port;

static const char *const lines =
    "{\"type\":\"member\",\"id\":\"m1\",\"time\":\"2024-01-01T00:00:00Z\",\"member\":\"KE\","
    "\"name\":\"Kenya\","
    "\"nsb\":\"KEBS\",\"category\":\"full\",\"developing\":true}\n"
    "{\"type\":\"member\",\"id\":\"m2\",\"time\":\"2024-01-01T00:00:00Z\",\"member\":\"DE\","
    "\"name\":"
    "\"<b>Germany</b>\",\"category\":\"full\",\"developing\":false}\n"
    "{\"type\":\"committee\",\"id\":\"c1\",\"time\":\"2024-01-01T00:00:00Z\",\"committee\":\"ISO/"
    "TC 207\","
    "\"title\":\"<script>alert(1)</script>\"}\n"
    "{\"type\":\"seat\",\"id\":\"s1\",\"time\":\"2024-01-01T00:00:00Z\",\"committee\":\"ISO/TC "
    "207\","
    "\"member\":\"KE\",\"from\":\"2024-01-01\",\"role\":\"P\"}\n"
    "{\"type\":\"seat\",\"id\":\"s2\",\"time\":\"2024-01-01T00:00:00Z\",\"committee\":\"ISO/TC "
    "207\","
    "\"member\":\"DE\",\"from\":\"2024-01-01\",\"role\":\"P\"}\n"
    "{\"type\":\"ballot\",\"id\":\"b1\",\"time\":\"2025-01-01T00:00:00Z\",\"committee\":\"ISO/TC "
    "207\","
    "\"ballot\":\"DIS "
    "1\",\"kind\":\"DIS\",\"closes\":\"2025-03-01\",\"status\":\"closed\",\"title\":"
    "\"\\\"><img src=x onerror=alert(2)>\"}\n"
    "{\"type\":\"ballot\",\"id\":\"b2\",\"time\":\"2025-01-01T00:00:00Z\",\"committee\":\"ISO/TC "
    "207\","
    "\"ballot\":\"<script>B</"
    "script>\",\"kind\":\"CIB\",\"closes\":\"2099-03-01\",\"status\":\"open\"}\n"
    "{\"type\":\"vote\",\"id\":\"v1\",\"time\":\"2025-02-01T00:00:00Z\",\"committee\":\"ISO/TC "
    "207\","
    "\"ballot\":\"DIS "
    "1\",\"member\":\"KE\",\"position\":\"approve\",\"comments\":2,\"seat\":\"P\"}\n"
    "{\"type\":\"meeting\",\"id\":\"t1\",\"time\":\"2025-01-01T00:00:00Z\",\"committee\":\"ISO/TC "
    "207\","
    "\"meeting\":\"2025-05\",\"starts\":\"2025-05-05\",\"status\":\"held\"}\n"
    "{\"type\":\"attendance\",\"id\":\"a-" PERSON
    "\",\"time\":\"2025-05-05T00:00:00Z\",\"committee\":"
    "\"ISO/TC 207\",\"meeting\":\"2025-05\",\"member\":\"KE\",\"participant\":\"" PERSON
    "\",\"status\":"
    "\"attended\",\"date\":\"2025-05-05\"}\n"
    "{\"type\":\"adoption\",\"id\":\"d1\",\"time\":\"2025-05-05T00:00:00Z\",\"member\":\"KE\","
    "\"standard\":"
    "\"ISO 14001\",\"reference\":\"KS "
    "14001\",\"degree\":\"IDT\",\"date\":\"2025-04-01\",\"themes\":[\"climate\"],"
    "\"sdgs\":[13]}\n";

static unsigned port_read(void)
{
    struct run r =
        stack_run(stack, slice_of(""),
                  (const char *const[]){"/bin/cat", stack_path(stack, "web.address"), NULL});
    const char *colon = strrchr(r.out.at, ':');
    unsigned n = colon ? (unsigned)atoi(colon + 1) : 0;

    run_free(&r);
    assert_true(n > 0);
    return n;
}

static int setup(void **state)
{
    (void)state;
    setenv("TURNOUT_WEB_OPTIONS", "--per-address 0", 1);
    stack = stack_new(1);
    stack->option = "--web=127.0.0.1:0";
    stack_start(stack);
    port = port_read();
    stack_publish_lines(stack, slice_of(lines));
    stack_sync(stack);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stack_free(stack);
    return 0;
}

static json_t *get_json(const char *path)
{
    struct reply r = http_get(port, path, NULL);
    json_t *json = json_loads(r.body.at, 0, NULL);

    if (!json)
        print_error("%s: %d %s\n", path, r.status, r.body.at);
    assert_non_null(json);
    reply_free(&r);
    return json;
}

static json_t *row_of(json_t *page, const char *sheet, const char *column, const char *name)
{
    json_t *rows = json_object_get(page, sheet), *row;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        const char *value = json_string_value(json_object_get(row, column));
        if (value && strcmp(value, name) == 0)
            return row;
    }
    fail_msg("no row %s in %s", name, sheet);
    return NULL;
}

static json_int_t number(json_t *row, const char *column, const char *part)
{
    json_t *cell = json_object_get(row, column);

    assert_non_null(cell);
    return json_integer_value(part ? json_object_get(cell, part) : cell);
}

/* ---- the same numbers ---- */
static void test_pages_say_what_redis_has(void **state)
{
    struct dump *d = stack_dump(stack);
    json_t *page = get_json("/api/v1/outcome?period=2025"),
           *row = row_of(page, "figures", "figure", "voting");

    (void)state;
    assert_int_equal(number(row, "developing", "num"),
                     dump_number(d, "turnout:group:developing:2025", "voting.num"));
    assert_int_equal(number(row, "developing", "den"),
                     dump_number(d, "turnout:group:developing:2025", "voting.den"));
    assert_int_equal(number(row, "developing", "den"), 1);
    assert_int_equal(number(row, "other", "num"), 0);
    assert_int_equal(number(row, "other", "den"), 1);
    json_decref(page);
    page = get_json("/api/v1/members/KE?period=2025");
    assert_int_equal(number(row_of(page, "duties", "duty", "technical.votes"), "year", NULL), 1);
    json_decref(page);
    page = get_json("/api/v1/ballots/ISO/TC%20207%7CDIS%201");
    assert_int_equal(number(row_of(page, "tally", "position", "approve"), "p", NULL), 1);
    row = json_array_get(json_object_get(page, "notice"), 0);
    assert_true(slice_is(dump_get(d, "turnout:ballot:ISO/TC 207|DIS 1", "verdict"),
                         json_string_value(json_object_get(row, "verdict"))));
    json_decref(page);
    dump_free(d);
}

static void test_no_data_is_never_zero(void **state)
{
    json_t *page = get_json("/api/v1/members?period=2025"),
           *rate = json_object_get(row_of(page, "members", "member", "DE"), "commented");

    (void)state;
    assert_true(json_is_null(json_object_get(rate, "value")));
    json_decref(page);
}

static void test_html_json_and_csv_agree(void **state)
{
    struct reply html = http_get(port, "/members?period=2025", NULL),
                 csv = http_get(port, "/api/v1/members?period=2025&format=csv", NULL);

    (void)state;
    assert_int_equal(html.status, 200);
    assert_int_equal(csv.status, 200);
    assert_non_null(strstr(html.body.at, "data-value=\"1.0000\" data-num=\"1\" data-den=\"1\""));
    assert_non_null(strstr(csv.body.at, ",1.0000,1,1,"));
    assert_non_null(strstr(csv.head.at, "text/csv"));
    reply_free(&html);
    reply_free(&csv);
}

static void test_why_leads_to_the_facts(void **state)
{
    json_t *page = get_json("/api/v1/why?key=member:KE:2025&field=technical.votes"),
           *sum = json_array_get(json_object_get(page, "sum"), 0),
           *fact = json_array_get(json_object_get(page, "facts"), 0);

    (void)state;
    assert_int_equal(number(sum, "sum", NULL), 1);
    assert_int_equal(number(sum, "redis", NULL), 1);
    assert_string_equal(json_string_value(json_object_get(fact, "id")), "v1");
    json_decref(page);
    page = get_json("/api/v1/history?subject=vote%7CISO/TC%20207%7CDIS%201%7CKE");
    assert_int_equal(json_array_size(json_object_get(page, "versions")), 1);
    json_decref(page);
}

/* ---- what must not be said ---- */
static const char *const all_pages[] = {
    "/",
    "/?period=2025",
    "/members?period=2025",
    "/members/KE?period=2025",
    "/members/DE",
    "/committees",
    "/committees/ISO/TC%20207?period=2025",
    "/ballots",
    "/ballots/ISO/TC%20207%7CDIS%201",
    "/risk",
    "/adoptions?period=2025",
    "/health",
    "/build",
    "/why?key=meeting:ISO/TC%20207%7C2025-05&field=delegates",
    "/why?key=member:KE:2025&field=technical.delegates",
    ("/history?subject=attendance%7CISO/TC%20207%7C2025-05%7CKE%7C" PERSON),
    "/history?subject=%3Cscript%3E&lang=%22%3E",
    "/members/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "/members?sort=%22%3E%3Cscript%3E&order=%27",
    "/nothing%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
};

static void each_form(void (*look)(const char *path, const struct reply *r))
{
    char path[512];

    for (size_t i = 0; i < sizeof all_pages / sizeof *all_pages; i++)
        for (int form = 0; form < 4; form++) {
            const char *join = strchr(all_pages[i], '?') ? "&" : "?";
            snprintf(path, sizeof path, "%s%s%s%s", form >= 2 ? "/api/v1" : "",
                     form >= 2 && all_pages[i][1] == '?' ? "/outcome?period=2025"
                     : form >= 2 && !all_pages[i][1]     ? "/outcome"
                                                         : all_pages[i],
                     form == 1                      ? join
                     : form == 3 && all_pages[i][1] ? join
                                                    : "",
                     form == 1                      ? "part=live"
                     : form == 3 && all_pages[i][1] ? "format=csv"
                                                    : "");
            struct reply r = http_get(port, path, NULL);
            look(path, &r);
            reply_free(&r);
        }
}

static void look_for_person(const char *path, const struct reply *r)
{
    const char *at = strstr(r->body.at, PERSON);

    /* what the asker himself has said in the address may come back in links */
    if (at && !strstr(path, PERSON))
        fail_msg("%s names a participant: %.80s", path, at > r->body.at + 40 ? at - 40 : at);
}

static void test_participants_are_never_named(void **state)
{
    (void)state;
    each_form(look_for_person);
}

static void look_for_markup(const char *path, const struct reply *r)
{
    static const char *const bad[] = {"<script>alert", "<script>B", "<img", "<b>Germany",
                                      "\"><script>"};

    if (!strstr(r->head.at, "text/html"))
        return;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (strstr(r->body.at, bad[i]))
            fail_msg("%s has %s", path, bad[i]);
}

static void test_nothing_of_an_event_becomes_markup(void **state)
{
    (void)state;
    each_form(look_for_markup);
}

static void look_at_headers(const char *path, const struct reply *r)
{
    if (r->status < 200 || r->status > 404)
        fail_msg("%s: status %d", path, r->status);
    assert_non_null(strstr(reply_header(r, "Content-Security-Policy"), "default-src 'none'"));
    assert_null(strstr(reply_header(r, "Content-Security-Policy"), "unsafe"));
    assert_string_equal(reply_header(r, "X-Content-Type-Options"), "nosniff");
    assert_string_equal(reply_header(r, "Referrer-Policy"), "no-referrer");
    if (strstr(r->head.at, "text/html") &&
        (strstr(r->body.at, " style=\"") || strstr(r->body.at, " onclick")))
        fail_msg("%s has something inline", path);
}

static void test_every_answer_is_guarded(void **state)
{
    (void)state;
    each_form(look_at_headers);
}

/* ---- languages ---- */
static void test_french_by_link_and_by_browser(void **state)
{
    struct reply link = http_get(port, "/risk?lang=fr", NULL),
                 browser = http_get(port, "/risk", "Accept-Language: fr-FR,fr;q=0.9\r\n");

    (void)state;
    assert_non_null(strstr(link.body.at, "<html lang=\"fr\">"));
    assert_non_null(strstr(link.body.at, "href=\"/members?lang=fr\""));
    assert_non_null(strstr(browser.body.at, "Sièges menacés"));
    assert_null(strstr(browser.body.at, "/members?lang=fr"));
    reply_free(&link);
    reply_free(&browser);
}

/* ---- tags ---- */
static void test_what_has_not_changed_is_not_sent_again(void **state)
{
    struct reply first = http_get(port, "/api/v1/committees", NULL), again;
    char header[128];

    (void)state;
    snprintf(header, sizeof header, "If-None-Match: %s\r\n", reply_header(&first, "ETag"));
    again = http_get(port, "/api/v1/committees", header);
    assert_int_equal(again.status, 304);
    assert_int_equal(again.body.size, 0);
    assert_string_equal(reply_header(&again, "ETag"), reply_header(&first, "ETag"));
    assert_string_equal(reply_header(&again, "Vary"), reply_header(&first, "Vary"));
    reply_free(&first);
    reply_free(&again);
    again = http_get(port, "/api/v1/committees", "If-None-Match: *\r\n");
    assert_int_equal(again.status, 304);
    reply_free(&again);
    again = http_get(port, "/api/v1/members", header);
    assert_int_equal(again.status, 200);
    reply_free(&again);
}

static void test_assets_are_forever_by_their_hash(void **state)
{
    struct reply page = http_get(port, "/", NULL), asset, other;
    const char *at = strstr(page.body.at, "/assets/turnout.css?v=");
    char path[128];

    (void)state;
    assert_non_null(at);
    snprintf(path, sizeof path, "%.*s", (int)strcspn(at, "\""), at);
    asset = http_get(port, path, NULL);
    assert_int_equal(asset.status, 200);
    assert_non_null(strstr(reply_header(&asset, "Cache-Control"), "immutable"));
    other = http_get(port, "/assets/turnout.css?v=1", NULL);
    assert_string_equal(reply_header(&other, "Cache-Control"), "no-cache");
    reply_free(&page);
    reply_free(&asset);
    reply_free(&other);
}

/* ---- the description of the API ---- */
static void check_rows(const char *path, const char *sheet, json_t *rows, json_t *schema)
{
    json_t *columns = json_object_get(json_object_get(schema, "items"), "properties"), *row, *cell;
    const char *column;
    size_t i;

    if (!columns)
        fail_msg("%s: sheet %s is not described", path, sheet);
    json_array_foreach(rows, i, row)
    {
        assert_int_equal(json_object_size(row), json_object_size(columns));
        json_object_foreach(row, column, cell) if (!json_object_get(columns, column))
            fail_msg("%s: %s.%s is not described", path, sheet, column);
    }
}

static void check_answer(const char *path, json_t *schema)
{
    json_t *answer = get_json(path), *properties = json_object_get(schema, "properties"), *value;
    const char *name;

    if (json_object_get(answer, "error"))
        fail_msg("%s: %s", path, json_string_value(json_object_get(answer, "reason")));
    json_object_foreach(answer, name, value)
    {
        if (!json_object_get(properties, name))
            fail_msg("%s: %s is not described", path, name);
        if (json_is_array(value))
            check_rows(path, name, value, json_object_get(properties, name));
    }
    json_decref(answer);
}

static void test_the_api_is_as_described(void **state)
{
    json_t *all = get_json("/api/v1/openapi.json"), *paths = json_object_get(all, "paths"), *path;
    const char *name;
    size_t count = 0;

    (void)state;
    json_object_foreach(paths, name, path)
    {
        json_t *get = json_object_get(path, "get"), *example = json_object_get(get, "x-example"),
               *schema = NULL;
        json_unpack(get, "{s:{s:{s:{s:{s:o}}}}}", "responses", "200", "content", "application/json",
                    "schema", &schema);
        if (!schema)
            continue;
        assert_non_null(example);
        check_answer(json_string_value(example), schema);
        count++;
    }
    assert_true(count >= 12);
    json_decref(all);
}

static void test_metrics_are_well_formed(void **state)
{
    struct reply r = http_get(port, "/metrics", NULL);
    char *line, *rest, name[128], *end;
    size_t count = 0;

    (void)state;
    assert_int_equal(r.status, 200);
    for (line = strtok_r(r.body.at, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '#') {
            assert_true(sscanf(line, "# HELP %127s", name) == 1 ||
                        sscanf(line, "# TYPE %127s", name) == 1);
            continue;
        }
        assert_true(sscanf(line, "%127[a-z_]", name) == 1);
        assert_int_equal(strncmp(name, "turnout_", 8), 0);
        assert_non_null(strrchr(line, ' '));
        (void)strtod(strrchr(line, ' ') + 1, &end);
        assert_int_equal(*end, '\0');
        count++;
    }
    assert_true(count > 20);
    reply_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_say_what_redis_has),
        cmocka_unit_test(test_no_data_is_never_zero),
        cmocka_unit_test(test_html_json_and_csv_agree),
        cmocka_unit_test(test_why_leads_to_the_facts),
        cmocka_unit_test(test_participants_are_never_named),
        cmocka_unit_test(test_nothing_of_an_event_becomes_markup),
        cmocka_unit_test(test_every_answer_is_guarded),
        cmocka_unit_test(test_french_by_link_and_by_browser),
        cmocka_unit_test(test_what_has_not_changed_is_not_sent_again),
        cmocka_unit_test(test_assets_are_forever_by_their_hash),
        cmocka_unit_test(test_the_api_is_as_described),
        cmocka_unit_test(test_metrics_are_well_formed),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
