/* Small examples for the model, one JSON object a line, and what they must give. */
#ifndef TESTS_MODEL_LINES_H
#define TESTS_MODEL_LINES_H

#include "tests/model.h"

/* The model of these events: objects without their braces, with ' or " around strings.  A line
 * that says no `time` has 2024-05-06T12:00:00Z and an id of its own.  Ends the test when one is no
 * good. */
struct model *model_of_lines(const char *const *lines, size_t count);

#define COUNTED(...)                                                                               \
    model_of_lines((const char *const[]){__VA_ARGS__},                                             \
                   sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* Fails the test when that is not what the model counts; "" is nothing at all. */
void assert_counted(struct model *m, const char *key, const char *field, const char *expected);

#endif
