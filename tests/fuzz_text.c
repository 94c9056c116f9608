/* Fuzzes what is read from single words and short texts: dates, times, moments, numbers, rules,
 * subjects and targets of the command line, and text on its way to a terminal.  What is read and
 * written again reads the same.  The first byte picks which. */
#include "proto/date.h"
#include "proto/error.h"
#include "workers/audit/moment.h"
#include "workers/audit/subject.h"
#include "workers/audit/target.h"
#include "workers/rules.h"
#include "workers/table_text.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS 1772366400000

static void try_date(struct slice text)
{
    char back[DATE_TEXT];
    date_days d;

    if (!date_parse(text, &d))
        return;
    date_format(d, back);
    assert(slice_equal(text, slice_make(back, sizeof back)));
    assert(date_of_ms(d * DAY_MS) == d && date_of_ms(d * DAY_MS + DAY_MS - 1) == d);
    assert(date_from_civil(date_to_civil(d)) == d);
}

static void try_moment(struct slice text)
{
    char shown[MOMENT_TEXT];
    int64_t ms, again = 0, time_ms;
    int result;

    if (moment_parse(text, NOW_MS, &ms) < 0)
        return;
    if (time_parse(text, &time_ms))
        assert(ms == time_ms);
    moment_format(ms, shown);
    result = moment_parse(slice_of(shown), NOW_MS, &again);
    assert(result == 0 && again == ms);
}

static void try_number(struct slice text)
{
    struct buffer back = {0};
    int64_t n;

    if (slice_to_int(text, &n)) {
        buffer_add_int(&back, n);
        assert(slice_equal(text, buffer_slice(&back)));
    }
    buffer_free(&back);
}

static void try_rules(struct slice text)
{
    struct buffer back = {0};
    struct rules rules, again;

    if (rules_parse(text, &rules)) {
        rules_format(&rules, &back);
        bool same = rules_parse(buffer_slice(&back), &again);
        assert(same && memcmp(&rules, &again, sizeof rules) == 0);
    }
    buffer_free(&back);
}

static void try_subject(struct slice text)
{
    struct buffer once = {0}, twice = {0};
    const char *reason = NULL;
    struct subject s;
    struct slice back;
    int result;

    if (subject_parse(&text, 1, &s, &reason) < 0) {
        assert(reason && reason[0]);
        return;
    }
    assert(subject_partition(&s, 8) < 8);
    subject_format(&s, &once);
    back = buffer_slice(&once);
    result = subject_parse(&back, 1, &s, &reason);
    assert(result == 0);
    subject_format(&s, &twice);
    assert(slice_equal(buffer_slice(&once), buffer_slice(&twice)));
    buffer_free(&once);
    buffer_free(&twice);
}

static bool within(struct slice inner, struct slice outer)
{
    return !inner.at || (inner.at >= outer.at && inner.at + inner.size <= outer.at + outer.size);
}

/* "KEY FIELD", parted by the last blank. */
static void try_target(struct slice text)
{
    const char *blank = text.size ? memrchr(text.at, ' ', text.size) : NULL;
    struct buffer reason = {0};
    struct target t;
    struct slice key, field;

    if (!blank)
        return;
    key = slice_make(text.at, (size_t)(blank - text.at));
    field = slice_make(blank + 1, text.size - key.size - 1);
    if (target_parse(key, field, "turnout:", &t, &reason) < 0) {
        assert(reason.size);
    } else {
        assert(t.family < TARGET_FAMILIES && t.term_count <= TARGET_TERMS);
        assert(within(t.committee, text) && within(t.member, text) && within(t.matter, text));
        assert(within(t.group, text) && within(t.period_text, text));
    }
    buffer_free(&reason);
}

static bool is_unclean(uint32_t c)
{
    return char_is_control(c) || char_misleads(c);
}

/* Nothing that moves a terminal's cursor, or turns what stands around it, comes through. */
static void try_clean(struct slice text)
{
    struct buffer out = {0};
    const char *at;

    text_add_clean(&out, text);
    at = out.at;
    assert(utf8_valid(buffer_slice(&out)));
    while (at && at < out.at + out.size)
        assert(!is_unclean(utf8_next(&at)));
    assert(text_width(buffer_slice(&out)) <= out.size);
    buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(struct slice text) = {
        try_date, try_moment, try_number, try_rules, try_subject, try_target, try_clean};

    if (size)
        tries[data[0] % (sizeof tries / sizeof *tries)](slice_make(data + 1, size - 1));
    return 0;
}
