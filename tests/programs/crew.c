/* Threads for a debugger to look at: two that work, one that waits, one that spins until it is told to stop. */
#include <windows.h>

#include <stdio.h>

#define ROUNDS 5

static HANDLE over;
static volatile int rounds[2], spinning, stop_spinning;

static DWORD WINAPI work(void *arg)
{
    int mine = (int)(LONG_PTR)arg;

    for (int i = 0; i < ROUNDS; i++) {
        rounds[mine]++; /* MARK round */
        Sleep(10);
    }
    return 0;
}

static DWORD WINAPI wait_for_it(void *arg)
{
    (void)arg;
    return WaitForSingleObject(over, INFINITE);
}

static DWORD WINAPI spin(void *arg)
{
    (void)arg;
    while (!stop_spinning)
        spinning++;
    return 0;
}

/* As programs name threads for debuggers of old. */
static void name_thread(DWORD id, const char *name)
{
    ULONG_PTR info[3] = {0x1000, (ULONG_PTR)name, id};

    RaiseException(0x406d1388, 0, 3, info);
}

int main(void)
{
    HANDLE threads[4];
    DWORD id;

    over = CreateEventA(NULL, TRUE, FALSE, NULL);
    OutputDebugStringA("the crew begins\n");
    threads[2] = CreateThread(NULL, 0, wait_for_it, NULL, 0, &id);
    name_thread(id, "the waiter");
    for (int i = 0; i < 2; i++)
        threads[i] = CreateThread(NULL, 0, work, (void *)(LONG_PTR)i, 0, NULL);
    WaitForMultipleObjects(2, threads, TRUE, INFINITE); /* MARK wait */
    SetEvent(over);                                     /* MARK waited */
    threads[3] = CreateThread(NULL, 0, spin, NULL, 0, NULL);
    WaitForMultipleObjects(4, threads, TRUE, INFINITE);
    printf("%d %d\n", rounds[0], rounds[1]);
    return 15;
}
