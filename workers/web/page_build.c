/* Build your own: words out of the assets, in the page's frame. */
#include "workers/web/asset.h"
#include "workers/web/page.h"

#include <assert.h>

int page_build(struct page *p, struct view *v)
{
    const struct asset *a;

    view_begin(v, v->arena, "build", T_NONE);
    a = asset_find(slice_of(p->lang == LANG_FR ? "build.fr.html" : "build.en.html"));
    assert(a); /* it is part of the program */
    v->title = T_NAV_BUILD;
    v->lead = slice_make(a->at, (size_t)(a->end - a->at));
    return 0;
}
