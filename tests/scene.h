/* A scene: a real stack with a random world in it, the model of that world, and a hand in Redis. */
#ifndef TESTS_SCENE_H
#define TESTS_SCENE_H

#include "tests/model.h"
#include "tests/random.h"
#include "tests/redis_dump.h"
#include "tests/stack.h"

struct scene {
    struct stack *stack;
    struct redis *redis;
    struct model *model;
    struct random random;
};

/* Two workers, and so many events, all of them in Redis.  Prints its seed under that name. */
struct scene scene_new(const char *name, size_t events);
void scene_free(struct scene *s);

/* Publishes so many more; they may still be on their way to Redis. */
void scene_publish(struct scene *s, size_t events);

/* Changes Redis by hand. */
#define MEDDLE(s, ...) assert_int_not_equal(redis_do((s)->redis, __VA_ARGS__)->kind, '-')

/* Runs a program of the build with the scene's stack. */
#define RUN(s, ...) stack_run(s, slice_of(""), (const char *const[]){__VA_ARGS__, NULL})

/* How two looks at the same board must agree: but for where it stands, what is being built or
 * derived, and names that have stayed behind. */
enum dump_care board_care(struct slice key, struct slice field);

/* The stack's Redis has this board. */
void assert_same_board(const struct dump *expected, struct stack *s);

/* Redis, the model and verify agree, and nothing is left of a rebuild. */
void assert_right(struct scene *s);

/* What `turnout rebuild --json` says; `option` may be NULL. */
struct rebuilt {
    int status;
    int64_t keys, events, found;
    struct buffer err;
};
struct rebuilt rebuild(struct stack *s, const char *option);
struct rebuilt rebuild_well(struct stack *s, const char *option); /* or the test fails */

#endif
