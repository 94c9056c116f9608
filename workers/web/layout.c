/* The layout around every page: head, navigation, state, what the figures stand for, footer. */
#include "workers/web/asset.h"
#include "workers/web/writer.h"

static const struct {
    const char *path, *name;
    enum text label;
} places[] = {{"/", "outcome", T_NAV_OUTCOME},
              {"/members", "members", T_NAV_MEMBERS},
              {"/committees", "committees", T_NAV_COMMITTEES},
              {"/ballots", "ballots", T_NAV_BALLOTS},
              {"/risk", "risk", T_NAV_RISK},
              {"/adoptions", "adoptions", T_NAV_ADOPTIONS},
              {"/health", "health", T_NAV_HEALTH}};

static void script_texts(struct html *h)
{
    char name[64], whole[80] = "text:";

    for (int t = 0; t < TEXTS; t++)
        if (text_script_name((enum text)t, name)) {
            memcpy(whole + 5, name, strlen(name) + 1);
            html_raw(h, "<meta");
            html_attr(h, "name", slice_of(whole));
            html_attr(h, "content", slice_of(text_of(h->lang, (enum text)t)));
            html_raw(h, ">\n");
        }
}

static void asset_url(struct html *h, const char *attribute, const char *name)
{
    const struct asset *a = asset_find(slice_of(name));
    struct buffer url = {0};

    buffer_add_text(&url, "/assets/");
    buffer_add_text(&url, name);
    if (a) {
        buffer_add_text(&url, "?v=");
        buffer_add_text(&url, a->hash);
    }
    html_attr(h, attribute, buffer_slice(&url));
    buffer_free(&url);
}

static void head(struct html *h, enum text title, struct slice subject)
{
    html_raw(h, "<!doctype html>\n<html");
    html_attr(h, "lang", slice_of(lang_code[h->lang]));
    html_raw(h, ">\n<head><meta charset=\"utf-8\">"
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
                "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    if (subject.at) {
        html_text(h, subject);
        html_raw(h, " · ");
    }
    html_say(h, title);
    html_raw(h, " · turnout</title>\n");
    script_texts(h);
    html_raw(h, "<link rel=\"icon\"");
    asset_url(h, "href", "icon.svg");
    html_raw(h, "><link rel=\"stylesheet\"");
    asset_url(h, "href", "turnout.css");
    html_raw(h, "><script type=\"module\"");
    asset_url(h, "src", "turnout.js");
    html_raw(h, "></script>\n</head>\n");
}

static void nav(struct html *h, const char *page, const struct request *r)
{
    html_raw(h, "<nav class=\"nav\"");
    html_attr(h, "aria-label", slice_of(text_of(h->lang, T_NAV)));
    html_raw(h, "><ul>");
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        size_t size = strlen(places[i].path);
        bool below = size > 1 && r->path.size > size &&
                     memcmp(r->path.at, places[i].path, size) == 0 && r->path.at[size] == '/';
        html_raw(h, "<li><a");
        html_href(h, slice_of(places[i].path));
        if (slice_is(r->path, places[i].path) || below || strcmp(page, places[i].name) == 0)
            html_attr(h, "aria-current", slice_of(below ? "true" : "page"));
        html_raw(h, ">");
        html_say(h, places[i].label);
        html_raw(h, "</a></li>");
    }
    html_raw(h, "</ul></nav>");
}

/* The same page in the other languages. */
static void langs(struct html *h, const struct request *r, struct arena *arena)
{
    struct html other = *h;

    html_raw(h, "<nav class=\"langs\"");
    html_attr(h, "aria-label", slice_of(text_of(h->lang, T_LANGUAGES)));
    html_raw(h, ">");
    for (int l = 0; l < LANGS; l++) {
        if (l == (int)h->lang)
            continue;
        other.lang = (enum lang)l;
        other.lang_asked = true;
        html_raw(h, "<a");
        html_href(&other, request_with(r, arena, "part", (struct slice){0}));
        html_attr(h, "lang", slice_of(lang_code[l]));
        html_attr(h, "hreflang", slice_of(lang_code[l]));
        html_raw(h, ">");
        html_text(h, slice_of(lang_name[l]));
        html_raw(h, "</a>");
    }
    html_raw(h, "</nav>");
}

