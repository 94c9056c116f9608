/* The texts of the error codes; see error.h. */
#include "proto/error.h"

#include <errno.h>

const char *error_text(int code)
{
    static const char *const text[] = {
        "no error",
        "nothing there at the moment",
        "connection lost",
        "the offset was moved by somebody else",
        "no room left",
        "corrupt data",
        "unknown version",
        "input/output error",
        "in use by another process",
        "protocol error",
        "event refused",
        "configuration error",
        "Redis stands for another journal, or for more than this one holds",
        "timed out",
        "access denied",
        "too much at once",
    };
    int i = -code;

    return i >= 0 && i < (int)(sizeof text / sizeof *text) ? text[i] : "unknown error";
}

bool errno_is_full(int code)
{
    return code == ENOSPC || code == EDQUOT || code == EFBIG;
}
