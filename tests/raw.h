/* Connections of hostile clients, with ZeroMQ's own protocol written by hand: a library would not
 * send what they send.  And what a process costs meanwhile. */
#ifndef TESTS_RAW_H
#define TESTS_RAW_H

#include <sys/types.h>

#include "proto/wire.h"

#define ZMTP_MORE    1
#define ZMTP_LONG    2
#define ZMTP_COMMAND 4

/* To "ipc://PATH" or "tcp://127.0.0.1:PORT"; -1 when nobody lets us in.  Sending and receiving take
 * a second at most. */
int raw_connect(const char *endpoint);

/* False once the other side has closed the connection, or does not read for a second. */
bool raw_send(int fd, const void *bytes, size_t size);

/* Receives until these words have come; false when they do not come within a second. */
bool raw_await(int fd, const char *words);

/* As far as both sides' READY, without keys; -1 as raw_connect. */
int zmtp_connect(const char *endpoint);

/* A frame's head with the size it claims; a frame; a message of ours without payload. */
bool zmtp_head(int fd, int flags, uint64_t size);
bool zmtp_frame(int fd, int flags, const void *bytes, size_t size);
bool zmtp_say(int fd, const void *header, size_t size);

uint64_t process_bytes(pid_t pid);  /* of memory, its own alone: without the pages of files */
uint64_t process_mapped(pid_t pid); /* of memory, those pages */
double process_cpu_s(pid_t pid);    /* used so far */

#endif
