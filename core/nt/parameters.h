/*
 * What a process is started with, as RTL_USER_PROCESS_PARAMETERS says it: gathered from the user's options or from a guest that
 * makes a child, and laid out for the process in its own width.
 */
#ifndef CORE_NT_PARAMETERS_H
#define CORE_NT_PARAMETERS_H

#include "nt/parts.h"
#include "winstub/buf.h"
#include "winstub/err.h"
#include "winstub/nt.h"

enum parameters_text {
    PARAMETERS_TEXT_DIRECTORY,
    PARAMETERS_TEXT_DLL_PATH,
    PARAMETERS_TEXT_IMAGE,
    PARAMETERS_TEXT_COMMAND_LINE,
    PARAMETERS_TEXT_TITLE,
    PARAMETERS_TEXT_DESKTOP,
    PARAMETERS_TEXT_SHELL,
    PARAMETERS_TEXT_RUNTIME, /* no text: bytes that C runtimes hand to each other */
    PARAMETERS_TEXTS
};

enum parameters_number {
    PARAMETERS_STDIN,
    PARAMETERS_STDOUT,
    PARAMETERS_STDERR,
    PARAMETERS_CONSOLE,
    PARAMETERS_CONSOLE_FLAGS,
    PARAMETERS_DEBUG_FLAGS,
    PARAMETERS_X,
    PARAMETERS_Y,
    PARAMETERS_WIDTH,
    PARAMETERS_HEIGHT,
    PARAMETERS_COLUMNS,
    PARAMETERS_ROWS,
    PARAMETERS_FILL,
    PARAMETERS_WINDOW_FLAGS,
    PARAMETERS_SHOW,
    PARAMETERS_GROUP,
    PARAMETERS_NUMBERS
};

struct parameters {
    struct buf text[PARAMETERS_TEXTS]; /* UTF-16, without a NUL */
    struct buf environment;            /* UTF-16, with both NULs at its end */
    uint64_t number[PARAMETERS_NUMBERS];
};

void parameters_init(struct parameters *parameters);
void parameters_fini(struct parameters *parameters);

/*
 * As the user's options have it, for a process whose path and folder are known. ERR_INVALID, ERR_LIMIT: what Windows could not
 * take; ERR_NOMEM
 */
MUST_USE enum err parameters_from_options(struct parameters *out, const struct process *p,
                                          const struct process_options *options, struct diag *why);

/*
 * As a guest hands it over at `at`, normalized or not. STATUS_ACCESS_VIOLATION and its kin; STATUS_INVALID_PARAMETER: a text of an
 * odd length; STATUS_NO_MEMORY: also when the environment has no end within 8 MiB
 */
MUST_USE nt_status parameters_from_guest(struct parameters *out, struct process *caller, gva_t at);

/* Store parameters and environment where p can read them; *at is the address of the structure. ERR_NOMEM */
MUST_USE enum err parameters_store(const struct parameters *parameters, struct process *p,
                                   gva_t *at, struct diag *why);

#endif
