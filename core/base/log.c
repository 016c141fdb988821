/* Log channels: which are on, and how a line looks. */
#include "winstub/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

unsigned log_mask;

static const char *const channel_names[LOG_COUNT] = {
#define LOG_NAME(name) #name,
    LOG_CHANNELS(LOG_NAME)
#undef LOG_NAME
};

void log_line(enum log_channel channel, const char *fmt, ...)
{
    char line[1024];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    (void)fprintf(stderr, "winstub[%s]: %s\n", channel_names[channel], line);
}

/* The mask of one word, 0 when it names no channel. */
static unsigned channel_mask(const char *word, size_t len)
{
    if (len == 3 && memcmp(word, "all", 3) == 0)
        return (1u << LOG_COUNT) - 1;
    for (unsigned i = 0; i < LOG_COUNT; i++) {
        if (strlen(channel_names[i]) == len && memcmp(channel_names[i], word, len) == 0)
            return 1u << i;
    }
    return 0;
}

enum err log_enable(const char *list, struct diag *why)
{
    unsigned wanted = 0;

    for (;;) {
        size_t len = strcspn(list, ",");
        unsigned mask = channel_mask(list, len);

        if (!mask)
            return diag_set(
                why, ERR_NOT_FOUND,
                "no log channel '%.*s'; channels are rsp, vm, cpu, pe, bp, nt, net and all",
                (int)len, list);
        wanted |= mask;
        if (!list[len])
            break;
        list += len + 1;
    }
    log_mask |= wanted;
    return ERR_OK;
}
