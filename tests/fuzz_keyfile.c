/* Key files from any text: a whole key, which written again reads the same; or a sentence, which
 * never shows a secret. */
#include "proto/error.h"
#include "proto/keyfile.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Some part of a secret, of 16 digits or more, stands in the sentence. */
static bool shows_digits(const char *sentence)
{
    size_t run = 0;

    while (*sentence && run < 16) {
        sentence += strcspn(sentence, "0123456789abcdef");
        run = strspn(sentence, "0123456789abcdef");
        sentence += run;
    }
    return run >= 16;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer once = {0};
    struct keyfile k, again;
    char error[200] = "";
    int result = keyfile_parse(slice_make(data, size), &k, error, sizeof error);

    if (result < 0) {
        assert(result == ERR_CONFIG && error[0] && strlen(error) < sizeof error);
        assert(!shows_digits(error));
        return 0;
    }
    assert(name_is_plain(slice_of(k.name)));
    assert(key_is_hex(slice_of(k.public)) && key_is_hex(slice_of(k.secret)));
    keyfile_format(&k, &once);
    result = keyfile_parse(buffer_slice(&once), &again, error, sizeof error);
    assert(result == 0);
    assert(strcmp(k.name, again.name) == 0 && strcmp(k.secret, again.secret) == 0);
    assert(strcmp(k.public, again.public) == 0 && strcmp(k.broker, again.broker) == 0);
    assert(strcmp(k.publish, again.publish) == 0 && strcmp(k.read, again.read) == 0);
    buffer_free(&once);
    return 0;
}
