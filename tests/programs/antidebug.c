/*
 * What programs do to find a debugger or to confuse one. Every line of its output must be the same with and without
 * breakpoints, watchpoints and steps (tests/gdb/test_antidebug.py).
 */
#include <windows.h>
#include <winternl.h>

#include <stdint.h>
#include <stdio.h>

#define QUOTED_(x) #x
#define QUOTED(x)  QUOTED_(x)
#define LABEL(name)                                                                                \
    ".globl " QUOTED(__USER_LABEL_PREFIX__) #name "\n" QUOTED(__USER_LABEL_PREFIX__) #name ": "

#ifdef _WIN64
#define PC(context) (context)->Rip
#else
#define PC(context) (context)->Eip
#endif
#define TRAP_FLAG 0x100u

/* ---- The handler: it notes, and does what the test wants ----------------------------------------- */

struct seen {
    DWORD code;
    ULONG_PTR at;
    ULONG_PTR dr6;
    ULONG_PTR dr7;
    int resumes; /* the resume flag */
};

static struct seen seen[16];
static int seen_count;
static ULONG_PTR resume_at; /* where the next exception goes on; 0: where it was */
static CONTEXT debug; /* with debug.Dr7: what the next breakpoint loads into the debug registers */
static int load_debug;

static LONG CALLBACK handler(EXCEPTION_POINTERS *e)
{
    CONTEXT *context = e->ContextRecord;
    struct seen *s = &seen[seen_count];

    if (seen_count == 16)
        return EXCEPTION_CONTINUE_SEARCH;
    seen_count++;
    s->code = e->ExceptionRecord->ExceptionCode;
    s->at = (ULONG_PTR)e->ExceptionRecord->ExceptionAddress;
    s->dr6 = context->Dr6;
    s->dr7 = context->Dr7;
    s->resumes = context->EFlags >> 16 & 1;
    context->Dr6 = 0;
    context->EFlags &= ~TRAP_FLAG;
    if (resume_at)
        PC(context) = resume_at;
    resume_at = 0;
    if (load_debug) {
        context->Dr0 = debug.Dr0;
        context->Dr1 = debug.Dr1;
        context->Dr7 = debug.Dr7;
        load_debug = 0;
    }
    return EXCEPTION_CONTINUE_EXECUTION;
}

/* What the test that began at `before` has met, as places behind label. */
static void tell(const char *name, int before, const char *label)
{
    printf("%s:", name);
    for (int i = before; i < seen_count; i++)
        printf(" %08lx at %+ld dr6 %lx dr7 %lx rf %d", seen[i].code,
               (long)(seen[i].at - (ULONG_PTR)label), (unsigned long)seen[i].dr6,
               (unsigned long)seen[i].dr7, seen[i].resumes);
    printf("%s\n", seen_count == before ? " nothing" : "");
    seen_count = before;
}

/* ---- Its own code ----------------------------------------------------------------------------- */

volatile int variable;

__attribute__((noinline)) int called(int n)
{
    return 3 * n + 1; /* MARK called */
}

__attribute__((noinline)) uint32_t checksum(const volatile uint8_t *from,
                                            const volatile uint8_t *to)
{
    uint32_t sum = 2166136261u;

    while (from < to)
        sum = (sum ^ *from++) * 16777619u; /* MARK checksum */
    return sum;
}

static uint32_t own_checksum(void)
{
    const uint8_t *base = (const uint8_t *)GetModuleHandleA(NULL);
    const IMAGE_NT_HEADERS *nt =
        (const IMAGE_NT_HEADERS *)(base + ((const IMAGE_DOS_HEADER *)base)->e_lfanew);
    const IMAGE_SECTION_HEADER *text = IMAGE_FIRST_SECTION(nt);

    return checksum(base + text->VirtualAddress,
                    base + text->VirtualAddress + text->Misc.VirtualSize);
}

/* ---- Exceptions ------------------------------------------------------------------------------- */

extern char int3_here[], int3_next[], int2d_here[], int2d_next[], icebp_here[], icebp_next[],
    popf_here[], flags_here[], load_next[];

static void breakpoints(void)
{
    int before = seen_count;

    resume_at = (ULONG_PTR)int3_next;
    __asm__ volatile(LABEL(int3_here) "int3\n" LABEL(int3_next) "nop");
    tell("int3", before, int3_here);
    resume_at = (ULONG_PTR)int2d_next;
    __asm__ volatile(
        "xorl %%eax, %%eax\n" LABEL(int2d_here) "int $0x2d\nnop\n" LABEL(int2d_next) "nop"
        :
        :
        : "eax");
    tell("int 2d", before, int2d_here);
    resume_at = (ULONG_PTR)icebp_next;
    __asm__ volatile(LABEL(icebp_here) ".byte 0xf1\n" LABEL(icebp_next) "nop");
    tell("icebp", before, icebp_here);
}

