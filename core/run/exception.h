/* From what the CPU reports to a Windows exception, and to the sentence that explains it. */
#ifndef CORE_RUN_EXCEPTION_H
#define CORE_RUN_EXCEPTION_H

#include <stdbool.h>

#include "winstub/cpu.h"
#include "winstub/dis.h"
#include "winstub/process.h"
#include "winstub/target.h"

/*
 * Fill the exception of stop (code, info, addr, note) from a FAULT or EXCEPTION event, as the NT kernel's
 * trap handlers would. stop->tid is set already.
 */
void exception_describe(struct process *process, struct dis *dis, const struct cpu_event *event,
                        struct target_stop *stop);

/* The same for an exception that the guest raised by itself. */
void exception_describe_raised(struct process *process, const struct process_exception *raised,
                               struct target_stop *stop);

/*
 * Is it how a program works rather than a sign that something is wrong, and not yet at its last chance? Such ones are
 * the guest's handlers' alone: debuggers on Windows do not stop there either (gdb's windows-nat.c, WinDbg's defaults).
 */
bool exception_is_routine(const struct process_exception *raised);

/* The record of stop's exception, as the guest's handlers will see it. */
struct process_exception exception_of(const struct target_stop *stop);
/* Did the instruction at the event's pc fault, rather than trap behind itself? Of #DB only a breakpoint does. */
bool exception_is_fault(const struct cpu_event *event);

/* Make it another exception, as NT does of a guard page whose stack cannot grow. */
void exception_rename(struct target_stop *stop, uint32_t code);

/*
 * Where a guest goes on after the debugger handled the exception: behind an int3, int 2d or icebp, at the
 * instruction again for everything else.
 */
gva_t exception_continue_pc(const struct cpu_event *event);

#endif
