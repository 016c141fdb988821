/*
 * The smallest ntdll that winstub runs programs on: it starts threads without loading anything, goes on behind
 * int3 and ud2, and lets every other exception end the process. Processes over it
 * start in a fraction of a real one's time.
 */
#include "services.h"

#define STATUS_BREAKPOINT          0x80000003u
#define STATUS_ILLEGAL_INSTRUCTION 0xc000001du

#ifdef __x86_64__
#define CONTEXT_PC 0xf8
/* The CONTEXT is on top of the stack, the EXCEPTION_RECORD behind it and its CONTEXT_EX. */
__asm__(".text\n" LABEL(KiUserExceptionDispatcher) "mov %rsp, %rdx\n"
                                                   "lea 0x4f0(%rsp), %rcx\n"
                                                   "and $-16, %rsp\n"
                                                   "sub $0x20, %rsp\n"
                                                   "call dispatch\n");
__asm__(".text\n" LABEL(LdrInitializeThunk) "xor %edx, %edx\n"
                                            "jmp NtContinue\n");
__asm__(".text\n" LABEL(RtlUserThreadStart) "mov %rcx, %rax\n"
                                            "mov %rdx, %rcx\n"
                                            "call *%rax\n"
                                            "mov %eax, %edx\n"
                                            "mov $-2, %rcx\n"
                                            "call NtTerminateThread\n");
#else
#define CONTEXT_PC 0xb8
__asm__(".text\n" LABEL(KiUserExceptionDispatcher) "call _dispatch\n");
__asm__(".text\n" LABEL(LdrInitializeThunk) "mov 4(%esp), %eax\n"
                                            "push $0\n"
                                            "push %eax\n"
                                            "call _NtContinue\n");
__asm__(".text\n" LABEL(RtlUserThreadStart) "push %ebx\n"
                                            "call *%eax\n"
                                            "push %eax\n"
                                            "push $-2\n"
                                            "call _NtTerminateThread\n");
#endif

/* On i386 the two pointers lie on the stack as if pushed for this call. */
void dispatch(uint32_t *record, uint8_t *context)
{
    uintptr_t *pc = (uintptr_t *)(context + CONTEXT_PC);
    uintptr_t skip = record[0] == STATUS_BREAKPOINT            ? 1
                     : record[0] == STATUS_ILLEGAL_INSTRUCTION ? 2
                                                               : 0;

    *pc += skip;
    if (skip)
        NtContinue(context, (uintptr_t)0);
    NtRaiseException(record, context, (uintptr_t)0);
}
