/* Fuzzes the change feed as `turnout top` reads and shows it: fields and values, parted by NUL
 * bytes; whatever they are, the screen keeps its size and its lines. */
#include "workers/cli/top_view.h"
#include "workers/table_text.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COLUMNS 60
#define ROWS    20

static void check_screen(struct slice screen)
{
    struct slice line;
    size_t rows = 0;

    while (slice_cut(&screen, '\n', &line)) {
        assert(text_width(line) <= COLUMNS && utf8_valid(line));
        for (const char *at = line.at; at < line.at + line.size;)
            assert(!char_is_control(utf8_next(&at)));
        rows++;
    }
    assert(rows <= ROWS && screen.size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_make(data, size), field, value;
    struct top_view view = {.now_ms = 1772366400000, .redis = true};
    struct buffer out = {0};

    while (slice_cut(&rest, '\0', &field) && slice_cut(&rest, '\0', &value))
        top_view_change(&view, field, value);
    assert(view.change_count <= TOP_CHANGES);
    top_view_screen(&view, COLUMNS, ROWS, false, &out);
    check_screen(buffer_slice(&out));
    buffer_clear(&out);
    top_view_line(&view, &out);
    buffer_free(&out);
    top_view_free(&view);
    return 0;
}
