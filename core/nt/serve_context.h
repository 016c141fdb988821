/* The registers of 32-bit threads as a class of information about threads. */
#ifndef CORE_NT_SERVE_CONTEXT_H
#define CORE_NT_SERVE_CONTEXT_H

#include "nt/services.h"

/*
 * ThreadWow64Context of NtQueryInformationThread and NtSetInformationThread, whose arguments these take: a 32-bit CONTEXT
 * whose ContextFlags say what is asked for. STATUS_INVALID_PARAMETER: the thread is no 32-bit one of a 64-bit system, or the flags
 * name another CPU; STATUS_INFO_LENGTH_MISMATCH; otherwise as NtGetContextThread and NtSetContextThread.
 */
MUST_USE nt_status wow64_context_get(struct call *call);
MUST_USE nt_status wow64_context_set(struct call *call);

#endif
