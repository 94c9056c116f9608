/* Raw connections; see raw.h. */
#include "tests/raw.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_ipc(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int connect_tcp(const char *address)
{
    const char *port = strrchr(address, ':');
    struct sockaddr_in to = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_port = htons((uint16_t)atoi(port ? port + 1 : "0"));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

int raw_connect(const char *endpoint)
{
    const struct timeval second = {.tv_sec = 1};
    int fd = strncmp(endpoint, "ipc://", 6) == 0 ? connect_ipc(endpoint + 6)
                                                 : connect_tcp(endpoint + strlen("tcp://"));

    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
    }
    return fd;
}

bool raw_send(int fd, const void *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        bytes = (const char *)bytes + sent;
        size -= (size_t)sent;
    }
    return true;
}

bool raw_await(int fd, const char *words)
{
    char answer[1024];
    size_t size = 0;

    while (!memmem(answer, size, words, strlen(words))) {
        ssize_t n = recv(fd, answer + size, sizeof answer - size, 0);

        if (n <= 0)
            return false;
        size += (size_t)n;
    }
    return true;
}

/* ZMTP 3.0: the greeting (mechanism NULL), then READY with the type of socket.  Whoever sends a
 * message before the other side's READY is cut off at once. */
int zmtp_connect(const char *endpoint)
{
    static const char ready[] = "\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06"
                                "DEALER";
    char greeting[64] = "\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL";
    int fd = raw_connect(endpoint);

    if (fd >= 0 && raw_send(fd, greeting, sizeof greeting) && raw_send(fd, ready, 2 + 0x1c))
        raw_await(fd, "READY");
    return fd;
}

bool zmtp_head(int fd, int flags, uint64_t size)
{
    unsigned char head[9] = {(unsigned char)(flags | ZMTP_LONG)};

    for (int i = 0; i < 8; i++)
        head[8 - i] = (unsigned char)(size >> 8 * i);
    return raw_send(fd, head, sizeof head);
}

bool zmtp_frame(int fd, int flags, const void *bytes, size_t size)
{
    return zmtp_head(fd, flags, size) && raw_send(fd, bytes, size);
}

bool zmtp_say(int fd, const void *header, size_t size)
{
    return zmtp_frame(fd, ZMTP_MORE, wire_preamble.at, wire_preamble.size) &&
           zmtp_frame(fd, 0, header, size);
}

/* ---- the broker meanwhile ---- */

/* Resident pages, and those of them that are of files; none when it is gone. */
static void process_pages(pid_t pid, unsigned long long *ret_resident,
                          unsigned long long *ret_shared)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    f = fopen(path, "r");
    if (!f || fscanf(f, "%*u %llu %llu", ret_resident, ret_shared) != 2)
        *ret_resident = *ret_shared = 0;
    if (f)
        fclose(f);
}

uint64_t process_bytes(pid_t pid)
{
    unsigned long long resident, shared;

    process_pages(pid, &resident, &shared);
    return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t process_mapped(pid_t pid)
{
    unsigned long long resident, shared;

    process_pages(pid, &resident, &shared);
    return shared * (uint64_t)sysconf(_SC_PAGESIZE);
}

double process_cpu_s(pid_t pid)
{
    unsigned long user = 0, system = 0;
    char path[64];
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "r");
    if (!f)
        return 0;
    if (fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) !=
        2)
        user = system = 0;
    fclose(f);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}
