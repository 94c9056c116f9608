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

/* Redis refuses what comes while more is used, a commit under way counted, whose memory is free
 * again when it has been refused: so a limit that is near may be one that is met. */
static void look_at_memory(struct slice info, struct hindrance *ret)
{
    int64_t most = number_of(info, "maxmemory");
    int64_t used = number_of(info, "used_memory") - number_of(info, "mem_not_counted_for_evict");

    if (most <= 0 || used <= most / 4 * 3)
        return;
    ret->sure = used > most;
    snprintf(ret->says, sizeof ret->says,
             "%s no writes: %" PRId64 " bytes of memory of %" PRId64 " (maxmemory) are used",
             ret->sure ? "takes" : "may take", used, most);
}

void redis_info_hindrance(struct slice info, struct hindrance *ret)
{
    *ret = (struct hindrance){0};
    look_at_memory(info, ret);
    if (ret->sure)
        return;
    if (log_has_failed(info))
        *ret = (struct hindrance){true, "takes no writes: its append-only file could not be "
                                        "written; if its disk has room and this stays, start it "
                                        "again"};
    else if (!*ret->says && has_failed(info, "rdb_last_bgsave_status"))
        *ret = (struct hindrance){false, "may take no writes (with save points and "
                                         "stop-writes-on-bgsave-error): its last snapshot could "
                                         "not be written"};
}
