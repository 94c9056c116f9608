/* A real stack for a test: redis-server, broker and workers in a folder of their own, started and
 * ended by scripts/stack.  TURNOUT_BUILD names the build whose programs run (default "build").
 *
 * Whatever goes wrong here is either the test's failure or makes the test meaningless: all of it
 * ends the test with a message. */
#ifndef TESTS_STACK_H
#define TESTS_STACK_H

#include <sys/types.h>

#include "tests/dump.h"

struct stack {
    char dir[128];
    unsigned workers;
    const char *option; /* one more of scripts/stack; NULL: none */
};

/* Makes the folder; nothing runs yet. */
struct stack *stack_new(unsigned workers);

/* Starts what does not run; returns when all of it answers. */
void stack_start(struct stack *s);

/* Ends everything and removes the folder.  NULL is allowed. */
void stack_free(struct stack *s);

/* The process of that name ("redis", "broker", "worker-1" ...); 0 when it does not run. */
pid_t stack_pid(struct stack *s, const char *name);

/* DIR/NAME, in one of four static buffers. */
const char *stack_path(const struct stack *s, const char *name);

/* ---- programs ---- */
struct run {
    int status; /* exit status; 128 + signal */
    struct buffer out, err;
};

/* Runs a program of the build ("turnout", "turnout-worker" ...) with this stack's TURNOUT_DIR and
 * waits for it.  `input` (absent: none) is its standard input.  The words end with NULL. */
struct run stack_run(struct stack *s, struct slice input, const char *const *words);
void run_free(struct run *r);

/* Starts one without waiting for it; its standard output and error go to a log in the folder. */
pid_t stack_spawn(struct stack *s, const char *const *words);

/* Publishes JSON lines by `turnout publish`; all must be accepted. */
void stack_publish_lines(struct stack *s, struct slice lines);

/* Publishes encoded events by libturnout; all must be accepted. */
void stack_publish_events(struct stack *s, struct slice events);

/* Waits until all that was acknowledged is in Redis. */
void stack_sync(struct stack *s);

/* Waits until the log of that process holds the text. */
void stack_await_log(struct stack *s, const char *name, const char *text);

/* All that stands in the stack's Redis now.  Free it. */
struct dump *stack_dump(struct stack *s);

/* How two stacks that were given the same must agree: everything but the stream of changes, the
 * journal's name, and when something was applied or derived. */
enum dump_care stack_care(struct slice key, struct slice field);

#endif
