/*
 * Code in another process: machine code by a remote thread, a DLL by LoadLibraryA, an APC to a thread that waits, and one to
 * a thread that has not begun.
 */
#include "children.h"

#ifdef _WIN64
#define PLUGIN "plugin64.dll"
static const unsigned char add_one[] = {0x8d, 0x41, 0x01, 0xc3}; /* lea eax, [rcx + 1]; ret */
#else
#define PLUGIN "plugin32.dll"
/* mov eax, [esp + 4]; inc eax; ret 4 */
static const unsigned char add_one[] = {0x8b, 0x44, 0x24, 0x04, 0x40, 0xc2, 0x04, 0x00};
#endif

/* Say that all is loaded, and wait as one whom an APC may end. */
static int be_child(void)
{
    HANDLE ready = OpenEventA(EVENT_MODIFY_STATE, FALSE, "inject ready");
    HANDLE look = OpenEventA(SYNCHRONIZE, FALSE, "inject look");

    SetEvent(ready);
    WaitForSingleObject(look, INFINITE);
    printf("  in the child %s is %s\n", PLUGIN, GetModuleHandleA(PLUGIN) ? "there" : "not there");
    SetEvent(ready);
    SleepEx(INFINITE, TRUE);
    return 1;
}

/* A copy in the other process, to be executed when it is code. */
static void *put(HANDLE process, const void *bytes, SIZE_T size, DWORD protect)
{
    void *at = VirtualAllocEx(process, NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    DWORD old;
    SIZE_T written;

    WriteProcessMemory(process, at, bytes, size, &written);
    VirtualProtectEx(process, at, size, protect, &old);
    FlushInstructionCache(process, at, size);
    return at;
}

/* Run a function there; what it returned. */
static DWORD call(HANDLE process, void *function, void *argument)
{
    HANDLE thread =
        CreateRemoteThread(process, NULL, 0, (LPTHREAD_START_ROUTINE)function, argument, 0, NULL);
    DWORD code = 0;

    if (!thread)
        printf("no remote thread: error %lu\n", GetLastError());
    WaitForSingleObject(thread, INFINITE);
    GetExitCodeThread(thread, &code);
    CloseHandle(thread);
    return code;
}

/* Before its first thread runs, and so before the program's own code. */
static void early(void *function)
{
    PROCESS_INFORMATION child = start_again("child", CREATE_SUSPENDED, NULL);

    QueueUserAPC((PAPCFUNC)function, child.hThread, 66);
    ResumeThread(child.hThread);
    printf("one that was called before it began ended with %lu\n", end_of(&child));
}

int main(int argc, char **argv)
{
    HANDLE ready = CreateEventA(NULL, FALSE, FALSE, "inject ready");
    HANDLE look = CreateEventA(NULL, FALSE, FALSE, "inject look");
    HMODULE kernel32 = GetModuleHandleA("kernel32.dll");
    PROCESS_INFORMATION child;
    char path[MAX_PATH];
    void *code;

    (void)argv;
    print_at_once();
    if (argc > 1)
        return be_child();
    child = start_again("child", 0, NULL);
    WaitForSingleObject(ready, INFINITE);
    code = put(child.hProcess, add_one, sizeof add_one, PAGE_EXECUTE_READ);
    printf("code that was written there: %lu\n", call(child.hProcess, code, (void *)41));
    beside(PLUGIN, path);
    printf("LoadLibraryA there: %s\n",
           done(call(child.hProcess, (void *)GetProcAddress(kernel32, "LoadLibraryA"),
                     put(child.hProcess, path, sizeof path, PAGE_READONLY)) != 0));
    SetEvent(look);
    WaitForSingleObject(ready, INFINITE);
    printf("ExitProcess as an APC: %s\n",
           done(QueueUserAPC((PAPCFUNC)(void *)GetProcAddress(kernel32, "ExitProcess"),
                             child.hThread, 55) != 0));
    printf("the child ended with %lu\n", end_of(&child));
    printf("here %s is %s\n", PLUGIN, GetModuleHandleA(PLUGIN) ? "there" : "not there");
    early((void *)GetProcAddress(kernel32, "ExitProcess"));
    return 24;
}
