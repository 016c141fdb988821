/*
 * System services by numbers of our own: ntdll.c exports these functions, so winstub learns the numbers from it, and crew.c
 * calls them without an import. All are cdecl, which 32-bit Windows' are not: nobody else calls them.
 */
#ifndef GUESTS_SMALL_SERVICES_H
#define GUESTS_SMALL_SERVICES_H

#include <stdint.h>

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)
#define LABEL(name)                                                                                \
    ".globl " TEXT(__USER_LABEL_PREFIX__) #name "\n" TEXT(__USER_LABEL_PREFIX__) #name ":\n"

#ifdef __x86_64__
/* mov r10, rcx in the encoding by which services are known */
#define ENTER(number) ".byte 0x4c, 0x8b, 0xd1\nmov $" #number ", %eax\nsyscall\nret\n"
#else
#define ENTER(number) "mov $" #number ", %eax\ncall *%fs:0xc0\nret\n"
#endif
#define SERVICE(name, number)                                                                      \
    __asm__(".text\n" LABEL(name) ENTER(number));                                                  \
    int32_t name()

/* K&R declarations: each call passes what its service takes, all of it pointer-sized. */
SERVICE(NtContinue, 1);
SERVICE(NtRaiseException, 2);
SERVICE(NtTerminateProcess, 3);
SERVICE(NtTerminateThread, 4);
SERVICE(NtCreateThreadEx, 5);
SERVICE(NtWaitForSingleObject, 6);
SERVICE(NtClose, 7);
SERVICE(NtWriteFile, 8);
SERVICE(NtOpenFile, 9);
SERVICE(NtCreateSection, 10);
SERVICE(NtMapViewOfSection, 11);
SERVICE(NtUnmapViewOfSection, 12);
SERVICE(NtAllocateVirtualMemory, 13);
SERVICE(NtProtectVirtualMemory, 14);
SERVICE(NtFreeVirtualMemory, 15);
SERVICE(NtDelayExecution, 16);
SERVICE(NtYieldExecution, 17);

#endif
