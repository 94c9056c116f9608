/* The mapping of a file: its pages count as this process's memory once they were looked at, until
 * they are let go, though the system may drop them at any time.  Whoever looks at the process then
 * sees how large it is, and not how large the file. */
#ifndef BROKER_MAPPED_H
#define BROKER_MAPPED_H

#include "proto/bytes.h"

/* Where this process has the file mapped, shared and not to be written; empty when it has not, or
 * when that cannot be found out. */
struct slice mapped_find(int fd);

/* Lets all its pages go, whoever reads there meanwhile: what is looked at again is still there, but
 * costs a page fault. */
void mapped_let_go(struct slice map);

#endif
