/* Reference-counted texts; see label.h. */
#include "vm/label.h"

#include <stdlib.h>
#include <string.h>

struct label {
    unsigned refs;
    char text[];
};

bool label_new(const char *text, struct label **out)
{
    size_t size = text ? strlen(text) + 1 : 1;
    struct label *l = NULL;

    if (size > 1) {
        l = malloc(sizeof *l + size);
        if (!l)
            return false;
        l->refs = 1;
        memcpy(l->text, text, size);
    }
    *out = l;
    return true;
}

struct label *label_ref(struct label *l)
{
    if (l)
        l->refs++;
    return l;
}

void label_unref(struct label *l)
{
    if (l && --l->refs == 0)
        free(l);
}

const char *label_text(const struct label *l)
{
    return l ? l->text : "";
}
