/* Answers; see answer.h. */
#include "workers/web/answer.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "workers/web/journal.h"
#include "workers/web/names.h"
#include "workers/web/writer.h"

#include <stdio.h>
#include <xxhash.h>

static const char *const form_type[] = {"text/html; charset=utf-8", "text/html; charset=utf-8",
                                        "application/json", "text/csv; charset=utf-8"};

static struct html html_of(const struct answer_ask *ask, struct answer *a)
{
    return (struct html){.out = &a->body, .lang = ask->lang, .lang_asked = ask->lang_asked};
}

static void seal(struct answer *a)
{
    XXH128_hash_t h = XXH3_128bits(a->body.at, a->body.size);

    snprintf(a->etag, sizeof a->etag, "\"%016llx%016llx\"", (unsigned long long)h.high64,
             (unsigned long long)h.low64);
}

struct trouble {
    unsigned status;
    const char *code;
    enum text title, words;
    const char *state; /* NULL: what is known */
    bool again;
};

static void trouble_write(const struct answer_ask *ask, const struct trouble *t, struct slice words,
                          struct answer *ret)
{
    struct html h = html_of(ask, ret);

    ret->status = t->status;
    ret->again = t->again;
    if (!words.size)
        words = slice_of(text_of(ask->lang, t->words));
    buffer_clear(&ret->body);
    if (ask->to.form >= ANSWER_JSON) {
        ret->type = form_type[ANSWER_JSON];
        trouble_json(t->code, words, &ret->body);
    } else {
        ret->type = form_type[ANSWER_HTML];
        trouble_html(&h, ask->request, t->title, words, t->state, ask->to.form == ANSWER_PART);
    }
}

void answer_trouble(const struct answer_ask *ask, unsigned status, struct answer *ret)
{
    static const struct trouble known[] = {
        {400, "bad-request", T_BAD_REQUEST, T_BAD_REQUEST_WORDS, NULL, false},
        {404, "not-found", T_NOT_FOUND, T_NOT_FOUND_WORDS, NULL, false},
        {405, "method", T_BAD_REQUEST, T_METHOD_WORDS, NULL, false}};
    size_t i = status == 404 ? 1 : status == 405 ? 2 : 0;

    trouble_write(ask, &known[i], (struct slice){0}, ret);
}

void answer_busy(const struct answer_ask *ask, struct answer *ret)
{
    static const struct trouble busy = {503, "busy", T_BUSY, T_BUSY_WORDS, NULL, true};

    trouble_write(ask, &busy, (struct slice){0}, ret);
}

/* What an error of Redis or the broker means to people. */
static void failed(const struct answer_ask *ask, int error, bool redis, struct answer *ret)
{
    static const struct trouble redis_down = {503,           "redis-down", T_DOWN,
                                              T_STATE_REDIS, "redis-down", true},
                                broker_down = {503,           "broker-down", T_DOWN, T_STATE_BROKER,
                                               "broker-down", true},
                                foreign = {503,       "foreign", T_DOWN, T_STATE_FOREIGN,
                                           "foreign", true},
                                timeout = {503, "too-long", T_BUSY, T_TOO_LONG, NULL, true},
                                full = {503, "too-much", T_WHY, T_TOO_MUCH, NULL, false},
                                corrupt = {500, "corrupt", T_DOWN, T_CORRUPT, NULL, false},
                                journal = {500, "corrupt", T_DOWN, T_JOURNAL_CORRUPT, NULL, false};
    const struct trouble *t = redis ? &redis_down : &broker_down;

    if (error == ERR_FOREIGN)
        t = &foreign;
    else if (error == ERR_CORRUPT)
        t = redis ? &corrupt : &journal;
    else if (error == ERR_FULL)
        t = &full;
    else if (error == (redis ? ERR_TIMEOUT : ERR_AGAIN))
        t = &timeout;
    trouble_write(ask, t, (struct slice){0}, ret);
}

static void written(const struct answer_ask *ask, const struct view *v, struct answer *ret)
{
    struct html h = html_of(ask, ret);

    ret->status = 200;
    ret->type = form_type[ask->to.form];
    switch (ask->to.form) {
    case ANSWER_HTML:
    case ANSWER_PART:
        page_html(&h, v, ask->request, ask->to.form == ANSWER_PART);
        break;
    case ANSWER_JSON:
        view_json(v, &ret->body);
        break;
    case ANSWER_CSV:
        if (!view_csv(v, request_param(ask->request, "sheet"), &ret->body)) {
            answer_trouble(ask, 404, ret);
            return;
        }
    }
    seal(ret);
}

static void refused(const struct answer_ask *ask, struct slice reason, struct answer *ret)
{
    static const struct trouble t = {400,  "bad-request", T_BAD_REQUEST, T_BAD_REQUEST_WORDS,
                                     NULL, false};

    trouble_write(ask, &t, reason, ret);
}

int answer_make(const struct answer_ask *ask, struct hand *hand, struct arena *arena,
                struct answer *ret)
{
    struct buffer reason = {0};
    struct page p = {.data = {hand->store, arena, clock_wall_ms()},
                     .request = ask->request,
                     .lang = ask->lang,
                     .subject = ask->to.subject,
                     .journal = hand->journal,
                     .reason = &reason};
    struct view v = {.arena = arena};
    int error = ask->to.route->page(&p, &v);

    v.state = ask->state;
    if (error == 0 && ask->to.form < ANSWER_JSON)
        error = names_fill(&p.data, &v);
    if (error == 0)
        written(ask, &v, ret);
    else if (error == PAGE_MISSING)
        answer_trouble(ask, 404, ret);
    else if (error == PAGE_REFUSED)
        refused(ask, buffer_slice(&reason), ret);
    else
        failed(ask, error, !p.broker_failed, ret);
    view_free(&v);
    buffer_free(&reason);
    return error < 0 ? error : 0;
}
