/* Events, mutexes, semaphores, and waiting for several of them: what is taken, by whom, and what a wait says. */
#include <windows.h>

#include <stdio.h>

static HANDLE a, b;

static const char *state(HANDLE h)
{
    return WaitForSingleObject(h, 0) == WAIT_OBJECT_0 ? "yes" : "no";
}

static void events(void)
{
    HANDLE automatic = CreateEventA(NULL, FALSE, TRUE, NULL),
           manual = CreateEventA(NULL, TRUE, TRUE, NULL);

    printf("auto: %s", state(automatic));
    printf(" %s\n", state(automatic));
    printf("manual: %s", state(manual));
    printf(" %s\n", state(manual));
    ResetEvent(manual);
    printf("reset: %s\n", state(manual));
    SetEvent(automatic);
    SetEvent(automatic);
    printf("set twice: %s", state(automatic));
    printf(" %s\n", state(automatic));
    PulseEvent(manual);
    printf("pulsed without a waiter: %s\n", state(manual));
    CloseHandle(manual);
    printf("closed: %lu", WaitForSingleObject(manual, 0));
    printf(", error %lu\n", GetLastError());
}

static void semaphores(void)
{
    HANDLE s = CreateSemaphoreA(NULL, 2, 3, NULL);
    LONG before = -1;
    BOOL released;

    printf("semaphore: %s", state(s));
    printf(" %s", state(s));
    printf(" %s\n", state(s));
    released = ReleaseSemaphore(s, 3, &before);
    printf("released: %d, was %ld\n", released, before);
    released = ReleaseSemaphore(s, 1, &before);
    printf("too many: %d, error %lu\n", released, GetLastError());
    printf("none: %d", CreateSemaphoreA(NULL, 4, 3, NULL) != NULL);
    printf(", error %lu\n", GetLastError());
}

static DWORD WINAPI leave_it_owned(void *arg)
{
    return WaitForSingleObject(arg, INFINITE);
}

static DWORD WINAPI try_it(void *arg)
{
    return WaitForSingleObject(arg, 30);
}

static DWORD in_thread(LPTHREAD_START_ROUTINE start, HANDLE h)
{
    HANDLE thread = CreateThread(NULL, 0, start, h, 0, NULL);
    DWORD code = 0;

    WaitForSingleObject(thread, INFINITE);
    GetExitCodeThread(thread, &code);
    CloseHandle(thread);
    return code;
}

static void mutexes(void)
{
    HANDLE m = CreateMutexA(NULL, TRUE, NULL), n = CreateMutexA(NULL, FALSE, NULL), both[2];

    printf("mine: %s\n", state(m));
    printf("for others: %lu\n", in_thread(try_it, m));
    printf("released: %d", ReleaseMutex(m));
    printf(" %d", ReleaseMutex(m));
    printf(" %d", ReleaseMutex(m));
    printf(", error %lu\n", GetLastError());
    printf("abandoned by: %lu\n", in_thread(leave_it_owned, n));
    printf("abandoned: 0x%lx", WaitForSingleObject(n, 0));
    printf(", then %s\n", state(n));
    ReleaseMutex(n);
    ReleaseMutex(n);
    in_thread(leave_it_owned, n);
    both[0] = m;
    both[1] = n;
    printf("abandoned of two: 0x%lx\n", WaitForMultipleObjects(2, both, TRUE, 0));
    ReleaseMutex(m);
    ReleaseMutex(n);
    in_thread(leave_it_owned, n);
    both[0] = CreateEventA(NULL, TRUE, FALSE, NULL);
    printf("abandoned second: 0x%lx\n", WaitForMultipleObjects(2, both, FALSE, 0));
}

static DWORD WINAPI set_both(void *arg)
{
    (void)arg;
    Sleep(20);
    SetEvent(b);
    Sleep(20);
    SetEvent(a);
    return 0;
}

static void several(void)
{
    HANDLE both[2], thread;
    DWORD began;

    a = both[0] = CreateEventA(NULL, FALSE, FALSE, NULL);
    b = both[1] = CreateEventA(NULL, FALSE, FALSE, NULL);
    printf("none of two: %lu\n", WaitForMultipleObjects(2, both, FALSE, 10));
    SetEvent(b);
    printf("any: %lu\n", WaitForMultipleObjects(2, both, FALSE, INFINITE));
    SetEvent(b);
    printf("all, with one: %lu, still there: ", WaitForMultipleObjects(2, both, TRUE, 10));
    printf("%s\n", state(b));
    thread = CreateThread(NULL, 0, set_both, NULL, 0, NULL);
    began = GetTickCount();
    printf("all: %lu, ", WaitForMultipleObjects(2, both, TRUE, INFINITE));
    printf("after 40 ms: %d", GetTickCount() - began >= 39 && GetTickCount() - began < 200);
    printf(", taken: %s", state(a));
    printf(" %s\n", state(b));
    WaitForSingleObject(thread, INFINITE);
    both[1] = both[0];
    printf("twice the same: 0x%lx", WaitForMultipleObjects(2, both, TRUE, 0));
    printf(", error %lu\n", GetLastError());
    printf("too many: 0x%lx", WaitForMultipleObjects(65, both, FALSE, 0));
    printf(", error %lu\n", GetLastError());
}

static DWORD WINAPI answer(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        SignalObjectAndWait(b, a, INFINITE, FALSE);
    SetEvent(b);
    return 0;
}

static void ping_pong(void)
{
    HANDLE thread = CreateThread(NULL, 0, answer, NULL, 0, NULL);
    int turns = 0;

    while (WaitForSingleObject(b, INFINITE) == WAIT_OBJECT_0 && turns < 3) {
        turns++;
        SetEvent(a);
    }
    WaitForSingleObject(thread, INFINITE);
    printf("signal and wait: %d turns\n", turns);
}

static void names(void)
{
    HANDLE first = CreateEventA(NULL, TRUE, FALSE, "Local\\shared name"), second, third;

    printf("new: %lu\n", GetLastError());
    SetLastError(0);
    second = CreateEventA(NULL, TRUE, FALSE, "shared name");
    printf("again: %d, error %lu\n", second != NULL, GetLastError());
    printf("in capitals: %d", OpenEventA(SYNCHRONIZE, FALSE, "SHARED NAME") != NULL);
    printf(", error %lu\n", GetLastError());
    third = OpenEventA(SYNCHRONIZE, FALSE, "shared name");
    SetEvent(first);
    printf("the same: %s", state(second));
    printf(" %s\n", state(third));
    printf("may not set: %d", SetEvent(third));
    printf(", error %lu\n", GetLastError());
    printf("another kind: %d", CreateMutexA(NULL, FALSE, "shared name") != NULL);
    printf(", error %lu\n", GetLastError());
    CloseHandle(first);
    CloseHandle(second);
    CloseHandle(third);
    printf("gone: %d", OpenEventA(SYNCHRONIZE, FALSE, "shared name") != NULL);
    printf(", error %lu\n", GetLastError());
}

int main(void)
{
    events();
    semaphores();
    mutexes();
    several();
    ping_pong();
    names();
    return 11;
}
