/* The texts of enum err, and the one place that formats a struct diag. */
#include "winstub/err.h"

#include <stdarg.h>
#include <stdio.h>

const char *err_text(enum err e)
{
    static const char *const texts[] = {
#define ERR_TEXT(name, text) text,
        ERR_LIST(ERR_TEXT)
#undef ERR_TEXT
    };

    return (unsigned)e < ERR_COUNT ? texts[e] : "unknown error";
}

enum err diag_set(struct diag *d, enum err e, const char *fmt, ...)
{
    va_list args;

    if (!d)
        return e;
    va_start(args, fmt);
    (void)vsnprintf(d->text, sizeof d->text, fmt, args);
    va_end(args);
    return e;
}
