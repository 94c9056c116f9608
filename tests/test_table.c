/* Arenas and hash tables. */
#include "proto/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

#include "tests/world.h"

/* ---- arenas ---- */

/* One round of random pieces, each filled with its number; true to the last byte at the end. */
static void pieces_live_together(struct arena *a, struct random *r)
{
    struct {
        unsigned char *at;
        size_t size;
    } piece[300];
    size_t sum = 0;

    for (size_t i = 0; i < 300; i++) {
        size_t size = random_below(r, i % 20 == 0 ? 200000 : 600);
        piece[i].at = arena_need(a, size);
        piece[i].size = size;
        assert_int_equal((uintptr_t)piece[i].at % 16, 0);
        for (size_t k = 0; k < size; k++)
            assert_int_equal(piece[i].at[k], 0);
        memset(piece[i].at, (int)(i % 251) + 1, size);
        sum += size;
    }
    assert_true(a->used >= sum);
    for (size_t i = 0; i < 300; i++)
        for (size_t k = 0; k < piece[i].size; k++)
            assert_int_equal(piece[i].at[k], i % 251 + 1);
}

static void an_arenas_pieces_are_zeroed_aligned_and_apart(void **state)
{
    struct random r = random_new(random_seed("an_arenas_pieces"));
    struct arena a = {0};

    (void)state;
    for (int round = 0; round < 12; round++) {
        pieces_live_together(&a, &r);
        arena_reset(&a, random_below(&r, 2) * random_below(&r, 4000000));
        assert_int_equal(a.used, 0);
    }
    arena_free(&a);
    assert_null(a.first);
}

static void an_arena_keeps_blocks_over_a_reset(void **state)
{
    struct arena a = {0};
    void *first = arena_need(&a, 100);

    (void)state;
    arena_reset(&a, (size_t)1 << 20);
    assert_ptr_equal(arena_need(&a, 100), first);
    arena_reset(&a, 0);
    assert_null(a.first);
    assert_non_null(arena_need(&a, 0));
    arena_free(&a);
}

static void a_copy_in_an_arena_is_the_same_and_an_absent_one_stays_absent(void **state)
{
    struct arena a = {0};
    char text[] = "matter";
    struct slice copy = arena_copy(&a, slice_of(text));

    (void)state;
    text[0] = 'X';
    assert_true(slice_is(copy, "matter"));
    assert_null(arena_copy(&a, slice_make(NULL, 0)).at);
    copy = arena_copy(&a, slice_of(""));
    assert_non_null(copy.at);
    assert_int_equal(copy.size, 0);
    arena_free(&a);
}

/* ---- tables ---- */

struct thing {
    struct table_entry entry;
    bool visited;
    char key[12];
};

#define THINGS 3000

static void all_are_found(struct table *t, struct thing *thing, size_t count)
{
    for (size_t i = 0; i < THINGS; i++)
        assert_ptr_equal(table_find(t, slice_of(thing[i].key)), i < count ? &thing[i] : NULL);
}

static void a_walk_meets_each_once(const struct table *t, struct thing *thing, size_t count)
{
    size_t at = 0, met = 0;
    struct thing *x;

    for (size_t i = 0; i < THINGS; i++)
        thing[i].visited = false;
    while ((x = table_next(t, &at))) {
        assert_false(x->visited);
        x->visited = true;
        met++;
    }
    assert_int_equal(met, count);
    assert_int_equal(t->count, count);
}

static void a_table_is_used(struct table *t)
{
    struct thing *thing = calloc(THINGS, sizeof *thing);

    for (size_t i = 0; i < THINGS; i++) {
        snprintf(thing[i].key, sizeof thing[i].key, "%zu", i);
        thing[i].entry.key = slice_of(thing[i].key);
    }
    for (size_t round = 0; round < 3; round++) {
        a_walk_meets_each_once(t, thing, 0);
        all_are_found(t, thing, 0);
        for (size_t i = 0; i < THINGS; i++) {
            table_add(t, &thing[i].entry);
            if (i < 40 || i == THINGS - 1)
                all_are_found(t, thing, i + 1);
        }
        a_walk_meets_each_once(t, thing, THINGS);
        assert_true(t->count * 4 <= (t->mask + 1) * 3);
        table_clear(t);
    }
    free(thing);
}

static void a_table_on_the_heap_finds_all_and_nothing_else(void **state)
{
    struct table t = {0};

    (void)state;
    a_table_is_used(&t);
    table_free(&t);
    assert_null(t.slots);
    a_table_is_used(&t);
    table_free(&t);
}

static void a_table_in_an_arena_finds_all_and_nothing_else(void **state)
{
    struct arena a = {0};
    struct table t = {.arena = &a};

    (void)state;
    a_table_is_used(&t);
    table_free(&t);
    assert_ptr_equal(t.arena, &a);
    a_table_is_used(&t);
    arena_free(&a);
}

/* Exactly as many as grow by and by, and not once more while they are added. */
static void a_table_with_room_for_all_does_not_grow(void **state)
{
    struct thing thing[193] = {0};

    (void)state;
    for (size_t count = 1; count <= sizeof thing / sizeof *thing; count++) {
        struct table reserved = {0}, grown = {0};
        struct table_slot *slots;
        table_reserve(&reserved, count);
        slots = reserved.slots;
        for (size_t i = 0; i < count; i++) {
            snprintf(thing[i].key, sizeof thing[i].key, "%zu", i);
            thing[i].entry.key = slice_of(thing[i].key);
            table_add(&reserved, &thing[i].entry);
            table_add(&grown, &thing[i].entry);
        }
        table_reserve(&reserved, THINGS); /* it has slots */
        assert_ptr_equal(reserved.slots, slots);
        assert_int_equal(reserved.mask, grown.mask);
        for (size_t i = 0; i < count; i++)
            assert_ptr_equal(table_find(&reserved, thing[i].entry.key), &thing[i]);
        table_free(&reserved);
        table_free(&grown);
    }
}

static void keys_of_any_bytes_are_kept_apart(void **state)
{
    static const char bytes[] = "a\0b\0\0c";
    struct table_entry entry[8] = {0};
    struct table t = {0};

    (void)state;
    for (size_t size = 0; size <= 6; size++) {
        entry[size].key = slice_make(size ? bytes : NULL, size);
        table_add(&t, &entry[size]);
    }
    for (size_t size = 0; size <= 6; size++)
        assert_ptr_equal(table_find(&t, slice_make(bytes, size)), &entry[size]);
    assert_null(table_find(&t, slice_of("b")));
    table_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arenas_pieces_are_zeroed_aligned_and_apart),
        cmocka_unit_test(an_arena_keeps_blocks_over_a_reset),
        cmocka_unit_test(a_copy_in_an_arena_is_the_same_and_an_absent_one_stays_absent),
        cmocka_unit_test(a_table_on_the_heap_finds_all_and_nothing_else),
        cmocka_unit_test(a_table_in_an_arena_finds_all_and_nothing_else),
        cmocka_unit_test(a_table_with_room_for_all_does_not_grow),
        cmocka_unit_test(keys_of_any_bytes_are_kept_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
