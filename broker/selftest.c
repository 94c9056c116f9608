/* The self-test; see selftest.h.  It runs before the loop does, so it answers at the gate itself:
 * by the rules that a key nobody knows is turned away, and that of those without one the gate has
 * nothing to say: they are at the sockets of the folder.  One that is told "unknown" there never
 * tries again.  That the gate is asked at all, and its answer obeyed, is what is tested. */
#include "broker/selftest.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/keyfile.h"
#include "proto/log.h"

#define ANSWER_MS 10000
#define TICK_MS   20

static enum gate_verdict verdict_on(const struct gate_request *r, const char *stranger)
{
    if (!r->keyed)
        return GATE_OPEN;
    return strcmp(r->key, stranger) == 0 ? GATE_UNKNOWN : GATE_LATER;
}

static void gate_serve(struct link *gate, const char *stranger)
{
    struct gate_request request;
    int err;

    while ((err = gate_next(gate, &request)) != ERR_AGAIN)
        if (err == 0)
            gate_answer(gate, verdict_on(&request, stranger), "");
}

/* What the client comes to, while nothing it says arrives at the server. */
static enum link_state outcome(struct link *gate, struct link *server, struct link *client,
                               const char *stranger)
{
    struct link *links[] = {gate, server, client};
    int64_t end_ms = clock_mono_ms() + ANSWER_MS;

    /* What it leaves in the server's count is taken off it, as nobody need be told of it. */
    while ((link_state(client) == LINK_TRYING || (!*stranger && link_failed(server) == 0)) &&
           clock_mono_ms() < end_ms) {
        link_wait(links, 3, -1, TICK_MS);
        gate_serve(gate, stranger);
    }
    return link_state(client);
}

static int judge(const char *endpoint, const char *who, enum link_state is,
                 enum link_state expected)
{
    if (is == expected)
        return 0;
    if (is == LINK_UP)
        log_error("self-test: %s was let in at %s: not started", who, endpoint);
    else
        log_error("self-test: %s was not turned away at %s (%s): not started", who, endpoint,
                  link_state_text(is));
    return ERR_CONFIG;
}

static int test_one(struct link *gate, struct link *server, const char *endpoint,
                    const struct keyfile *key)
{
    const char *who = key ? "an unknown key" : "a peer without a key";
    struct link *client;
    enum link_state is;
    int err = key ? link_connect_keyed(endpoint, key, &client) : link_connect(endpoint, &client);

    if (err < 0) {
        log_error("self-test: cannot connect to %s: %s", endpoint, error_text(err));
        return ERR_CONFIG;
    }
    is = outcome(gate, server, client, key ? key->public : "");
    link_close(client, 0);
    return judge(endpoint, who, is, key ? LINK_UNKNOWN_KEY : LINK_KEY_NEEDED);
}

int selftest_run(struct link *gate, struct link *server, const char *endpoint,
                 const struct keyfile *broker)
{
    struct keyfile stranger = {.name = "stranger"};
    int err = link_keypair(&stranger);

    if (err < 0) {
        log_error("self-test: no key can be made: not started");
        return err;
    }
    strcpy(stranger.broker, broker->public);
    err = test_one(gate, server, endpoint, &stranger);
    if (err == 0)
        err = test_one(gate, server, endpoint, NULL);
    return err;
}
