/* What "rw+guard" means. The words of winnt.h, and the letters that everybody knows. */
#include "protect_words.h"

#include <string.h>
#include <strings.h>

#include "winstub/nt.h"

static const struct {
    const char *word;
    uint32_t protect;
} words[] = {
    {"none", PAGE_NOACCESS},
    {"r", PAGE_READONLY},
    {"rw", PAGE_READWRITE},
    {"wc", PAGE_WRITECOPY},
    {"x", PAGE_EXECUTE},
    {"rx", PAGE_EXECUTE_READ},
    {"rwx", PAGE_EXECUTE_READWRITE},
    {"xwc", PAGE_EXECUTE_WRITECOPY},
    {"noaccess", PAGE_NOACCESS},
    {"readonly", PAGE_READONLY},
    {"readwrite", PAGE_READWRITE},
    {"writecopy", PAGE_WRITECOPY},
    {"execute", PAGE_EXECUTE},
    {"execute_read", PAGE_EXECUTE_READ},
    {"execute_readwrite", PAGE_EXECUTE_READWRITE},
    {"execute_writecopy", PAGE_EXECUTE_WRITECOPY},
    {"guard", PAGE_GUARD},
    {"nocache", PAGE_NOCACHE},
    {"writecombine", PAGE_WRITECOMBINE},
};

static uint32_t protect_of(const char *text, size_t len)
{
    if (len > 5 && strncasecmp(text, "page_", 5) == 0) {
        text += 5;
        len -= 5;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].word) == len && strncasecmp(words[i].word, text, len) == 0)
            return words[i].protect;
    }
    return 0;
}

bool protect_from_words(struct bytes text, uint32_t *out)
{
    const char *at = (const char *)text.data;
    size_t left = text.len;

    *out = 0;
    for (;;) {
        size_t len = 0;
        uint32_t one;

        while (len < left && at[len] != '+' && at[len] != '|')
            len++;
        one = protect_of(at, len);
        *out |= one;
        if (!one || len == left)
            return one != 0;
        at += len + 1;
        left -= len + 1;
    }
}