static void trap_flag(void)
{
    int before = seen_count;
    ULONG_PTR flags;

#ifdef _WIN64
    __asm__ volatile(
        "subq $128, %%rsp\npushfq\norl $0x100, (%%rsp)\n" LABEL(popf_here) "popfq\nnop\n"
                                                                           "addq $128, %%rsp"
        :
        :
        : "cc", "memory");
    __asm__ volatile("subq $128, %%rsp\n" LABEL(flags_here) "pushfq\npopq %0\naddq $128, %%rsp"
                     : "=r"(flags)
                     :
                     : "cc", "memory");
#else
    __asm__ volatile("pushfl\norl $0x100, (%%esp)\n" LABEL(popf_here) "popfl\nnop\n"
                                                                      "nop"
                     :
                     :
                     : "cc", "memory");
    /* no interrupt comes between a load of ss and what follows: a debugger that steps shows its flag */
    __asm__ volatile("pushl %%ss\npopl %%ss\n" LABEL(flags_here) "pushfl\npopl %0"
                     : "=r"(flags)
                     :
                     : "cc", "memory");
#endif
    tell("popf", before, popf_here);
    printf("pushf: the trap flag is %s\n", flags & TRAP_FLAG ? "set" : "clear");
}

/* ---- Debug registers -------------------------------------------------------------------------- */

/* Have the handler load debug into the debug registers. */
__attribute__((noinline)) static void load(void)
{
    load_debug = 1;
    resume_at = (ULONG_PTR)load_next;
    __asm__ volatile("int3\n" LABEL(load_next) "nop");
}

/* A thread has debug registers of its own, which are clear at first. */
static DWORD WINAPI other_thread(void *argument)
{
    int before = seen_count;

    (void)argument;
    variable = called(3);
    tell("in another thread", before, (const char *)called);
    debug.Dr1 = 0;
    debug.Dr7 = 1;
    load();
    before = seen_count;
    variable = called(4);
    tell("one of its own there", before, (const char *)called);
    return 0;
}

static void run_other_thread(void)
{
    HANDLE thread = CreateThread(NULL, 0, other_thread, NULL, 0, NULL);

    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

static void debug_registers(void)
{
    int before = seen_count;

    debug.Dr0 = (ULONG_PTR)called;
    debug.Dr1 = (ULONG_PTR)&variable;
    debug.Dr7 = 1 | 4 | 0xdu << 20; /* execution of the one, writes of four bytes of the other */
    load();
    before = seen_count;
    printf("called: %d\n", called(2)); /* MARK call */
    tell("breakpoint of its own", before, (const char *)called);
    variable = 5; /* MARK write */
    printf("watchpoint of its own: %d hit, dr6 %lx rf %d\n", seen_count - before,
           (unsigned long)seen[before].dr6, seen[before].resumes);
    run_other_thread();
    before = seen_count;
    (void)called(5);
    tell("breakpoint again", before, (const char *)called);
    variable = 6;
    printf("watchpoint again: %d hit\n", seen_count - before);
    debug.Dr0 = debug.Dr1 = debug.Dr7 = 0;
    load();
    before = seen_count;
    variable = called(1);
    tell("without them", before, (const char *)called);
    seen_count = 0;
}

static void contexts(void)
{
    CONTEXT context = {.ContextFlags = CONTEXT_DEBUG_REGISTERS};
    BOOL got = GetThreadContext(GetCurrentThread(), &context);

    printf("its own context: %s, %lx %lx %lx %lx %lx\n", got ? "read" : "not read",
           (unsigned long)context.Dr0, (unsigned long)context.Dr1, (unsigned long)context.Dr2,
           (unsigned long)context.Dr3, (unsigned long)context.Dr7);
}

/* ---- Memory, time, questions ------------------------------------------------------------------ */

static void guard_page(void)
{
    volatile char *page =
        VirtualAlloc(NULL, 0x1000, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE | PAGE_GUARD);
    int before = seen_count;

    page[5] = 1; /* MARK guard */
    printf("guard page: %d, code %lx rf %d\n", seen_count - before, seen[before].code,
           seen[before].resumes);
    seen_count = before;
    page[6] = 2;
    printf("guard page again: %d\n", seen_count - before);
}

static uint64_t rdtsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static void timing(void)
{
    uint64_t start = rdtsc();
    uint64_t end;
    DWORD ticks = GetTickCount();

    for (int i = 0; i < 100; i++)
        variable = called(i); /* MARK timed */
    end = rdtsc();
    printf("time: %s, %s\n", end - start < 100000000 ? "quick" : "slow",
           GetTickCount() - ticks < 60 ? "quick" : "slow");
}

static void questions(void)
{
    typedef NTSTATUS(WINAPI * query)(HANDLE, PROCESSINFOCLASS, void *, ULONG, ULONG *);
    FARPROC found = GetProcAddress(GetModuleHandleA("ntdll.dll"), "NtQueryInformationProcess");
    DWORD_PTR port = 1;
    BOOL remote = TRUE;
    NTSTATUS st =
        ((query)(size_t)found)(GetCurrentProcess(), ProcessDebugPort, &port, sizeof port, NULL);

    CheckRemoteDebuggerPresent(GetCurrentProcess(), &remote);
    printf("debugger: %d %d, port %lx status %lx\n", IsDebuggerPresent(), remote,
           (unsigned long)port, (unsigned long)st);
}

int main(void)
{
    uint32_t sum = own_checksum(); /* MARK begin */

    AddVectoredExceptionHandler(1, handler);
    breakpoints();
    trap_flag();
    debug_registers();
    contexts();
    guard_page();
    timing();
    questions();
    printf("code: %s\n", own_checksum() == sum ? "intact" : "changed");
    return 0;
}
