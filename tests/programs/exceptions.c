/* Exceptions that a vectored handler sees and mends; growth of the stack; setjmp. */
#include <windows.h>

#include <setjmp.h>
#include <stdio.h>

#define OWN_CODE 0xE0001234

/* The load that faults, and where the registers are. */
#ifdef _WIN64
#define LOAD      ".byte 0x48, 0x8b, 0x01"
#define LOAD_SIZE 3
#define PC        Rip
#define RESULT    Rax
#define DIVISOR   Rcx
#else
#define LOAD      ".byte 0x8b, 0x01"
#define LOAD_SIZE 2
#define PC        Eip
#define RESULT    Eax
#define DIVISOR   Ecx
#endif

static int seen;

static LONG CALLBACK handler(EXCEPTION_POINTERS *e)
{
    DWORD code = e->ExceptionRecord->ExceptionCode;

    seen++;
    printf("exception %08lx, %lu parameters\n", code, e->ExceptionRecord->NumberParameters);
    if (code == EXCEPTION_ACCESS_VIOLATION) { /* behind the load, with a value of ours */
        e->ContextRecord->PC += LOAD_SIZE;
        e->ContextRecord->RESULT = 42;
    } else if (code == EXCEPTION_BREAKPOINT) {
        e->ContextRecord->PC += 1;
    } else if (code == EXCEPTION_INT_DIVIDE_BY_ZERO) {
        e->ContextRecord->DIVISOR = 7;
    } else if (code != OWN_CODE && code != EXCEPTION_GUARD_PAGE) {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    return EXCEPTION_CONTINUE_EXECUTION;
}

static int deep(int n)
{
    volatile char page[4096];

    page[0] = 1;
    return n ? deep(n - 1) + page[0] : 0;
}

int main(void)
{
    size_t value;
    volatile char *guarded;
    jmp_buf back;

    AddVectoredExceptionHandler(1, handler);
    __asm__ volatile("xor %%ecx, %%ecx; " LOAD : "=a"(value) : : "ecx");
    printf("loaded %u\n", (unsigned)value);
    __asm__ volatile("int3");
    __asm__ volatile("xor %%ecx, %%ecx; xor %%edx, %%edx; mov $21, %%eax; idiv %%ecx"
                     : "=a"(value)
                     :
                     : "ecx", "edx");
    printf("divided: %u\n", (unsigned)value);
    RaiseException(OWN_CODE, 0, 0, NULL);
    guarded = VirtualAlloc(NULL, 4096, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD);
    *guarded = 1;
    printf("depth %d\n", deep(300));
    if (!setjmp(back))
        longjmp(back, 1);
    printf("%d exceptions\n", seen);
    return seen;
}
