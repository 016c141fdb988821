/* Completion ports and what Windows builds of waiting: thread pool, timer queues, registered waits. */
#define _WIN32_WINNT 0x0a00
#include <windows.h>

#include <stdio.h>

static HANDLE port, done;
static volatile LONG worked, packets;

static DWORD WINAPI take_packets(void *arg)
{
    DWORD bytes;
    ULONG_PTR key;
    OVERLAPPED *overlapped;

    (void)arg;
    while (GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE) && key)
        InterlockedAdd(&packets, (LONG)bytes);
    return 0;
}

static void ports(void)
{
    HANDLE threads[3];
    OVERLAPPED_ENTRY entries[4];
    ULONG taken = 0;
    DWORD bytes = 0;
    ULONG_PTR key = 0;
    OVERLAPPED *overlapped = NULL;

    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    printf("empty: %d", GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, 10));
    printf(", error %lu\n", GetLastError());
    PostQueuedCompletionStatus(port, 5, 6, (OVERLAPPED *)(ULONG_PTR)0x70);
    printf("packet: %d", GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE));
    printf(", %lu %lu %x\n", bytes, (unsigned long)key, (unsigned)(ULONG_PTR)overlapped);
    for (DWORD i = 1; i <= 6; i++)
        PostQueuedCompletionStatus(port, i, i, NULL);
    printf("many: %d", GetQueuedCompletionStatusEx(port, entries, 4, &taken, INFINITE, FALSE));
    printf(", %lu of them, the last %lu\n", taken, entries[3].dwNumberOfBytesTransferred);
    printf("the rest: %d", GetQueuedCompletionStatusEx(port, entries, 4, &taken, INFINITE, FALSE));
    printf(", %lu of them\n", taken);
    for (int i = 0; i < 3; i++)
        threads[i] = CreateThread(NULL, 0, take_packets, NULL, 0, NULL);
    for (DWORD i = 1; i <= 100; i++)
        PostQueuedCompletionStatus(port, i, 1, NULL);
    for (int i = 0; i < 3; i++)
        PostQueuedCompletionStatus(port, 0, 0, NULL);
    WaitForMultipleObjects(3, threads, TRUE, INFINITE);
    printf("three threads: %ld\n", packets);
}

static void CALLBACK work(TP_CALLBACK_INSTANCE *instance, void *arg, TP_WORK *self)
{
    (void)instance;
    (void)arg;
    (void)self;
    Sleep(1);
    InterlockedIncrement(&worked);
}

static void CALLBACK on_timer(TP_CALLBACK_INSTANCE *instance, void *arg, TP_TIMER *timer)
{
    (void)instance;
    (void)timer;
    if (InterlockedIncrement(arg) == 3)
        SetEvent(done);
}

static void CALLBACK on_wait(TP_CALLBACK_INSTANCE *instance, void *arg, TP_WAIT *wait,
                             TP_WAIT_RESULT result)
{
    (void)instance;
    (void)wait;
    printf("waited for %s: %lu\n", (const char *)arg, result);
    SetEvent(done);
}

static DWORD WINAPI old_work(void *arg)
{
    InterlockedIncrement(arg);
    SetEvent(done);
    return 0;
}

static void CALLBACK on_queue(void *arg, BOOLEAN timed_out)
{
    printf("%s: %d\n", (const char *)arg, timed_out);
    SetEvent(done);
}

static void pool(void)
{
    TP_WORK *item = CreateThreadpoolWork(work, NULL, NULL);
    volatile LONG ticks = 0, old = 0;
    TP_TIMER *timer = CreateThreadpoolTimer(on_timer, (void *)&ticks, NULL);
    TP_WAIT *wait = CreateThreadpoolWait(on_wait, "an event", NULL);
    HANDLE event = CreateEventA(NULL, FALSE, FALSE, NULL), registered, queued;
    ULARGE_INTEGER due = {.QuadPart = (ULONGLONG)-100000};
    FILETIME when = {due.LowPart, due.HighPart};

    for (int i = 0; i < 20; i++)
        SubmitThreadpoolWork(item);
    WaitForThreadpoolWorkCallbacks(item, FALSE);
    printf("pool: %ld\n", worked);
    SetThreadpoolTimer(timer, &when, 10, 0);
    WaitForSingleObject(done, INFINITE);
    SetThreadpoolTimer(timer, NULL, 0, 0);
    WaitForThreadpoolTimerCallbacks(timer, TRUE);
    printf("pool timer: %d\n", ticks >= 3);
    SetThreadpoolWait(wait, event, NULL);
    SetEvent(event);
    WaitForSingleObject(done, INFINITE);
    QueueUserWorkItem(old_work, (void *)&old, WT_EXECUTEDEFAULT);
    WaitForSingleObject(done, INFINITE);
    printf("work item: %ld\n", old);
    RegisterWaitForSingleObject(&registered, event, on_queue, "registered wait timed out", 30,
                                WT_EXECUTEONLYONCE);
    WaitForSingleObject(done, INFINITE);
    UnregisterWaitEx(registered, INVALID_HANDLE_VALUE);
    CreateTimerQueueTimer(&queued, NULL, on_queue, "timer queue", 20, 0, WT_EXECUTEONLYONCE);
    WaitForSingleObject(done, INFINITE);
    DeleteTimerQueueTimer(NULL, queued, INVALID_HANDLE_VALUE);
}

int main(void)
{
    done = CreateEventA(NULL, FALSE, FALSE, NULL);
    ports();
    pool();
    return 14;
}
