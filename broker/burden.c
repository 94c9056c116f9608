/* Burdens; see burden.h.  Linear in the sessions; nothing can fail. */
#include "broker/burden.h"

#include <stdlib.h>

static size_t of_key(const struct session *who, const size_t *keys, size_t own)
{
    return who->user[0] ? keys[who->right->number] : own;
}

struct session *burden_find(const struct sessions *s, size_t (*of)(const struct session *),
                            size_t *ret_sum)
{
    size_t *keys = memory_need(RIGHTS_MOST * sizeof *keys), sum = 0;
    size_t most_key = 0, most_own = 0;
    struct session *found = NULL;

    memset(keys, 0, RIGHTS_MOST * sizeof *keys);
    for (unsigned i = 0; i < s->count; i++) {
        const struct session *who = s->list[i];
        sum += who->gone ? 0 : of(who);
        if (!who->gone && who->user[0])
            keys[who->right->number] += of(who);
    }
    for (unsigned i = 0; i < s->count; i++) {
        struct session *who = s->list[i];
        size_t own = who->gone ? 0 : of(who);
        size_t key = own ? of_key(who, keys, own) : 0;
        if (own && (key > most_key || (key == most_key && own > most_own))) {
            found = who;
            most_key = key;
            most_own = own;
        }
    }
    free(keys);
    *ret_sum = sum;
    return found;
}

/* ---- places ---- */

static struct session *idlest_find(const struct sessions *s, enum session_role role, int64_t now_ms)
{
    struct session *found = NULL;

    for (unsigned i = 0; i < s->count && role != SESSION_WORKER; i++) {
        struct session *who = s->list[i];
        if (who->gone || who->role != role || who->away_events > 0 ||
            now_ms - who->active_ms < SESSION_IDLE_MS)
            continue;
        if (!found || who->active_ms < found->active_ms)
            found = who;
    }
    return found;
}

/* Keys cannot keep the host's own programs out, the administrator's above all: of those with a key
 * the one that came last gives way to them, idle or not. */
static struct session *keyed_find(const struct sessions *s, enum session_role role)
{
    struct session *found = NULL;

    for (unsigned i = 0; i < s->count; i++) {
        struct session *who = s->list[i];
        if (!who->gone && who->role == role && who->user[0] &&
            (!found || who->number > found->number))
            found = who;
    }
    return found;
}

struct session *way_find(const struct sessions *s, enum session_role role, bool keyed,
                         int64_t now_ms)
{
    struct session *found = idlest_find(s, role, now_ms);

    return found || keyed ? found : keyed_find(s, role);
}
