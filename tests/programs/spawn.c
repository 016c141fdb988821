/*
 * Children: what they are told, what they inherit, how they end, and what their parent learns of it. `spawn race`: eight that
 * talk at the same time.
 */
#include "children.h"

/* ---- As a child ------------------------------------------------------------------------------- */

static int tell(int argc, char **argv)
{
    const char *greeting = getenv("GREETING"), *path = getenv("ONLY_PARENT");
    char folder[MAX_PATH];

    for (int i = 2; i < argc; i++)
        printf("  argument %d: [%s]\n", i, argv[i]);
    GetCurrentDirectoryA(sizeof folder, folder);
    printf("  in %s, GREETING is %s, ONLY_PARENT is %s\n", folder, greeting ? greeting : "nothing",
           path ? path : "nothing");
    return 42;
}

/* Answer lines of standard input on standard output. */
static int answer(void)
{
    char line[100];

    while (fgets(line, sizeof line, stdin))
        printf("%s", _strupr(line));
    fprintf(stderr, "the input ended\n");
    return 3;
}

/* Use handles by the numbers that they have in the parent. */
static int inherit(char **argv)
{
    HANDLE event = (HANDLE)(ULONG_PTR)strtoull(argv[2], NULL, 16);
    HANDLE file = (HANDLE)(ULONG_PTR)strtoull(argv[3], NULL, 16);
    HANDLE private = (HANDLE)(ULONG_PTR)strtoull(argv[4], NULL, 16);
    DWORD written = 0, flags;

    printf("  write to the file: %s\n", done(WriteFile(file, "child ", 6, &written, NULL)));
    printf("  the event: %s\n", done(SetEvent(event)));
    result("  a handle that is not inherited", GetHandleInformation(private, &flags));
    return 0;
}

static int orphan(void)
{
    HANDLE go = OpenEventA(SYNCHRONIZE, FALSE, "spawn go");
    HANDLE gone = OpenEventA(EVENT_MODIFY_STATE, FALSE, "spawn gone");

    WaitForSingleObject(go, INFINITE);
    printf("  the orphan goes on\n");
    SetEvent(gone);
    return 0;
}

/* A child of its own, whose end it does not wait for, or does. */
static int between(bool wait)
{
    PROCESS_INFORMATION child = start_again(wait ? "exit 5" : "orphan", 0, NULL);

    return wait ? (int)end_of(&child) + 1 : 6;
}

/* Some work between the lines, more or less of it. */
static int talk(char **argv)
{
    unsigned who = (unsigned)strtoul(argv[2], NULL, 10), sum = 0;

    for (unsigned line = 0; line < 4; line++) {
        for (unsigned i = 0; i < 20000 + 7001 * who; i++)
            sum = sum * 1103515245 + i;
        printf("child %u, line %u: %08x at %lu\n", who, line, sum, GetTickCount());
    }
    return (int)who;
}

static int be_child(int argc, char **argv)
{
    const char *what = argv[1];

    if (strcmp(what, "tell") == 0)
        return tell(argc, argv);
    if (strcmp(what, "answer") == 0)
        return answer();
    if (strcmp(what, "inherit") == 0)
        return inherit(argv);
    if (strcmp(what, "orphan") == 0)
        return orphan();
    if (strcmp(what, "parent") == 0)
        return between(strcmp(argv[2], "waits") == 0);
    if (strcmp(what, "talk") == 0)
        return talk(argv);
    if (strcmp(what, "crash") == 0)
        *(volatile int *)16 = 1;
    if (strcmp(what, "sleep") == 0)
        Sleep(INFINITE);
    return (int)strtol(argv[2], NULL, 10);
}

/* ---- As the parent ---------------------------------------------------------------------------- */

static void tells(void)
{
    static char environment[] = "GREETING=good day\0SystemRoot=C:\\Windows\0";
    STARTUPINFOA plain = {.cb = sizeof plain};
    PROCESS_INFORMATION child;
    char self[MAX_PATH], line[2 * MAX_PATH];

    SetEnvironmentVariableA("ONLY_PARENT", "set");
    GetModuleFileNameA(NULL, self, sizeof self);
    snprintf(line, sizeof line, "anything tell one \"two words\" \"\" a\\\\\\\"b");
    if (!CreateProcessA(self, line, NULL, NULL, FALSE, 0, environment, "C:\\Windows", &plain,
                        &child))
        printf("refused: error %lu\n", GetLastError());
    printf("  exit code %lu\n", end_of(&child));
    child = start_again("tell", 0, NULL);
    end_of(&child);
    result("what is not there", CreateProcessA("C:\\nothere.exe", NULL, NULL, NULL, FALSE, 0, NULL,
                                               NULL, &plain, &child));
}

/* One that is made to wait has a name for its state until it ends. */
static void states(void)
{
    PROCESS_INFORMATION child = start_again("exit 9", CREATE_SUSPENDED, NULL);
    DWORD code = 0;

    GetExitCodeProcess(child.hProcess, &code);
    printf("suspended: code %lu, wait %lu, ids %s\n", code, WaitForSingleObject(child.hProcess, 50),
           GetProcessId(child.hProcess) == child.dwProcessId &&
                   GetThreadId(child.hThread) == child.dwThreadId &&
                   GetProcessIdOfThread(child.hThread) == child.dwProcessId &&
                   child.dwProcessId != GetCurrentProcessId()
               ? "agree"
               : "differ");
    printf("resumed: %lu times suspended before\n", ResumeThread(child.hThread));
    WaitForSingleObject(child.hProcess, INFINITE);
    GetExitCodeThread(child.hThread, &code);
    printf("its thread ended with %lu, ", code);
    printf("it with %lu\n", end_of(&child));
}

