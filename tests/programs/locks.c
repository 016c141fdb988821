/* Locks of user mode, which sleep in the kernel only when they must: critical sections, SRW locks, condition variables. */
#define _WIN32_WINNT 0x0a00
#include <windows.h>

#include <stdio.h>

#define THREADS 4
#define ROUNDS  2000

static CRITICAL_SECTION section;
static SRWLOCK lock = SRWLOCK_INIT;
static CONDITION_VARIABLE changed = CONDITION_VARIABLE_INIT, filled = CONDITION_VARIABLE_INIT;
static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
static volatile int counted, read_wrong, made, queued, consumed;

static void run_all(LPTHREAD_START_ROUTINE start)
{
    HANDLE threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        threads[i] = CreateThread(NULL, 0, start, (void *)(LONG_PTR)i, 0, NULL);
    WaitForMultipleObjects(THREADS, threads, TRUE, INFINITE);
    for (int i = 0; i < THREADS; i++)
        CloseHandle(threads[i]);
}

/* Without the lock, threads that are switched between load and store would lose counts. */
static void count_slowly(void)
{
    int before = counted;

    for (volatile int i = 0; i < 50; i++)
        ;
    counted = before + 1;
}

static DWORD WINAPI with_section(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        EnterCriticalSection(&section);
        EnterCriticalSection(&section);
        count_slowly();
        LeaveCriticalSection(&section);
        LeaveCriticalSection(&section);
    }
    return 0;
}

static DWORD WINAPI with_lock(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        if ((LONG_PTR)arg == 0) { /* a reader */
            int before, after;

            AcquireSRWLockShared(&lock);
            before = counted;
            for (volatile int j = 0; j < 50; j++)
                ;
            after = counted;
            ReleaseSRWLockShared(&lock);
            read_wrong += before != after;
        } else {
            AcquireSRWLockExclusive(&lock);
            count_slowly();
            ReleaseSRWLockExclusive(&lock);
        }
    }
    return 0;
}

static DWORD WINAPI take_turns(void *arg)
{
    static int turn;
    int mine = (int)(LONG_PTR)arg;

    for (int i = 0; i < 5; i++) {
        EnterCriticalSection(&section);
        while (turn % THREADS != mine)
            SleepConditionVariableCS(&changed, &section, INFINITE);
        turn++;
        printf("%d", mine);
        WakeAllConditionVariable(&changed);
        LeaveCriticalSection(&section);
    }
    return 0;
}

static DWORD WINAPI produce_or_consume(void *arg)
{
    for (int i = 0; i < 100; i++) {
        AcquireSRWLockExclusive(&lock);
        if ((LONG_PTR)arg % 2) {
            queued++;
            WakeConditionVariable(&filled);
        } else {
            while (!queued)
                SleepConditionVariableSRW(&filled, &lock, INFINITE, 0);
            queued--;
            consumed++;
        }
        ReleaseSRWLockExclusive(&lock);
    }
    return 0;
}

static BOOL CALLBACK make(INIT_ONCE *unused, void *arg, void **out)
{
    (void)unused;
    (void)arg;
    (void)out;
    Sleep(20); /* the others come meanwhile and wait */
    made++;
    return TRUE;
}

static DWORD WINAPI make_once(void *arg)
{
    (void)arg;
    return InitOnceExecuteOnce(&once, make, NULL, NULL);
}

static volatile LONG word;

static DWORD WINAPI wait_on_address(void *arg)
{
    LONG old = 0;

    (void)arg;
    while (word == old)
        WaitOnAddress(&word, &old, sizeof old, INFINITE);
    return 0;
}

static DWORD WINAPI wake_address(void *arg)
{
    LONG old = 0;

    if ((LONG_PTR)arg)
        return wait_on_address(NULL);
    printf("nobody wakes: %d", WaitOnAddress(&word, &old, sizeof old, 20));
    printf(", error %lu\n", GetLastError());
    word = 1;
    WakeByAddressAll((void *)&word);
    return 0;
}

static DWORD WINAPI hold_section(void *arg)
{
    EnterCriticalSection(&section);
    SetEvent(arg);
    Sleep(30);
    LeaveCriticalSection(&section);
    return 0;
}

int main(void)
{
    HANDLE held = CreateEventA(NULL, FALSE, FALSE, NULL), holder;

    InitializeCriticalSection(&section);
    run_all(with_section);
    printf("critical section: %d\n", counted);
    counted = 0;
    run_all(with_lock);
    printf("SRW lock: %d, reads that saw a change: %d\n", counted, read_wrong);
    printf("in turns: ");
    run_all(take_turns);
    run_all(produce_or_consume);
    printf("\nproduced and consumed: %d, left %d\n", consumed, queued);
    run_all(make_once);
    printf("made %d time\n", made);
    run_all(wake_address);
    holder = CreateThread(NULL, 0, hold_section, held, 0, NULL);
    WaitForSingleObject(held, INFINITE);
    printf("try: %d", TryEnterCriticalSection(&section));
    EnterCriticalSection(&section);
    printf(", enter: %d\n", 1);
    LeaveCriticalSection(&section);
    WaitForSingleObject(holder, INFINITE);
    AcquireSRWLockShared(&lock);
    printf("try exclusive: %d", TryAcquireSRWLockExclusive(&lock));
    printf(", try shared: %d\n", TryAcquireSRWLockShared(&lock));
    return 12;
}