static void top(struct html *h, const char *page, const struct request *r, struct arena *arena)
{
    html_raw(h, "<body class=\"page page-");
    html_text(h, slice_of(page));
    html_raw(h, "\">\n<a class=\"skip\" href=\"#main\">");
    html_say(h, T_SKIP);
    html_raw(h, "</a>\n<header class=\"top\"><a class=\"brand\"");
    html_href(h, slice_of("/"));
    html_raw(h, ">turnout</a>");
    nav(h, page, r);
    langs(h, r, arena);
    html_raw(h, "</header>\n"
                "<div id=\"connection\" class=\"banner\" role=\"status\" hidden></div>\n"
                "<p id=\"announce\" class=\"visually-hidden\" aria-live=\"polite\"></p>\n");
}

static void state(struct html *h, const char *state)
{
    static const struct {
        const char *name;
        enum text words;
    } known[] = {{"redis-down", T_STATE_REDIS},
                 {"broker-down", T_STATE_BROKER},
                 {"worker-down", T_STATE_WORKER},
                 {"foreign", T_STATE_FOREIGN},
                 {"behind", T_STATE_BEHIND}};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(state, known[i].name) == 0) {
            html_raw(h, "<div id=\"state\" class=\"banner banner-warn\"");
            html_attr(h, "data-state", slice_of(state));
            html_raw(h, "><p>");
            html_say(h, known[i].words);
            html_raw(h, "</p></div>\n");
        }
}

static void live_open(struct html *h, const struct view *v, const struct request *r)
{
    struct slice source = request_with(r, v->arena, "part", slice_of("live"));
    struct html plain = *h;

    html_raw(h, "<div id=\"live\" data-src=\"");
    html_text(h, source);
    if (plain.lang_asked) {
        html_raw(h, "&amp;lang=");
        html_text(h, slice_of(lang_code[h->lang]));
    }
    html_raw(h, "\"");
    html_attr(h, "data-watch", v->watch.size ? buffer_slice(&v->watch) : slice_of(""));
    html_raw(h, ">\n");
    state(h, v->state);
}

static void about(struct html *h, const struct view *v)
{
    html_raw(h, "<p class=\"about\">");
    if (v->period.at) {
        html_raw(h, "<span class=\"period\">");
        html_text(h, v->period);
        html_raw(h, "</span> ");
    }
    if (v->period.at && v->provisional) {
        html_raw(h, "<span class=\"provisional\">");
        html_say(h, T_PROVISIONAL);
        html_raw(h, "</span> ");
    }
    if (v->dated) {
        html_raw(h, "<span class=\"as-of\">");
        html_say(h, T_AS_OF);
        html_raw(h, " ");
        html_moment(h, v->as_of_ms);
        html_raw(h, "</span> ");
    }
    if (v->list.at) {
        html_raw(h, "<span class=\"list\">");
        html_say(h, T_LIST);
        html_raw(h, " <code>");
        html_text(h, v->list);
        html_raw(h, "</code></span>");
    }
    html_raw(h, "</p>\n");
}

static void choose(struct html *h, const struct view *v)
{
    if (v->period_count == 0)
        return;
    html_raw(h, "<form class=\"choose\" method=\"get\"><label>");
    html_say(h, T_PERIOD);
    html_raw(h, " <select name=\"period\">");
    for (size_t i = 0; i < v->period_count; i++) {
        html_raw(h, "<option");
        html_attr(h, "value", v->periods[i]);
        if (slice_equal(v->periods[i], v->period))
            html_raw(h, " selected");
        html_raw(h, ">");
        html_text(h, v->periods[i]);
        html_raw(h, "</option>");
    }
    html_raw(h, "</select></label>");
    if (h->lang_asked) {
        html_raw(h, "<input type=\"hidden\" name=\"lang\"");
        html_attr(h, "value", slice_of(lang_code[h->lang]));
        html_raw(h, ">");
    }
    html_raw(h, "<button type=\"submit\">");
    html_say(h, T_SHOW);
    html_raw(h, "</button></form>\n");
}