static HANDLE inheritable(HANDLE handle)
{
    SetHandleInformation(handle, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    return handle;
}

/* Read until the last writer is gone. */
static void read_all(HANDLE from)
{
    char text[64];
    DWORD got;

    while (ReadFile(from, text, sizeof text, &got, NULL) && got) {
        for (DWORD i = 0; i < got; i++) {
            if (text[i] != '\r') /* which printf adds */
                printf("%c", text[i]);
        }
    }
    printf("the end of the pipe: error %lu\n", GetLastError());
}

static void redirected(void)
{
    STARTUPINFOA info = {.cb = sizeof info, .dwFlags = STARTF_USESTDHANDLES};
    PROCESS_INFORMATION child;
    HANDLE to, from;
    DWORD written;

    CreatePipe(&info.hStdInput, &to, NULL, 0);
    CreatePipe(&from, &info.hStdOutput, NULL, 0);
    inheritable(info.hStdInput);
    info.hStdError = inheritable(info.hStdOutput);
    child = start_again("answer", 0, &info);
    CloseHandle(info.hStdInput);
    CloseHandle(info.hStdOutput);
    WriteFile(to, "first line\nsecond\n", 18, &written, NULL);
    CloseHandle(to);
    read_all(from);
    printf("the one that answered ended with %lu\n", end_of(&child));
    CloseHandle(from);
}

static void inherited(void)
{
    STARTUPINFOA info = {.cb = sizeof info};
    HANDLE event = inheritable(CreateEventA(NULL, TRUE, FALSE, NULL)), private = NULL;
    char path[MAX_PATH], arguments[100], text[32];
    PROCESS_INFORMATION child;
    DWORD done_bytes = 0;
    HANDLE file;

    GetTempPathA(sizeof path - 16, path);
    strncat(path, "inherited.txt", 15);
    file = inheritable(CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_ALWAYS,
                                   FILE_FLAG_DELETE_ON_CLOSE, NULL));
    for (int i = 0; i < 200; i++) /* the last one is a number that no child of ours has */
    private = CreateEventA(NULL, TRUE, FALSE, NULL);
    WriteFile(file, "parent ", 7, &done_bytes, NULL);
    snprintf(arguments, sizeof arguments, "inherit %llx %llx %llx",
             (unsigned long long)(ULONG_PTR)event, (unsigned long long)(ULONG_PTR)file,
             (unsigned long long)(ULONG_PTR) private);
    child = start_again(arguments, 0, &info);
    WaitForSingleObject(event, INFINITE);
    end_of(&child);
    printf("the event that the child set: wait %lu\n", WaitForSingleObject(event, 0));
    WriteFile(file, "parent", 6, &done_bytes, NULL);
    SetFilePointer(file, 0, NULL, FILE_BEGIN);
    memset(text, 0, sizeof text);
    ReadFile(file, text, sizeof text - 1, &done_bytes, NULL);
    printf("the file that both wrote: %s\n", text);
    CloseHandle(file);
}

static void ends(void)
{
    PROCESS_INFORMATION child = start_again("crash", 0, NULL);

    printf("a crash: %lx\n", end_of(&child));
    child = start_again("sleep", 0, NULL);
    printf("one that sleeps: wait %lu\n", WaitForSingleObject(child.hProcess, 100));
    printf("is ended: %s\n", done(TerminateProcess(child.hProcess, 77)));
    printf("with %lu\n", end_of(&child));
    child = start_again("sleep", CREATE_SUSPENDED, NULL);
    TerminateProcess(child.hProcess, 78);
    printf("one that never ran ends with %lu\n", end_of(&child));
    child = start_again("parent waits", 0, NULL);
    printf("one with a child of its own ends with %lu\n", end_of(&child));
}

static void parent_goes_first(void)
{
    HANDLE go = CreateEventA(NULL, TRUE, FALSE, "spawn go");
    HANDLE gone = CreateEventA(NULL, TRUE, FALSE, "spawn gone");
    PROCESS_INFORMATION child = start_again("parent leaves", 0, NULL);

    printf("the one between ends with %lu\n", end_of(&child));
    SetEvent(go);
    printf("its child is heard of: wait %lu\n", WaitForSingleObject(gone, INFINITE));
    CloseHandle(go);
    CloseHandle(gone);
}

/* Eight at once that do the same. */
static void many(const char *what)
{
    PROCESS_INFORMATION children[8];
    HANDLE processes[8];
    DWORD sum = 0, result;
    char arguments[16];

    for (int i = 0; i < 8; i++) {
        snprintf(arguments, sizeof arguments, "%s %d", what, 1 << i);
        children[i] = start_again(arguments, 0, NULL);
        processes[i] = children[i].hProcess;
    }
    result = WaitForMultipleObjects(8, processes, TRUE, INFINITE);
    for (int i = 0; i < 8; i++)
        sum += end_of(&children[i]);
    printf("8 children: wait %lu, sum of exit codes %lu\n", result, sum);
}

int main(int argc, char **argv)
{
    print_at_once();
    if (argc > 2 || (argc > 1 && strcmp(argv[1], "race") != 0))
        return be_child(argc, argv);
    if (argc > 1) {
        many("talk");
        return 20;
    }
    tells();
    states();
    redirected();
    inherited();
    ends();
    parent_goes_first();
    many("exit");
    return 21;
}
