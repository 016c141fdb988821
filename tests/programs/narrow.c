/*
 * A process of the other width: narrow PROGRAM, one that lies beside this. What a 64-bit process sees and does of a 32-bit
 * one, and a 32-bit one of a 64-bit one; the child runs machine code in place of its own.
 */
#include "children.h"

#define CODE 0x5a

/* mov eax, CODE; ret: in either width */
static const unsigned char code[] = {0xb8, CODE, 0, 0, 0, 0xc3};

static void *put_code(HANDLE process)
{
    void *at = VirtualAllocEx(process, NULL, sizeof code, MEM_RESERVE | MEM_COMMIT,
                              PAGE_EXECUTE_READWRITE);
    SIZE_T written;

    WriteProcessMemory(process, at, code, sizeof code, &written);
    return at;
}

#ifdef _WIN64
static void look(const PROCESS_INFORMATION *child)
{
    WOW64_CONTEXT narrow = {.ContextFlags = WOW64_CONTEXT_FULL};
    CONTEXT wide = {.ContextFlags = CONTEXT_FULL};
    DWORD image = 0;
    WORD magic = 0;
    SIZE_T got;

    printf("its 32-bit context: %s\n", done(Wow64GetThreadContext(child->hThread, &narrow)));
    printf("its 64-bit context: %s, ", done(GetThreadContext(child->hThread, &wide)));
    printf("%s\n", wide.Rip == narrow.Eip && wide.Rsp == narrow.Esp ? "the same" : "another");
    ReadProcessMemory(child->hProcess, (char *)0 + narrow.Ebx + 8, &image, sizeof image, &got);
    ReadProcessMemory(child->hProcess, (char *)0 + image, &magic, sizeof magic, &got);
    printf("its PEB knows its image: %s\n", magic == IMAGE_DOS_SIGNATURE ? "yes" : "no");
    narrow.Eax = (DWORD)(ULONG_PTR)put_code(child->hProcess);
    printf("it is sent elsewhere: %s\n", done(Wow64SetThreadContext(child->hThread, &narrow)));
}
#else
static void look(const PROCESS_INFORMATION *child)
{
    CONTEXT context = {.ContextFlags = CONTEXT_FULL};
    HANDLE thread;
    DWORD ended = 0;

    printf("its context: %s\n", done(GetThreadContext(child->hThread, &context)));
    thread = CreateRemoteThread(child->hProcess, NULL, 0,
                                (LPTHREAD_START_ROUTINE)put_code(child->hProcess), NULL, 0, NULL);
    WaitForSingleObject(thread, INFINITE);
    GetExitCodeThread(thread, &ended);
    printf("a thread in it ended with %lx\n", ended);
    CloseHandle(thread);
    TerminateProcess(child->hProcess, CODE);
}
#endif

int main(int argc, char **argv)
{
    char path[MAX_PATH];
    PROCESS_INFORMATION child;
    BOOL wow64 = FALSE;

    print_at_once();
    if (argc < 2)
        return 2;
    beside(argv[1], path);
    child = start_line(path, CREATE_SUSPENDED, NULL);
    IsWow64Process(child.hProcess, &wow64);
    printf("it is a narrow one: %s\n", wow64 ? "yes" : "no");
    look(&child);
    ResumeThread(child.hThread);
    printf("it ended with %lx\n", end_of(&child));
    return 27;
}
