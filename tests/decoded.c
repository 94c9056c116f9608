/* Events made and decoded; see decoded.h. */
#include "tests/decoded.h"

#include "proto/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct event_decoder *decoder;
struct buffer bytes; /* of the last event made */

int decoder_open(void **state)
{
    (void)state;
    decoder = event_decoder_new();
    return 0;
}

int decoder_close(void **state)
{
    (void)state;
    event_decoder_free(decoder);
    event_decoder_free(NULL);
    buffer_free(&bytes);
    return 0;
}

struct event decoded(void)
{
    struct event e;
    struct refusal why = {0};

    if (event_decode(decoder, buffer_slice(&bytes), COMPOSE_NOW_MS, &e, &why) < 0)
        fail_msg("refused: %s [%s] %s", refusal_name(why.code), why.field, why.reason);
    assert_ptr_equal(e.raw.at, bytes.at);
    assert_int_equal(e.raw.size, bytes.size);
    return e;
}

struct event full_with(enum event_type type, const char *key, const char *value)
{
    buffer_clear(&bytes);
    compose_event(type, (struct change[CHANGES]){{key, value}}, &bytes);
    return decoded();
}

struct event full(enum event_type type)
{
    return full_with(type, NULL, NULL);
}

void has_common_keys(const struct event *e, enum event_type type)
{
    char id[32];

    snprintf(id, sizeof id, "%s-1", event_type_name[type]);
    assert_int_equal(e->type, type);
    assert_true(slice_is(e->id, id));
    assert_int_equal(e->time_ms, COMPOSE_NOW_MS);
    assert_int_equal(e->rev, 7);
    assert_false(e->retracted);
}