static void heading(struct html *h, const struct view *v)
{
    html_raw(h, "<h1>");
    if (v->subject.at) {
        html_name(h, v->shown.at ? v->shown : v->subject);
        html_raw(h, " <span class=\"kind\">");
    }
    html_say(h, v->title);
    if (v->subject.at)
        html_raw(h, "</span>");
    html_raw(h, "</h1>\n");
    if (v->subtitle.at) {
        html_raw(h, "<p class=\"subtitle\">");
        html_name(h, v->subtitle);
        html_raw(h, "</p>\n");
    }
}

static void live(struct html *h, const struct view *v, const struct request *r)
{
    live_open(h, v, r);
    html_raw(h, "<main id=\"main\">\n");
    if (v->lead.at) { /* an asset: our own words, with a heading of their own */
        html_bytes_(h, v->lead.at, v->lead.size);
    } else {
        heading(h, v);
        about(h, v);
        choose(h, v);
    }
    for (const struct sheet *s = v->first; s; s = s->next)
        sheet_html(h, v, s, r);
    html_raw(h, "</main>\n</div>\n");
}

static void foot_link(struct html *h, struct slice path, enum text label)
{
    html_raw(h, "<li><a");
    html_href(h, path);
    html_raw(h, ">");
    html_say(h, label);
    html_raw(h, "</a></li>");
}

static void foot(struct html *h, const struct view *v, const struct request *r)
{
    html_raw(h, "<footer class=\"foot\"><ul>");
    if (v && v->first) {
        struct slice here = request_with(r, v->arena, "part", (struct slice){0}), json, csv;
        struct request as = {.path = slice_of("")};

        if (slice_is(r->path, "/"))
            here = view_text((struct view *)(uintptr_t)v, slice_of("/outcome"),
                             slice_make(here.at + 1, here.size - 1));
        json = view_text((struct view *)(uintptr_t)v, slice_of("/api/v1"), here);
        foot_link(h, json, T_AS_JSON);
        if (request_parse(json, v->arena, &as) == 0) {
            csv = request_with(&as, v->arena, "format", slice_of("csv"));
            foot_link(h, csv, T_AS_CSV);
        }
    }
    foot_link(h, slice_of("/build"), T_NAV_BUILD);
    foot_link(h, slice_of("/api/v1/openapi.json"), T_API);
    html_raw(h, "</ul><p>");
    html_say(h, T_DISCLAIMER);
    html_raw(h,
             "</p><p class=\"version\">turnout " TURNOUT_VERSION "</p></footer>\n</body></html>\n");
}

void page_html(struct html *h, const struct view *v, const struct request *r, bool part)
{
    if (!part) {
        head(h, v->title, v->shown.at ? v->shown : v->subject);
        top(h, v->name, r, v->arena);
    }
    live(h, v, r);
    if (!part)
        foot(h, v, r);
}

void trouble_html(struct html *h, const struct request *r, enum text title, struct slice words,
                  const char *what, bool part)
{
    struct arena arena = {0};

    if (!part) {
        head(h, title, (struct slice){0});
        top(h, "trouble", r, &arena);
    }
    html_raw(h, "<div id=\"live\" data-src=\"");
    html_text(h, request_with(r, &arena, "part", slice_of("live")));
    html_raw(h, "\" data-watch=\"all\">\n");
    if (what)
        state(h, what);
    html_raw(h, "<main id=\"main\"><h1>");
    html_say(h, title);
    html_raw(h, "</h1><p>");
    html_text(h, words);
    html_raw(h, "</p></main>\n</div>\n");
    if (!part)
        foot(h, NULL, r);
    arena_free(&arena);
}
