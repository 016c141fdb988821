/*
 * What well-known DLLs export: names that programs and shellcode look for, far from complete. Bare mode's
 * made-up modules export these beside what the program imports.
 *
 * Names and argument sizes are those of mingw-w64's import libraries; which of them kernelbase has, and which
 * only one width of ntdll has, is from Windows 10.
 */
#ifndef CORE_NT_NAMES_H
#define CORE_NT_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "winstub/cpu.h"

struct nt_name {
    const char *name;
    uint8_t
        args; /* bytes of arguments that the function itself pops in 32-bit code (stdcall); 0 also for cdecl */
};

/*
 * List number `part` of a DLL ("kernel32.dll", lower case): *count names, ascending by byte value. NULL when
 * the DLL has no such list. A DLL's lists share no name. Static.
 */
const struct nt_name *nt_names(const char *dll, enum cpu_arch arch, size_t part, size_t *count);

#endif
