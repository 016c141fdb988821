/*
 * Runs a fuzz target over files instead of inventing input: `replay_NAME FILE-OR-FOLDER...`. Linked with
 * each fuzz target by `make check`, so that what fuzzing once found stays found. The judging is the
 * target's, which crashes or aborts; each input is named before it runs.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "winstub/buf.h"

#define INPUT_MAX (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct tally {
    unsigned passed;
    unsigned failed;
};

/* In a block of its exact size: an address sanitizer then sees a read past the end. */
static bool run_input(const struct buf *input)
{
    uint8_t *exact = malloc(input->len ? input->len : 1);

    if (!exact)
        return false;
    if (input->len)
        memcpy(exact, input->data, input->len);
    LLVMFuzzerTestOneInput(exact, input->len);
    free(exact);
    return true;
}

static void replay_file(const char *path, struct tally *tally)
{
    struct diag why = {""};
    struct buf file;

    printf("input %s\n", path);
    fflush(stdout);
    buf_init(&file, INPUT_MAX);
    if (!buf_read_file(&file, path, &why) && run_input(&file)) {
        tally->passed++;
    } else {
        printf("not replayed: %s\n", why.text);
        tally->failed++;
    }
    buf_fini(&file);
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void replay(const char *path, struct tally *tally)
{
    struct dirent **entries;
    char name[4096];
    int n = scandir(path, &entries, visible, alphasort);

    if (n < 0) {
        replay_file(path, tally);
        return;
    }
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        replay_file(name, tally);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    struct tally tally = {0, 0};

    for (int i = 1; i < argc; i++)
        replay(argv[i], &tally);
    printf("%u passed, %u failed, 0 skipped\n", tally.passed, tally.failed);
    return tally.failed || !tally.passed ? EXIT_FAILURE : EXIT_SUCCESS;
}
