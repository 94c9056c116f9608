/* The model: counts from scratch, slowly and obviously, what must stand in the store.
 *
 * It keeps every event it is given, sorts them all by subject and version, takes the last of
 * each subject, and then adds up ballot by ballot, meeting by meeting, adoption by adoption.  It
 * shares the decoding of events and the calendar with the programs, and nothing else: no record,
 * no difference, no order of arrival. */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

#include "proto/date.h"
#include "proto/refusal.h"
#include "tests/dump.h"
#include "workers/rules.h"

struct model;

struct model *model_new(void);
void model_free(struct model *m); /* NULL is allowed */

/* The day and the thresholds of the watch list; at first today by the clock, which may go on while
 * a test runs, and RULES_DEFAULT. */
void model_today(struct model *m, date_days today, const struct rules *rules);

/* Takes one encoded event (copied).  Returns 0, or ERR_REFUSED for one that a broker would not
 * have accepted at any time: it is then not counted.  `why` may be NULL. */
int model_add(struct model *m, struct slice event, struct refusal *why);

/* Takes consecutive encoded events that must all be good; a bad one is a bug of the test and ends
 * it with a message. */
void model_add_all(struct model *m, struct slice events);

/* What must stand in the store by all events so far, under the prefix "turnout:": the keys
 *
 *     member:M:PERIOD  committee:C:YEAR  seat:C|M:YEAR  ballot:C|B  meeting:C|M
 *     ballots:open  members  groups  periods  committees
 *     group:G:PERIOD  watch  risk:C  meta (its field `groups`)
 *
 * Owned by the model and good until the next call.  May be called again after more events. */
const struct dump *model_count(struct model *m);

/* Counts, and compares with what was found.  Only the keys of the first two lines above are looked
 * at, and of a ballot's or meeting's hash only the fields that the key reference names.  The sets
 * may keep more names than they need.  Prints differences to `out`; returns their number. */
size_t model_compare(struct model *m, const struct dump *found, FILE *out);

/* The same for the keys of the third line, which follow the others a moment later. */
size_t model_compare_derived(struct model *m, const struct dump *found, FILE *out);

#endif
