/* Every file of tests/corpus through its fuzzer's function, built without libFuzzer: what was once
 * found stays found, under every compiler. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CORPUS "tests/corpus"

static const char *build_folder(void)
{
    const char *given = getenv("TURNOUT_BUILD");

    return given ? given : "build";
}

/* Runs the fuzzer over its files; how many there were, or -1 when it found something. */
static int replay(const char *fuzzer)
{
    char command[1024], line[8192];
    int files = -1;
    FILE *out;

    snprintf(command, sizeof command, "'%s/replay/%s' '%s/%s' 2>&1", build_folder(), fuzzer, CORPUS,
             fuzzer);
    out = popen(command, "r");
    assert_non_null(out);
    while (fgets(line, sizeof line, out)) {
        if (sscanf(line, "%d files", &files) != 1 && strncmp(line, CORPUS, strlen(CORPUS)) != 0)
            fputs(line, stderr); /* what it says of what it found; or a log's line */
    }
    return pclose(out) == 0 ? files : -1;
}

/* Calls for every name in a folder that begins with `start` and ends with `end`, which is left off;
 * how many there were. */
static unsigned each_name(const char *folder, const char *start, const char *end,
                          void (*call)(const char *name))
{
    DIR *d = opendir(folder);
    const struct dirent *entry;
    unsigned count = 0;

    assert_non_null(d);
    while ((entry = readdir(d))) {
        char name[256];
        size_t size = strlen(entry->d_name), ends = strlen(end);
        if (size <= ends || strncmp(entry->d_name, start, strlen(start)) != 0 ||
            strcmp(entry->d_name + size - ends, end) != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(size - ends), entry->d_name);
        call(name);
        count++;
    }
    closedir(d);
    return count;
}

static void replay_well(const char *fuzzer)
{
    int files = replay(fuzzer);

    if (files <= 0)
        fail_msg("%s: %s", fuzzer, files == 0 ? "no file" : "something was found");
}

static void every_file_of_the_corpora_passes_its_fuzzer(void **state)
{
    (void)state;
    assert_true(each_name(CORPUS, "fuzz_", "", replay_well) > 0);
}

static void has_a_corpus(const char *fuzzer)
{
    char path[512];
    DIR *d;

    snprintf(path, sizeof path, CORPUS "/%s", fuzzer);
    d = opendir(path);
    if (!d)
        fail_msg("%s is missing", path);
    closedir(d);
}

static void every_fuzzer_has_a_corpus(void **state)
{
    (void)state;
    assert_true(each_name("tests", "fuzz_", ".c", has_a_corpus) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_of_the_corpora_passes_its_fuzzer),
        cmocka_unit_test(every_fuzzer_has_a_corpus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
