/*
 * Lists of processes: who is there, whose child, with how many threads and which modules; and who is gone.
 */
#include "children.h"

#include <psapi.h>
#include <tlhelp32.h>

#define CHILDREN 3

/* The name without its width: "family". */
static const char *plain(char *name)
{
    char *dot = strrchr(name, '.');

    if (dot && dot > name + 2)
        dot[-2] = 0;
    return name;
}

/* How many processes a snapshot shows whose parent is this one; what it says of them when it is to be said. */
static int snapshot(bool say)
{
    HANDLE list = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    PROCESSENTRY32 entry = {.dwSize = sizeof entry};
    int count = 0;

    for (BOOL more = Process32First(list, &entry); more; more = Process32Next(list, &entry)) {
        bool own = entry.th32ProcessID == GetCurrentProcessId();

        if (!own && entry.th32ParentProcessID != GetCurrentProcessId())
            continue;
        count += !own;
        if (say)
            printf("  %s: %s, threads %lu\n", own ? "this one" : "a child", plain(entry.szExeFile),
                   entry.cntThreads);
    }
    CloseHandle(list);
    return count;
}

static int threads_of(DWORD pid)
{
    HANDLE list = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
    THREADENTRY32 entry = {.dwSize = sizeof entry};
    int count = 0;

    for (BOOL more = Thread32First(list, &entry); more; more = Thread32Next(list, &entry))
        count += entry.th32OwnerProcessID == pid;
    CloseHandle(list);
    return count;
}

static bool enumerated(DWORD pid)
{
    DWORD ids[256], bytes = 0;

    K32EnumProcesses(ids, sizeof ids, &bytes);
    for (DWORD i = 0; i < bytes / sizeof *ids; i++) {
        if (ids[i] == pid)
            return true;
    }
    return false;
}

static void modules(HANDLE process)
{
    HMODULE list[64];
    DWORD bytes = 0;

    K32EnumProcessModules(process, list, sizeof list, &bytes);
    for (DWORD i = 0; i < bytes / sizeof *list && i < 3; i++) {
        char name[MAX_PATH] = "";

        K32GetModuleBaseNameA(process, list[i], name, sizeof name);
        printf("  module %lu: %s\n", i, i ? _strlwr(name) : plain(name));
    }
}

static int be_child(void)
{
    HANDLE ready = OpenSemaphoreA(SEMAPHORE_MODIFY_STATE, FALSE, "family ready");
    HANDLE leave = OpenEventA(SYNCHRONIZE, FALSE, "family leave");

    ReleaseSemaphore(ready, 1, NULL);
    WaitForSingleObject(leave, INFINITE);
    return 0;
}

int main(int argc, char **argv)
{
    HANDLE ready = CreateSemaphoreA(NULL, 0, CHILDREN, "family ready");
    HANDLE leave = CreateEventA(NULL, TRUE, FALSE, "family leave");
    PROCESS_INFORMATION children[CHILDREN];
    DWORD last;

    (void)argv;
    print_at_once();
    if (argc > 1)
        return be_child();
    for (int i = 0; i < CHILDREN; i++)
        children[i] = start_again("child", 0, NULL);
    for (int i = 0; i < CHILDREN; i++)
        WaitForSingleObject(ready, INFINITE);
    last = children[CHILDREN - 1].dwProcessId;
    printf("the snapshot:\n");
    snapshot(true);
    printf("threads of the last: %d; enumerated: %d; modules:\n", threads_of(last),
           enumerated(last));
    modules(children[CHILDREN - 1].hProcess);
    SetEvent(leave);
    for (int i = 0; i < CHILDREN; i++)
        end_of(&children[i]);
    printf("when they have ended: %d children, enumerated: %d\n", snapshot(false),
           enumerated(last));
    return 26;
}
