/*
 * DLLs for tests: a folder with an ntdll of either width that has just what a process is built on. Programs run on it from their
 * entry point until that returns: the process ends with what it returns.
 */
#ifndef TESTS_TINY_DLLS_H
#define TESTS_TINY_DLLS_H

#include "pe_builder.h"

/* Where things are in it. It lies at TINY_BASE in every process. */
enum {
    TINY_BASE = 0x10000000,
    TINY_LOADER = PB_TEXT, /* LdrInitializeThunk: NtContinue with the CONTEXT that it is given */
    TINY_START = PB_TEXT + 0x40,     /* RtlUserThreadStart: call the function, end the process */
    TINY_EXCEPTION = PB_TEXT + 0x80, /* KiUserExceptionDispatcher: loops */
    TINY_APC = PB_TEXT + 0x90,       /* KiUserApcDispatcher: loops */
    TINY_STUBS =
        PB_TEXT + 0xa0, /* TINY_STUB_SIZE bytes each, in the order of enum tiny_number from 1 on */
    TINY_STUB_SIZE = 0x10,
    TINY_THUNK = PB_TEXT + 0x100, /* i386: jmp [TINY_POINTER] */
    TINY_POINTER = PB_DATA + 0x20,
};
/* The numbers of the services that it has. */
enum tiny_number { TINY_CONTINUE = 1, TINY_TERMINATE, TINY_CLOSE, TINY_NUMBERS };

/* Such an ntdll, for tests that change it. */
void tiny_ntdll(struct pe_builder *b, enum cpu_arch arch);

struct tiny_dlls {
    char folder[64]; /* a DLL folder as the option --root takes it */
};
void tiny_dlls_make(struct tiny_dlls *dlls);
/* Put another ntdll into the folder. */
void tiny_dlls_replace(const struct tiny_dlls *dlls, const struct pe_builder *ntdll);
void tiny_dlls_remove(struct tiny_dlls *dlls); /* takes one of zeros */

#endif
