/* Who is asked about an exception, in which order, and what becomes of the answers. */
#include <windows.h>

#include <setjmp.h>
#include <stdio.h>

#define OWN_CODE 0xE0005678

/* A store that faults, how long it is, and where the registers are. */
#ifdef _WIN64
#define STORE_SIZE 3
#define STORE      ".byte 0x48, 0x89, 0x01" /* mov [rcx], rax */
#define PC         Rip
#define BASE       Rcx
#else
#define STORE_SIZE 2
#define STORE      ".byte 0x89, 0x01" /* mov [ecx], eax */
#define PC         Eip
#define BASE       Ecx
#endif

static char room[16];
static jmp_buf back;
static int depth, jumps = 3;

static void store_to(void *at)
{
    __asm__ volatile(STORE : : "c"(at), "a"((size_t)7) : "memory");
}

static LONG CALLBACK first(EXCEPTION_POINTERS *e)
{
    printf("first handler: %08lx\n", e->ExceptionRecord->ExceptionCode);
    return EXCEPTION_CONTINUE_SEARCH;
}

static LONG CALLBACK last(EXCEPTION_POINTERS *e)
{
    const EXCEPTION_RECORD *r = e->ExceptionRecord;

    printf("last handler: %08lx, flags %lx, %lu parameters\n", r->ExceptionCode, r->ExceptionFlags,
           r->NumberParameters);
    if (r->ExceptionCode == OWN_CODE && r->NumberParameters)
        printf("parameters %x %x\n", (unsigned)r->ExceptionInformation[0],
               (unsigned)r->ExceptionInformation[1]);
    if (r->ExceptionCode == EXCEPTION_ACCESS_VIOLATION && depth == 0) {
        depth++;
        store_to((void *)8); /* inside a handler: asks the handlers again */
        depth--;
        e->ContextRecord->BASE = (size_t)room;
    } else if (r->ExceptionCode == EXCEPTION_ACCESS_VIOLATION && depth == 1) {
        e->ContextRecord->PC += STORE_SIZE;
    } else if (r->ExceptionCode != OWN_CODE) {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    return EXCEPTION_CONTINUE_EXECUTION;
}

static LONG CALLBACK jump(EXCEPTION_POINTERS *e)
{
    if (!jumps)
        return EXCEPTION_CONTINUE_SEARCH;
    jumps--;
    printf("jumping out of %08lx\n", e->ExceptionRecord->ExceptionCode);
    longjmp(back, 1);
}

/* Nobody took it: mend it the first time, let it end the program the second time. */
static LONG WINAPI top_level(EXCEPTION_POINTERS *e)
{
    static int calls;

    printf("top level: %08lx at the store: %d\n", e->ExceptionRecord->ExceptionCode,
           e->ExceptionRecord->ExceptionAddress == (void *)e->ContextRecord->PC);
    fflush(stdout);
    if (calls++)
        return EXCEPTION_EXECUTE_HANDLER;
    e->ContextRecord->BASE = (size_t)room;
    return EXCEPTION_CONTINUE_EXECUTION;
}

int main(void)
{
    const ULONG_PTR parameters[] = {0x1234, 0x5678};
    volatile double kept = 1.5;
    volatile float single = 0.25f;
    void *handlers[2];

    handlers[0] = AddVectoredExceptionHandler(0, last);
    handlers[1] = AddVectoredExceptionHandler(1, first);
    store_to(NULL);
    printf("stored %d\n", room[0]);
    RaiseException(OWN_CODE, 0, 2, parameters);
    printf("kept %g\n", kept * 2 + single);
    RemoveVectoredExceptionHandler(handlers[1]);
    RemoveVectoredExceptionHandler(handlers[0]);
    AddVectoredExceptionHandler(1, jump);
    while (jumps) {
        if (!setjmp(back))
            store_to(NULL);
    }
    SetUnhandledExceptionFilter(top_level);
    room[0] = 0;
    store_to(NULL);
    printf("stored %d\n", room[0]);
    fflush(stdout);
    store_to(NULL);
    printf("not reached\n");
    return 0;
}
