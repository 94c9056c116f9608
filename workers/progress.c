/* Progress; see progress.h.  Nothing here can fail: a line that cannot be written is left out. */
#include "workers/progress.h"

#include "proto/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TERMINAL_MS 100  /* between two looks of a line that is written over */
#define LINES_MS    1000 /* between two lines of a log */

void progress_begin(struct progress *p, const char *what, uint64_t total, bool asked)
{
    int64_t now_ms = clock_mono_ms();

    *p = (struct progress){.what = what, .total = total, .started_ms = now_ms, .shown_ms = now_ms};
    p->terminal = isatty(STDERR_FILENO) == 1;
    p->on = asked || p->terminal;
}

/* "1,234,567" */
static const char *number_text(uint64_t n, char room[32])
{
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    char *to = room;

    for (int i = 0; i < count; i++) {
        if (i && (count - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return room;
}

static void time_text(uint64_t s, char room[32])
{
    if (s < 60)
        snprintf(room, 32, "%llu s", (unsigned long long)s);
    else if (s < 3600)
        snprintf(room, 32, "%llu min %llu s", (unsigned long long)(s / 60),
                 (unsigned long long)(s % 60));
    else
        snprintf(room, 32, "%llu h %llu min", (unsigned long long)(s / 3600),
                 (unsigned long long)(s / 60 % 60));
}

/* How much of how much, and the share; only the former while the total is not known. */
static void print_amount(const struct progress *p)
{
    char done[32], total[32];

    fprintf(stderr, "%s  %s", p->what, number_text(p->done, done));
    if (p->total)
        fprintf(stderr, " of %s  %.0f %%", number_text(p->total, total),
                (double)p->done * 100 / (double)p->total);
}

static void print_speed(const struct progress *p, int64_t now_ms)
{
    int64_t taken_ms = now_ms > p->started_ms ? now_ms - p->started_ms : 1;
    double a_second = (double)p->done * 1000 / (double)taken_ms;
    char text[32];

    fprintf(stderr, "  %s/s", number_text((uint64_t)a_second, text));
    if (p->total <= p->done || a_second <= 0)
        return;
    time_text((uint64_t)((double)(p->total - p->done) / a_second + 0.5), text);
    fprintf(stderr, "  %s left", text);
}

static void progress_show(struct progress *p, int64_t now_ms)
{
    if (p->terminal)
        fputs("\r", stderr);
    print_amount(p);
    print_speed(p, now_ms);
    fputs(p->terminal ? "\033[K" : "\n", stderr);
    fflush(stderr);
    p->shown_ms = now_ms;
    p->shown = true;
}

void progress_add(struct progress *p, uint64_t count)
{
    int64_t now_ms;

    p->done += count;
    if (!p->on)
        return;
    now_ms = clock_mono_ms();
    if (now_ms - p->shown_ms >= (p->terminal ? TERMINAL_MS : LINES_MS))
        progress_show(p, now_ms);
}

void progress_end(struct progress *p)
{
    if (p->on && !p->terminal)
        progress_show(p, clock_mono_ms()); /* a log keeps what it came to in the end */
    else if (p->on && p->shown)
        fputs("\r\033[K", stderr);
    p->on = false;
}
