/* How a program begins, is told to stop and ends; see program.h. */
#include "proto/program.h"

#include "proto/bytes.h"
#include "proto/error.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

void program_begin(void)
{
    standard_files_open();
    core_forbid();
    memory_keep();
}

void standard_files_open(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

void core_forbid(void)
{
    struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
}

int program_stop_open(void)
{
    sigset_t stop;

    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
}

int program_exit_status(int error)
{
    switch (error) {
    case 0:
        return EX_OK;
    case ERR_TIMEOUT:
    case ERR_LOST:
        return EX_UNAVAILABLE;
    case ERR_AGAIN:
        return EX_TEMPFAIL;
    case ERR_CORRUPT:
    case ERR_IO:
        return EX_IOERR;
    case ERR_CONFIG:
    case ERR_VERSION:
    case ERR_FOREIGN:
    case ERR_DENIED:
        return EX_CONFIG;
    default:
        return EXIT_FAILURE;
    }
}
