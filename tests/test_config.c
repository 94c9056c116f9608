/* The configuration: what may stand in it, and what is said about what may not. */
#include "workers/config.h"

#include "proto/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/turnout-config-XXXXXX";

static void assert_rules(const struct config *c, const char *expected)
{
    struct buffer line = {0};

    rules_format(&c->rules, &line);
    buffer_add(&line, "", 1);
    assert_string_equal(line.at, expected);
    buffer_free(&line);
}

#define DEFAULTS "missed_dis=1 cib_percent=20 cib_min=2 meetings_run=2 warn_days=14"

static void assert_good(const char *text, const char *expected)
{
    struct config c;
    char error[200] = "";

    assert_int_equal(config_parse(slice_of(text), &c, error, sizeof error), 0);
    assert_rules(&c, expected);
}

/* The text is refused with this sentence, and nothing is set. */
static void assert_bad(const char *text, const char *expected)
{
    struct config c, before;
    char error[200] = "";

    memset(&c, 0x5a, sizeof c);
    before = c;
    assert_int_equal(config_parse(slice_of(text), &c, error, sizeof error), ERR_CONFIG);
    assert_string_equal(error, expected);
    assert_memory_equal(&c, &before, sizeof c);
}

static void what_is_not_said_is_the_default(void **state)
{
    (void)state;
    assert_good("", DEFAULTS);
    assert_good("\n\n  \t\n", DEFAULTS);
    assert_good("# risk.warn_days = 3\n#", DEFAULTS);
}

static void rules_are_read_again_as_they_were_written(void **state)
{
    static const char *const bad[] = {
        "",
        "missed_dis=1",
        DEFAULTS " ",
        " " DEFAULTS,
        DEFAULTS " warn_days=14",
        "missed_dis=1 cib_percent=20 cib_min=2 meetings_run=2",
        "missed_dis=0 cib_percent=20 cib_min=2 meetings_run=2 warn_days=1",
        "missed_dis=1 cib_percent=20 cib_min=2 meetings_run=2 warn=14",
        "missed_dis=1 cib_percent=x cib_min=2 meetings_run=2 warn_days=1"};
    struct rules r = {3, 30, 4, 5, 60}, read = RULES_DEFAULT, before;
    struct buffer text = {0};

    (void)state;
    rules_format(&r, &text);
    assert_true(rules_parse(buffer_slice(&text), &read));
    assert_memory_equal(&read, &r, sizeof r);
    before = read;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(rules_parse(slice_of(bad[i]), &read));
    assert_memory_equal(&read, &before, sizeof read);
    buffer_free(&text);
}

static void every_rule_can_be_set(void **state)
{
    (void)state;
    assert_good("risk.missed_dis = 3\n"
                "risk.cib_percent=0 # none\n"
                "\t risk.cib_min\t=\t10000\t\r\n"
                "\n"
                "risk.meetings_run = 8\n"
                "risk.warn_days = 0",
                "missed_dis=3 cib_percent=0 cib_min=10000 meetings_run=8 warn_days=0");
    assert_good("risk.warn_days = 30", "missed_dis=1 cib_percent=20 cib_min=2 meetings_run=2 "
                                       "warn_days=30");
}

static void what_is_no_setting_is_named_by_its_line(void **state)
{
    (void)state;
    assert_bad("risk.warn_day = 3", "line 1: there is no setting of this name");
    assert_bad("\n\nwarn_days = 3\n", "line 3: there is no setting of this name");
    assert_bad("risk. = 3", "line 1: there is no setting of this name");
    assert_bad(" = 3", "line 1: there is no setting of this name");
    assert_bad("# first\nrisk.warn_days 3", "line 2: this is not `name = value`");
    assert_bad("risk.warn_days # = 3", "line 1: this is not `name = value`");
    assert_bad("risk.cib_min = 1\nrisk.warn_days = 3\nrisk.cib_min = 1",
               "line 3: this name is given twice");
}

