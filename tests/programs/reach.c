/*
 * The memory and threads of another process: open, read, write, allocate, protect, query, free; what is refused; and what
 * handles refuse that do not carry the right to it.
 */
#include "children.h"

static volatile int known = 5; /* what the parent changes, and the child ends with */

static int be_child(void)
{
    return known;
}

/* The program in another process: the first image that is no DLL. */
static char *program_of(HANDLE process)
{
    MEMORY_BASIC_INFORMATION m;

    for (char *at = NULL; VirtualQueryEx(process, at, &m, sizeof m); at += m.RegionSize) {
        IMAGE_DOS_HEADER dos;
        IMAGE_FILE_HEADER file;
        SIZE_T got;

        at = m.BaseAddress;
        if (m.Type == MEM_IMAGE && m.AllocationBase == at &&
            ReadProcessMemory(process, at, &dos, sizeof dos, &got) &&
            ReadProcessMemory(process, at + dos.e_lfanew + 4, &file, sizeof file, &got) &&
            !(file.Characteristics & IMAGE_FILE_DLL))
            return at;
    }
    return NULL;
}

static void show(const char *what, HANDLE process, const void *at)
{
    MEMORY_BASIC_INFORMATION m;

    VirtualQueryEx(process, at, &m, sizeof m);
    printf("%s: state %lx", what, m.State);
    if (m.State != MEM_FREE)
        printf(", %lx bytes, protect %lx, type %lx", (unsigned long)m.RegionSize, m.Protect,
               m.Type);
    printf("\n");
}

/* Copy there and back again. */
static void copies(HANDLE process, char *at)
{
    char out[0x1800], back[sizeof out];
    SIZE_T got = 0;

    for (unsigned i = 0; i < sizeof out; i++)
        out[i] = (char)(i * 7);
    printf("write: %s, ", done(WriteProcessMemory(process, at + 0x800, out, sizeof out, &got)));
    printf("%lx bytes; ", (unsigned long)got);
    printf("read: %s, ", done(ReadProcessMemory(process, at + 0x800, back, sizeof back, &got)));
    printf("%lx bytes, %s\n", (unsigned long)got,
           memcmp(out, back, sizeof out) == 0 ? "the same" : "others");
    printf("read what is not there: %s\n",
           done(ReadProcessMemory(process, (void *)0x1000, back, 4, &got)));
}

static void memory(HANDLE process)
{
    char *at = VirtualAllocEx(process, NULL, 0x10000, MEM_RESERVE, PAGE_READWRITE), c;
    DWORD old = 0;
    SIZE_T got;

    show("reserved", process, at);
    printf("commit: %s\n",
           done(VirtualAllocEx(process, at, 0x4000, MEM_COMMIT, PAGE_READWRITE) == at));
    show("committed", process, at);
    copies(process, at);
    printf("protect: %s, ", done(VirtualProtectEx(process, at, 0x1000, PAGE_NOACCESS, &old)));
    printf("it was %lx\n", old);
    printf("read what has no access: %s\n", done(ReadProcessMemory(process, at, &c, 1, &got)));
    printf("release: %s\n", done(VirtualFreeEx(process, at, 0, MEM_RELEASE)));
    show("released", process, at);
    result("release again", VirtualFreeEx(process, at, 0, MEM_RELEASE));
}

static void rights(DWORD pid)
{
    HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, pid);
    char name[MAX_PATH], c;
    DWORD size = sizeof name;
    SIZE_T got;

    printf("its name: %s, ", done(QueryFullProcessImageNameA(process, 0, name, &size)));
    printf("%s\n", strncmp(strrchr(name, '\\'), "\\reach", 6) == 0 ? "reach" : name);
    printf("a handle that may only ask:\n");
    result("  read", ReadProcessMemory(process, (void *)0x7ffe0000, &c, 1, &got));
    result("  allocate", VirtualAllocEx(process, NULL, 1, MEM_RESERVE, PAGE_NOACCESS) != NULL);
    result("  end", TerminateProcess(process, 1));
    CloseHandle(process);
    result("no such process", OpenProcess(PROCESS_ALL_ACCESS, FALSE, 0x7ffffff0) != NULL);
}

/* Where a thread of the other process stands, and somewhere else. */
static void threads(DWORD tid)
{
    HANDLE thread = OpenThread(THREAD_ALL_ACCESS, FALSE, tid);
    CONTEXT context = {.ContextFlags = CONTEXT_INTEGER};
    DWORD count = SuspendThread(thread);

    printf("its thread: suspended %lu times before, context %s\n", count,
           done(GetThreadContext(thread, &context)));
#ifdef _WIN64
    context.Rdi = 0x1234567890;
    SetThreadContext(thread, &context);
    context.Rdi = 0;
    GetThreadContext(thread, &context);
    printf("a register that was set: %s\n", context.Rdi == 0x1234567890 ? "kept" : "lost");
#else
    context.Edi = 0x12345678;
    SetThreadContext(thread, &context);
    context.Edi = 0;
    GetThreadContext(thread, &context);
    printf("a register that was set: %s\n", context.Edi == 0x12345678 ? "kept" : "lost");
#endif
    printf("resumed: %lu times suspended before\n", ResumeThread(thread));
    CloseHandle(thread);
}

int main(int argc, char **argv)
{
    PROCESS_INFORMATION child;
    MEMORY_BASIC_INFORMATION m;
    HANDLE process;
    int value = 0;
    char *at;
    SIZE_T got;

    (void)argv;
    print_at_once();
    if (argc > 1)
        return be_child();
    child = start_again("child", CREATE_SUSPENDED, NULL);
    process = OpenProcess(PROCESS_ALL_ACCESS, FALSE, child.dwProcessId);
    memory(process);
    rights(child.dwProcessId);
    threads(child.dwThreadId);
    at = program_of(process) + ((char *)&known - (char *)GetModuleHandleA(NULL));
    ReadProcessMemory(process, at, &value, sizeof value, &got);
    printf("its variable is %d\n", value);
    value = 17;
    WriteProcessMemory(process, at, &value, sizeof value, &got);
    ResumeThread(child.hThread);
    printf("it ended with %lu; here the variable is %d\n", end_of(&child), known);
    printf("a question about its memory, then: %s\n",
           done(VirtualQueryEx(process, at, &m, sizeof m) != 0));
    CloseHandle(process);
    return 23;
}
