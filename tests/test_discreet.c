/* Logs are discreet: whatever an event holds, good or bad, no line of a log repeats it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/stack.h"

#define MARK "Zq7marker"

/* The mark in every place that takes text; each line is one event. */
static const char good[] =
    "{\"type\":\"ballot\",\"id\":\"Zq7marker-1\",\"time\":\"2026-03-01T09:00:00Z\",\"committee\":"
    "\"Zq7marker TC\",\"ballot\":\"Zq7marker B\",\"kind\":\"DIS\",\"closes\":\"2026-05-24\","
    "\"title\":\"Zq7marker title\",\"Zq7marker\":\"Zq7marker\"}\n"
    "{\"type\":\"vote\",\"id\":\"Zq7marker-2\",\"time\":\"2026-04-02T10:11:12Z\",\"committee\":"
    "\"Zq7marker TC\",\"ballot\":\"Zq7marker "
    "B\",\"member\":\"Zq7marker\",\"position\":\"approve\"}\n"
    "{\"type\":\"attendance\",\"id\":\"Zq7marker-3\",\"time\":\"2026-04-02T10:11:12Z\","
    "\"committee\":\"Zq7marker TC\",\"meeting\":\"Zq7marker M\",\"member\":\"Zq7marker\","
    "\"participant\":\"Zq7marker-person\",\"date\":\"2026-04-01\",\"status\":\"attended\"}\n"
    "{\"type\":\"adoption\",\"id\":\"Zq7marker-4\",\"time\":\"2026-04-02T10:11:12Z\",\"member\":"
    "\"Zq7marker\",\"standard\":\"Zq7marker 1\",\"reference\":\"Zq7marker 2\",\"degree\":\"IDT\","
    "\"date\":\"2026-04-01\"}\n"
    "{\"type\":\"member\",\"id\":\"Zq7marker-5\",\"time\":\"2026-04-02T10:11:12Z\",\"member\":"
    "\"Zq7marker\",\"name\":\"Zq7marker name\",\"nsb\":\"Zq7marker nsb\"}\n";

static const char bad[] =
    "{\"type\":\"Zq7marker\",\"id\":\"b-1\",\"time\":\"2026-03-01T09:00:00Z\"}\n"
    "{\"type\":\"vote\",\"id\":\"b-2\",\"time\":\"Zq7marker\",\"committee\":\"c\",\"ballot\":\"b\","
    "\"member\":\"m\",\"position\":\"approve\"}\n"
    "{\"type\":\"vote\",\"id\":\"b-3\",\"time\":\"2026-04-02T10:11:12Z\",\"committee\":"
    "\"{Zq7marker}\",\"ballot\":\"b\",\"member\":\"m\",\"position\":\"approve\"}\n"
    "{\"type\":\"vote\",\"id\":\"b-4\",\"time\":\"2026-04-02T10:11:12Z\",\"committee\":\"c\","
    "\"ballot\":\"b\",\"member\":\"Zq7marker-far-too-long-a-member\",\"position\":\"approve\"}\n"
    "{\"type\":\"vote\",\"id\":\"b-5\",\"time\":\"2026-04-02T10:11:12Z\",\"committee\":\"c\","
    "\"ballot\":\"b\",\"member\":\"m\",\"position\":\"Zq7marker\"}\n"
    "{\"type\":\"attendance\",\"id\":\"b-6\",\"time\":\"2026-04-02T10:11:12Z\",\"committee\":\"c\","
    "\"meeting\":\"m\",\"member\":\"m\",\"participant\":\"Zq7marker|person\",\"date\":"
    "\"Zq7marker\"}\n";

/* How many log files there are; ends the test with the line if one has the mark. */
static unsigned logs_search(const struct stack *s)
{
    DIR *folder = opendir(stack_path(s, "log"));
    struct dirent *entry;
    char line[4096], name[300];
    unsigned files = 0;

    while (folder && (entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "log/%s", entry->d_name);
        FILE *f = fopen(stack_path(s, name), "r");
        while (f && fgets(line, sizeof line, f)) {
            if (strstr(line, MARK))
                print_error("%s: %s", name, line);
            assert_null(strstr(line, MARK));
        }
        if (f)
            fclose(f);
        files++;
    }
    if (folder)
        closedir(folder);
    return files;
}

static void no_log_repeats_what_an_event_holds(void **state)
{
    struct stack *s = stack_new(2);
    struct run r;

    (void)state;
    stack_start(s);
    stack_publish_lines(s, slice_of(good));
    r = stack_run(s, slice_of(bad), (const char *const[]){"turnout", "publish", NULL});
    assert_int_equal(r.status, 1);
    assert_non_null(strstr(r.out.at, "\"rejected\":6"));
    run_free(&r);
    stack_sync(s);
    r = stack_run(s, slice_of(""), (const char *const[]){"turnout", "verify", NULL});
    assert_int_equal(r.status, 0);
    run_free(&r);
    assert_true(logs_search(s) >= 4); /* Redis, the broker, two workers */
    stack_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_log_repeats_what_an_event_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
