/* What Redis tells of itself; see redis_info.h. */
#include "workers/redis_info.h"

#include <inttypes.h>
#include <stdio.h>

struct slice redis_info_value(struct slice info, const char *name)
{
    struct slice line, value;

    while (slice_cut(&info, '\n', &line)) {
        value = line;
        if (slice_cut(&value, ':', &line) && slice_is(line, name))
            return slice_make(value.at, value.size && value.at[value.size - 1] == '\r'
                                            ? value.size - 1
                                            : value.size);
    }
    return (struct slice){0};
}

/* 0 when it is not there. */
static int64_t number_of(struct slice info, const char *name)
{
    int64_t number = 0;

    return slice_to_int(redis_info_value(info, name), &number) ? number : 0;
}

static bool has_failed(struct slice info, const char *name)
{
    return slice_is(redis_info_value(info, name), "err");
}

/* What became of the last write stays there when the file is given up. */
static bool log_has_failed(struct slice info)
{
    return number_of(info, "aof_enabled") && has_failed(info, "aof_last_write_status");
}

void redis_info_fault(struct slice info, char *ret, size_t size)
{
    int64_t most = number_of(info, "maxmemory");
    int64_t used = number_of(info, "used_memory") - number_of(info, "mem_not_counted_for_evict");

    *ret = '\0';
    if (log_has_failed(info))
        snprintf(ret, size, "takes no writes: its append-only file could not be written");
    else if (most > 0 && used > most)
        snprintf(ret, size,
                 "takes no writes: %" PRId64 " bytes of memory of %" PRId64 " (maxmemory) are used",
                 used, most);
    else if (has_failed(info, "rdb_last_bgsave_status"))
        snprintf(ret, size,
                 "takes no writes unless stop-writes-on-bgsave-error is off: its last "
                 "snapshot could not be written");
}
