/* A handler in a frame of the stack: found through the frames above it, by tables or along fs:[0]. */
#include <windows.h>

#include <excpt.h>
#include <stdio.h>

#ifdef _WIN64
/* A filter, as compilers write them: leave everything above the frame, and go on behind its guarded part. */
__attribute__((used)) static LONG handler(EXCEPTION_POINTERS *e, void *frame)
{
    printf("frame %d asked about %08lx\n", frame != NULL, e->ExceptionRecord->ExceptionCode);
    return EXCEPTION_EXECUTE_HANDLER;
}
#else
/* Go on behind the store, which has two bytes. */
static EXCEPTION_DISPOSITION handler(struct _EXCEPTION_RECORD *r, void *frame, struct _CONTEXT *c,
                                     void *dispatcher)
{
    (void)dispatcher;
    printf("frame %d asked about %08lx\n", frame != NULL, r->ExceptionCode);
    c->Eip += 2;
    return ExceptionContinueExecution;
}
#endif

static void store_to(void *at)
{
    __asm__ volatile(".byte 0x89, 0x01" : : "c"(at), "a"(7) : "memory"); /* mov [ecx], eax */
}

static int deep(int n)
{
    if (n)
        return deep(n - 1) + 1;
    store_to(NULL);
    return 0;
}

int main(void)
{
    __try1(handler);
    deep(5);
    __except1;
    printf("behind the guarded part\n");
    return 2;
}
