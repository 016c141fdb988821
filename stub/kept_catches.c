/* Catches on their way from one process to the next. */
#include "kept_catches.h"

#include <stdlib.h>
#include <string.h>

static enum err append(struct kept_catches *kept, const struct target_catch *what)
{
    struct target_catch *grown = realloc(kept->list, (kept->count + 1) * sizeof *grown);
    char *pattern = strdup(what->pattern);

    if (grown)
        kept->list = grown;
    if (!grown || !pattern) {
        free(pattern);
        return ERR_NOMEM;
    }
    kept->list[kept->count] = *what;
    kept->list[kept->count++].pattern = pattern;
    return ERR_OK;
}

enum err kept_catches_take(struct kept_catches *kept, const struct target *target)
{
    struct target_catch what;
    enum err e = ERR_OK;

    *kept = (struct kept_catches){0};
    for (size_t i = 0; !e && target->ops->catch_at && !target->ops->catch_at(target->ctx, i, &what);
         i++)
        e = append(kept, &what);
    return e;
}

void kept_catches_set(const struct kept_catches *kept, struct stub *s)
{
    struct diag why = {{0}};
    unsigned id;

    for (size_t i = 0; i < kept->count; i++) {
        if (s->target.ops->catch_add(s->target.ctx, &kept->list[i], &id, &why))
            session_sayf(s, "catch %u is gone: %s\n", kept->list[i].id, why.text);
    }
}

void kept_catches_fini(struct kept_catches *kept)
{
    for (size_t i = 0; i < kept->count; i++)
        free((char *)(uintptr_t)kept->list[i].pattern);
    free(kept->list);
}
