/*
 * Log channels. LOG(vm, "commit %" PRIx64, addr) costs one test while its channel is off.
 * Lines go to stderr as "winstub[vm]: ...". The mask is the program's only mutable file-scope variable.
 */
#ifndef WINSTUB_LOG_H
#define WINSTUB_LOG_H

#include <stdbool.h>

#include "winstub/err.h"

#define LOG_CHANNELS(C) C(rsp) C(vm) C(cpu) C(pe) C(bp) C(nt) C(net)

enum log_channel {
#define LOG_ENUM(name) LOG_##name,
    LOG_CHANNELS(LOG_ENUM)
#undef LOG_ENUM
        LOG_COUNT
};

extern unsigned log_mask; /* bit n is channel n */

#define LOG(channel, ...)                                                                          \
    do {                                                                                           \
        if (log_mask & (1u << LOG_##channel))                                                      \
            log_line(LOG_##channel, __VA_ARGS__);                                                  \
    } while (0)

/* Write one line, the newline is added. Called through LOG. */
void log_line(enum log_channel channel, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * Switch on the channels of a comma-separated list ("rsp,vm", or "all").
 * ERR_NOT_FOUND  a word is no channel; why names it and lists the channels; nothing changed
 */
MUST_USE enum err log_enable(const char *list, struct diag *why);

#endif
