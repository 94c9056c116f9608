/* Keys, of which the simulated network knows none: everybody is local. */
#include "proto/error.h"
#include "tests/simulate/simulate.h"

int link_connect_keyed(const char *endpoint, const struct keyfile *key, struct link **ret)
{
    (void)key;
    return link_connect(endpoint, ret);
}

void link_endpoint(const struct link *l, char *ret, size_t size)
{
    (void)l;
    snprintf(ret, size, "ipc://simulated");
}

bool link_has_keys(void)
{
    return false;
}

int link_keypair(struct keyfile *k)
{
    (void)k;
    return ERR_CONFIG;
}

bool link_keys_match(const struct keyfile *k)
{
    (void)k;
    return false;
}

enum link_state link_state(struct link *l)
{
    (void)l;
    return LINK_UP;
}

const char *link_state_code(enum link_state state)
{
    (void)state;
    return "";
}

const char *link_state_text(enum link_state state)
{
    (void)state;
    return "is simulated";
}

int link_gate(struct link **ret)
{
    (void)ret;
    return ERR_CONFIG;
}

int gate_next(struct link *gate, struct gate_request *ret)
{
    (void)gate;
    (void)ret;
    return ERR_AGAIN;
}

void gate_answer(struct link *gate, enum gate_verdict verdict, const char *user)
{
    (void)gate;
    (void)verdict;
    (void)user;
}

uint64_t link_failed(struct link *l)
{
    (void)l;
    return 0;
}

int link_listen(struct link *l, const char *endpoint, const struct keyfile *key)
{
    (void)l;
    (void)endpoint;
    (void)key;
    return ERR_CONFIG;
}

int link_connection(struct link *l)
{
    (void)l;
    return -1;
}

bool link_peer_number(const struct link *l, struct slice peer, uint32_t *ret)
{
    (void)l, (void)peer, (void)ret;
    return false;
}
