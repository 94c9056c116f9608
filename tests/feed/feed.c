/* A producer as others write one: with turnout.h, libturnout.a and libzmq, and with functions of
 * its own that happen to have names the library uses inside.
 *
 *     feed ENDPOINT
 *
 * Publishes the one event on standard input; prints how many were accepted and refused. */
#include <stdio.h>

#include <turnout.h>

#define PATIENCE_MS 60000

size_t file_read(FILE *f, char *to, size_t most);
void log_open(const char *name);

size_t file_read(FILE *f, char *to, size_t most)
{
    return fread(to, 1, most, f);
}

void log_open(const char *name)
{
    fprintf(stderr, "%s: publishing\n", name);
}

int main(int argc, char **argv)
{
    struct turnout_options options = {.endpoint = argc > 1 ? argv[1] : NULL, .name = "feed"};
    struct turnout_producer *p;
    struct turnout_counts counts;
    char event[TURNOUT_MAX_EVENT];
    int status;

    log_open("feed");
    if (turnout_producer_new(&options, &p) < 0)
        return 64;
    status = turnout_send(p, event, file_read(stdin, event, sizeof event), NULL);
    if (status == TURNOUT_OK)
        status = turnout_flush(p, PATIENCE_MS);
    counts = turnout_counts(p);
    printf("accepted %d, refused %d\n", (int)counts.accepted, (int)counts.refused);
    turnout_producer_free(p);
    return status == TURNOUT_OK ? 0 : 69;
}
