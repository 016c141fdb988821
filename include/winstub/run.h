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

/*
 * Processes that the target's process makes, and those that these make, run beside it as they would without any debugger, in
 * turns with it, also while only some of its threads are resumed or stepped. What they raise is their handlers' business, and
 * what nobody takes ends them with its code. What they print for a debugger (OutputDebugString) comes on the target's console,
 * each piece with "process PID: " before it, and is shown to their handlers as well. An interrupt stops whichever process
 * runs. The target's end is the session's end.
 */

/* A process was made beside the target's, or has ended. Texts are valid during the call. */
struct target_child {
    bool begun;
    uint32_t pid,
        parent; /* pid 0: it was not made, which parent wanted: there are no DLLs of its width */
    const char *path;         /* guest path of its program */
    const char *command_line; /* when it has begun: what it was started with */
    uint32_t exit_code;       /* when it has ended */
    bool left;                /* it has ended only because the session did */
    const char *
        note; /* one line: nobody took an exception that ended it, what and where; it was not made, why; else "" */
};
/*
 * Tell fn of such processes from now on; NULL: nobody. It is called from inside run and kill, the functions below and
 * target_fini, which ends those that still live. It may not call the target.
 */
void target_watch_children(struct target *target,
                           void (*fn)(void *ctx, const struct target_child *child), void *ctx);

/*
 * Before the target's first run and before anybody else holds it: let all processes run, undebugged, until one is made whose
 * program's file has that name (* and ? are wildcards, case does not matter), and make that one the target, of which nothing has run. The
 * process that it was runs beside it from then on.
 * ERR_NOT_FOUND  none was made: all have ended, or none can go on; why says so, and *stop is the first one's STOP_EXIT or a
 *                STOP_STUCK. ERR_NOMEM
 */
MUST_USE enum err target_follow(struct target *target, const char *name, struct target_stop *stop,
                                struct diag *why);

/*
 * The target has ended (STOP_EXIT): let the processes beside it run on, until all of them have ended: *stop is then the
 * target's own, otherwise a STOP_STUCK when none can go on, which its note says, a STOP_ENGINE or a STOP_INTERRUPT. ERR_STATE:
 * the target has not ended.
 */
MUST_USE enum err target_run_others(struct target *target, struct target_stop *stop);

#endif
