/* The lists of DLLs beyond kernel32, kernelbase and ntdll; reached through nt_names. */
#ifndef CORE_NT_NAMES_MORE_H
#define CORE_NT_NAMES_MORE_H

#include "nt/names.h"

/* The one list of such a DLL, as nt_names gives it; NULL when there is none. */
const struct nt_name *nt_names_more(const char *dll, size_t *count);

#endif
