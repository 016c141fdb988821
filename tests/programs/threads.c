/* Threads: making, ending, suspending, asking; TLS of every kind; what a DLL and a TLS callback hear; registers of others. */
#define _WIN32_WINNT 0x0a00
#include <windows.h>

#include <process.h>
#include <stdio.h>

static LONG attached, detached;

static void NTAPI on_tls(void *module, DWORD reason, void *reserved)
{
    (void)module;
    (void)reserved;
    if (reason == DLL_THREAD_ATTACH)
        InterlockedIncrement(&attached);
    if (reason == DLL_THREAD_DETACH)
        InterlockedIncrement(&detached);
}

__attribute__((section(".CRT$XLC"), used)) static PIMAGE_TLS_CALLBACK tls_callback = on_tls;

static DWORD slot;
static volatile LONG sum;
static HANDLE go;

static DWORD WINAPI add_up(void *arg)
{
    LONG n = (LONG)(LONG_PTR)arg;

    TlsSetValue(slot, arg);
    for (LONG i = 0; i < 20000; i++)
        InterlockedAdd(&sum, n);
    return (DWORD)(LONG_PTR)TlsGetValue(slot) + 10;
}

static void many_threads(void)
{
    HANDLE threads[8];
    DWORD codes = 0, result;

    for (int i = 0; i < 8; i++)
        threads[i] =
            CreateThread(NULL, i == 3 ? 0x400000 : 0, add_up, (void *)(LONG_PTR)i, 0, NULL);
    result = WaitForMultipleObjects(8, threads, TRUE, INFINITE);
    for (int i = 0; i < 8; i++) {
        DWORD code = 0;

        GetExitCodeThread(threads[i], &code);
        codes += code;
        CloseHandle(threads[i]);
    }
    printf("8 threads: wait %lu, sum %ld, codes %lu\n", result, sum, codes);
}

static unsigned __stdcall crt_thread(void *arg)
{
    printf("_beginthreadex gives %s\n", (const char *)arg);
    _endthreadex(21);
    return 0;
}

static DWORD WINAPI count_up(void *arg)
{
    volatile LONG *n = arg;

    while (*n >= 0)
        ++*n;
    return 0;
}

/* A thread that never waits stands still while it is suspended, and others see its registers. */
static void suspending(void)
{
    volatile LONG n = 0;
    LONG before;
    CONTEXT context = {.ContextFlags = CONTEXT_CONTROL | CONTEXT_INTEGER};
    HANDLE thread = CreateThread(NULL, 0, count_up, (void *)&n, CREATE_SUSPENDED, NULL);
    DWORD code = 0;

    Sleep(20);
    printf("made suspended: %ld\n", n);
    printf("count was %lu\n", ResumeThread(thread));
    while (!n)
        Sleep(1);
    printf("suspended: %lu", SuspendThread(thread));
    printf(" %lu\n", SuspendThread(thread));
    before = n;
    Sleep(50);
    printf("stood still: %d, registers %d", n == before, GetThreadContext(thread, &context));
#ifdef _WIN64
    printf(", code is in the program: %d\n",
           context.Rip - (ULONG_PTR)GetModuleHandle(NULL) < 0x100000);
#else
    printf(", code is in the program: %d\n",
           context.Eip - (ULONG_PTR)GetModuleHandle(NULL) < 0x100000);
#endif
    printf("resumed: %lu", ResumeThread(thread));
    printf(" %lu", ResumeThread(thread));
    printf(" %lu\n", ResumeThread(thread));
    while (n == before)
        Sleep(1);
    TerminateThread(thread, 99);
    printf("terminated: wait %lu", WaitForSingleObject(thread, INFINITE));
    GetExitCodeThread(thread, &code);
    printf(", code %lu, suspends no more: %d\n", code, SuspendThread(thread) == (DWORD)-1);
    CloseHandle(thread);
}

static DWORD WINAPI wait_to_go(void *arg)
{
    (void)arg;
    return WaitForSingleObject(go, INFINITE);
}

typedef HRESULT WINAPI set_description(HANDLE thread, const WCHAR *name);
typedef HRESULT WINAPI get_description(HANDLE thread, WCHAR **name);

/* mingw's import libraries do not have these. */
static void naming(HANDLE thread)
{
    HMODULE dll = GetModuleHandleA("kernelbase");
    set_description *set = (set_description *)(void *)GetProcAddress(dll, "SetThreadDescription");
    get_description *get = (get_description *)(void *)GetProcAddress(dll, "GetThreadDescription");
    WCHAR *name = NULL;

    set(thread, L"the one that waits");
    get(thread, &name);
    printf(", name '%ls'\n", name);
}

static void asking(void)
{
    DWORD id = 0, code = 0;
    HANDLE thread = CreateThread(NULL, 0, wait_to_go, NULL, 0, &id), again, self;

    printf("ids: own %d, its %d\n", GetThreadId(GetCurrentThread()) == GetCurrentThreadId(),
           GetThreadId(thread) == id);
    GetExitCodeThread(thread, &code);
    printf("still active: %d, wait with no time %lu\n", code == STILL_ACTIVE,
           WaitForSingleObject(thread, 0));
    again = OpenThread(SYNCHRONIZE, FALSE, id);
    SetThreadPriority(thread, THREAD_PRIORITY_ABOVE_NORMAL);
    printf("opened %d, priority %d", again != NULL, GetThreadPriority(thread));
    naming(thread);
    printf("not allowed: %d", TerminateThread(again, 1));
    printf(", error %lu\n", GetLastError());
    DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &self, 0, FALSE,
                    DUPLICATE_SAME_ACCESS);
    printf("own handle: %d\n", GetThreadId(self) == GetCurrentThreadId());
    SetEvent(go);
    printf("wait %lu\n", WaitForSingleObject(again, INFINITE));
    printf("no such thread: %d", OpenThread(SYNCHRONIZE, FALSE, 0x7654320) != NULL);
    printf(", error %lu\n", GetLastError());
}

static __thread int of_the_compiler = 7;

static DWORD WINAPI see_tls(void *arg)
{
    (void)arg;
    of_the_compiler++;
    return (DWORD)of_the_compiler;
}

static void thread_local_data(void)
{
    HANDLE thread = CreateThread(NULL, 0, see_tls, NULL, 0, NULL);
    DWORD code = 0;

    of_the_compiler = 100;
    WaitForSingleObject(thread, INFINITE);
    GetExitCodeThread(thread, &code);
    printf("thread-local: there %lu, here %d\n", code, of_the_compiler);
}

static DWORD WINAPI end_last(void *arg)
{
    WaitForSingleObject(arg, INFINITE);
    printf("the last thread\n");
    fflush(stdout);
    return 33;
}

int main(void)
{
    HANDLE crt, self;

    slot = TlsAlloc();
    go = CreateEventA(NULL, TRUE, FALSE, NULL);
    many_threads();
    crt = (HANDLE)_beginthreadex(NULL, 0, crt_thread, "its argument", 0, NULL);
    WaitForSingleObject(crt, INFINITE);
    suspending();
    asking();
    thread_local_data();
    printf("TLS callback: %ld begun, %ld ended\n", attached, detached);
    fflush(stdout);
    DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &self, 0, FALSE,
                    DUPLICATE_SAME_ACCESS);
    CreateThread(NULL, 0, end_last, self, 0, NULL);
    ExitThread(1);
}
