/* The producer's window against an obvious model: an array that says of each number what has become
 * of it.  Adding, sending, acknowledging of any range and losing the connection, at random. */
#include "proto/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define MOST  2048 /* events of one round */
#define STEPS 1500

enum state { STATE_WAITING, STATE_AWAY, STATE_DONE };

struct told { /* one callback */
    uint64_t first, last;
    bool refused;
};

struct model {
    struct window window;
    enum state states[MOST];
    bool sent[MOST]; /* ever */
    uint64_t next;
    struct told told[MOST], expected[MOST]; /* of the acknowledgement under way */
    unsigned told_count, expected_count;
};

static unsigned random_state;

static unsigned below(unsigned most)
{
    random_state = random_state * 1103515245U + 12345U;
    return (random_state >> 8) % most;
}

static size_t size_of(uint64_t seq)
{
    return 1 + seq * 37 % 100;
}

static void on_accepted(void *arg, uint64_t first, uint64_t last)
{
    struct model *m = arg;

    m->told[m->told_count++] = (struct told){first, last, false};
}

static void on_refused(void *arg, uint64_t seq, const struct turnout_refusal *why)
{
    struct model *m = arg;

    assert_string_equal(why->code, "bad-value");
    m->told[m->told_count++] = (struct told){seq, seq, true};
}

/* ---- the model's steps ---- */

static void step_add(struct model *m)
{
    char event[128];

    for (unsigned i = below(20); i > 0 && m->next < MOST; i--) {
        memset(event, (char)m->next, sizeof event);
        assert_int_equal(window_add(&m->window, slice_make(event, size_of(m->next))), m->next);
        m->states[m->next++] = STATE_WAITING;
    }
}

static uint64_t oldest_of(const struct model *m, enum state state)
{
    uint64_t seq = 1;

    while (seq < m->next && m->states[seq] != state)
        seq++;
    return seq;
}

static void step_send(struct model *m)
{
    struct window_piece piece;
    uint64_t first = oldest_of(m, STATE_WAITING);
    unsigned most_events = 1 + below(12), most_bytes = 100 + below(500);

    if (!window_next(&m->window, most_events, most_bytes, &piece)) {
        assert_int_equal(first, m->next);
        return;
    }
    assert_int_equal(piece.first, first);
    assert_in_range(piece.count, 1, most_events);
    assert_in_range(piece.bytes.size, 1, most_bytes);
    size_t at = 0;
    for (uint64_t seq = first; seq < first + piece.count; seq++) {
        assert_int_equal(m->states[seq], STATE_WAITING);
        assert_int_equal(piece.sizes[seq - first], size_of(seq));
        assert_int_equal(piece.bytes.at[at], (char)seq);
        at += size_of(seq);
        m->states[seq] = STATE_AWAY;
        m->sent[seq] = true;
    }
    assert_int_equal(at, piece.bytes.size);
    window_sent(&m->window, &piece);
}

static void step_rewind(struct model *m)
{
    window_rewind(&m->window);
    for (uint64_t seq = 1; seq < m->next; seq++)
        if (m->states[seq] == STATE_AWAY)
            m->states[seq] = STATE_WAITING;
}

/* What the listener must hear of `seq`: a refusal, or one more in the present run. */
static void expect(struct model *m, uint64_t seq, bool refused)
{
    struct told *last = m->expected_count ? &m->expected[m->expected_count - 1] : NULL;

    if (!refused && last && !last->refused && last->last + 1 == seq)
        last->last = seq;
    else
        m->expected[m->expected_count++] = (struct told){seq, seq, refused};
}

static void step_ack(struct model *m)
{
    static struct wire_refused refused[MOST + 64];
    struct wire_puback ack = {.first = 1 + below((unsigned)m->next + 3), .refused = refused};
    struct window_listener listener = {on_accepted, on_refused, m};

    ack.count = 1 + below(40);
    m->told_count = m->expected_count = 0;
    for (uint64_t seq = ack.first; seq < ack.first + ack.count; seq++) {
        bool refuse = below(6) == 0;
        if (refuse)
            refused[ack.refused_count++] =
                (struct wire_refused){seq, slice_of("bad-value"), {0}, {0}, false};
        if (seq >= m->next || m->states[seq] == STATE_DONE || !m->sent[seq])
            continue;
        m->states[seq] = STATE_DONE;
        expect(m, seq, refuse);
    }
    struct window_done done = window_ack(&m->window, &ack, &listener);
    assert_int_equal(m->told_count, m->expected_count);
    for (unsigned i = 0; i < m->told_count; i++) {
        struct told *t = &m->told[i], *e = &m->expected[i];
        assert_int_equal(t->first, e->first);
        assert_int_equal(t->last, e->last);
        assert_int_equal(t->refused, e->refused);
        if (t->refused)
            done.refused--;
        else
            done.accepted -= t->last - t->first + 1;
    }
    assert_int_equal(done.accepted + done.refused, 0);
}

static void assert_counts(const struct model *m)
{
    uint64_t events = 0, bytes = 0, away = 0, away_bytes = 0, oldest = m->next;

    for (uint64_t seq = m->next - 1; seq > 0; seq--) {
        events += m->states[seq] != STATE_DONE;
        away += m->states[seq] == STATE_AWAY;
        away_bytes += m->states[seq] == STATE_AWAY ? size_of(seq) : 0;
        if (m->states[seq] != STATE_DONE)
            oldest = seq;
    }
    for (uint64_t seq = oldest; seq < m->next; seq++)
        bytes += size_of(seq);
    assert_int_equal(m->window.events, events);
    assert_int_equal(m->window.bytes, bytes);
    assert_int_equal(m->window.away, away);
    assert_int_equal(m->window.away_bytes, away_bytes);
    assert_int_equal(window_held(&m->window), m->next - oldest);
}

static void one_round(unsigned chunk_events)
{
    struct model *m = calloc(1, sizeof *m);

    assert_non_null(m);
    m->next = 1;
    window_init(&m->window, chunk_events);
    for (int i = 0; i < STEPS; i++) {
        unsigned choice = below(100);
        if (choice < 30)
            step_add(m);
        else if (choice < 65)
            step_send(m);
        else if (choice < 98)
            step_ack(m);
        else
            step_rewind(m);
        assert_counts(m);
    }
    window_free(&m->window);
    free(m);
}

static void it_agrees_with_an_array_of_what_became_of_each_event(void **state)
{
    unsigned seed = (unsigned)time(NULL);

    (void)state;
    print_message("seed %u\n", seed);
    random_state = seed;
    for (unsigned round = 0; round < 30; round++)
        one_round(1 + below(40));
}

static void add_some(struct window *w, uint64_t count)
{
    while (count-- > 0)
        window_add(w, slice_of("event"));
}

static void a_batch_is_due_when_a_chunk_is_full_or_another_has_begun(void **state)
{
    struct window w;
    struct window_piece piece;

    (void)state;
    window_init(&w, 4);
    assert_false(window_has_batch(&w));
    add_some(&w, 3);
    assert_false(window_has_batch(&w));
    add_some(&w, 1);
    assert_true(window_has_batch(&w));
    add_some(&w, 1);
    assert_true(window_has_batch(&w));
    assert_true(window_next(&w, 100, 1000, &piece));
    assert_int_equal(piece.count, 4);
    window_sent(&w, &piece);
    assert_false(window_has_batch(&w));
    window_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_an_array_of_what_became_of_each_event),
        cmocka_unit_test(a_batch_is_due_when_a_chunk_is_full_or_another_has_begun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
