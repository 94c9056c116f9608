/* The published totals of tests/data, against the model and against a real stack: each file alone,
 * or those together that tests/data/README.md names.
 *
 * In the stack, groups follow a moment later than the counters: there the totals of the group "all"
 * are checked as what they are, the sum over the members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <jansson.h>

#include "tests/compose.h"
#include "tests/fixtures.h"
#include "tests/model.h"
#include "tests/stack.h"

static json_t *expected; /* tests/data/expected.json */

static int expected_load(void **state)
{
    (void)state;
    expected = json_load_file("tests/data/expected.json", 0, NULL);
    return expected ? 0 : -1;
}

static int expected_free(void **state)
{
    (void)state;
    json_decref(expected);
    return 0;
}

/* ---- what was found, and sums over it ---- */
struct found {
    const struct dump *dump;
    struct dump *sums;
    size_t values, differences;
};

/* turnout:member:M:YEAR goes into sum:turnout:member:M. */
static void sum_member(void *arg, struct slice key, struct slice field, struct slice value)
{
    const char *period = key.at + key.size;
    char name[128], text[96];
    int64_t amount;

    while (period[-1] != ':')
        period--;
    assert_true(slice_to_int(value, &amount));
    if (key.at + key.size - period != 4)
        return;
    snprintf(text, sizeof text, "%.*s", (int)field.size, field.at);
    snprintf(name, sizeof name, "sum:%.*s", (int)(period - 1 - key.at), key.at);
    dump_add(arg, name, text, amount);
}

static struct found found_new(const struct dump *dump)
{
    struct found f = {.dump = dump, .sums = dump_new()};

    dump_each(dump, "turnout:member:", sum_member, f.sums);
    return f;
}

static void value_check(struct found *f, const char *key, const char *field, const char *value)
{
    bool summed = strncmp(key, "sum:", 4) == 0;
    struct slice there = dump_get(summed ? f->sums : f->dump, key, field);

    if (!there.at)
        there = slice_of("0");
    f->values++;
    if (slice_is(there, value))
        return;
    f->differences++;
    print_message("%s %s: published %s, counted %.*s\n", key, field, value, (int)there.size,
                  there.at);
}

/* ---- checks ---- */
static void fields_check(struct found *f, const char *key, json_t *fields)
{
    const char *field;
    json_t *value;

    json_object_foreach(fields, field, value)
    {
        char number[32];

        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        value_check(f, key, field, json_is_string(value) ? json_string_value(value) : number);
    }
}

/* How the 20 roll calls that do not add up in the source itself count: by their rows. */
static json_t *row_counted(json_t *row)
{
    json_t *known =
        json_object_get(json_object_get(expected, "roll_calls_known_differences"), "rows");
    json_t *other;
    size_t i;

    json_array_foreach(known, i, other)
    {
        if (json_equal(json_array_get(other, 0), json_array_get(row, 0)))
            return other;
    }
    return NULL;
}

static void roll_calls_check(struct found *f)
{
    static const char *const fields[] = {"approve", "abstain", "disapprove"};
    json_t *rows = json_object_get(json_object_get(expected, "roll_calls"), "rows"), *row;
    size_t i;

    assert_int_equal(json_array_size(rows), 2999);
    json_array_foreach(rows, i, row)
    {
        json_t *counted = row_counted(row);
        char key[128], value[32];

        snprintf(key, sizeof key, "turnout:ballot:UNGA|%s",
                 json_string_value(json_array_get(row, 0)));
        for (size_t n = 0; n < 3; n++) {
            json_t *number = json_array_get(counted ? counted : row, (counted ? 4 : 2) + n);

            snprintf(value, sizeof value, "%" JSON_INTEGER_FORMAT, json_integer_value(number));
            value_check(f, key, fields[n], value);
        }
    }
}

/* All checks that need these files and no others. */
static void dump_check(json_t *files, const struct dump *dump)
{
    struct found f = found_new(dump);
    json_t *check;
    size_t i;

    json_array_foreach(json_object_get(expected, "checks"), i, check)
    {
        if (json_equal(json_object_get(check, "files"), files))
            fields_check(&f, json_string_value(json_object_get(check, "key")),
                         json_object_get(check, "fields"));
    }
    if (json_equal(json_object_get(json_object_get(expected, "roll_calls"), "files"), files))
        roll_calls_check(&f);
    print_message("%s%s: %zu values compared\n", json_string_value(json_array_get(files, 0)),
                  json_array_size(files) > 1 ? " and others" : "", f.values);
    assert_true(f.values > 0);
    assert_int_equal(f.differences, 0);
    dump_free(f.sums);
}

/* The registry alone makes no period exist; its totals need one, and one adoption is enough. */
static const char period_maker[] =
    "{'type':'adoption','id':'period','time':'2026-05-01T12:00:00Z','member':'KE','degree':'IDT',"
    "'standard':'KS 1','reference':'ISO 1','date':'2026-05-01'}";

static bool is_registry(json_t *files)
{
    return json_array_size(files) == 1 &&
           strncmp(json_string_value(json_array_get(files, 0)), "registry", 8) == 0;
}

static void files_events(json_t *files, struct buffer *ret)
{
    json_t *file;
    size_t i;

    json_array_foreach(files, i, file)
    {
        fixture_events(json_string_value(file), ret);
    }
    if (is_registry(files))
        compose_text(period_maker, ret);
}

static void model_check(json_t *files)
{
    struct model *m = model_new();
    struct buffer events = {0};

    files_events(files, &events);
    model_add_all(m, buffer_slice(&events));
    dump_check(files, model_count(m));
    buffer_free(&events);
    model_free(m);
}

static void stack_check(json_t *files)
{
    struct stack *s = stack_new(2);
    struct model *m = model_new();
    struct buffer events = {0};
    struct dump *d;

    files_events(files, &events);
    model_add_all(m, buffer_slice(&events));
    stack_start(s);
    stack_publish_events(s, buffer_slice(&events));
    stack_sync(s);
    d = stack_dump(s);
    dump_check(files, d);
    assert_int_equal(model_compare(m, d, stdout), 0);
    assert_int_equal(model_compare_derived(m, d, stdout), 0);
    dump_free(d);
    stack_free(s);
    model_free(m);
    buffer_free(&events);
}

/* Whether one of the checks before needs the same files. */
static bool files_were_checked(json_t *checks, size_t before, json_t *files)
{
    for (size_t i = 0; i < before; i++)
        if (json_equal(json_object_get(json_array_get(checks, i), "files"), files))
            return true;
    return false;
}

static void each_set_of_files(void (*check)(json_t *files))
{
    json_t *checks = json_object_get(expected, "checks"), *one;
    size_t i;

    json_array_foreach(checks, i, one)
    {
        json_t *files = json_object_get(one, "files");

        if (!files_were_checked(checks, i, files))
            check(files);
    }
}

static void the_model_gives_the_published_totals(void **state)
{
    (void)state;
    each_set_of_files(model_check);
}

static void a_stack_gives_the_published_totals(void **state)
{
    (void)state;
    each_set_of_files(stack_check);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_gives_the_published_totals),
        cmocka_unit_test(a_stack_gives_the_published_totals),
    };

    return cmocka_run_group_tests(tests, expected_load, expected_free);
}
