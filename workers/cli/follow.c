/* A broker that follows; see follow.h.  It is asked as the key's holder would: by a connection. */
#include "workers/cli/follow.h"

#include "proto/clock.h"
#include "proto/keyring.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEED_MS   400 /* within this the broker has seen a change, as a rule */
#define LOOK_MS   50
#define PAUSE_MS  400
#define ANSWER_MS 1000
#define FOLLOW_MS 10000

/* What a connection under this key comes to; LINK_TRYING when nobody answers. */
static enum link_state state_ask(const struct keyfile *k)
{
    int64_t end_ms = clock_mono_ms() + ANSWER_MS;
    enum link_state state = LINK_TRYING;
    struct link *l;

    if (!k->read[0] || link_connect_keyed(k->read, k, &l) < 0)
        return state;
    while ((state = link_state(l)) == LINK_TRYING && clock_mono_ms() < end_ms)
        link_wait(&l, 1, -1, LOOK_MS);
    link_close(l, 0);
    return state;
}

/* By its local socket: what does not answer there does not run, as far as this folder knows. */
static bool broker_runs(const char *dir)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t n = (size_t)snprintf(at.sun_path, sizeof at.sun_path, "%s/read.sock", dir);
    bool runs;
    int fd;

    if (n >= sizeof at.sun_path)
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    runs = fd >= 0 && (connect(fd, (struct sockaddr *)&at, sizeof at) == 0 ||
                       (errno != ENOENT && errno != ECONNREFUSED));
    if (fd >= 0)
        close(fd);
    return runs;
}

static enum follow state_await(const struct keyfile *k, const char *dir, enum link_state wanted)
{
    int64_t end_ms = clock_mono_ms() + FOLLOW_MS, pause_ms = LOOK_MS;
    enum link_state state, answer = LINK_TRYING;

    if (wanted == LINK_UP)
        link_wait(NULL, 0, -1, HEED_MS); /* or it would log the first try as a stranger's */
    do {
        state = state_ask(k);
        if (state == wanted)
            return FOLLOW_SEEN;
        if (state == LINK_TRYING && !broker_runs(dir))
            return FOLLOW_NOBODY;
        if (state != LINK_TRYING)
            answer = state;
        link_wait(NULL, 0, -1, pause_ms);
        if (pause_ms < PAUSE_MS) /* a key may not connect as often as it likes */
            pause_ms *= 2;
    } while (clock_mono_ms() < end_ms);
    return answer == LINK_TRYING ? FOLLOW_UNSEEN : FOLLOW_NOT;
}

enum follow broker_follow(const char *dir, const struct keyfile *k, enum link_state wanted)
{
    struct keyfile asked = k ? *k : (struct keyfile){.name = ""};
    enum follow result;

    keyring_endpoints_read(dir, &asked);
    if (!asked.read[0])
        result = FOLLOW_NOBODY;
    else if (k)
        result = state_await(&asked, dir, wanted);
    else
        result = broker_runs(dir) ? FOLLOW_UNSEEN : FOLLOW_NOBODY;
    keyfile_forget(&asked);
    return result;
}

/* Until there is an answer, whichever it is. */
static enum follow answer_await(const struct keyfile *k, const char *dir)
{
    int64_t end_ms = clock_mono_ms() + FOLLOW_MS;

    do {
        enum link_state state = state_ask(k);
        if (state != LINK_TRYING)
            return state == LINK_UP ? FOLLOW_SEEN : FOLLOW_NOT;
        if (!broker_runs(dir))
            return FOLLOW_NOBODY;
        link_wait(NULL, 0, -1, LOOK_MS);
    } while (clock_mono_ms() < end_ms);
    return FOLLOW_UNSEEN;
}

enum follow broker_admits(const char *dir, const struct keyfile *k)
{
    struct keyfile asked = *k;
    enum follow result = FOLLOW_NOBODY;

    keyring_endpoints_read(dir, &asked);
    if (asked.read[0] && asked.broker[0]) /* or nobody can have come in by it */
        result = answer_await(&asked, dir);
    keyfile_forget(&asked);
    return result;
}
