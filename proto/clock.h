/* The two clocks.  Wall time goes into the journal and judges an event's `time`; monotonic time
 * drives heartbeats and timeouts.  Nothing in the fold reads either. */
#ifndef PROTO_CLOCK_H
#define PROTO_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void); /* Unix time in milliseconds */
int64_t clock_mono_ms(void); /* milliseconds since some moment of this boot; never goes back */

#endif
