/* Reading the event files of tests/data; see fixtures.h. */
#include "tests/fixtures.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "proto/json.h"
#include "tests/world.h"

#define CHUNK 65536

const char *const fixture_names[FIXTURES] = {
    "registry.jsonl.gz",    "dis29500-2007.jsonl",       "iec-ballots.jsonl",
    "unga-1-40.jsonl.gz",   "icann-attendance.jsonl.gz", "ietf-registrations.jsonl.gz",
    "easc-adoptions.jsonl",
};

static void give_up(const char *what, const char *name)
{
    fprintf(stderr, "fixtures: %s: %s\n", what, name);
    abort();
}

/* zlib reads a file that is not packed as it is. */
void fixture_lines(const char *name, struct buffer *ret)
{
    char path[256];
    gzFile file;
    int count;

    snprintf(path, sizeof path, "tests/data/%s", name);
    file = gzopen(path, "rb");
    if (!file)
        give_up("cannot open", path);
    do {
        count = gzread(file, buffer_room(ret, CHUNK), CHUNK);
        if (count < 0)
            give_up("cannot read", path);
        ret->size += (size_t)count;
    } while (count > 0);
    gzclose(file);
}

size_t lines_encode(struct slice lines, struct buffer *ret)
{
    struct slice line;
    struct refusal why;
    size_t count = 0;

    while (slice_cut(&lines, '\n', &line)) {
        if (json_to_event(line, ret, &why) < 0)
            give_up("bad line", why.reason);
        count++;
    }
    return count;
}

size_t fixture_events(const char *name, struct buffer *ret)
{
    struct buffer lines = {0};
    size_t count;

    fixture_lines(name, &lines);
    count = lines_encode(buffer_slice(&lines), ret);
    buffer_free(&lines);
    return count;
}

void lines_shuffle(uint64_t seed, struct slice lines, unsigned repeat_percent, struct buffer *ret)
{
    struct random r = random_new(seed);
    struct buffer list = {0};
    struct slice line, *all;
    size_t count, extra;

    while (slice_cut(&lines, '\n', &line))
        buffer_add(&list, &line, sizeof line);
    count = list.size / sizeof line;
    extra = count * repeat_percent / 100;
    buffer_room(&list, extra * sizeof line);
    all = (struct slice *)(void *)list.at;
    for (size_t i = 0; i < extra; i++)
        all[count + i] = all[random_below(&r, count)];
    for (size_t left = count + extra; left > 0; left--) {
        size_t chosen = random_below(&r, left);

        buffer_add_slice(ret, all[chosen]);
        buffer_add(ret, "\n", 1);
        all[chosen] = all[left - 1];
    }
    buffer_free(&list);
}
