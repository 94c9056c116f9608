/* Names; see names.h.  Happy path: a new peer's number is a little above the highest so far.  What
 * can fail: it is not, and then the peer chose it. */
#include "broker/names.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

/* rand is ours in this program: it is where libzmq takes the first number of a socket from, and it
 * never calls srand, so that the C library's gives everybody the same. */
int rand(void)
{
    unsigned value;
    ssize_t n;

    do
        n = getrandom(&value, sizeof value, 0);
    while (n < 0 && errno == EINTR);
    if (n != sizeof value)
        abort(); /* keys made without randomness would be worth nothing either */
    return (int)(value & RAND_MAX);
}

bool names_take(struct names *n, const struct link *link, struct slice peer, uint64_t admitted)
{
    unsigned socket = peer.size ? (unsigned char)peer.at[0] : LINK_SOCKETS;
    uint32_t number;

    if (!link_peer_number(link, peer, &number))
        return false;
    uint32_t ahead = number - n->of[socket].top;
    if (ahead <= NAMES_OPEN + (admitted - n->of[socket].admitted)) {
        n->of[socket].top = number;
        n->of[socket].admitted = admitted;
        return true;
    }
    return n->of[socket].top - number <= NAMES_OPEN;
}
