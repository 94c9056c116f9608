/* Runs a fuzzer's function over files instead of over inputs that libFuzzer makes up: so the
 * corpora in tests/corpus are looked at by every compiler and in every test run.
 *
 * usage: fuzz_NAME FOLDER     prints how many files there were; whatever a fuzzer finds ends it */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv); /* not all have one */

#define FILE_MOST ((size_t)64 * 1024)

/* The bytes lie in a piece of memory of just their size, so that a byte too far is noticed. */
static int run_file(const char *folder, const char *name)
{
    static uint8_t room[FILE_MOST];
    char path[4096];
    FILE *f;
    size_t size;
    uint8_t *bytes;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return -1;
    }
    size = fread(room, 1, sizeof room, f);
    fclose(f);
    bytes = malloc(size ? size : 1);
    memcpy(bytes, room, size);
    fprintf(stderr, "%s\n", path); /* the last one named is the one that ended it */
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    return 0;
}

int main(int argc, char **argv)
{
    const struct dirent *entry;
    unsigned count = 0;
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;

    if (!folder) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 64;
    }
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    while ((entry = readdir(folder)))
        if (entry->d_name[0] != '.') {
            if (run_file(argv[1], entry->d_name) < 0)
                return 1;
            count++;
        }
    closedir(folder);
    printf("%u files\n", count);
    return 0;
}
