/* A stack on TCP with keys, one for all tests of a program, and what tests of access have in
 * common. */
#ifndef TESTS_KEYED_H
#define TESTS_KEYED_H

#include "proto/keyring.h"
#include "tests/stack.h"

#define KEYED_LIMIT_MS 60000

extern struct stack *keyed; /* one worker */
extern char keyed_publish[64], keyed_read[64];

/* cmocka's setup and teardown of a group. */
int keyed_setup(void **state);
int keyed_teardown(void **state);

#define RUN(...) stack_run(keyed, slice_of(""), (const char *const[]){__VA_ARGS__, NULL})

/* Expects the status, and the text on standard error. */
void expect(struct run r, int status, const char *text);

/* `turnout keys ...`, which must do it. */
#define KEYS(...) expect(RUN("turnout", "keys", __VA_ARGS__), 0, "")

/* The path of the key's file, in one of four static buffers. */
const char *key_path(const char *name);

/* The key's file; and one changed by hand. */
struct keyfile key_read(const char *name);
const char *key_write(const char *name, const struct keyfile *k);

#define VOTE_OF(id, committee)                                                                     \
    "{\"type\":\"vote\",\"id\":\"" id                                                              \
    "\",\"time\":\"2026-03-01T12:00:00Z\",\"committee\":\"" committee                              \
    "\",\"ballot\":\"DIS 1\",\"member\":\"KE\",\"position\":\"approve\"}\n"
#define VOTE(id) VOTE_OF(id, "ISO/TC 207")

/* `turnout publish` with the key file of that path. */
struct run publish_as(const char *key, const char *lines);

/* ... until it ends like this: after a change of the rights file by hand. */
void expect_soon(const char *key, const char *lines, int status, const char *text);

/* The first number of that name in `turnout status --json`. */
uint64_t status_number(const char *name);

/* Refused events that the broker keeps. */
uint64_t rejects_kept(void);

struct buffer rights_text(void);
/* In place, as an editor might: the file is emptied and filled. */
void rights_overwrite(struct slice text);

/* Until the broker's log has this. */
void await_log(const char *text);

#endif