static void what_is_out_of_range_is_refused(void **state)
{
    static const char *const values[] = {"",   "-1",  "10001", "1.5", "+1",
                                         "01", "one", "1 1",   "0x1", "99999999999999999999"};
    char line[80];

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        snprintf(line, sizeof line, "risk.missed_dis = %s", values[i]);
        assert_bad(line, "line 1: risk.missed_dis must be a whole number from 1 to 10000");
    }
    assert_bad("risk.cib_percent = 101",
               "line 1: risk.cib_percent must be a whole number from 0 to 100");
    assert_bad("risk.cib_min = 10001",
               "line 1: risk.cib_min must be a whole number from 0 to 10000");
    assert_bad("risk.meetings_run = 0",
               "line 1: risk.meetings_run must be a whole number from 1 to 8");
    assert_bad("risk.meetings_run = 9",
               "line 1: risk.meetings_run must be a whole number from 1 to 8");
    assert_bad("risk.warn_days = 10001",
               "line 1: risk.warn_days must be a whole number from 0 to 10000");
}

static void a_text_has_a_greatest_length(void **state)
{
    char *text = malloc(CONFIG_MAX_BYTES + 2);
    struct config c;
    char error[200];

    (void)state;
    assert_non_null(text);
    memset(text, '\n', CONFIG_MAX_BYTES + 2);
    memcpy(text + CONFIG_MAX_BYTES - 17, "risk.warn_days=77", 17);
    assert_int_equal(config_parse(slice_make(text, CONFIG_MAX_BYTES), &c, error, sizeof error), 0);
    assert_int_equal(c.rules.warn_days, 77);
    assert_int_equal(config_parse(slice_make(text, CONFIG_MAX_BYTES + 1), &c, error, sizeof error),
                     ERR_CONFIG);
    assert_string_equal(error, "longer than 65536 bytes");
    free(text);
}

/* ---- files ---- */
static int begin(void **state)
{
    (void)state;
    strcpy(path + strlen(path) - 6, "XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void fill(const char *text, size_t times)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    while (times-- > 0)
        fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void a_file_is_read_whole(void **state)
{
    struct config c;
    char error[200] = "", comment[9001];

    (void)state;
    memset(comment, '#', sizeof comment - 1);
    comment[9000] = '\0';
    fill(comment, 5);
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fputs("\nrisk.cib_min = 5\n", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(config_read(path, true, &c, error, sizeof error), 0);
    assert_int_equal(c.rules.cib_min, 5);
    fill(comment, 8);
    assert_int_equal(config_read(path, true, &c, error, sizeof error), ERR_CONFIG);
    assert_non_null(strstr(error, "longer than 65536 bytes"));
}

static void an_error_names_file_and_line(void **state)
{
    struct config c;
    char error[200] = "", expected[200];

    (void)state;
    fill("\nrisk.x = 1\n", 1);
    assert_int_equal(config_read(path, false, &c, error, sizeof error), ERR_CONFIG);
    snprintf(expected, sizeof expected, "%s: line 2: there is no setting of this name", path);
    assert_string_equal(error, expected);
}

static void a_file_that_is_not_there_must_be_wanted_to_be_missed(void **state)
{
    struct config c = {{7, 7, 7, 7, 7}};
    char error[200] = "";

    (void)state;
    unlink(path);
    assert_int_equal(config_read(path, false, &c, error, sizeof error), 0);
    assert_rules(&c, DEFAULTS);
    assert_int_equal(config_read(path, true, &c, error, sizeof error), ERR_CONFIG);
    assert_non_null(strstr(error, "No such file"));
    assert_non_null(strstr(error, path));
    assert_int_equal(config_read("/", false, &c, error, sizeof error), ERR_CONFIG);
    assert_non_null(strstr(error, "directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_is_the_default),
        cmocka_unit_test(rules_are_read_again_as_they_were_written),
        cmocka_unit_test(every_rule_can_be_set),
        cmocka_unit_test(what_is_no_setting_is_named_by_its_line),
        cmocka_unit_test(what_is_out_of_range_is_refused),
        cmocka_unit_test(a_text_has_a_greatest_length),
        cmocka_unit_test_setup_teardown(a_file_is_read_whole, begin, end),
        cmocka_unit_test_setup_teardown(an_error_names_file_and_line, begin, end),
        cmocka_unit_test_setup_teardown(a_file_that_is_not_there_must_be_wanted_to_be_missed, begin,
                                        end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
