/* Time: sleeping, the clocks, waitable timers, calls that come by themselves when a thread waits alertably. */
#define _WIN32_WINNT 0x0a00
#include <windows.h>

#include <stdio.h>

static DWORD began;
static int calls;
static HANDLE caller;

/* Milliseconds since `began`, to the next ten: switching threads and printing take time too. */
static DWORD passed(void)
{
    return (GetTickCount() - began) / 10 * 10;
}

static void mark(void)
{
    began = GetTickCount();
}

static void CALLBACK on_timer(void *arg, DWORD low, DWORD high)
{
    calls++;
    printf("timer call %d for %s, time given: %d\n", calls, (const char *)arg, low || high);
}

static void CALLBACK on_apc(ULONG_PTR arg)
{
    calls++;
    printf("call %d, argument %lu, in the thread that waits: %d\n", calls, (unsigned long)arg,
           GetCurrentThreadId() == GetThreadId(caller));
}

static LARGE_INTEGER in_ms(LONGLONG ms)
{
    return (LARGE_INTEGER){.QuadPart = -10000 * ms};
}

static void timers(void)
{
    HANDLE once = CreateWaitableTimerA(NULL, FALSE, NULL),
           manual = CreateWaitableTimerA(NULL, TRUE, NULL);
    LARGE_INTEGER due = in_ms(50);

    SetWaitableTimer(once, &due, 0, NULL, NULL, FALSE);
    mark();
    printf("not yet: %lu\n", WaitForSingleObject(once, 20));
    printf("timer: %lu", WaitForSingleObject(once, INFINITE));
    printf(" after %lu\n", passed());
    printf("taken: %lu\n", WaitForSingleObject(once, 0));
    SetWaitableTimer(once, &due, 20, NULL, NULL, FALSE);
    mark();
    for (int i = 0; i < 3; i++)
        WaitForSingleObject(once, INFINITE);
    printf("three periods after %lu\n", passed());
    CancelWaitableTimer(once);
    printf("cancelled: %lu\n", WaitForSingleObject(once, 100));
    due.QuadPart = 0;
    SetWaitableTimer(manual, &due, 0, NULL, NULL, FALSE);
    printf("at once: %lu", WaitForSingleObject(manual, 0));
    printf(" %lu\n", WaitForSingleObject(manual, 0));
    due = in_ms(30);
    SetWaitableTimer(once, &due, 20, on_timer, "once", FALSE);
    Sleep(80);
    printf("not alertable: calls %d\n", calls);
    printf("alertable: 0x%lx\n", SleepEx(INFINITE, TRUE));
    printf("again: 0x%lx\n", WaitForSingleObjectEx(manual, 0, FALSE));
    printf("again: 0x%lx\n", SleepEx(1000, TRUE));
    CancelWaitableTimer(once);
}

static DWORD WINAPI queue_to_caller(void *arg)
{
    (void)arg;
    Sleep(20);
    QueueUserAPC(on_apc, caller, 1);
    QueueUserAPC(on_apc, caller, 2);
    return 0;
}

static DWORD WINAPI never_waits(void *arg)
{
    printf("thread begins, calls %d\n", *(int *)arg);
    return 0;
}

static void calls_by_others(void)
{
    HANDLE never = CreateEventA(NULL, TRUE, FALSE, NULL), thread;

    calls = 0;
    DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &caller, 0, FALSE,
                    DUPLICATE_SAME_ACCESS);
    CreateThread(NULL, 0, queue_to_caller, NULL, 0, NULL);
    printf("wait: 0x%lx\n", WaitForSingleObjectEx(never, INFINITE, TRUE));
    QueueUserAPC(on_apc, caller, 3);
    printf("sleep: %lu\n", SleepEx(0, FALSE));
    printf("sleep alertably: 0x%lx\n", SleepEx(0, TRUE));
    printf("nothing left: %lu\n", SleepEx(10, TRUE));
    thread = CreateThread(NULL, 0, never_waits, &calls, CREATE_SUSPENDED, NULL);
    CloseHandle(caller);
    caller = thread;
    QueueUserAPC(on_apc, thread, 4);
    ResumeThread(thread);
    WaitForSingleObject(thread, INFINITE);
    printf("to a dead thread: %lu\n", QueueUserAPC(on_apc, thread, 5));
}

static void clocks(void)
{
    LARGE_INTEGER before, after, frequency;
    ULONGLONG tick = GetTickCount64(), spins = 0;
    FILETIME from, to;

    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&before);
    GetSystemTimeAsFileTime(&from);
    Sleep(1000);
    QueryPerformanceCounter(&after);
    GetSystemTimeAsFileTime(&to);
    printf("slept %lu ms by ticks, %lu by counter, %lu by date\n",
           (unsigned long)((GetTickCount64() - tick) / 10 * 10),
           (unsigned long)((after.QuadPart - before.QuadPart) * 100 / frequency.QuadPart * 10),
           (to.dwLowDateTime - from.dwLowDateTime) / 100000 * 10);
    tick = GetTickCount64();
    while (GetTickCount64() - tick < 30)
        spins++;
    printf("a loop sees time pass: %d\n", spins > 100);
}

int main(void)
{
    clocks();
    timers();
    calls_by_others();
    return 13;
}
