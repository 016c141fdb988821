/* A stack that runs over, and a handler that has room to say so. */
#include <windows.h>

#include <stdio.h>

static volatile int never;

static LONG CALLBACK handler(EXCEPTION_POINTERS *e)
{
    printf("exception %08lx\n", e->ExceptionRecord->ExceptionCode);
    fflush(stdout);
    ExitProcess(9);
}

static int deep(int n)
{
    volatile char page[4096];

    page[0] = (char)n;
    return never ? 0 : deep(n + 1) + page[0];
}

int main(void)
{
    AddVectoredExceptionHandler(1, handler);
    return deep(1);
}
