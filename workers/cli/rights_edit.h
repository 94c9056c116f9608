/* Changes of the rights file's text, which leave all else in it as it is. */
#ifndef WORKERS_CLI_RIGHTS_EDIT_H
#define WORKERS_CLI_RIGHTS_EDIT_H

#include "proto/rights.h"

/* What a new key may do; NULL: not said. */
struct rights_wish {
    const char *may, *source, *types, *committees, *rate;
    bool participants;
};

/* The text with a section for the key at its end. */
void rights_add(struct slice text, const char *name, const char *key,
                const struct rights_wish *wish, struct buffer *out);

/* The text with the section's key revoked as of that day.  ERR_AGAIN: there is no such section. */
int rights_revoke(struct slice text, const char *name, date_days day, struct buffer *out);

/* The same in a text that is faulty somewhere: right behind the heading, where it counts whatever
 * follows.  ERR_CONFLICT: it is revoked already. */
int rights_revoke_faulty(struct slice text, const char *name, date_days day, struct buffer *out);

#endif
