/* Watched bytes that were accessed; the contract is in watched.h. */
#include "run/watched.h"

#include <inttypes.h>
#include <stdio.h>

#include "run/caught.h"
#include "run/debugregs.h"

void watched_by_service(void *ctx, const struct vm_served *access)
{
    struct run *run = ctx;

    for (size_t i = 0; i < run->watches.count && run->served_count < RUN_SERVED_MAX; i++) {
        const struct watch_range *w = &run->watches.list[i];

        if (w->owner >= WATCH_TRACE || !watches_served(w, process_vm(run->process), access,
                                                       &run->served[run->served_count].addr))
            continue;
        run->served[run->served_count].watch = *w;
        run->served[run->served_count++].access = access->access;
    }
}

/* An access that the debugger watches for. True: that is a stop. */
static bool debugger_watches(struct run *run, const struct watch_range *w, gva_t addr)
{
    if (run->stop.kind != STOP_STEP)
        return false; /* another one was first */
    run->stop.kind = STOP_WATCH;
    run->stop.watch = w->kind;
    run->stop.addr = addr;
    if (run->beside)
        (void)snprintf(run->stop.note, sizeof run->stop.note,
                       "0x%" PRIx64 " was accessed by a system service of process %" PRIu32, addr,
                       run->beside);
    return true;
}

bool watched_served(struct run *run)
{
    bool stopped = false;

    for (size_t i = 0; i < run->served_count; i++) {
        const struct watch_range *w = &run->served[i].watch;

        if (w->owner == WATCH_DEBUGGER)
            stopped = debugger_watches(run, w, run->served[i].addr) || stopped;
        else if (w->owner < WATCH_TRACE)
            stopped = caught_service(run, w, run->served[i].addr, run->served[i].access) || stopped;
    }
    run->served_count = 0;
    return stopped;
}

bool watched_hit(struct run *run, const struct watch_probe *probe, const struct watch_hit *hit)
{
    struct buf line;

    if (hit->watch.owner == WATCH_DEBUGGER)
        return debugger_watches(run, &hit->watch, hit->addr);
    if (hit->watch.owner < WATCH_TRACE)
        return run->stop.kind == STOP_STEP && caught_watch(run, probe, hit);
    if (hit->watch.owner >= WATCH_GUEST) {
        debugregs_access(run, hit->watch.owner - WATCH_GUEST);
        run->thread->debug_pending = true; /* the run loop raises it behind the instruction */
        return false;
    }
    buf_init(&line, 1024);
    tracing_line(&run->tracing, run->process, run->dis, probe->pc, hit->addr, &line);
    if (line.len)
        session_print(run->session, buf_str(&line), line.len);
    buf_fini(&line);
    return false;
}
