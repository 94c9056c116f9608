/* Refusals; see refusal.h. */
#include "proto/refusal.h"

#include "proto/error.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const name_of[REFUSAL_CODES] = {
    [REFUSAL_NONE] = "none",
    [REFUSAL_MALFORMED] = "malformed",
    [REFUSAL_TOO_LARGE] = "too-large",
    [REFUSAL_BAD_UTF8] = "bad-utf8",
    [REFUSAL_DUPLICATE_KEY] = "duplicate-key",
    [REFUSAL_UNKNOWN_TYPE] = "unknown-type",
    [REFUSAL_MISSING] = "missing",
    [REFUSAL_BAD_TYPE] = "bad-type",
    [REFUSAL_BAD_VALUE] = "bad-value",
    [REFUSAL_OUT_OF_RANGE] = "out-of-range",
    [REFUSAL_NOT_ALLOWED] = "not-allowed",
    [REFUSAL_BAD_JSON] = "bad-json",
    [REFUSAL_JOURNAL_FULL] = "journal-full",
    [REFUSAL_TYPE_DENIED] = "type-denied",
    [REFUSAL_COMMITTEE_DENIED] = "committee-denied",
    [REFUSAL_RATE_LIMIT] = "rate-limit",
};

const char *refusal_name(enum refusal_code code)
{
    return code < REFUSAL_CODES ? name_of[code] : "unknown";
}

bool refusal_can_retry(enum refusal_code code)
{
    return code == REFUSAL_JOURNAL_FULL || code == REFUSAL_RATE_LIMIT;
}

/* Copies at most `room` bytes, whole characters only; '?' stands for what is not printable, and, in
 * text that is not UTF-8, for all that is not ASCII. */
static void copy_printable(char *out, size_t room, struct slice text)
{
    bool sound = utf8_valid(text);
    size_t n = 0, i = 0;

    while (i < text.size) {
        const char *at = text.at + i;
        uint32_t c = sound ? utf8_next(&at) : (unsigned char)*at++;
        size_t size = (size_t)(at - (text.at + i));
        bool plain = !char_is_control(c) && (sound || c < 0x80);
        if (n + (plain ? size : 1) > room)
            break;
        if (plain)
            memcpy(out + n, text.at + i, size);
        else
            out[n] = '?';
        n += plain ? size : 1;
        i += size;
    }
    out[n] = '\0';
}

int refusal_set(struct refusal *r, enum refusal_code code, struct slice field, const char *format,
                ...)
{
    char reason[2 * REFUSAL_REASON];
    va_list args;

    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    r->code = code;
    copy_printable(r->field, REFUSAL_FIELD, field);
    copy_printable(r->reason, REFUSAL_REASON, slice_of(reason));
    return ERR_REFUSED;
}

int refusal_malformed(struct refusal *r, const char *reason)
{
    return refusal_set(r, REFUSAL_MALFORMED, slice_make(NULL, 0), "%s", reason);
}
