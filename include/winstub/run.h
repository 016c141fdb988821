/*
 * Running a process under a debugger: points, steps, ranges, exceptions as stops.
 */
#ifndef WINSTUB_RUN_H
#define WINSTUB_RUN_H

#include "winstub/err.h"
#include "winstub/process.h"
#include "winstub/target.h"

/*
 * The process as the stub sees it. process must outlive the target; *out holds ops and ctx until
 * target_fini. ERR_NOMEM.
 */
MUST_USE enum err target_init(struct target *out, struct process *process);
void target_fini(struct target *target);

/* Where a program shall stand when its debugger first sees it. */
enum target_place {
    PLACE_LOADER, /* the first instruction of the process, in ntdll */
    PLACE_TLS,    /* the program's first TLS callback */
    PLACE_ENTRY,  /* its entry point */
    PLACE_MAIN, /* C's main or wmain; known when the file has a symbol table, as mingw's have unless stripped */
};

/*
 * Let the process run until it comes to that place. Nothing runs in bare mode, which begins at the entry point. *why is why it stopped: a
 * STOP_STEP at the place, or what came before it (an exit, an exception).
 * ERR_NOT_FOUND  it is not known where the place is, or there is none; nothing has run. ERR_NOMEM
 */
MUST_USE enum err target_start(struct target *target, enum target_place place,
                               struct target_stop *why);

#endif
