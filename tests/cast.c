/* A cast; see cast.h. */
#include "tests/cast.h"

#include "tests/desk.h"

#include <assert.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define KNOWN 8

struct cast cast;

int cast_open(void **state)
{
    (void)state;
    cast = (struct cast){.groups = groups_new(), .store = store_memory_new()};
    cast.commit.arena = &cast.arena;
    return 0;
}

int cast_close(void **state)
{
    (void)state;
    groups_free(cast.groups);
    people_free(&cast.people);
    commit_free(&cast.commit);
    arena_free(&cast.arena);
    store_free(cast.store);
    dump_free(cast.dump);
    return 0;
}

date_days day(const char *text)
{
    date_days d = 0;

    if (!date_parse(slice_of(text), &d))
        fail_msg("%s is no day", text);
    return d;
}

struct person *cast_person(struct cast *c, const char *id)
{
    return people_person(&c->people, slice_of(id));
}

int cast_notice(struct cast *c, const char *id, const char *from, bool developing, const char *list,
                int64_t time_ms)
{
    char line[512];

    snprintf(line, sizeof line, "full %" PRId64 " 0123456789abcdef developing=%d groups=%s id=n-1",
             time_ms, developing, list);
    return people_add_notice(&c->people, cast_person(c, id), slice_of(from), slice_of(line));
}

int cast_tenure(struct cast *c, const char *id, const char *step, int64_t more)
{
    char value[24];

    snprintf(value, sizeof value, "%" PRId64, more);
    return people_add_tenure(&c->people, cast_person(c, id), slice_of(step), slice_of(value));
}

void cast_period(struct cast *c, const char *period)
{
    int error = groups_begin(c->groups, slice_of(period), CAST_LIST);

    assert(error == 0);
}

void cast_count(struct cast *c, const char *field, int64_t value)
{
    groups_counter(c->groups, slice_of(field), value);
}

void cast_commit(struct cast *c)
{
    int error = store_commit(c->store, &c->commit);

    assert(error == 0);
    commit_clear(&c->commit);
    arena_reset(&c->arena, SIZE_MAX);
    dump_free(c->dump);
    c->dump = memory_dump(c->store);
}

void cast_write(struct cast *c, const char *known)
{
    struct slice rest = slice_of(known), names[KNOWN], name;
    size_t count = 0;

    while (slice_cut(&rest, ' ', &name)) {
        assert(count < KNOWN - 1);
        names[count++] = name;
    }
    names[count++] = rest;
    groups_write(c->groups, names, count, &c->commit);
    cast_commit(c);
}
